"""A platform with people who are known to it, and the worker's duties run by hand until nothing is left to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelyard import bpmn
from modelyard.bootstrap import Platform
from modelyard.bpmn.model import Process
from modelyard.core.bus import Request
from modelyard.core.messages import Actor, ActorKind
from modelyard.core.outbox import INBOX, Consumer, Deliveries, DeliveryState, distribute
from modelyard.core.records import Query, equals, every
from modelyard.core.transactions import in_transaction
from modelyard.governance.identity.commands import CreateIdentity, GrantRole
from modelyard.governance.identity.model import IDENTITIES, Identity, Role
from modelyard.lifecycle.commands import ProposeProcess, PublishProcess, StartProcess
from modelyard.lifecycle.definitions import compiled
from modelyard.lifecycle.inbound import QUIET, Mover
from modelyard.lifecycle.model import (
    INCIDENTS,
    INSTANCES,
    STAYS,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    Instance,
    ProcessDefinition,
    ProcessIncident,
)
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.tasks.model import CANDIDACIES, LIVE, TASKS, Task
from modelyard.lifecycle.values import as_json
from tests.bpmn.bpmn_text import user, xml
from tests.life.conftest import House

CAST = {
    "dana": Role.DEVELOPER,
    "dave": Role.DEVELOPER,
    "omar": Role.OPERATOR,
    "otto": Role.OPERATOR,
    "bea": Role.BUSINESS_OWNER,
    "vera": Role.VALIDATOR,
    "rita": Role.RISK_OFFICER,
    "ruth": Role.RISK_OFFICER,
}


def text(*made: Process) -> str:
    """Processes as a file."""
    return xml(*made).decode()


def person(role: str, **more: Any) -> Any:
    """A user task for a role."""
    given = more.pop("extensions", {})
    return user(extensions={"role": role} | given, **more)


@dataclass
class Yard:
    """The house, its people as identities, and what moves instances."""

    house: House
    people: dict[str, Actor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        platform = self.platform
        with platform.storage.reading() as tx:
            administrator = tx.find(IDENTITIES, Query(limit=1)).items[0]
        root = Actor(id=administrator.id, roles=frozenset({"administrator"}))
        for name, role in CAST.items():
            made = self.do(root, CreateIdentity(name=name, display_name=name.title()))
            assert isinstance(made, Identity)
            self.do(root, GrantRole(identity=made.id, role=role))
            self.people[name] = Actor(id=made.id, kind=ActorKind.PERSON, roles=frozenset({role.value}))
        self.people["root"] = root
        self.mover = Mover(platform.storage, platform.bus, platform.clock)
        self.deliveries = Deliveries(platform.storage, platform.clock, jitter=lambda: 0.0)
        self.consumer = Consumer("lifecycle", self.mover.hear, passes_over=QUIET)

    @property
    def platform(self) -> Platform:
        return self.house.platform

    def do(self, who: Actor | str, command: Any, **how: Any) -> Any:
        actor = self.people[who] if isinstance(who, str) else who
        return self.platform.bus.handle(Request(command=command, actor=actor, **({"reason": "test"} | how)))

    def publish(self, source: str, **given: Any) -> ProcessDefinition:
        """Propose and put in force, by two people."""
        proposed = self.do("dana", ProposeProcess(source=source, **given))
        published = self.do("rita", PublishProcess(definition=proposed.id))
        assert isinstance(published, ProcessDefinition)
        return published

    def start(self, process: str, who: str = "omar", **given: Any) -> Instance:
        found = self.do(who, StartProcess(process=process, **given))
        assert isinstance(found, Instance)
        return found

    def move(self, turns: int = 200) -> None:
        """Run the worker's duties until nothing is left to do now."""
        storage, clock = self.platform.storage, self.platform.clock
        for _ in range(turns):
            done = self.mover.fire_timers() + self.mover.do_work() + self.mover.tend_tasks()
            done += in_transaction(storage, lambda tx: distribute(tx, [self.consumer], clock.now()))
            done += self.deliveries.run(self.consumer)
            if not done:
                break
        else:
            raise AssertionError("the worker never comes to rest")
        with storage.reading() as tx:
            stuck = [d for d in every(tx, INBOX) if d.state not in (DeliveryState.DONE, DeliveryState.SKIPPED)]
        assert not stuck, [d.error for d in stuck]

    def instance(self, instance: Instance | str) -> Instance:
        with self.platform.storage.reading() as tx:
            return tx.get(INSTANCES, instance if isinstance(instance, str) else instance.id)

    def tasks(self, instance: Instance | None = None) -> list[Task]:
        """Live tasks, oldest first."""
        with self.platform.storage.reading() as tx:
            found = every(tx, TASKS, *([equals("instance", instance.id)] if instance else []))
        return sorted((t for t in found if t.status in LIVE), key=lambda t: t.created_at)

    def task(self, element: str, instance: Instance | None = None) -> Task:
        """The one live task of that step."""
        found = [t for t in self.tasks(instance) if t.element == element]
        assert len(found) == 1, f"{len(found)} tasks {element}; there are {[t.element for t in self.tasks()]}"
        return found[0]

    def completion(self, element: str, instance: Instance) -> CompleteTask:
        """The command that does the task of that step of an instance."""
        return CompleteTask(task=self.task(element, instance).id)

    def complete(self, who: str, element: str, instance: Instance | None = None, **given: Any) -> Task:
        """Do the task, and let the worker do what follows."""
        done = self.do(who, CompleteTask(task=self.task(element, instance).id, **given))
        assert isinstance(done, Task)
        self.move()
        return done

    def incidents(self, instance: Instance | None = None) -> list[ProcessIncident]:
        with self.platform.storage.reading() as tx:
            found = every(tx, INCIDENTS, equals("status", "open"))
        return [i for i in found if instance is None or i.instance == instance.id]

    def state(self, instance: Instance | str) -> bpmn.State:
        """What the engine knows of it."""
        kept = self.instance(instance)
        with self.platform.storage.reading() as tx:
            return bpmn.loads(kept.state, compiled(tx, kept.organisation, kept.source, kept.process).digest)

    def data(self, instance: Instance | str) -> dict[str, Any]:
        """Its variables."""
        return as_json(self.state(instance).data)

    def left_over(self) -> list[Any]:
        """What waits, in all tables, for anybody: nothing, when every instance has ended."""
        waiting = [row for table in (TIMERS, SUBSCRIPTIONS) for row in self.rows(table) if row.instance is not None]
        standing = [stay for stay in self.rows(STAYS) if stay.left_at is None]
        return [*waiting, *standing, *self.rows(WORK), *self.rows(CANDIDACIES), *self.tasks(), *self.incidents()]

    def rows(self, table: Any) -> list[Any]:
        with self.platform.storage.reading() as tx:
            return every(tx, table)
