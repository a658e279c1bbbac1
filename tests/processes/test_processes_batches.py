"""Batches in a house of real processes: asked for over HTTP and done by a worker, or scored by the command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from processes_yard import FIRST, ROW, Yard, eventually

from modelyard.cli import main

ENDED = ("done", "failed", "cancelled")


def table(rows: int) -> Any:
    random = np.random.default_rng(7)
    return pa.table({"row": pa.array(range(rows)), **{name: random.normal(size=rows).astype(np.float32) for name in ROW}})


def expected(rows: Any) -> Any:
    score = sum(rows[name].to_numpy() * np.float32(weight) for name, weight in zip(ROW, FIRST, strict=True))
    return 1 / (1 + np.exp(-score))


def ended(yard: Yard, batch: Any) -> Any:
    def look() -> Any:
        found = yard.people["omar"].get(f"/batches/{batch['id']}")
        return found if found["state"] in ENDED else None

    return eventually(look, f"the end of batch {batch['id']}", 60)


@pytest.fixture(scope="module")
def scoring(yard: Yard, first: Any) -> str:
    yard.serving("batches", first)
    return "batches"


@pytest.fixture
def folder(yard: Yard) -> Path:
    found = yard.settings.places.home / "incoming"
    found.mkdir(parents=True, exist_ok=True)
    return found


def output(folder: str | Path) -> Any:
    return pa.concat_tables([pq.read_table(p, partitioning=None) for p in sorted(Path(folder).glob("part-*"))])


def test_a_batch_is_done_by_a_worker_and_its_lineage_and_decisions_are_kept(
    yard: Yard, scoring: str, folder: Path, first: Any
) -> None:
    omar, rows = yard.people["omar"], table(300)
    pq.write_table(rows, folder / "rows.parquet", row_group_size=100)
    asked = omar.do("/batches", {"endpoint": scoring, "inputs": ["incoming/rows.parquet"], "keep": ["row"]})
    assert asked["state"] == "queued"
    batch = ended(yard, asked)
    assert batch["state"] == "done", batch["error"]
    assert (batch["read"], batch["answered"], batch["rejected"], batch["logged"]) == (300, 300, 0, 300)
    assert [(arm["version"], arm["manifest"]) for arm in batch["arms"]] == [(first["id"], first["manifest_digest"])]
    assert batch["input"].startswith("sha256:")
    assert batch["epoch"] <= yard.epoch()
    answers = output(batch["output"])
    assert np.allclose(answers["prediction"].to_numpy(), expected(rows), atol=1e-6)
    kept = {item["name"] for item in omar.get(f"/jobs/{batch['job']}/artifacts")["items"]}
    assert {"manifest.json", *(path.name for path in Path(batch["output"]).glob("part-*"))} <= kept
    decision = answers["decision_id"][17].as_py()
    found = next(d for d in omar.get("/decisions", endpoint=scoring, limit=200)["items"] if d["request"] == batch["id"])
    assert found["version"] == first["id"]
    outcome = {"decision": decision, "values": {"paid": True}, "time_known": datetime.now(UTC).isoformat()}
    assert omar.do("/outcomes", {"source": "ledger", "outcomes": [outcome]})["unknown"] == []
    assert omar.get(f"/decisions/{decision}")["request"] == batch["id"]
    events = [e["type"] for e in yard.people["rita"].all("/events") if e["payload"].get("batch") == batch["id"]]
    assert sorted(events) == ["delivery.batch_finished", "delivery.batch_started"]
    audit = {a["action"] for a in yard.people["rita"].all("/audit", subject_id=batch["id"])}
    assert audit == {"delivery.record_batch"}


@pytest.mark.slow
def test_uploaded_rows_are_scored_and_the_answers_downloaded(yard: Yard, scoring: str, tmp_path: Path) -> None:
    omar, rows = yard.people["omar"], table(50)
    pq.write_table(rows, tmp_path / "rows.parquet")
    digest = omar.upload(tmp_path / "rows.parquet")
    batch = ended(yard, omar.do("/batches", {"endpoint": scoring, "inputs": [digest]}))
    assert batch["state"] == "done", batch["error"]
    name = next(Path(batch["output"]).glob("part-*")).name
    (tmp_path / "answers.parquet").write_bytes(omar.ask("GET", f"/jobs/{batch['job']}/artifacts/{name}").content)
    assert np.allclose(pq.read_table(tmp_path / "answers.parquet")["prediction"].to_numpy(), expected(rows), atol=1e-6)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"inputs": ["/etc/passwd"]}, "is not below a folder that is lent"),
        ({"inputs": ["../keys/release.pem"]}, "no plain path"),
        ({"inputs": ["link/rows.parquet"]}, "is not below a folder that is lent"),
        ({"inputs": ["s3://elsewhere/x.parquet"]}, "is not below a prefix that is lent"),
        ({"inputs": ["incoming/rows.parquet"], "out": "/tmp/mine"}, "is not below a folder that is lent"),
    ],
)
def test_no_other_place_of_the_server_is_read_or_written(
    yard: Yard, scoring: str, folder: Path, body: dict[str, Any], words: str
) -> None:
    link = folder.parent / "link"
    if not link.exists():
        link.symlink_to(yard.settings.home / "keys")
    answer = yard.people["omar"].ask("POST", "/batches", {"endpoint": scoring} | body)
    assert answer.status_code == 403
    assert words in answer.json()["detail"]


def test_who_may_not_start_a_batch_is_refused(yard: Yard, scoring: str) -> None:
    answer = yard.people["dana"].ask("POST", "/batches", {"endpoint": scoring, "inputs": ["incoming/rows.parquet"]})
    assert answer.status_code == 403


@pytest.mark.slow
def test_what_does_not_fit_fails_the_batch_and_says_where(yard: Yard, scoring: str, folder: Path) -> None:
    rows = table(20).set_column(1, "amount", pa.array([1.0] * 19 + [None], pa.float32()))
    pq.write_table(rows, folder / "hole.parquet")
    omar = yard.people["omar"]
    batch = ended(yard, omar.do("/batches", {"endpoint": scoring, "inputs": ["incoming/hole.parquet"]}))
    assert batch["state"] == "failed"
    assert "row 19: 'amount' is empty and may not be" in batch["error"]
    batch = ended(yard, omar.do("/batches", {"endpoint": scoring, "inputs": ["incoming/hole.parquet"], "invalid": "skip"}))
    assert (batch["answered"], batch["rejected"]) == (19, 1)


@pytest.mark.slow
def test_a_batch_is_cancelled_and_one_whose_process_is_killed_goes_on(yard: Yard, scoring: str, folder: Path) -> None:
    omar = yard.people["omar"]
    pq.write_table(table(3_000_000), folder / "many.parquet", row_group_size=100_000)
    body = {"endpoint": scoring, "inputs": ["incoming/many.parquet"], "keep": [], "processes": 1}
    batch = begun(omar, body, signal.SIGKILL)
    eventually(lambda: omar.get(f"/jobs/{batch['job']}")["progress"] > 0, "progress", 60)
    found = ended(yard, batch)
    assert (found["state"], found["answered"], found["logged"]) == ("done", 3_000_000, 3_000_000), found["error"]
    ids = output(found["output"])["decision_id"].to_pylist()
    assert len(set(ids)) == 3_000_000
    other = begun(omar, body, signal.SIGSTOP)  # it cannot end before it is told to
    omar.do(f"/batches/{other['id']}/cancel")
    found = ended(yard, other)
    assert found["state"] == "cancelled"
    assert not (Path(found["order"]["out"]) / "_SUCCESS").exists()


def begun(who: Any, body: dict[str, Any], number: signal.Signals) -> Any:
    """A batch that has done its first part when its process gets the signal. On a busy machine one may be over before it is seen
    to have begun; then it is asked for again."""
    for _ in range(5):
        batch = who.do("/batches", body)
        work = Path(batch["order"]["out"]) / "_modelyard"
        eventually(lambda at=work: any(at.glob("*/done/*")), "its first part", 60)
        if _signalled(batch["id"], number):
            return batch
    raise AssertionError("every batch was over before it was seen to begin")


def _signalled(batch: str, number: signal.Signals) -> bool:
    """Tell the process of the data plane that works at the batch: the one that holds its folder's lock. False when
    none does."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            held = [str(handle.readlink()) for handle in (folder / "fd").iterdir()]
            if any(batch in path and path.endswith("_modelyard/lock") for path in held):
                os.kill(int(folder.name), number)
                return True
    return False


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from contextlib import ExitStack

    from modelyard.cli import score
    from modelyard.cli.options import READING
    from modelyard.runtime.batch import Progress

    done = Progress(batch="bat_1", parts=3, of=4, share=0.75, rows=3000, total=4000, rejected=0, seconds=2.0, here=2000)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ExitStack() as until_done:
        score._progress(READING, until_done)(done)
    shown = capsys.readouterr().err
    assert "75%" in shown
    assert "3,000 rows, 1,000 rows/s" in shown


def test_the_command_line_scores_here(
    yard: Yard, scoring: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(yard.settings.home))
    monkeypatch.setenv("MODELYARD_URL", yard.settings.url)
    monkeypatch.setenv("MODELYARD_TOKEN", yard.people["omar"].token)
    rows = table(40)
    pq.write_table(rows, tmp_path / "rows.parquet")
    words = [
        "score",
        scoring,
        str(tmp_path / "rows.parquet"),
        "--out",
        str(tmp_path / "out"),
        "--keep",
        "row",
        "--processes",
        "1",
    ]
    assert main([*words, "-o", "json"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["answered"], result["logged"], result["endpoint"]) == (40, 40, scoring)
    told = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    assert (told[-1]["type"], told[-1]["share"], told[-1]["rows"]) == ("progress", 1.0, 40)
    answers = output(tmp_path / "out")
    assert answers.column_names == ["row", "prediction", "decision_id", "arm", "version"]
    assert np.allclose(answers["prediction"].to_numpy(), expected(rows), atol=1e-6)
    found = yard.people["omar"].get(f"/decisions/{answers['decision_id'][3].as_py()}")
    assert found["request"] == result["batch"]
    assert main(words) == 0
    assert "40 of 40 rows answered" in capsys.readouterr().err
    assert main([*words[:2], str(tmp_path / "none.csv"), *words[3:]]) == 1
    assert "there is no input" in capsys.readouterr().err
    assert main([*words, "--trust-roots", str(tmp_path / "none.json")]) == 2
