"""Kills at every point where one would hurt: no row is lost or doubled, in the output or in the log."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import pytest

from modelyard.core.faults import NoFaults
from modelyard.decisions import DecisionReader, Erasures, Pseudonyms, Window
from modelyard.runtime.batch import Batches, Order
from modelyard.runtime.batch.carried import PartLost
from modelyard.runtime.batch.engines import Processes
from modelyard.runtime.batch.released import pseudonym_key
from tests.batch.batch_stage import Stage, rows

POINTS = (
    "batch.part.scored",
    "batch.slice.logged",
    "batch.part.logged",
    "batch.part.published",
    "decisions.commit.written",
    "decisions.segment.started",
    "decisions.seal",
)


def coordinator(stage: Stage, order: Order, *how: str) -> subprocess.Popen[str]:
    told = [msgspec.json.encode(value, enc_hook=str).decode() for value in (stage.place, order)]
    command = [sys.executable, "-m", "tests.batch.batch_coordinator", *told, *how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def pseudonym(stage: Stage, name: str) -> str:
    stage.place.home.mkdir(exist_ok=True)
    return Pseudonyms(pseudonym_key(stage.place)).of("subject", name)


QUICK = ("batch.slice.logged", "batch.part.published")


@pytest.mark.parametrize("point", [p if p in QUICK else pytest.param(p, marks=pytest.mark.slow) for p in POINTS])
def test_a_killed_batch_goes_on_where_it_ended(stage: Stage, point: str) -> None:
    table = rows(450)
    order = stage.order(stage.write(table))
    nth = "1" if point.startswith(("decisions.seg", "decisions.seal")) else "3"
    process = coordinator(stage, order, "inline", nth, point)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    result = Batches(stage.place).run(order)
    stage.require_whole(result, table)
    assert (result.resumed, result.parts) == ({"1": 0, "3": 2}[nth] if point != "decisions.seal" else 5, 5)


def test_who_is_erased_before_a_killed_batch_goes_on_makes_nothing_double(stage: Stage) -> None:
    """The erased row is the first of a slice that is in the log: the others still say that the slice is."""
    table = rows(450)
    order = stage.order(stage.write(table), subject="customer")
    coordinator(stage, order, "inline", "1", "batch.slice.logged").communicate(timeout=60)
    reader = DecisionReader(stage.place.log)
    logged = reader.scan(Window(), ["id", "subject"]).sort_by("id").to_pylist()
    assert logged
    Erasures(stage.place.log).add([logged[0]["subject"]], datetime.now(UTC))
    Batches(stage.place).run(order)
    ids = reader.scan(Window(), ["id"])["id"].to_pylist()
    assert len(ids) == len(set(ids)) == 450 - 1
    assert logged[0]["id"] not in ids


@pytest.mark.parametrize("point", ["batch.part.scored", "batch.slice.logged"])
def test_who_is_erased_while_a_killed_batch_lies_there_is_left_out_of_the_rest(stage: Stage, point: str) -> None:
    """All of a slice that was scored, or even logged, and some of what was not read yet."""
    table = rows(450)
    order = stage.order(stage.write(table), subject="customer")
    coordinator(stage, order, "inline", "1", point).communicate(timeout=60)
    gone = {f"c{n:07d}" for n in (*range(100), 250)}
    Erasures(stage.place.log).add([pseudonym(stage, name) for name in gone], datetime.now(UTC))
    result = Batches(stage.place).run(order)
    stay = [name for name in table["customer"].to_pylist() if name not in gone]
    assert stage.output()["customer"].to_pylist() == stay
    assert stage.logged()["id"].to_pylist() == stage.output()["decision_id"].to_pylist()
    assert (result.read, result.answered, result.rejected, result.logged) == (450, 349, 101, 349)
    assert result.by_arm == {"v1": 349}


def test_who_was_erased_before_a_batch_began_is_a_new_customer(stage: Stage) -> None:
    table = rows(30)
    who = pseudonym(stage, "c0000003")
    Erasures(stage.place.log).add([who], datetime.now(UTC))
    stage.require_whole(Batches(stage.place).run(stage.order(stage.write(table), subject="customer")), table)


def test_who_is_erased_between_answer_and_log_is_in_neither(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rows(450)
    who = pseudonym(stage, "c0000120")

    class ErasedMeanwhile(NoFaults):
        def reach(self, point: str) -> None:
            if point == "batch.part.scored":
                Erasures(stage.place.log).add([who], datetime.now(UTC))

    monkeypatch.setattr("modelyard.runtime.batch.working.NoFaults", ErasedMeanwhile)
    result = Batches(stage.place).run(stage.order(stage.write(table), subject="customer"))
    assert stage.output()["customer"].to_pylist() == [n for n in table["customer"].to_pylist() if n != "c0000120"]
    assert stage.logged()["id"].to_pylist() == stage.output()["decision_id"].to_pylist()
    assert (result.answered, result.rejected, result.logged) == (449, 1, 449)


@pytest.mark.slow
def test_it_may_be_killed_again_and_again(stage: Stage) -> None:
    table = rows(2000)
    order = stage.order(stage.write(table))
    kills = 0
    for number in range(14):
        process = coordinator(stage, order, "inline", str(1 + number % 3), POINTS[number % 5])
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
    assert kills > 8
    stage.require_whole(Batches(stage.place).run(order), table)


@pytest.mark.parametrize("point", ["batch.slice.logged", *(pytest.param(p, marks=pytest.mark.slow) for p in POINTS[::3])])
def test_a_killed_worker_is_replaced(stage: Stage, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rows(900)
    _lives(stage, 2, point, monkeypatch)
    result = Batches(stage.place, Processes(2, "tests.batch.batch_dying")).run(stage.order(stage.write(table)))
    stage.require_whole(result, table)


@pytest.mark.slow
def test_a_part_that_ends_every_process_ends_the_batch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rows(100)
    _lives(stage, 100, "batch.part.logged", monkeypatch)
    order = stage.order(stage.write(table))
    with pytest.raises(PartLost, match="ended its process 3 times"):
        Batches(stage.place, Processes(1, "tests.batch.batch_dying")).run(order)
    stage.require_whole(Batches(stage.place).run(order), table)


@pytest.mark.slow
def test_when_the_coordinator_is_killed_its_workers_end_and_another_goes_on(stage: Stage) -> None:
    table = rows(6000)
    order = stage.order(stage.write(table))
    process = coordinator(stage, order, "processes")
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    process.kill()
    process.wait()
    result = Batches(stage.place, Processes(2)).run(order)  # what is left of the first one's workers may still be at a part
    process.communicate(timeout=60)
    stage.require_whole(result, table)
    assert result.resumed >= 3


def _lives(stage: Stage, count: int, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lives = stage.folder / "lives"
    lives.mkdir()
    for number in range(count):
        (lives / str(number)).touch()
    monkeypatch.setenv("BATCH_DIES", point)
    monkeypatch.setenv("BATCH_LIVES", str(lives))
