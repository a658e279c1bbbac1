"""The governed life of the three versions, step by step, each done by the person whose step it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from examples.flights.data import LABEL
from examples.flights.people import Cast
from examples.flights.train import ENDPOINT, USE_CASE, Trained
from examples.life import PATIENCE, command_line, moved, until
from examples.people import Person
from examples.stage import Say
from modelyard.catalog import Version
from modelyard.core.errors import Refused, TimedOut, Unavailable
from modelyard.delivery.commands import CreateEndpoint
from modelyard.delivery.model import ENDPOINTS, Endpoint
from modelyard.evaluation.commands import RecordComparison
from modelyard.governance.assurance.model import APPROVALS, Evidence
from modelyard.lifecycle.commands import StartProcess
from modelyard.lifecycle.model import INSTANCES, Instance, InstanceStatus
from modelyard.lifecycle.tasks.commands import CompleteTask
from modelyard.lifecycle.tasks.model import LIVE, TASKS, Task
from modelyard.measures import Interval, Moments
from modelyard.monitoring import ALERTS, MONITORS, Alert, CreateMonitor, Monitor, Severity, Watch, WindowKind, WindowSpec
from modelyard.trust.statements import ArmRole

PROCESS = "model-release"
"""The life cycle that every version goes through."""

GUARDED = {"inputs.visibility": 5.0, "inputs.recent_delay": 3.0}
"""Fields that the guard of a fresh version watches by the day, and the PSI against its test data from which it calls. No day
from June to August comes further than 3.2 and 1.6 from that season; values in another unit pass the lines at once. Temperature
is not among them: a cool day alone reaches 8."""


class Life:
    """What is done to versions. `say` tells what happened; `refused` counts refusals that were asked for on purpose."""

    def __init__(self, cast: Cast, say: Say) -> None:
        self.cast, self.say = cast, say
        self.refused = 0

    def register(self, trained: Trained) -> Version:
        """Dana registers the use case, the model and the version from `modelyard.yaml`."""
        folder = str(trained.folder)
        told = command_line(self.cast.dana, "register", "--manifest", folder, "--reason", f"version {trained.number} is trained")
        version = Version.model_validate(told["version"])
        self.say(f"dana registers {version.model}@{version.number} · {told['translation']}")
        return version

    def begin(self, version: Version, trained: Trained) -> Instance:
        """Dana asks for its release: the life cycle *model release* has a worker test it, and the gate judge what was found."""
        test = self.cast.dana.client.upload(trained.test).digest
        data = {"test": test, "label": LABEL, "endpoint": ENDPOINT, "roles": ["champion", "challenger"]}
        start = StartProcess(process=PROCESS, about=f"version:{version.name}", data=data)
        instance = self.cast.dana.client.do(start, Instance, reason=f"version {version.number} is to serve")
        self.say(f"dana begins {instance.title}, version {instance.number} of the life cycle")
        return instance

    def task(self, instance: Instance, step: str, patience: float = PATIENCE) -> Task:
        """The task of a step, as soon as the life cycle has come to it. Raises Unavailable when it goes another way."""

        def look() -> Task | None:
            live = [t for t in self._tasks(instance) if t.status in LIVE]
            if live and live[0].element != step:
                raise Unavailable(f"{instance.title} is at {live[0].name!r}, not at {step!r}: {live[0].data}")
            return next((task for task in live if task.element == step), None)

        return until(f"{instance.title} to come to {step!r}", look, patience)

    def _tasks(self, instance: Instance) -> list[Task]:
        return list(self.cast.omar.client.find(TASKS, where={"instance": instance.id}))

    def ask(self, instance: Instance) -> Task:
        """Omar asks for approval, on the gate's result."""
        task = self.task(instance, "ask")
        self.say(str(task.data["gate"]))
        comments = "it passed the gate"
        return self.cast.omar.client.do(CompleteTask(task=task.id, comments=comments), Task, reason=comments)

    def review(self, instance: Instance, *, tempt: bool = False) -> Task:
        """Bea approves what she is shown. With `tempt`, the one who asked and the one who built it try first."""
        task = self.task(instance, "review")
        if tempt:
            for person in (self.cast.omar, self.cast.dana):
                self._tempted(person, task)
        shown = self.cast.bea.client.get(APPROVALS, str(task.approval))
        comments = f"seen: {len(shown.evidence)} pieces of evidence, gate {shown.gate}, scope {', '.join(shown.scope.roles)}"
        decide = CompleteTask(task=task.id, verdict="approved", comments=comments)
        done = self.cast.bea.client.do(decide, Task, reason="worth its risk")
        self.say(f"bea approves as she was shown it: {shown.bound[:19]}…")
        return done

    def _tempted(self, person: Person, task: Task) -> None:
        decide = CompleteTask(task=task.id, verdict="approved", comments="looks good to me")
        try:
            person.client.do(decide, reason="an attempt that must fail")
        except Refused as refusal:
            self.refused += 1
            self.say(f"{person.name} may not approve it: {refusal.detail}")
            return
        raise Unavailable(f"{person.name} could approve, which must not be")

    def open_endpoint(self) -> Endpoint:
        """The stable name; while no model may answer it says: do not hold."""
        command = CreateEndpoint(name=ENDPOINT, use_case=USE_CASE, constant={"probability": 0.0})
        return self.cast.omar.client.do(command, Endpoint, reason="network control needs an address")

    def roll_out(self, instance: Instance, role: ArmRole, share: float | None, days: int, why: str) -> Endpoint:
        """The release is signed; Omar plans how it goes out, and it is deployed in his name."""
        task = self.task(instance, "plan")
        plan = {"role": role.value, "days": days} | ({"share": share} if share is not None else {})
        self.cast.omar.client.do(CompleteTask(task=task.id, data=plan, comments=why), Task, reason=why)
        return self._moved(until("the deployment", lambda: self._deployed(instance)))

    def _deployed(self, instance: Instance) -> Endpoint | None:
        endpoint = self.cast.omar.client.get(ENDPOINTS, ENDPOINT)
        arms = {f"version:{arm.version}" for arm in endpoint.arms}
        return endpoint if instance.about in arms else None

    def promote(self, instance: Instance, why: str) -> Endpoint:
        """The comparison was recorded: Bea is asked, and decides."""
        task = self.task(instance, "decide")
        self.cast.bea.client.do(CompleteTask(task=task.id, data={"choice": "promote"}, comments=why), Task, reason=why)
        return self._moved(until("the promotion", lambda: self._champion(instance)))

    def _champion(self, instance: Instance) -> Endpoint | None:
        endpoint = self.cast.omar.client.get(ENDPOINTS, ENDPOINT)
        found = endpoint.champion()
        return endpoint if found is not None and f"version:{found.version}" == instance.about else None

    def roll_back(self, instance: Instance, why: str) -> Endpoint:
        """The alert has asked Omar; he answers in one command, as an operator types it."""
        task = self.task(instance, "roll-back-asked")
        answer = ("--set", "choice=roll back", "--comments", why, "--reason", why)
        command_line(self.cast.omar, "task", "complete", task.id, *answer)
        return self._moved(until("the rollback", lambda: self._left(instance)))

    def _left(self, instance: Instance) -> Endpoint | None:
        endpoint = self.cast.omar.client.get(ENDPOINTS, ENDPOINT)
        return endpoint if instance.about not in {f"version:{arm.version}" for arm in endpoint.arms} else None

    def ended(self, instance: Instance) -> Instance:
        """The life cycle as it ended."""

        def look() -> Instance | None:
            found = self.cast.omar.client.get(INSTANCES, instance.id)
            return found if found.status is not InstanceStatus.RUNNING else None

        return until(f"{instance.title} to end", look)

    def _moved(self, endpoint: Endpoint) -> Endpoint:
        return moved(self.cast.omar, endpoint, self.say)

    def compare(
        self, version: Version, champion: Version, period: tuple[datetime, datetime], found: Interval, of: Any
    ) -> Evidence:
        """Vera records what the month in parallel showed."""
        before, after = of
        sentence = (
            f"a decision costs {after.mean:.2f} with version {version.number} and {before.mean:.2f} with version "
            f"{champion.number}: {found.estimate:+.2f} dollars, 95 % interval "
            f"{found.low:+.2f} to {found.high:+.2f} ({found.method})"
        )
        command = RecordComparison(
            version=version.id,
            champion=champion.id,
            endpoint=ENDPOINT,
            since=period[0],
            until=period[1],
            metrics=_metrics(found, before, after),
            sentence=sentence,
        )
        evidence = self.cast.vera.client.do(command, Evidence, reason="challenger and champion, drawn by lot")
        self.say(f"vera: {sentence}")
        return evidence

    def guard(self, version: Version, reference: str) -> Monitor:
        """Omar watches a fresh version by the day: are its inputs those it was built for?"""
        own = until("the version's own monitor", lambda: self._inputs_monitor(version))
        why = "no day of the season comes near it; values in another unit do"
        command = CreateMonitor(
            name=f"{ENDPOINT}-v{version.number}-guard",
            use_case=USE_CASE,
            endpoint=ENDPOINT,
            version=version.manifest_digest,
            window=WindowSpec(kind=WindowKind.DAY),
            fields=tuple(f for f in own.fields if f.path in GUARDED),
            watches=tuple(
                Watch(measure="psi", field=path, warning=line, critical=line, reason=why, minimum_rows=50)
                for path, line in GUARDED.items()
            ),
            reference=reference,
        )
        return self.cast.omar.client.do(command, Monitor, reason="the first days of a version are watched by the day")

    def _inputs_monitor(self, version: Version) -> Monitor | None:
        where = {"version": version.manifest_digest}
        found = self.cast.omar.client.find(MONITORS, where=where)
        return next((m for m in found if m.name.endswith("-inputs")), None)

    def called(self, guard: Monitor, patience: float) -> Alert | None:
        """The guard's worst alert, waited for a while; None when there is none."""

        def look() -> Alert | None:
            where = {"monitor_id": guard.id, "severity": Severity.CRITICAL}
            return max(self.cast.omar.client.find(ALERTS, where=where), key=lambda a: a.value, default=None)

        try:
            return until("an alert", look, patience)
        except TimedOut:
            return None


def folder_of(home: Path, number: int) -> Path:
    """Where a version is built."""
    return home / "models" / f"v{number}"


def _metrics(found: Interval, before: Moments, after: Moments) -> dict[str, float]:
    return {
        "cost_difference": found.estimate,
        "cost_difference_low": found.low,
        "cost_difference_high": found.high,
        "champion_cost": before.mean,
        "champion_rows": float(before.count),
        "challenger_cost": after.mean,
        "challenger_rows": float(after.count),
        "challenger_better": 1.0 if found.high < 0 else 0.0,
    }
