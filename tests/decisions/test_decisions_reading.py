"""Ways to read: streams, DuckDB, Parquet, with outcomes; the same rows whether they are compacted or not."""

from __future__ import annotations

import builtins
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from decision_rows import consistent, long_ago, rows
from pyarrow import parquet

from modelyard.core.clock import ManualClock
from modelyard.core.errors import InvalidInput, StorageFull, Unavailable
from modelyard.decisions import (
    Compactor,
    DecisionLog,
    DecisionReader,
    Erasures,
    Keeping,
    LogUnwritable,
    Outcome,
    OutcomeLog,
    OutcomeReader,
    Window,
    join,
    joined,
    late_outcomes,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROS = int(NOON.timestamp() * 1_000_000)
HOUR = 3_600_000_000
SUBJECT = "5d41402abc4b2a76b9719d911017c592"
AT_ONCE = Keeping(segments_for=timedelta(0), files_for=timedelta(0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve decisions: six compacted, three sealed, three open; every third about one subject."""
    log = DecisionLog(tmp_path / "log", "w")
    for n in range(12):
        about = {"subject": SUBJECT} if n % 3 == 0 else {}
        log.append(rows([f"dec_{n:02}"], at=MICROS + n * HOUR, **about))
        if n in (5, 8):
            log.seal()
        if n == 5:
            assert Compactor(tmp_path / "log", keeping=AT_ONCE).run().rows == 6
    return tmp_path / "log"


def test_as_a_stream_of_arrow(root: Path) -> None:
    stream = DecisionReader(root).as_arrow(Window(since=NOON + timedelta(hours=2)), ["id", "endpoint"])
    assert stream.schema.names == ["id", "endpoint"]
    assert sorted(stream.read_all()["id"].to_pylist()) == [f"dec_{n:02}" for n in range(2, 12)]


def test_a_mark_tells_whether_anything_came_went_or_was_erased(root: Path) -> None:
    reader = DecisionReader(root)
    assert reader.mark() is None, "it is just being written: times of files are too coarse"

    def settled() -> object:
        long_ago(root)
        mark = reader.mark()
        assert mark is not None
        assert mark == reader.mark()
        return mark

    seen = [settled()]
    with DecisionLog(root, "other") as log:
        for n in range(2):
            log.append(rows([f"dec_more_{n}"], at=MICROS))
            assert reader.mark() is None
            seen.append(settled())
        log.seal()
        assert settled() == seen[-1], "of a seal no row comes or goes"
    Compactor(root, keeping=AT_ONCE).run()
    assert reader.mark() is None
    seen.append(settled())
    Erasures(root).add([SUBJECT], NOON)
    seen.append(settled())
    assert len(set(seen)) == len(seen), "told apart by names and sizes: times of files are set alike here"
    assert DecisionReader(root / "nothing").mark() == ()


def test_as_a_relation_of_duckdb(root: Path) -> None:
    with duckdb.connect() as connection:
        relation = DecisionReader(root).relation(connection)
        assert relation.count("*").fetchall() == [(12,)]
        found = connection.sql(
            "SELECT endpoint, count(*), min(decision_time) = max(decision_time) FROM relation GROUP BY endpoint"
        )
        assert found.fetchall() == [("hold", 12, False)]
        window = Window(endpoint="hold", since=NOON + timedelta(hours=4), until=NOON + timedelta(hours=8), subject=SUBJECT)
        assert DecisionReader(root).relation(connection, window, ["id"]).fetchall() == [("dec_06",)]
        assert DecisionReader(root).relation(connection, Window(endpoint="it's"), ["id"]).fetchall() == []
        Erasures(root).add([SUBJECT], NOON + timedelta(hours=6))
        left = {row[0] for row in DecisionReader(root).relation(connection, None, ["id"]).fetchall()}
        assert left == {f"dec_{n:02}" for n in range(12)} - {"dec_00", "dec_03", "dec_06"}
    with duckdb.connect() as connection:
        assert DecisionReader(root.parent / "nothing").relation(connection).fetchall() == []


def test_without_duckdb_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "duckdb":
            raise ImportError(name)
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unavailable) as caught:
        DecisionReader(root).relation(None)
    assert "modelyard[query]" in str(caught.value.hint)


def test_as_a_parquet_file(root: Path, tmp_path: Path) -> None:
    reader, path = DecisionReader(root), tmp_path / "out.parquet"
    assert reader.export(Window(since=NOON + timedelta(hours=1)), path) == 11
    assert sorted(consistent(parquet.read_table(path))) == [f"dec_{n:02}" for n in range(1, 12)]
    assert reader.export(Window(endpoint="nowhere"), path, ["id"]) == 0
    assert parquet.read_table(path).column_names == ["id"]
    with pytest.raises(LogUnwritable):
        reader.export(Window(), tmp_path / "no such folder" / "out.parquet")
    with pytest.raises(InvalidInput, match="no such column"):
        reader.export(Window(), path, ["mood"])
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["out.parquet"]


def test_an_export_that_does_not_fit_leaves_the_old_file(root: Path, tmp_path: Path) -> None:
    from test_decisions_crash import _largest_file

    reader, path = DecisionReader(root), tmp_path / "out.parquet"
    reader.export(Window(), path, ["id"])
    before = path.read_bytes()
    with _largest_file(1000), pytest.raises(StorageFull):
        reader.export(Window(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["out.parquet"]


def test_outcomes_are_joined_as_a_stream(root: Path, tmp_path: Path) -> None:
    decisions = DecisionReader(root)
    with OutcomeLog(tmp_path / "o", "api", decisions) as log:
        log.post([Outcome(f"dec_{n:02}", {"paid": n}, "bank") for n in range(0, 12, 2)])
    outcomes = OutcomeReader(tmp_path / "o")
    whole = join(decisions.scan(Window()), outcomes.scan()).sort_by("id").to_pylist()
    streamed = [row for table in joined(decisions, outcomes, Window()) for row in table.to_pylist()]
    assert sorted(streamed, key=lambda row: str(row["id"])) == whole
    narrow = [row for table in joined(decisions, outcomes, Window(), ["endpoint"]) for row in table.to_pylist()]
    assert {"id", "endpoint", "outcome_values"} < narrow[0].keys()
    assert sum(row["outcome_values"] is not None for row in narrow) == 6


def test_late_outcomes_are_counted(root: Path, tmp_path: Path) -> None:
    decisions, clock = DecisionReader(root), ManualClock(NOON)
    with OutcomeLog(tmp_path / "o", "api", decisions, clock=clock) as log:

        def post(decision: str, hours: float, maturity: float | None, **values: Any) -> None:
            known = NOON + timedelta(hours=hours)
            log.post([Outcome(decision, values or {"paid": 1}, "bank", time_known=known, maturity=maturity)])

        post("dec_00", 2, 3600)
        post("dec_01", 2, 3600)
        post("dec_01", 9, 3600, paid=0)
        post("dec_07", 90, 3600)
        post("dec_08", 90, None)
        post("dec_elsewhere", 90, 3600)
        clock.advance(timedelta(days=1))
        post("dec_11", 90, 3600)
    outcomes = OutcomeReader(tmp_path / "o")
    found = late_outcomes(decisions, outcomes)
    assert (found.outcomes, found.late, found.unknown, found.by_endpoint) == (5, 3, 1, {"hold": 3})
    found = late_outcomes(decisions, outcomes, since=NOON + timedelta(hours=12))
    assert (found.outcomes, found.late) == (1, 1)
    assert late_outcomes(decisions, outcomes, until=NOON).outcomes == 0
