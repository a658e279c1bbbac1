"""Jobs over HTTP and on the command line: limits, logs that are followed, files that are downloaded, and bad requests."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cli_guides import blocks
from cli_yard import People, Run, Served

from modelyard.bootstrap import Platform, Settings, build
from modelyard.core.errors import Busy
from modelyard.jobs import JOB_ARTIFACTS, Artifact, Job, Order, Queue
from modelyard.jobs import Run as Attempt

KIND = "tests.train"


@pytest.fixture
def platform(served: Served) -> Iterator[Platform]:
    made = build(Settings(home=served.home))
    yield made
    made.close()


@pytest.fixture
def queue(platform: Platform) -> Queue:
    return Queue(platform.storage, platform.clock, platform.ids)


@pytest.fixture
def attempt(platform: Platform, queue: Queue) -> Attempt:
    """A job that has just been begun."""
    queue.enqueue(Order(KIND))
    job = queue.claim("tests", [KIND])
    assert job is not None
    return Attempt(queue, job, platform.blobs)


def ask(served: Served, path: str) -> httpx.Response:
    return httpx.get(f"{served.url}/api/v1{path}", headers={"Authorization": f"Bearer {served.token}"}, timeout=30)


def test_limits_are_set_by_operators_and_administrators_and_listed(yard: Run, people: People) -> None:
    for who, count in (("omar", "2"), (None, "3")):
        said = yard("job", "limit", "gpu", count, **({"as_": people[who]} if who else {}))
        assert said.code == 0, said.err
    refused = yard("job", "limit", "gpu", "9", as_=people["dana"])
    assert (refused.code, "jobs.set_limit" in refused.err) == (1, True)
    listed = yard("job", "limits", "-o", "json").json
    assert [(limit["name"], limit["limit"]) for limit in listed if limit["name"] == "gpu"] == [("gpu", 3)]


@pytest.mark.parametrize(
    ("words", "code"),
    [(("gpu", "--", "-1"), 1), (("gpu", "10001"), 1), (("no name", "1"), 1), (("gpu", "many"), 2), (("gpu",), 2)],
)
def test_limits_that_make_no_sense_are_refused(yard: Run, words: tuple[str, ...], code: int) -> None:
    said = yard("job", "limit", *words)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("error: ")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "gpu", "limit": -1}, "limit"),
        ({"name": "gpu", "limit": 10_001}, "limit"),
        ({"name": "gpu", "limit": None}, "limit"),
        ({"name": "gpu"}, "limit"),
        ({"name": "", "limit": 1}, "name"),
        ({"name": "x" * 101, "limit": 1}, "name"),
        ({"name": "a|b", "limit": 1}, "name"),
        ({"name": "gpu\n", "limit": 1}, "name"),
    ],
)
def test_a_limit_that_makes_no_sense_names_its_field(served: Served, body: dict[str, object], field: str) -> None:
    headers = {"Authorization": f"Bearer {served.token}"}
    answer = httpx.post(f"{served.url}/api/v1/resource-limits", json=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_log_is_read_from_any_place_and_waited_for(served: Served, attempt: Attempt, queue: Queue) -> None:
    job = attempt.job.id
    assert ask(served, f"/jobs/{job}/log").json() == {"job": job, "chunks": [], "next": 0, "ended": False}
    attempt.log("one")
    attempt.flush()
    first = ask(served, f"/jobs/{job}/log").json()
    assert [(c["number"], c["attempt"], c["text"]) for c in first["chunks"]] == [(1, 1, "one\n")]
    assert ask(served, f"/jobs/{job}/log?after={first['next']}&wait=0.1").json()["chunks"] == []

    def write() -> None:
        attempt.log("two")
        attempt.flush()

    writer = threading.Timer(0.3, write)
    writer.start()
    second = ask(served, f"/jobs/{job}/log?after={first['next']}&wait=5").json()
    writer.join()
    assert ([c["text"] for c in second["chunks"]], second["ended"]) == (["two\n"], False)
    queue.complete(attempt.job)
    assert ask(served, f"/jobs/{job}/log?after=2&wait=5").json() == {"job": job, "chunks": [], "next": 2, "ended": True}


def test_a_log_is_followed_to_the_end(yard: Run, attempt: Attempt, queue: Queue) -> None:
    attempt.log("begun")
    attempt.flush()

    def go_on() -> None:
        attempt.log("and on")
        attempt.flush()
        while True:
            try:
                queue.complete(attempt.job)
            except Busy:
                continue
            return

    body = threading.Timer(0.5, go_on)
    body.start()
    said = yard("job", "logs", attempt.job.id, "--follow")
    body.join()
    assert (said.code, said.out) == (0, "begun\nand on\n")
    assert "attempt 1" in said.err
    assert [c["text"] for c in yard("job", "logs", attempt.job.id, "-o", "json").json] == ["begun\n", "and on\n"]


def test_files_are_listed_and_downloaded_and_nothing_is_replaced(
    yard: Run, served: Served, attempt: Attempt, queue: Queue, tmp_path: Path
) -> None:
    attempt.keep("report é.json", b'{"rows": 3}')
    attempt.keep("page.html", b"<script>alert(1)</script>")
    queue.complete(attempt.job)
    job, folder = attempt.job.id, tmp_path / "files"
    said = yard("job", "artifacts", job, "--download", str(folder))
    assert said.code == 0, said.err
    assert json.loads((folder / "report é.json").read_text()) == {"rows": 3}
    assert sorted(p.name for p in folder.iterdir()) == ["page.html", "report é.json"]
    again = yard("job", "artifacts", job, "--download", str(folder))
    assert (again.code, "is there already" in again.err) == (2, True)
    listed = ask(served, f"/jobs/{job}/artifacts").json()["items"]
    assert [(a["name"], a["size"], a["media_type"], a["attempt"]) for a in listed] == [
        ("page.html", 25, "text/html", 1),
        ("report é.json", 11, "application/json", 1),
    ]
    page = ask(served, f"/jobs/{job}/artifacts/page.html")
    assert page.content == b"<script>alert(1)</script>"
    assert page.headers["content-disposition"].startswith("attachment;")
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_name_that_leads_out_of_the_folder_is_not_followed(
    yard: Run, platform: Platform, attempt: Attempt, queue: Queue, tmp_path: Path
) -> None:
    """Such a name cannot be kept through a run; here somebody has put it into the database."""
    blob = platform.blobs.put(iter((b"evil",)))
    evil = Artifact(
        id=platform.ids.new("art"),
        created_at=platform.clock.now(),
        job=attempt.job.id,
        attempt=1,
        name="../evil",
        blob=blob.digest,
        size=4,
        media_type="text/plain",
    )
    with platform.storage.transaction() as tx:
        tx.add(JOB_ARTIFACTS, evil)
    queue.complete(attempt.job)
    said = yard("job", "artifacts", attempt.job.id, "--download", str(tmp_path / "files"))
    assert (said.code, "no plain file name" in said.err) == (2, True)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("path", ["log", "artifacts", "artifacts/report.json"])
def test_what_is_of_an_unknown_job_or_another_organisation_is_not_there(served: Served, queue: Queue, path: str) -> None:
    theirs: Job = queue.enqueue(Order("tests.never"), organisation="other")
    for job in (theirs.id, "job_nobody", "x" * 300, "..%2F.."):
        answer = ask(served, f"/jobs/{job}/{path}")
        assert answer.status_code == 404, (job, answer.text)
        assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    "question", ["after=-1", "after=x", "after=9999999999", "wait=-1", "wait=6", "wait=nan", "wait=inf", "after=1.5"]
)
def test_questions_about_a_log_that_make_no_sense(served: Served, attempt: Attempt, queue: Queue, question: str) -> None:
    answer = ask(served, f"/jobs/{attempt.job.id}/log?{question}")
    queue.complete(attempt.job)
    assert answer.status_code == 422
    assert answer.json()["field"] in ("after", "wait")


@pytest.mark.parametrize("name", ["other.json", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "x" * 250, "a%0Ab"])
def test_a_file_that_was_not_kept_is_not_there(served: Served, attempt: Attempt, queue: Queue, name: str) -> None:
    answer = ask(served, f"/jobs/{attempt.job.id}/artifacts/{name}")
    queue.complete(attempt.job)
    assert answer.status_code == 404, answer.text


def test_without_a_token_nothing_is_told(served: Served, attempt: Attempt, queue: Queue) -> None:
    for path in ("log", "artifacts", "artifacts/x"):
        assert httpx.get(f"{served.url}/api/v1/jobs/{attempt.job.id}/{path}").status_code == 401
    queue.complete(attempt.job)


def test_the_command_line_says_when_there_is_nothing(yard: Run, attempt: Attempt, queue: Queue) -> None:
    queue.complete(attempt.job)
    for what in ("logs", "artifacts"):
        said = yard("job", what, attempt.job.id)
        assert (said.code, said.out) == (0, "")
        assert yard("job", what, "job_nobody").code == 1


def test_every_command_of_the_guide_works(
    yard: Run, attempt: Attempt, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    attempt.keep("report.json", b"{}")
    queue.complete(attempt.job)
    shown = [line.partition("#")[0] for _, block in blocks("run-jobs.md", "") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in shown if line.startswith("modelyard ")]
    assert len(commands) > 8
    for words in commands:
        said = yard(*(attempt.job.id if word.startswith("job_") else word for word in words))
        assert said.code == 0, (words, said.err)
    assert (tmp_path / "results" / "report.json").exists()
