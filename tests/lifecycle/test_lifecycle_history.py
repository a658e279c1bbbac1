"""What is kept of an instance: steps without gaps that give its state again, waits that agree with it, times, and the audit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard import bpmn
from modelyard.bootstrap import EXPLAINED_TABLES, TABLES, Settings, assemble
from modelyard.bpmn import protocol
from modelyard.catalog.model import USE_CASES
from modelyard.core.clock import ManualClock
from modelyard.core.errors import WrongState
from modelyard.governance.audit import verify_records
from modelyard.jobs.queue import Queue
from modelyard.lifecycle.commands import CancelInstance, ChangeData, RetryIncident, SendMessage, SkipIncident
from modelyard.lifecycle.durations import places
from modelyard.lifecycle.model import INSTANCES, STAYS, STEPS, SUBSCRIPTIONS, TIMERS, WORK, InstanceStatus, engine_id
from modelyard.lifecycle.replaying import event_of, replay
from modelyard.lifecycle.tasks.commands import ClaimTask, CompleteTask, ReleaseTask
from modelyard.lifecycle.times import process_times, time_to_decision
from modelyard.storage.memory import MemoryStorage
from tests.bpmn.bpmn_text import (
    blocks,
    boundary,
    catch,
    error,
    expected_work,
    message,
    par,
    process,
    script,
    service,
    structured,
    timer,
    xor,
)
from tests.conftest import examples
from tests.life.conftest import START, House, Records
from tests.lifecycle.lifecycle_yard import Yard, person, text

ON_MEMORY = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


def replayed(yard: Yard, instance: Any) -> None:
    """Its history alone gives its state, byte for byte, and its records agree with it."""
    kept = yard.instance(instance)
    with yard.platform.storage.reading() as tx:
        assert bpmn.dumps(replay(tx, kept)) == kept.state
    agrees(yard, kept)


def agrees(yard: Yard, kept: Any) -> None:
    """What waits in tables is what waits in the state, and each token that stands has one open stay."""
    state = yard.state(kept)
    waits: dict[str, set[str]] = {"work": set(), "timer": set(), "message": set(), "signal": set(), "condition": set()}
    for wait in state.waits.values():
        waits[wait.kind].add(wait.id)
    rows = {
        "work": [*yard.rows(WORK), *yard.tasks()],
        "timer": yard.rows(TIMERS),
        "message": [s for s in yard.rows(SUBSCRIPTIONS) if not s.signal],
        "signal": [s for s in yard.rows(SUBSCRIPTIONS) if s.signal],
    }
    for kind, found in rows.items():
        assert {engine_id(row.id) for row in found if row.instance == kept.id} == waits[kind], kind
    assert {engine_id(i.id) for i in yard.incidents(kept)} == set(state.incidents)
    stays = {stay.id: stay for stay in yard.rows(STAYS) if stay.instance == kept.id and stay.left_at is None}
    assert {token: stays[stay].element for token, stay in kept.standing.items()} == {t: p[0] for t, p in places(state).items()}
    assert set(kept.standing.values()) == set(stays)
    assert kept.status.value == state.status
    assert kept.open_incidents == len(state.incidents)


# --- random processes -----------------------------------------------------------------------------------------------------------


@dataclass
class Beginning:
    """What a house on memory begins with, made once: a house costs too much to be made for each example."""

    home: Path
    records: Records
    made: int = 0
    kept: list[Yard] = field(default_factory=list)

    def yard(self) -> Yard:
        storage = MemoryStorage(TABLES)
        with storage.transaction() as tx:
            for table, rows in self.records:
                for row in rows:
                    tx.add(table, row)
        clock = ManualClock(START)
        return Yard(House(assemble(Settings(home=self.home), storage, clock=clock), clock, self.home))


@pytest.fixture(scope="module")
def beginnings(beginning: tuple[Path, Records]) -> Beginning:
    return Beginning(*beginning)


@given(blocks(8), st.randoms(use_true_random=False))
@settings(max_examples=examples(25, hunt=500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_service_goes_the_way_of_the_engine_and_leaves_nothing(beginnings: Beginning, block: Any, random: Any) -> None:
    if not beginnings.kept:
        beginnings.kept.append(beginnings.yard())
    yard = beginnings.kept[0]
    beginnings.made += 1
    made = structured(block, f"random{beginnings.made}")
    made_text = text(made).replace("<userTask", '<userTask modelyard:role="developer"')
    yard.publish(made_text)
    instance = yard.start(made.id)
    compiled = bpmn.compile_process(bpmn.read(made_text.encode()), made.id)
    state: bpmn.State | None = None
    done = 0
    while True:
        kept = yard.instance(instance)
        agrees(yard, kept)
        steps = sorted((s for s in yard.rows(STEPS) if s.instance == instance.id), key=lambda s: s.number)
        for step in steps[-1:]:
            state, _ = bpmn.step(compiled, state, event_of(step))
        assert state is not None
        assert bpmn.dumps(state) == kept.state
        waiting = yard.tasks(instance)
        if not waiting:
            break
        task = random.choice(waiting)
        yard.do("dana", CompleteTask(task=task.id))
        done += 1
    assert kept.status is InstanceStatus.COMPLETED
    assert done == expected_work(block)
    assert [s.number for s in steps] == list(range(1, done + 2))
    assert not [row for row in yard.left_over() if row.id.startswith(instance.id)]


# --- what came in ---------------------------------------------------------------------------------------------------------------


def test_every_kind_of_step_is_played_again_exactly(yard: Yard) -> None:
    made = process(
        "p",
        """s -> fork -> a -> e; fork -> b -> e2; fork -> c -> which; which -[amount + 1]-> e3; which -else-> look -> e4
        late -> e5""",
        fork=par(),
        a=catch(message("m", '"k"')),
        b=catch(timer("PT1H")),
        c=script('date("2026-01-31") + duration("P1D")', "when"),
        which=xor(),
        look=service("read.use_cases", inputs={"name": '"none"'}, outputs={"part": "0.10", "range": "[1..5]"}),
        late=boundary("look", error("odd")),
    )
    yard.publish(text(made))
    instance = yard.start("p", data={"amount": "x", "list": [1, 2.5, {"a": None}]})
    replayed(yard, instance)
    (incident,) = yard.incidents(instance)
    yard.do("omar", RetryIncident(incident=incident.id, data={"other": 0.1}))
    yard.do("rita", SkipIncident(incident=yard.incidents(instance)[0].id, why="go on"))
    yard.move()
    replayed(yard, instance)
    yard.do("dana", SendMessage(name="m", key="k", payload={"at": "2026-01-01T00:00:00Z", "n": 1e-9}))
    yard.do("omar", ChangeData(instance=instance.id, data={"amount": 12345678901234567890}))
    yard.house.later(hours=1)
    yard.move()
    replayed(yard, instance)
    assert yard.instance(instance).status is InstanceStatus.COMPLETED
    assert [s.event for s in sorted(yard.rows(STEPS), key=lambda s: s.number)] == [
        "started", "retry", "skip", "done", "message", "data", "timer",
    ]  # fmt: skip


@ON_MEMORY
def test_a_history_with_a_gap_is_told(yard: Yard) -> None:
    yard.publish(text(process("p", "s -> t -> e", t=person("developer"))))
    instance = yard.start("p")
    with yard.platform.storage.reading() as tx, pytest.raises(WrongState, match="gaps"):
        replay(tx, instance.model_copy(update={"steps": 3}))


# --- times ----------------------------------------------------------------------------------------------------------------------


def test_waiting_and_working_are_told_by_step_and_role(yard: Yard) -> None:
    yard.house.use_case()
    flows = "s -> review -> run -> pause -> approve -> e"
    made = process(
        "p",
        flows,
        review=person("validator"),
        run=service("job:probe"),
        pause=catch(timer("PT30M")),
        approve=person("business_owner"),
    )
    yard.publish(text(made))
    began = yard.house.clock.now()
    instance = yard.start("p", about="use_case:credit")
    yard.house.later(minutes=10)
    task = yard.task("review").id
    yard.do("vera", ClaimTask(task=task))
    yard.house.later(minutes=5)
    yard.do("vera", ReleaseTask(task=task))
    yard.house.later(minutes=20)
    yard.do("vera", ClaimTask(task=task))
    yard.house.later(minutes=1)
    yard.complete("vera", "review")
    yard.house.later(minutes=7)
    queue = Queue(yard.platform.storage, yard.platform.clock, yard.platform.ids)
    job = queue.claim("w", ["probe"])
    assert job is not None
    queue.complete(job, {})
    yard.move()
    yard.house.later(minutes=30)
    yard.move()
    yard.house.later(minutes=60)
    first_decision = yard.house.clock.now()
    yard.house.later(minutes=60)
    yard.complete("bea", "approve")
    use_case = next(u for u in yard.rows(USE_CASES) if u.name == "credit")
    with yard.platform.storage.reading() as tx:
        times = process_times(tx, "default", "p")
        reached = time_to_decision(tx, use_case, first_decision)
        before = time_to_decision(tx, use_case, None)
    told = {s.element: (s.count, s.waiting.total / 60, s.working.total / 60) for s in times.steps}
    assert told == {"review": (1, 30, 6), "run": (1, 0, 7), "pause": (1, 30, 0), "approve": (1, 120, 0)}
    roles = [(r.role, r.waiting.total / 60, r.working.total / 60) for r in times.roles]
    assert roles == [
        ("business_owner", 120, 0),
        ("validator", 30, 6),
    ]
    assert times.bottleneck == "approve"
    assert times.lead is not None
    assert times.lead.total == (36 + 7 + 30 + 120) * 60
    assert (times.running, times.ended) == (0, {"completed": 1})
    assert reached.intake_at == began
    assert reached.seconds == (36 + 7 + 30 + 60) * 60
    assert (reached.waiting_s / 60, reached.working_s / 60) == (30 + 30 + 60, 6 + 7), (
        "what came after the decision does not count"
    )
    assert before.seconds is None
    assert before.waiting_s / 60 == 30 + 30 + 120
    assert yard.instance(instance).status is InstanceStatus.COMPLETED


@ON_MEMORY
def test_a_loop_of_tasks_is_as_many_stays_and_an_incident_is_one_of_its_own(yard: Yard) -> None:
    flows = "s -> n -> again -> look -> count -> more; more -[turns < 3]-> again; more -else-> which"
    flows += "; which -[turns + 1]-> e; which -else-> e2"
    made = process(
        "p",
        flows,
        n=script("0", "turns"),
        again=xor(),
        more=xor(),
        which=xor(),
        look=person("developer"),
        count=script("turns + 1", "turns"),
    )
    yard.publish(text(made))
    instance = yard.start("p")
    for minutes in (1, 2, 3):
        yard.house.later(minutes=minutes)
        yard.complete("dana", "look")
    yard.house.later(minutes=4)
    yard.do("rita", SkipIncident(incident=yard.incidents(instance)[0].id, why="go on"))
    found = sorted(((s.element, s.kind, (s.waited_s or 0) / 60, s.how) for s in yard.rows(STAYS)), key=lambda s: s[2])
    assert found == [("look", "userTask", m, "left") for m in (1, 2, 3)] + [("which", "incident", 4, "left")]


# --- audit ----------------------------------------------------------------------------------------------------------------------


def test_the_audit_explains_every_record_and_finds_a_tampered_instance(yard: Yard) -> None:
    yard.house.use_case()
    made = process("p", "s -> look -> wait -> e", look=person("developer"), wait=catch(timer("PT1H")))
    yard.publish(text(made))
    one, two = yard.start("p", about="use_case:credit"), yard.start("p")
    yard.complete("dana", "look", one)
    yard.house.later(hours=1)
    yard.move()
    yard.do("omar", CancelInstance(instance=two.id, why="enough"))
    storage = yard.platform.storage
    assert verify_records(storage, EXPLAINED_TABLES) == ()
    kept = yard.instance(two)
    with storage.transaction() as tx:
        tx.save(INSTANCES, kept.model_copy(update={"state": kept.state.replace("cancelled", "completed")}))
    (finding,) = verify_records(storage, EXPLAINED_TABLES)
    assert (finding.table, finding.record) == ("process_instances", two.id)
    assert json.loads(kept.state)["status"] == "cancelled"
    assert protocol.Cancelled.__name__ == next(s for s in yard.rows(STEPS) if s.event == "cancelled").given["type"]
