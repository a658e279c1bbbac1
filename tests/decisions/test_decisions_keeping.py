"""The promise of keeping: what is erased is shown to nobody from that moment and is in no file afterwards; what is held stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from decision_rows import consistent, rows

from modelyard.core.errors import InvalidInput
from modelyard.core.faults import FaultAt
from modelyard.decisions import (
    Compactor,
    DecisionLog,
    DecisionReader,
    Erasures,
    Hold,
    Keeper,
    Keeping,
    Outcome,
    OutcomeLog,
    OutcomeReader,
    Window,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA, BERT = "5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"
KEPT = Keeping(segments_for=timedelta(days=1), files_for=timedelta(days=1))


def micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def fill(root: Path, writer: str = "w") -> DecisionLog:
    """Decisions about two people: some in the Delta table, some in a sealed segment, some in an open one."""
    log = DecisionLog(root, writer)
    for part in ("delta", "sealed", "open"):
        log.append(rows([f"{part}_anna"], at=micros(NOON), subject=ANNA))
        log.append(rows([f"{part}_bert"], at=micros(NOON), subject=BERT))
        if part != "open":
            log.seal()
        if part == "delta":
            assert Compactor(root, keeping=KEPT).run().rows == 2
    return log


def ids(root: Path) -> list[str]:
    return sorted(consistent(DecisionReader(root).scan(Window())))


def test_the_erased_are_gone_from_every_file_and_the_open_segment_follows(tmp_path: Path) -> None:
    log = fill(tmp_path)
    keeper = Keeper(tmp_path)
    reader = DecisionReader(tmp_path)
    assert reader.get("open_anna") is not None
    first = keeper.erase([ANNA], NOON)
    assert (first.decisions, first.pending) == (2, ("w",))
    assert ids(tmp_path) == ["delta_bert", "open_bert", "sealed_bert"]
    assert reader.get("open_anna") is None
    assert reader.known(["delta_anna", "sealed_anna", "open_anna", "open_bert"]) == {"open_bert"}
    assert keeper.verify_erased([ANNA]) == 1
    log.seal()
    assert keeper.erase([ANNA], NOON).decisions == 1
    assert keeper.erase([ANNA], NOON) == keeper.erase([ANNA], NOON)
    assert keeper.verify_erased([ANNA]) == 0
    assert keeper.verify_erased([BERT]) == 3
    assert ids(tmp_path) == ["delta_bert", "open_bert", "sealed_bert"]
    assert Erasures(tmp_path).subjects() == {ANNA}
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != "erasures.json")
    assert ANNA.encode() not in everything
    log.close()


def test_who_comes_back_later_counts_again(tmp_path: Path) -> None:
    with fill(tmp_path) as log:
        Keeper(tmp_path).erase([ANNA], NOON)
        log.append(rows(["back"], at=micros(NOON + timedelta(days=1)), subject=ANNA))
        log.append(rows(["late"], at=micros(NOON - timedelta(days=1)), subject=ANNA))
        assert "back" in ids(tmp_path)
        assert "late" not in ids(tmp_path)
    Compactor(tmp_path).run()
    assert Keeper(tmp_path).verify_erased([ANNA]) == 0
    assert ids(tmp_path) == ["back", "delta_bert", "open_bert", "sealed_bert"]


def test_outcomes_of_the_erased_go_too_and_those_that_come_later(tmp_path: Path) -> None:
    root, folder = tmp_path / "decisions", tmp_path / "outcomes"
    fill(root).close()
    reader = DecisionReader(root)
    keeper = Keeper(root, folder)
    with OutcomeLog(folder, "api", reader) as outcomes:
        outcomes.post(
            [Outcome(f"{part}_{who}", {"paid": True}, "bank") for part in ("delta", "open") for who in ("anna", "bert")]
        )
        found = keeper.erase([ANNA], NOON)
        assert (found.decisions, found.outcomes, found.pending) == (3, 0, ("api",))
        assert sorted(OutcomeReader(folder).scan()["decision_id"].to_pylist()) == ["delta_bert", "open_bert"]
    assert keeper.erase([ANNA], NOON).outcomes == 2
    with OutcomeLog(folder, "api", reader) as outcomes:
        outcomes.post([Outcome("sealed_anna", {"paid": False}, "bank")])
        assert OutcomeReader(folder).find(["sealed_anna"]).num_rows == 0
    assert keeper.erase([ANNA], NOON).outcomes == 1
    assert keeper.verify_erased([ANNA]) == 0
    assert sorted(OutcomeReader(folder).scan()["decision_id"].to_pylist()) == ["delta_bert", "open_bert"]


@pytest.mark.parametrize(
    "point",
    [
        "decisions.erase.noted",
        "decisions.erase.outcomes_gone",
        "decisions.compaction.commit",
        "decisions.compaction.committed",
        "decisions.compaction.files_written",
        "decisions.compaction.segment_removed",
        "decisions.compaction.file_removed",
    ],
)
def test_an_erasure_that_is_cut_off_is_finished_by_the_next(tmp_path: Path, point: str) -> None:
    root, folder = tmp_path / "decisions", tmp_path / "outcomes"
    fill(root).close()
    with OutcomeLog(folder, "api", DecisionReader(root)) as outcomes:
        outcomes.post([Outcome("delta_anna", {"paid": True}, "bank"), Outcome("delta_bert", {"paid": True}, "bank")])

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Keeper(root, folder, faults=FaultAt(point, stop)).erase([ANNA], NOON)
    assert ids(root) == ["delta_bert", "open_bert", "sealed_bert"]
    Keeper(root, folder).erase([ANNA], NOON)
    assert Keeper(root, folder).verify_erased([ANNA]) == 0
    assert ids(root) == ["delta_bert", "open_bert", "sealed_bert"]
    assert OutcomeReader(folder).scan()["decision_id"].to_pylist() == ["delta_bert"]


def test_what_is_too_old_goes_but_not_what_is_held(tmp_path: Path) -> None:
    root, folder = tmp_path / "decisions", tmp_path / "outcomes"
    with DecisionLog(root, "w") as log:
        for day in range(6):
            at = micros(NOON + timedelta(days=day))
            log.append(rows([f"day{day}_anna"], at=at, subject=ANNA))
            log.append(rows([f"day{day}_bert"], at=at, subject=BERT))
            log.append(rows([f"day{day}_other"], at=at, use_case="else"))
            if day == 2:
                log.seal()
                Compactor(root).run()
    with OutcomeLog(folder, "api", DecisionReader(root)) as outcomes:
        outcomes.post([Outcome(f"day{day}_anna", {"paid": True}, "bank") for day in range(6)])
    held = [
        Hold("connections", NOON + timedelta(days=1), NOON + timedelta(days=2)),
        Hold("connections", subject=BERT, until=NOON + timedelta(days=1)),
        Hold("else"),
    ]
    gone = Keeper(root, folder).expire("connections", NOON + timedelta(days=4), held)
    assert (gone.decisions, gone.outcomes, gone.pending) == (5, 3, ())
    left = {i for i in ids(root) if not i.endswith("other")}
    assert left == {"day0_bert", "day1_anna", "day1_bert", "day4_anna", "day4_bert", "day5_anna", "day5_bert"}
    assert len(ids(root)) == 7 + 6
    assert sorted(OutcomeReader(folder).scan()["decision_id"].to_pylist()) == ["day1_anna", "day4_anna", "day5_anna"]
    assert Keeper(root, folder).expire("connections", NOON + timedelta(days=4), held).decisions == 0


def test_a_decision_stays_while_its_outcome_cannot_go(tmp_path: Path) -> None:
    root, folder = tmp_path / "decisions", tmp_path / "outcomes"
    with DecisionLog(root, "w") as log:
        log.append(rows(["with", "without"], at=micros(NOON)))
    with OutcomeLog(folder, "api", DecisionReader(root)) as outcomes:
        outcomes.post([Outcome("with", {"paid": True}, "bank")])
        first = Keeper(root, folder).expire("connections", NOON + timedelta(days=1))
        assert (first.decisions, first.outcomes, first.pending) == (1, 0, ("api",))
        assert ids(root) == ["with"]
    then = Keeper(root, folder).expire("connections", NOON + timedelta(days=1))
    assert (then.decisions, then.outcomes) == (1, 1)
    assert ids(root) == []


def test_bad_input_is_told(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    with pytest.raises(InvalidInput, match="subjects"):
        keeper.erase("anna", NOON)
    with pytest.raises(InvalidInput, match="zone"):
        keeper.erase([ANNA], datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidInput, match="zone"):
        keeper.expire("credit", NOON, [Hold("credit", since=datetime(2026, 1, 1))])  # noqa: DTZ001
    assert keeper.erase([ANNA], NOON).decisions == 0
