"""The platform as it runs: on a database, with life cycles published, people in their roles, and the worker's duties by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lifecycle.approval import APPROVAL, FORMS, GIVEN, SOURCE
from benchmarks.lifecycle.cases import ANSWERS
from benchmarks.lifecycle.side import Taken, timed
from benchmarks.peers import serve
from modelyard.bootstrap import READABLE_TABLES, Settings, build
from modelyard.core.bus import Request, Work
from modelyard.core.clock import Clock
from modelyard.core.messages import SYSTEM, Actor, Command, Subject
from modelyard.core.outbox import Consumer, Deliveries
from modelyard.core.records import Query, Where, equals, every
from modelyard.lifecycle.commands import DoWork, ProposeProcess, PublishProcess, StartProcess
from modelyard.lifecycle.deciding import complete_task
from modelyard.lifecycle.inbound import QUIET, Mover
from modelyard.lifecycle.instances import start_process
from modelyard.lifecycle.model import INSTANCES, WORK
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.tasks.model import TASKS
from modelyard.lifecycle.working import do_work
from modelyard.worker.duties import hand_over, sequence

WHY = "a benchmark"
DANA, RITA, OMAR, VERA = (
    Actor(id=f"idn_{name}", roles=frozenset({role}))
    for name, role in (("dana", "developer"), ("rita", "risk_officer"), ("omar", "operator"), ("vera", "validator"))
)


class House:
    """A platform in a folder."""

    def __init__(self, folder: str, database: str = "", clock: Clock | None = None) -> None:
        self.platform = build(Settings(home=Path(folder), database=database), clock=clock)
        self.mover = Mover(self.platform.storage, self.platform.bus, self.platform.clock)
        self._deliveries = Deliveries(self.platform.storage, self.platform.clock)
        self._consumer = Consumer("lifecycle", self.mover.hear, passes_over=QUIET)

    def do(self, actor: Actor, command: Command) -> Any:
        return self.platform.bus.handle(Request(command=command, actor=actor, reason=WHY))

    def publish(self, source: str, forms: dict[str, Any]) -> None:
        self.do(RITA, PublishProcess(definition=self.do(DANA, ProposeProcess(source=source, forms=forms)).id))

    def tidy(self) -> None:
        """What the worker does after steps: places in the audit log, events to those who listen."""
        while sequence(self.platform) or hand_over(self.platform, self._deliveries, [self._consumer]):
            pass

    @contextmanager
    def bare(self, actor: Actor, command: Command) -> Iterator[Work]:
        """A transaction without the bus around it."""
        with self.platform.storage.transaction() as tx:
            request = Request(command=command, actor=actor, reason=WHY)
            yield Work(tx, request, self.platform.clock.now(), self.platform.ids, Subject(type="none", id="none"))


class Kept:
    """Orders: steps with everything that is kept of them, through the bus (`governed`) or by its handlers alone (`service`)."""

    def opening(self, folder: str, database: str = "") -> None:
        self._house = House(folder, database)
        self._house.publish(SOURCE, FORMS)

    def begun(self, governed: bool, count: int) -> Taken:
        command = StartProcess(process=APPROVAL, data=GIVEN)
        return timed(lambda: [self._give(governed, OMAR, command, start_process) for _ in range(count)], count)

    def kept(self, governed: bool, tasks: list[str]) -> Taken:
        """All instances that wait do these tasks, each in a transaction."""
        wall = cpu = 0.0
        done = 0
        for task in tasks:
            found = self._work(task) or self._tasks(task)
            taken = timed(lambda given=found: [self._give(governed, *each) for each in given], len(found))
            wall, cpu, done = wall + taken[0], cpu + taken[1], done + taken[2]
        return wall, cpu, done

    def tidied(self) -> Taken:
        """What the worker does afterwards."""
        return timed(self._house.tidy)

    def row_sizes(self) -> int:
        """Bytes of the greatest state that is kept."""
        with self._house.platform.storage.reading() as tx:
            return max(len(instance.state.encode()) for instance in every(tx, INSTANCES))

    def _give(self, governed: bool, actor: Actor, command: Any, handler: Callable[[Work, Any], Any]) -> None:
        if governed:
            self._house.do(actor, command)
            return
        with self._house.bare(actor, command) as work:
            handler(work, command)

    def _work(self, element: str) -> list[tuple[Actor, Any, Any]]:
        bus, tables = self._house.platform.bus, {table.name: table for table in READABLE_TABLES}
        with self._house.platform.storage.reading() as tx:
            found = [item for item in every(tx, WORK) if item.element == element]
        return [(SYSTEM, DoWork(work=item.id), lambda work, command: do_work(bus, tables, work, command)) for item in found]

    def _tasks(self, element: str) -> list[tuple[Actor, Any, Any]]:
        bus, data = self._house.platform.bus, ANSWERS.get(element, {})
        where = (equals("element", element), Where("status", "eq", "open"))
        with self._house.platform.storage.reading() as tx:
            found = tx.find(TASKS, Query(where=where, limit=5_000)).items
        commands = [CompleteTask(task=task.id, data=data) for task in found]
        return [(VERA, command, lambda work, command: complete_task(bus, work, command)) for command in commands]


if __name__ == "__main__":
    serve(Kept())
