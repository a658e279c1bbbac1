"""An erasure ends while the writers go on: their open segments are sealed for it, and the next rewriting leaves no byte."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from decision_rows import consistent, rows

from modelyard.core.clock import ManualClock
from modelyard.decisions import Compactor, DecisionLog, DecisionReader, Erasures, Keeper, Limits, Outcome, OutcomeLog, Window
from modelyard.decisions.erasures import AGAIN

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROS = int(NOON.timestamp() * 1_000_000)
ANNA, BERT = "5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"
NEVER = Limits(segment_age=1e9)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DecisionLog]:
    """A log that seals nothing for its age, with a decision about each of two people in its open segment."""
    with DecisionLog(tmp_path, "w", limits=NEVER) as made:
        made.append(rows(["about_anna"], at=MICROS, subject=ANNA))
        made.append(rows(["about_bert"], at=MICROS, subject=BERT))
        yield made


def ids(root: Path) -> list[str]:
    return sorted(consistent(DecisionReader(root).scan(Window())))


def sealed(root: Path) -> int:
    return len(list(root.glob("w/*.json")))


def holding(root: Path, text: str) -> list[str]:
    """Files with these bytes, but for the list that says who is erased."""
    found = [p for p in root.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]
    return [p.name for p in found if p.name != "erasures.json"]


def test_an_open_segment_is_sealed_for_an_erasure_and_the_writer_goes_on(tmp_path: Path, log: DecisionLog) -> None:
    keeper = Keeper(tmp_path)
    assert keeper.erase([ANNA], NOON).pending == ("w",)
    assert holding(tmp_path, ANNA)
    log.seal_if_due()
    done = keeper.erase([ANNA], NOON)
    assert (done.decisions, done.pending) == (1, ())
    assert keeper.verify_erased([ANNA]) == 0
    assert holding(tmp_path, ANNA) == []
    log.append(rows(["later"], at=MICROS, subject=BERT))
    assert ids(tmp_path) == ["about_bert", "later"]


def test_compaction_alone_leaves_no_byte_of_who_is_erased(tmp_path: Path, log: DecisionLog) -> None:
    Erasures(tmp_path).add([ANNA], NOON)
    log.seal_if_due()
    assert Compactor(tmp_path).run().rows == 1
    assert holding(tmp_path, ANNA) == []
    assert ids(tmp_path) == ["about_bert"]


def test_a_busy_writer_seals_with_its_next_row(tmp_path: Path, log: DecisionLog) -> None:
    Keeper(tmp_path).erase([ANNA], NOON)
    log.append(rows(["next"], at=MICROS, subject=BERT))
    assert sealed(tmp_path) == 1
    assert Keeper(tmp_path).erase([ANNA], NOON).pending == ()
    assert holding(tmp_path, ANNA) == []
    assert ids(tmp_path) == ["about_bert", "next"]


def test_one_erasure_is_one_seal_and_each_further_one_another(tmp_path: Path, log: DecisionLog) -> None:
    for number, person in enumerate((ANNA, BERT), 1):
        Erasures(tmp_path).add([person], NOON)
        for n in range(3):
            log.append(rows([f"{number}_{n}"], at=MICROS))
            log.seal_if_due()
        assert sealed(tmp_path) == number
    Erasures(tmp_path).add([BERT], NOON)
    log.seal_if_due()
    assert sealed(tmp_path) == 2, "what is known already changes nothing"


@pytest.mark.parametrize("passed", [timedelta(seconds=AGAIN), -timedelta(days=1)], ids=["later", "a clock set back"])
def test_what_was_decided_before_and_logged_after_is_sealed_too(tmp_path: Path, passed: timedelta) -> None:
    class Steps(ManualClock):
        def step(self, by: timedelta) -> None:
            self._now += by

    clock = Steps(NOON)
    with DecisionLog(tmp_path, "w", limits=NEVER, clock=clock) as log:
        Keeper(tmp_path).erase([ANNA], NOON)
        log.seal_if_due()
        log.append(rows(["under_way"], at=MICROS - 1, subject=ANNA))
        log.seal_if_due()
        assert Keeper(tmp_path).erase([ANNA], NOON).pending == ("w",)
        assert ids(tmp_path) == []
        clock.step(passed)
        log.seal_if_due()
        assert Keeper(tmp_path).erase([ANNA], NOON).pending == ()
        assert holding(tmp_path, ANNA) == []
        log.append(rows(["after"], at=MICROS, subject=BERT))
        clock.step(timedelta(seconds=AGAIN))
        log.seal_if_due()
        assert DecisionReader(tmp_path).known(["after"]) == {"after"}
        assert sealed(tmp_path) == 0, "what came after is not sealed for it any more"


def test_a_writer_that_begins_after_an_erasure_seals_nothing_for_it(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "first", limits=NEVER) as log:
        log.append(rows(["about_anna"], at=MICROS, subject=ANNA))
    Keeper(tmp_path).erase([ANNA], NOON)
    with DecisionLog(tmp_path, "w", limits=NEVER) as log:
        log.append(rows(["about_bert"], at=MICROS, subject=BERT))
        log.seal_if_due()
        assert sealed(tmp_path) == 0


def test_outcomes_that_a_writer_has_open_go_with_its_next(tmp_path: Path) -> None:
    root, folder = tmp_path / "decisions", tmp_path / "outcomes"
    with DecisionLog(root, "w") as log:
        log.append(rows(["about_anna"], at=MICROS, subject=ANNA))
        log.append(rows(["about_bert"], at=MICROS, subject=BERT))
    with OutcomeLog(folder, "api", DecisionReader(root), limits=NEVER) as outcomes:
        outcomes.post([Outcome("about_anna", {"paid": True}, "bank")])
        keeper = Keeper(root, folder)
        assert keeper.erase([ANNA], NOON).pending == ("api",)
        outcomes.post([Outcome("about_bert", {"paid": True}, "bank")])
        assert keeper.erase([ANNA], NOON).pending == ()
        assert keeper.verify_erased([ANNA]) == 0
        assert holding(folder, "about_anna") == []
