"""Decisions made elsewhere come into the log once, and are read like all others."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from modelyard.core.errors import Busy, InvalidInput
from modelyard.core.faults import FaultAt
from modelyard.decisions import (
    Backfill,
    Compactor,
    DecisionReader,
    Outcome,
    OutcomeLog,
    OutcomeReader,
    Pseudonyms,
    Window,
    backfill_id,
    join,
)

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KEY = Pseudonyms(b"0123456789abcdef")


def history(count: int = 5, first: int = 0) -> dict[str, list[Any]]:
    numbers = range(first, first + count)
    return {
        "id": [f"loan-{n}" for n in numbers],
        "decision_time": [NOON + timedelta(hours=n) for n in numbers],
        "organisation": ["default"] * count,
        "use_case": ["credit"] * count,
        "endpoint": ["credit"] * count,
        "inputs": [f'{{"income":{n}}}' for n in numbers],
        "output": ['{"p":0.5}'] * count,
    }


def test_history_is_read_like_all_others(tmp_path: Path) -> None:
    with Backfill(tmp_path, "core-banking", pseudonyms=KEY) as backfill:
        done = backfill.add(pa.table(history() | {"subject": ["anna", "bert", None, "anna", "carl"]}))
    assert (done.added, done.repeated) == (5, 0)
    reader = DecisionReader(tmp_path)
    row = reader.get(backfill_id("core-banking", "loan-3", NOON + timedelta(hours=3)))
    assert row is not None
    assert row["decision_time"] == NOON + timedelta(hours=3)
    assert (row["role"], row["request"], row["reason"]) == ("backfill", "loan-3", "backfill: core-banking")
    assert row["subject"] == KEY.of("subject", "anna")
    window = Window(endpoint="credit", since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=4))
    assert sorted(reader.scan(window)["request"].to_pylist()) == ["loan-1", "loan-2", "loan-3"]
    assert reader.scan(Window(subject=KEY.of("subject", "anna"))).num_rows == 2


def test_twice_is_once_before_and_after_compaction(tmp_path: Path) -> None:
    for expected in ((5, 0), (0, 5), (0, 5)):
        with Backfill(tmp_path, "s") as backfill:
            done = backfill.add(pa.table(history()).to_batches(max_chunksize=2))
            assert (done.added, done.repeated) == expected
        Compactor(tmp_path).run()
    with Backfill(tmp_path, "s") as backfill:
        assert backfill.add(pa.concat_tables([pa.table(history(3, 4))] * 2)).added == 2
    with Backfill(tmp_path, "other") as backfill:
        assert backfill.add(pa.table(history())).added == 5
    assert DecisionReader(tmp_path).scan(Window(), ["id"]).num_rows == 12


def test_a_crash_in_the_middle_is_repeated_to_the_end(tmp_path: Path) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    pieces = pa.table(history(9)).to_batches(max_chunksize=2)
    with (
        pytest.raises(KeyboardInterrupt),
        Backfill(tmp_path, "s", faults=FaultAt("decisions.commit.written", crash, 3)) as backfill,
    ):
        backfill.add(pieces)
    with Backfill(tmp_path, "s") as backfill:
        done = backfill.add(pieces)
    assert (done.added, done.repeated) == (5, 4)
    ids = DecisionReader(tmp_path).scan(Window(), ["id"])["id"].to_pylist()
    assert len(ids) == len(set(ids)) == 9


def test_outcomes_find_history_by_its_id(tmp_path: Path) -> None:
    with Backfill(tmp_path / "d", "s") as backfill:
        backfill.add(pa.table(history(2)))
    decisions = DecisionReader(tmp_path / "d")
    with OutcomeLog(tmp_path / "o", "api", decisions) as log:
        posted = log.post([Outcome(backfill_id("s", "loan-1", NOON + timedelta(hours=1)), {"repaid": True}, "ledger")])
    assert posted.unknown == ()
    rows = join(decisions.scan(Window()), OutcomeReader(tmp_path / "o").scan()).to_pylist()
    assert [row["outcome_values"] for row in sorted(rows, key=lambda r: str(r["request"]))] == [None, '{"repaid":true}']


def test_an_id_has_its_form_and_its_day() -> None:
    made = backfill_id("s", "loan-1", NOON)
    assert re.fullmatch(r"dec_[0-9a-f]{12}8[0-9a-f]{3}[89ab][0-9a-f]{15}", made)
    assert int(made[4:16], 16) == int(NOON.timestamp() * 1000)
    assert made == backfill_id("s", "loan-1", int(NOON.timestamp() * 1_000_000))
    assert len({made, backfill_id("t", "loan-1", NOON), backfill_id("s", "loan-2", NOON)}) == 3


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"id": None}, "id", "missing"),
        ({"inputs": None}, "inputs", "missing"),
        ({"mood": ["calm"] * 5}, "mood", "no such column"),
        ({"role": ["champion"] * 5}, "role", "sets this column itself"),
        ({"endpoint": ["a", "b", None, "d", "e"]}, "endpoint", "row 2"),
        ({"inputs": ["{}", "{", "{}", "{}", "{}"]}, "inputs", "row 1"),
        ({"output": ["[1]", "{}", "{}", "{}", "{}"]}, "output", "row 0"),
        ({"decision_time": [datetime(2024, 1, 1)] * 5}, "decision_time", "zone"),  # noqa: DTZ001
        (
            {"decision_time": pa.array([-(1 << 62)] * 5, pa.timestamp("us", "UTC"))},
            "decision_time",
            "years 1000 to 8999 in row 0",
        ),
        ({"event_time": pa.array([0, 1 << 62, 0, 0, 0], pa.timestamp("us", "UTC"))}, "event_time", "8999 in row 1"),
        ({"decision_time": ["yesterday"] * 5}, "decision_time", "zone"),
        ({"probability": ["often"] * 5}, "probability", "double"),
        ({"subject": ["anna"] * 5}, "subject", "pseudonym"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, change: dict[str, Any], field: str, told: str) -> None:
    rows = {name: values for name, values in (history() | change).items() if values is not None}
    with Backfill(tmp_path, "s") as backfill:
        with pytest.raises(InvalidInput, match=told) as caught:
            backfill.add(pa.table(rows))
        assert caught.value.field == field
        with pytest.raises(InvalidInput, match="no Arrow batch"):
            backfill.add([history()])
    assert DecisionReader(tmp_path).scan(Window()).num_rows == 0


def test_names_of_sources(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="name a source"):
        Backfill(tmp_path, "Core Banking")
    with Backfill(tmp_path, "s"), pytest.raises(Busy):
        Backfill(tmp_path, "s")
