"""Outcomes come late, twice, corrected and for decisions nobody knows; joining always takes the latest correction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from decision_rows import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.clock import ManualClock
from modelyard.core.errors import InvalidInput
from modelyard.decisions import DecisionLog, DecisionReader, Outcome, OutcomeLog, OutcomeReader, Window, join


def _late(decision: str, late: object = True) -> Outcome:
    return Outcome(decision, {"late": late}, "airport")


def test_late_repeated_corrected_and_unknown(tmp_path: Path) -> None:
    clock = ManualClock()
    reader = DecisionReader(tmp_path / "decisions")
    outcomes = OutcomeReader(tmp_path / "outcomes")
    with (
        DecisionLog(tmp_path / "decisions", "w") as log,
        OutcomeLog(tmp_path / "outcomes", "w", reader, clock=clock) as posts,
    ):
        log.append(rows(["a", "b", "c"]))
        first = posts.post([_late("a"), _late("b"), _late("ghost")])
        assert (first.accepted, first.repeated, first.corrected, first.unknown) == (3, 0, 0, ("ghost",))
        before = clock.advance(timedelta(days=1))
        clock.advance(timedelta(days=1))
        second = posts.post([_late("a"), _late("b", False), _late("b", False), _late("ghost")])
        assert (second.accepted, second.repeated, second.corrected, second.unknown) == (0, 3, 1, ("ghost",))
        log.append(rows(["ghost"]))
        joined = join(reader.scan(Window()), outcomes.scan())
        assert joined["id"].to_pylist() == ["a", "b", "c", "ghost"]
        assert joined["outcome_values"].to_pylist() == ['{"late":true}', '{"late":false}', None, '{"late":true}']
        assert joined["outcome_correction"].to_pylist() == [0, 1, None, 0]
        earlier = join(reader.scan(Window()), outcomes.scan(), as_of=before)
        assert earlier["outcome_values"].to_pylist()[1] == '{"late":true}'
        assert outcomes.find(["b"])["correction"].to_pylist() == [0, 1]
        assert outcomes.scan(since=before).num_rows == 1
        assert outcomes.scan(until=before).num_rows == 3


def test_joining_with_nothing_gives_nulls(tmp_path: Path) -> None:
    with DecisionLog(tmp_path / "decisions", "w") as log:
        log.append(rows(["a"]))
    joined = join(DecisionReader(tmp_path / "decisions").scan(Window()), OutcomeReader(tmp_path / "none").scan())
    assert joined["outcome_values"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        (Outcome("", {"x": 1}, "s"), "decision_id"),
        (Outcome("a", {"x": 1}, ""), "source"),
        (Outcome("a", {}, "s"), "values"),
        (Outcome("a", {"x": float("nan")}, "s"), "values"),
        (Outcome("a", {"x": object()}, "s"), "values"),
        (Outcome("a", {"x": 1}, "s", event_time=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))), "event_time"),
        (Outcome("a", {"x": 1}, "s", time_known=datetime.max.replace(tzinfo=UTC)), "time_known"),
    ],
)
def test_a_bad_outcome_refuses_the_batch(tmp_path: Path, outcome: Outcome, field: str) -> None:
    with OutcomeLog(tmp_path / "o", "w", DecisionReader(tmp_path / "d")) as posts:
        with pytest.raises(InvalidInput) as caught:
            posts.post([_late("fine"), outcome])
        assert caught.value.field == field
        assert OutcomeReader(tmp_path / "o").scan().num_rows == 0


def test_the_same_post_from_two_writers_at_once_counts_once(tmp_path: Path) -> None:
    reader = DecisionReader(tmp_path / "d")
    with (
        OutcomeLog(tmp_path / "o", "one", reader) as one,
        OutcomeLog(tmp_path / "o", "two", reader) as two,
        ThreadPoolExecutor(4) as pool,
    ):
        batch = [_late(f"x{n}") for n in range(50)]
        receipts = list(pool.map(lambda log: log.post(batch), [one, two, one, two]))
        assert sum(r.accepted for r in receipts) == 50
        assert sum(r.repeated for r in receipts) == 150
        assert OutcomeReader(tmp_path / "o").scan().num_rows == 50


@given(posts=st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=5), max_size=5))
@settings(max_examples=25, deadline=None)
def test_the_log_agrees_with_a_dictionary(posts: list[list[tuple[int, int]]]) -> None:
    model: dict[str, tuple[int, int]] = {}
    with TemporaryDirectory() as folder, OutcomeLog(Path(folder), "w", DecisionReader(Path(folder) / "none")) as log:
        for post in posts:
            fresh = 0
            for key, value in post:
                number, before = model.get(str(key), (-1, -1))
                if before != value:
                    model[str(key)] = (number + 1, value)
                    fresh += 1
            receipt = log.post([_late(str(key), value) for key, value in post])
            assert receipt.accepted + receipt.corrected == fresh
            assert receipt.repeated == len(post) - fresh
        found = OutcomeReader(Path(folder)).latest([str(k) for k in range(5)])
    assert found == {key: (number, f'{{"late":{value}}}') for key, (number, value) in model.items()}
