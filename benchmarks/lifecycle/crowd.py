"""Many live instances in one database: does a step, a look for what is due, a message or an inbox take longer for them?

Each instance of the crowd waits in three branches at once, for a person, for a time and for a message with its own key, and comes
back to each for ever. The first is begun by command; the others are copies of its records under names of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.lifecycle.house import OMAR, VERA, House
from benchmarks.lifecycle.side import timed
from benchmarks.rounds import Sample, Spread, interleaved, ratio
from modelyard.core.clock import ManualClock
from modelyard.core.records import Record, Table, every
from modelyard.lifecycle.commands import SendMessage, StartProcess
from modelyard.lifecycle.model import INSTANCES, STAYS, STEPS, SUBSCRIPTIONS, TIMERS, Timer
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.tasks.model import CANDIDACIES, TASKS
from modelyard.lifecycle.views import inbox

COPIED: tuple[Table[Any], ...] = (INSTANCES, STEPS, STAYS, TIMERS, SUBSCRIPTIONS, TASKS, CANDIDACIES)
BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)
FAR = timedelta(days=3650)
KEY = "key-of-the-first"
AT_ONCE = 10
SMALL, LARGE = 100, 10_000
TIMERS_WAITING = (100, 1_000, 10_000, 100_000)

SOURCE = """\
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:modelyard="https://modelyard.dev/bpmn/1.0" id="d"
 targetNamespace="urn:bench"><message id="m" name="news" modelyard:correlation="mine"/>
<process id="crowd" name="Crowd" isExecutable="true">
<startEvent id="start"/><sequenceFlow id="f0" sourceRef="start" targetRef="fork"/><parallelGateway id="fork"/>
<sequenceFlow id="a0" sourceRef="fork" targetRef="a"/><exclusiveGateway id="a"/>
<sequenceFlow id="a1" sourceRef="a" targetRef="person"/>
<userTask id="person" name="Look at it" modelyard:role="validator"/><sequenceFlow id="a2" sourceRef="person" targetRef="a"/>
<sequenceFlow id="b0" sourceRef="fork" targetRef="b"/><exclusiveGateway id="b"/>
<sequenceFlow id="b1" sourceRef="b" targetRef="time"/>
<intermediateCatchEvent id="time"><timerEventDefinition id="t"><timeDuration>P3650D</timeDuration></timerEventDefinition>
</intermediateCatchEvent><sequenceFlow id="b2" sourceRef="time" targetRef="b"/>
<sequenceFlow id="c0" sourceRef="fork" targetRef="c"/><exclusiveGateway id="c"/>
<sequenceFlow id="c1" sourceRef="c" targetRef="message"/>
<intermediateCatchEvent id="message"><messageEventDefinition id="md" messageRef="m"/>
</intermediateCatchEvent><sequenceFlow id="c2" sourceRef="message" targetRef="c"/>
</process></definitions>
"""


class Crowd:
    """So many live instances, and `timers` more that are due in ten years."""

    def __init__(self, folder: Path, size: int, *, timers: int = 0, database: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock, self.chance = ManualClock(BEGAN), random.Random(7)
        self.house = House(str(folder), database, self.clock)
        self.house.publish(SOURCE, {})
        first = self.house.do(OMAR, StartProcess(process="crowd", data={"mine": KEY})).id
        self._copy(first, size)
        self._wait(timers)
        self.house.tidy()
        with self.house.platform.storage.reading() as tx:
            self._tasks = {task.instance: task.id for task in every(tx, TASKS)}
            self._timers = [timer for timer in every(tx, TIMERS) if timer.instance in self._tasks]

    def _copy(self, first: str, size: int) -> None:
        storage = self.house.platform.storage
        with storage.reading() as tx:
            originals = [(table, every(tx, table)) for table in COPIED]
        with storage.transaction() as tx:
            for number in range(1, size):
                for table, records in originals:
                    for record in records:
                        tx.add(table, _copy_of(record, first, number))

    def _wait(self, timers: int) -> None:
        with self.house.platform.storage.transaction() as tx:
            for number in range(timers):
                due = BEGAN + FAR + timedelta(seconds=number)
                fields = {"id": f"waits-{number}:t1", "created_at": BEGAN, "due": due}
                tx.add(TIMERS, Timer(**fields, instance=f"waits-{number}", element="time"))

    # --- what is measured, in a block each

    def tasks(self) -> Sample:
        """People's tasks done, by command."""
        chosen = self.chance.sample(sorted(self._tasks), AT_ONCE)
        given = [CompleteTask(task=self._tasks[instance]) for instance in chosen]
        taken = timed(lambda: [self.house.do(VERA, command) for command in given], AT_ONCE)
        with self.house.platform.storage.reading() as tx:
            for instance in chosen:
                state = tx.get(INSTANCES, instance).standing
                found = (tx.get(STAYS, stay) for stay in state.values())
                self._tasks[instance] = next(stay.work for stay in found if stay.element == "person" and stay.work)
        return Sample(*taken)

    def messages(self) -> Sample:
        """Messages told to the one who waits with that key."""
        numbers = self.chance.sample(range(1, len(self._tasks)), AT_ONCE)
        given = [SendMessage(name="news", key=_key(number)) for number in numbers]
        return Sample(*timed(lambda: [self.house.do(OMAR, command) for command in given], AT_ONCE))

    def timers(self) -> Sample:
        """Times that have come, found among all and fired."""
        chosen = [self._timers.pop(self.chance.randrange(len(self._timers))) for _ in range(AT_ONCE)]
        with self.house.platform.storage.transaction() as tx:
            for timer in chosen:
                tx.save(TIMERS, tx.get(TIMERS, timer.id).model_copy(update={"due": self.clock.now()}))
        fired: list[int] = []
        taken = timed(lambda: fired.append(self.house.mover.fire_timers()), AT_ONCE)
        if fired != [AT_ONCE]:
            raise SystemExit(f"{fired} timers fired of {AT_ONCE}")
        return Sample(*taken)

    def looks(self) -> Sample:
        """Looks for times that have come, when none has."""
        return Sample(*timed(lambda: [self.house.mover.fire_timers() for _ in range(AT_ONCE)], AT_ONCE))

    def inboxes(self) -> Sample:
        """The first page of what one of many could do."""

        def look() -> None:
            with self.house.platform.storage.reading() as tx:
                inbox(tx, "default", VERA)

        return Sample(*timed(lambda: [look() for _ in range(AT_ONCE)], AT_ONCE))

    def close(self) -> None:
        self.house.platform.close()


def _key(number: int) -> str:
    return f"key-{number}"


def _copy_of(record: Record, first: str, number: int) -> Record:
    """The same record of another instance."""
    text = record.model_dump_json().replace(first, f"ins_{number:032x}").replace(KEY, _key(number))
    return type(record).model_validate_json(text)


def steps(folder: Path, rounds: int, database: Callable[[str], str] = lambda _: "") -> None:
    """A step among many live instances as a multiple of one among few."""
    crowds = {size: Crowd(folder / f"{size}", size, database=database(f"crowd{size}")) for size in (SMALL, LARGE)}
    try:
        for what in ("tasks", "timers", "messages", "inboxes"):
            _compare(what, {f"{size:,}": partial(getattr(crowd, what)) for size, crowd in crowds.items()}, rounds)
    finally:
        for crowd in crowds.values():
            crowd.close()


def due(folder: Path, rounds: int, database: Callable[[str], str] = lambda _: "") -> None:
    """Timers that are due, among ever more that are not."""
    crowds = {n: Crowd(folder / f"due{n}", 10 * rounds + 40, timers=n, database=database(f"due{n}")) for n in TIMERS_WAITING}
    try:
        for what in ("looks", "timers"):
            _compare(what, {f"{size:,}": partial(getattr(crowd, what)) for size, crowd in crowds.items()}, rounds)
    finally:
        for crowd in crowds.values():
            crowd.close()


def _compare(what: str, sides: dict[str, Callable[[], Sample]], rounds: int) -> None:
    for side in sides.values():
        side()  # the first prepares statements
    found = interleaved(sides, rounds)
    least, *others = sides
    print(f"  {what:9} {least}: {Spread.of([s.cpu_each * 1e3 for s in found[least]])} ms", end="")
    for name in others:
        cpu = ratio([s.cpu_each for s in found[name]], [s.cpu_each for s in found[least]])
        wall = ratio([1 / s.rate for s in found[name]], [1 / s.rate for s in found[least]])
        print(f"; {name}: {cpu} times (by the clock {wall})", end="")
    print(flush=True)
