"""What runs leave behind, on every adapter: logs that outlive their worker, artifacts of the attempt that kept its lease."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core.blobs import Blobs
from modelyard.core.clock import ManualClock
from modelyard.core.errors import AlreadyExists, Busy, InvalidInput, NotFound, TimedOut, WrongState
from modelyard.core.ids import CountedIds
from modelyard.core.leases import Fenced
from modelyard.core.records import Storage
from modelyard.jobs import JOB_LOGS, JOBS, Artifact, Job, LogChunk, Order, Queue, Run, Stopped, artifacts, logs
from modelyard.jobs import TABLES as JOB_TABLES
from modelyard.storage.blobs import blobs_at
from modelyard.storage.memory import MemoryStorage

TABLES = JOB_TABLES


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(storage: Storage, clock: ManualClock) -> Queue:
    return Queue(storage, clock, CountedIds(), lease=timedelta(seconds=30), jitter=lambda: 1.0)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return blobs_at(str(tmp_path / "blobs"))


@pytest.fixture
def run(queue: Queue, blobs: Blobs) -> Run:
    queue.enqueue(Order("train"))
    return begun(queue, blobs)


def begun(queue: Queue, blobs: Blobs) -> Run:
    job = queue.claim("w")
    assert job is not None
    return Run(queue, job, blobs)


def chunks_of(storage: Storage, job: Job, after: int = 0) -> list[LogChunk]:
    found: list[LogChunk] = []
    while True:
        with storage.reading() as tx:
            page = logs.read(tx, job.id, after)
        found += page.items
        if page.next is None:
            return found
        after = found[-1].number


def kept_of(storage: Storage, job: Job) -> tuple[Artifact, ...]:
    with storage.reading() as tx:
        return artifacts.of_job(tx, tx.get(JOBS, job.id))


def test_lines_are_kept_as_the_body_runs_and_can_be_read_from_any_place(run: Run, storage: Storage, clock: ManualClock) -> None:
    run.log("one")
    run.log("two\n")
    assert chunks_of(storage, run.job) == []
    run.beat()
    clock.advance(timedelta(seconds=1))
    run.log("three")
    run.flush()
    run.flush()
    first, second = chunks_of(storage, run.job)
    assert (first.number, first.attempt, first.text, first.end) == (1, 1, "one\ntwo\n", 8)
    assert (second.number, second.text, second.created_at - first.created_at) == (2, "three\n", timedelta(seconds=1))
    assert chunks_of(storage, run.job, after=1) == [second]
    assert chunks_of(storage, run.job, after=2) == []


def test_the_log_of_a_worker_that_died_stands_beside_that_of_the_next(
    run: Run, queue: Queue, blobs: Blobs, storage: Storage, clock: ManualClock
) -> None:
    run.log("from the first")
    run.flush()
    run.log("never flushed")
    clock.advance(timedelta(seconds=31))
    second = begun(queue, blobs)
    second.log("from the second")
    second.flush()
    with pytest.raises(Fenced):
        run.flush()
    assert [(c.attempt, c.text) for c in chunks_of(storage, run.job)] == [(1, "from the first\n"), (2, "from the second\n")]


def test_logs_of_jobs_whose_names_begin_alike_are_told_apart(storage: Storage, queue: Queue) -> None:
    for text in ("a", "b"):
        queue.enqueue(Order("train"))
        job = queue.claim("w")
        assert job is not None
        queue.write_log(job, text)
    with storage.reading() as tx:
        assert [c.text for c in logs.read(tx, "job_000001").items] == ["a"]
        assert logs.read(tx, "job_00000").items == ()
        assert logs.read(tx, "").items == ()


def test_chunks_are_never_changed(run: Run, storage: Storage) -> None:
    run.log("as it was")
    run.flush()
    (chunk,) = chunks_of(storage, run.job)
    with pytest.raises(WrongState, match="append-only"), storage.transaction() as tx:
        tx.save(JOB_LOGS, chunk.model_copy(update={"text": "as it should have been"}))


def test_a_log_is_cut_once_at_its_limit(run: Run, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "GREATEST_LOG", 1000)
    monkeypatch.setattr(logs, "GREATEST_CHUNK", 300)
    run.log("x" * 899)
    run.flush()
    assert [c.end for c in chunks_of(storage, run.job)] == [300, 600, 900]
    for _ in range(3):
        run.log("é" * 75)
        run.flush()
    *whole, last = chunks_of(storage, run.job)
    assert ("".join(c.text for c in whole), whole[-1].end) == ("x" * 899 + "\n" + "é" * 50, 1000)
    assert (last.cut, last.text) == (True, logs.CUT)


def test_a_long_line_is_written_at_once(run: Run, storage: Storage) -> None:
    run.log("x" * (logs.GREATEST_CHUNK + 10))
    assert [len(c.text) for c in chunks_of(storage, run.job)] == [logs.GREATEST_CHUNK, 11]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40), max_size=8), chunk=st.integers(4, 30), limit=st.integers(0, 200))
def test_nothing_is_lost_below_the_limit_and_nothing_kept_above(
    texts: list[str], chunk: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "GREATEST_CHUNK", chunk)
    monkeypatch.setattr(logs, "GREATEST_LOG", limit)
    storage, clock = MemoryStorage(TABLES), ManualClock()
    queue = Queue(storage, clock, CountedIds())
    queue.enqueue(Order("train"))
    job = queue.claim("w")
    assert job is not None
    for text in texts:
        queue.write_log(job, text)
    found = chunks_of(storage, job)
    whole = "".join(c.text for c in found if not c.cut)
    wanted = "".join(texts)
    assert wanted.startswith(whole)
    assert all(len(c.text.encode()) <= chunk for c in found if not c.cut)
    fits = len(wanted.encode()) <= limit
    assert not fits or whole == wanted
    assert [c.cut for c in found].count(True) == (not fits)
    assert [c.number for c in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("line", ["\x00\x1b[2J", "\ud800 alone", "", "\r\n", "日本語 𝔘"])
def test_any_text_can_be_logged(run: Run, storage: Storage, line: str) -> None:
    run.log(line)
    run.flush()
    (chunk,) = chunks_of(storage, run.job)
    assert chunk.text == line.removesuffix("\n").encode("utf-8", "replace").decode() + "\n"


def test_lines_wait_while_the_database_is_busy(run: Run, queue: Queue, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(job: Job, text: str) -> None:
        raise Busy("later")

    run.log("one")
    with monkeypatch.context() as patched:
        patched.setattr(queue, "write_log", busy)
        run.flush()
        run.log("two")
        run.flush()
    run.flush()
    assert "".join(c.text for c in chunks_of(storage, run.job)) == "one\ntwo\n"


def test_lines_of_many_threads_are_all_kept_whole(run: Run, storage: Storage) -> None:
    def write(name: str) -> None:
        for number in range(50):
            run.log(f"{name} {number}")
            if number % 10 == 0:
                run.flush()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.flush()
    lines = "".join(c.text for c in chunks_of(storage, run.job)).splitlines()
    assert sorted(lines) == sorted(f"{name} {number}" for name in "abc" for number in range(50))


def test_progress_and_lease_go_with_the_beat(
    run: Run, storage: Storage, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(timedelta(seconds=20))
    run.progress(0.25, "reading")
    run.progress(0.5)
    run.beat()
    with storage.reading() as tx:
        kept = tx.get(JOBS, run.job.id)
    assert (kept.progress, kept.note, kept.lease_until) == (0.5, "reading", clock.now() + timedelta(seconds=30))
    run.beat()  # nothing new, and not yet time
    with storage.reading() as tx:
        assert tx.get(JOBS, run.job.id) == kept
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidInput, match="share"):
            run.progress(share)


def test_a_beat_that_is_too_late_says_so(run: Run, queue: Queue, clock: ManualClock) -> None:
    run.progress(0.1)
    clock.advance(timedelta(hours=2))
    with pytest.raises(TimedOut):
        run.beat()


def test_a_body_is_told_to_stop(run: Run) -> None:
    run.go_on()
    run.lost = True
    with pytest.raises(Stopped):
        run.go_on()


def test_files_are_kept_and_named_in_the_result(run: Run, queue: Queue, blobs: Blobs, storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"0" * 100_000)
    run.keep("report.json", b"{}")
    kept = run.keep("model.bin", tmp_path / "model.bin", "application/x-model")
    done = queue.complete(run.job, {"rows": 3})
    assert done.result is not None
    assert done.result["rows"] == 3
    first, second = done.result["artifacts"]
    assert first == {"name": "model.bin", "digest": kept.blob, "size": 100_000, "media_type": "application/x-model"}
    assert (second["name"], second["size"], second["media_type"]) == ("report.json", 2, "application/json")
    assert b"".join(blobs.open(kept.blob)) == b"0" * 100_000
    assert [a.name for a in kept_of(storage, run.job)] == ["model.bin", "report.json"]


def test_a_name_is_kept_once_in_an_attempt(run: Run) -> None:
    run.keep("report.json", b"{}")
    with pytest.raises(AlreadyExists):
        run.keep("report.json", b"[]")


def test_what_a_lost_attempt_kept_is_not_the_jobs(
    run: Run, queue: Queue, blobs: Blobs, storage: Storage, clock: ManualClock
) -> None:
    run.keep("report.json", b"first")
    run.keep("only-first.txt", b"first")
    assert len(kept_of(storage, run.job)) == 2
    clock.advance(timedelta(seconds=31))
    assert queue.take_back() == 1
    assert kept_of(storage, run.job) == ()
    second = begun(queue, blobs)
    with pytest.raises(Fenced):
        run.keep("late.txt", b"first")
    kept = second.keep("report.json", b"second")
    done = queue.complete(second.job)
    assert done.result == {"artifacts": [artifacts.named(kept)]}
    assert kept_of(storage, run.job) == (kept,)


def test_what_an_attempt_kept_that_failed_by_itself_can_be_looked_at(run: Run, queue: Queue, storage: Storage) -> None:
    run.keep("why.txt", b"because")
    queue.fail(run.job, "boom", retry=False)
    assert [a.name for a in kept_of(storage, run.job)] == ["why.txt"]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "a\x00b", "a\nb", "a.\n", "x" * 201, "é" * 101, "-rf", "a.", "C:x"],
)
def test_names_that_are_no_plain_file_names_are_refused(run: Run, storage: Storage, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        run.keep(name, b"x")
    assert kept_of(storage, run.job) == ()


@pytest.mark.parametrize("media_type", ["nonsense", "text/html\r\nX-Evil: 1", "a/b/c", "text/" + "x" * 100])
def test_media_types_that_are_none_are_refused(run: Run, media_type: str) -> None:
    with pytest.raises(InvalidInput, match="media type"):
        run.keep("x", b"x", media_type)


def test_an_attempt_keeps_so_many_files_and_no_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MOST", 2)
    run.keep("a", b"")
    run.keep("b", b"")
    with pytest.raises(InvalidInput, match="at most 2"):
        run.keep("c", b"")


def test_one_artifact_is_found_by_its_name(run: Run, storage: Storage) -> None:
    kept = run.keep("report.json", b"{}")
    with storage.reading() as tx:
        job = tx.get(JOBS, run.job.id)
        assert artifacts.one(tx, job, "report.json") == kept
        for name in ("other.json", "..", "x" * 400):
            with pytest.raises(NotFound):
                artifacts.one(tx, job, name)
