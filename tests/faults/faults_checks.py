"""What must be so when everything has come to rest: each finding is a sentence that says what is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from modelyard import bpmn
from modelyard.core.digests import digest_of
from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, SYSTEM, AuditOutcome, AuditRecord
from modelyard.core.outbox import EVENTS, INBOX, OPEN, DeliveryState
from modelyard.core.records import Query, Storage, Table, Where, equals, every
from modelyard.delivery.model import DEPLOYMENTS
from modelyard.governance.assurance.model import APPROVAL_DECISIONS, APPROVALS, EVIDENCE
from modelyard.governance.releases.model import RELEASES, REVOCATIONS
from modelyard.jobs.model import JOBS, Job, JobState
from modelyard.lifecycle.model import (
    INCIDENTS,
    INSTANCES,
    MESSAGES,
    STAYS,
    STEPS,
    SUBSCRIPTIONS,
    TIMERS,
    WORK,
    Instance,
    InstanceStatus,
    Step,
)
from modelyard.lifecycle.tasks.model import CANDIDACIES, LIVE, TASK_DECISIONS, TASKS, Task
from tests.faults.faults_process import Wish

MOST_TOLD = 500
ENDED_JOBS = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
ONCE = frozenset(("lifecycle.record_result", "lifecycle.fire_timer", "lifecycle.do_work"))
"""Commands that may be done once about the same timer or work."""
CHECKS = ("check", "run-checks")
REVIEWERS = 2
"""How many roles the gate asks for at the tier of the campaign's use case."""


_WAITING: tuple[tuple[str, Table[Any], tuple[Where, ...]], ...] = (
    ("instances running", INSTANCES, (equals("status", InstanceStatus.RUNNING),)),
    ("tasks open", TASKS, (Where("status", "in", LIVE),)),
    ("candidacies", CANDIDACIES, ()),
    ("timers", TIMERS, (Where("instance", "ne", None),)),
    ("subscriptions", SUBSCRIPTIONS, (Where("instance", "ne", None),)),
    ("pieces of work", WORK, ()),
    ("jobs", JOBS, (Where("state", "in", (JobState.QUEUED, JobState.RUNNING)),)),
    ("events in the outbox", OUTBOX, ()),
    ("deliveries", INBOX, (Where("state", "in", OPEN),)),
    ("audit records without a place", AUDIT_PENDING, ()),
)
"""What is left while anything still moves or waits for somebody."""


def unrest(storage: Storage) -> list[str]:
    """What still moves, or waits for somebody."""
    with storage.reading() as tx:
        found = [(what, tx.find(table, Query(where=where, limit=MOST_TOLD)).items) for what, table, where in _WAITING]
    return [f"{len(rows)} {what}: {', '.join(each.id for each in rows[:5])}" for what, rows in found if rows]


def left(storage: Storage) -> int:
    """How many instances run."""
    with storage.reading() as tx:
        return len(tx.find(INSTANCES, Query(where=(equals("status", InstanceStatus.RUNNING),), limit=MOST_TOLD)).items)


class Findings:
    """Everything that was kept, and what is wrong with it."""

    def __init__(self, storage: Storage, wishes: Iterable[Wish]) -> None:
        self.wishes = tuple(wishes)
        with storage.reading() as tx:
            self.instances: list[Instance] = every(tx, INSTANCES)
            self.steps: list[Step] = every(tx, STEPS)
            self.tasks: list[Task] = every(tx, TASKS)
            self.audit: list[AuditRecord] = every(tx, AUDIT)
            self.jobs: list[Job] = every(tx, JOBS)
            self.deliveries = every(tx, INBOX)
            self.events = every(tx, EVENTS)
            self.stays, self.messages = every(tx, STAYS), every(tx, MESSAGES)
            self.incidents, self.decisions = every(tx, INCIDENTS), every(tx, TASK_DECISIONS)
            self.approvals, self.votes = every(tx, APPROVALS), every(tx, APPROVAL_DECISIONS)
            self.releases, self.revocations = every(tx, RELEASES), every(tx, REVOCATIONS)
            self.answered = {kept.id for kept in every(tx, IDEMPOTENCY)}
            self.deployments, self.evidence = every(tx, DEPLOYMENTS), every(tx, EVIDENCE)
        self.by_title = _grouped((i for i in self.instances if i.parent is None), lambda i: i.title)
        self.done = [a for a in self.audit if a.outcome is AuditOutcome.DONE]

    def all(self) -> list[str]:
        return [*self._of_everything(), *(f"{w.name}: {found}" for w in self.wishes for found in self._of_one(w))]

    def figures(self) -> dict[str, object]:
        """How much there was, and how much of it had to be done by somebody else after a death."""
        again = Counter(a.action for a in self.done)
        return {
            "instances": dict(Counter(i.status.value for i in self.instances)),
            "steps": len(self.steps),
            "audit records": len(self.audit),
            "events": len(self.events),
            "deliveries taken over": sum(d.attempts > 1 for d in self.deliveries),
            "jobs": len(self.jobs),
            "jobs taken over": sum(j.attempts > 1 for j in self.jobs),
            "failures of work recorded": again["lifecycle.record_failure"],
        }

    # --- everything

    def _of_everything(self) -> Iterator[str]:
        yield from (f"incident {i.id} at {i.element}: {i.message}" for i in self.incidents)
        yield from (f"release {r.id} was revoked: {r.cause}" for r in self.revocations)
        yield from (f"message {m.name} {m.key} was kept for nobody" for m in self.messages)
        yield from (
            f"{a.actor} was refused {a.action}: {a.error_detail}" for a in self.audit if a.outcome is not AuditOutcome.DONE
        )
        yield from (f"event {id_} is there {n} times" for id_, n in Counter(e.id for e in self.events).items() if n > 1)
        handed = Counter((d.consumer, d.event_id) for d in self.deliveries)
        yield from (f"{who} got event {id_} {n} times" for (who, id_), n in handed.items() if n > 1)
        yield from (f"delivery {d.id} was given up: {d.error}" for d in self.deliveries if d.state is DeliveryState.SKIPPED)
        yield from self._commands()
        yield from self._histories()
        titles = {wish.name for wish in self.wishes}
        yield from (
            f"instance {i.id} ({i.title}) is nobody's" for i in self.instances if i.parent is None and i.title not in titles
        )

    def _commands(self) -> Iterator[str]:
        given = Counter((a.action, a.subject_id) for a in self.done if a.action in ONCE)
        yield from (f"{action} {subject} was done {n} times" for (action, subject), n in given.items() if n > 1)
        asked = sum(a.action == "evaluation.run_checks" for a in self.done)
        if asked != len(self.jobs):
            yield f"{asked} checks were asked for, and there are {len(self.jobs)} jobs"
        yield from (f"job {j.id} is {j.state}: {j.error}" for j in self.jobs if j.state not in ENDED_JOBS)

    def _histories(self) -> Iterator[str]:
        steps = _grouped(self.steps, lambda step: step.instance)
        for instance in self.instances:
            numbers = sorted(step.number for step in steps[instance.id])
            if numbers != list(range(1, instance.steps + 1)):
                yield f"{instance.id} took {instance.steps} steps, and its history has {numbers}"
            state = bpmn.loads(instance.state, instance.source.removeprefix("sha256:"))
            if state.status != instance.status or state.tokens or state.waits or instance.standing or instance.places:
                yield f"{instance.id} is {instance.status}, its state {state.status} with tokens at {instance.places}"
            if instance.open_incidents or instance.health != "ok":
                yield f"{instance.id} is not well: {instance.open_incidents} incidents"
        yield from (f"a token never left {stay.element} of {stay.instance}" for stay in self.stays if stay.left_at is None)

    # --- one release

    def _of_one(self, wish: Wish) -> Iterator[str]:
        mine = self.by_title[wish.name]
        if len(mine) != 1:
            yield f"there are {len(mine)} instances of it"
            return
        instance = mine[0]
        called_off = instance.status is InstanceStatus.CANCELLED
        if called_off and wish.end != "cancelled":
            yield "it is cancelled, and nobody wanted that"
        if not called_off and instance.status is not InstanceStatus.COMPLETED:
            yield f"it is {instance.status}"
        found, wanted = self._counted(wish, instance), self._expected(wish, instance)
        wanted["approval pending"] = int(called_off)  # who calls off the process does not withdraw the request for approval
        for what in sorted(found.keys() | wanted.keys()):
            most = wanted[what]
            if found[what] > most or (found[what] < most and not called_off):
                yield f"{found[what]} × {what}, and not {most}"

    def _counted(self, wish: Wish, instance: Instance) -> Counter[str]:
        """Every effect of the instance, by what it is."""
        children = [i for i in self.instances if (i.parent or "").startswith(f"{instance.id}:")]
        ids = {instance.id, *(child.id for child in children)}
        releases = [r for r in self.releases if r.version == wish.version]
        count: Counter[str] = Counter()
        count["called process"] = len(children)
        for child in children:
            if child.status not in (InstanceStatus.COMPLETED, instance.status):
                count[f"called process that is {child.status}"] += 1
        for approval in (a for a in self.approvals if a.subject_id == wish.version):
            count[f"approval {approval.status.value}"] += 1
        count["release"] = len(releases)
        for release in releases:
            count["deployment"] += sum(_brings(deployment, release.id) for deployment in self.deployments)
        for evidence in (e for e in self.evidence if e.version == wish.version):
            count[f"evidence {evidence.type.value}"] += 1
        for action in (a.action for a in self.done if a.trace_id in ids and a.action in STEPS_IN_ITS_NAME):
            count[action] += 1
        for decision in (d for d in self.decisions if d.instance in ids):
            count[f"decision at {decision.step}"] += 1
        approvals = {a.id for a in self.approvals if a.subject_id == wish.version}
        count.update(f"vote of {v.approver}" for v in self.votes if v.approval in approvals)
        for who in [what for what in count if what.startswith("vote of") and count[what] == 1]:
            count["person who voted"] += count.pop(who)
        return count

    def _expected(self, wish: Wish, instance: Instance) -> Counter[str]:
        released = wish.end != "rejected"
        failed = sum(s.instance == instance.id and s.event == "failed" and s.element in CHECKS for s in self.steps)
        rejected = sum(d.instance == instance.id and d.verdict == "rejected" for d in self.decisions)
        votes = REVIEWERS if released else max(rejected, 1)
        own = not wish.shipped
        found = {
            "called process": own,
            f"approval {'approved' if released else 'rejected'}": 1,
            "release": released,
            "deployment": released,
            "evidence scan": 1 + self._reported(wish, 0),
            "evidence test_report": 1 + self._reported(wish, 1),
            "evidence validation": 1,
            "evidence document": own,
            "evidence gate_result": 1,
            "evaluation.run_checks": 1 + failed if wish.checked else 0,
            "governance.evaluate_gate": 1,
            "governance.record_evidence": own,
            "governance.issue_release": released,
            "delivery.deploy": released,
            "decision at done": own,
            "decision at ask": 1,
            "decision at again": failed * own,
            "decision at plan": released and wish.shipped,
            "decision at review": votes,
            "person who voted": votes,
            "decision at countersign": 2 * (released and own),
            "decision at mend": (wish.lost and released) if own else failed,
        }
        return Counter({what: int(number) for what, number in found.items()})

    def _reported(self, wish: Wish, number: int) -> int:
        """How many jobs recorded their first (scan) or second (report) finding: those that are done, and those that lost their
        last worker only after that."""
        mine = [job for job in self.jobs if job.payload["version"] == wish.version]
        action = "governance.record_evidence"
        kept = {job.id: digest_of(["default", SYSTEM.id, action, f"{job.id}-{number}"]) in self.answered for job in mine}
        return sum(job.state is JobState.DONE or kept[job.id] for job in mine)


STEPS_IN_ITS_NAME = frozenset(
    (
        "evaluation.run_checks",
        "governance.evaluate_gate",
        "governance.record_evidence",
        "governance.issue_release",
        "delivery.deploy",
    )
)
"""Commands of service tasks: the audit log names the instance as their trace."""


def _brings(deployment: Any, release: str) -> bool:
    """Whether the release came to the endpoint with it."""
    return release in {arm.release for arm in deployment.after} - {arm.release for arm in deployment.before}


def _grouped(records: Iterable[Any], key: Any) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for record in records:
        found[key(record)].append(record)
    return found
