"""How long life cycles take, and where the time goes: waiting against working, by step and by role.

Figures are of the newest stays that ended, up to `MOST_READ`; medians and ninetieth percentiles are nearest-rank."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from modelyard.catalog.model import UseCase
from modelyard.core.records import Query, Transaction, Where, equals
from modelyard.lifecycle.model import INSTANCES, STAYS, Instance, InstanceStatus, Stay
from modelyard.lifecycle.views import View

MOST_READ = 5_000


class Spread(View):
    """Seconds."""

    total: float
    median: float
    p90: float


class StepTime(View):
    """A step of a process: how often it ended, and how long it waited and was worked on."""

    element: str
    name: str
    kind: str
    role: str
    count: int
    waiting: Spread
    working: Spread


class RoleTime(View):
    """What a role's steps cost: `waiting` until somebody did it, `working` while somebody had it."""

    role: str
    count: int
    waiting: Spread
    working: Spread


class ProcessTimes(View):
    """`lead` is from start to end of the instances that completed."""

    process: str
    running: int
    ended: dict[str, int]
    lead: Spread | None
    steps: tuple[StepTime, ...]
    roles: tuple[RoleTime, ...]
    bottleneck: str | None


class TimeToDecision(View):
    """From a use case's intake to the first decision in production, and what of the time was waiting: the figure that ModelOps is
    to cut. `intake_at` is when its first life cycle began, or when it was registered."""

    use_case: str
    intake_at: datetime
    first_decision_at: datetime | None
    seconds: float | None
    waiting_s: float
    working_s: float
    by_role: tuple[RoleTime, ...]


def process_times(tx: Transaction, organisation: str, process: str) -> ProcessTimes:
    mine = (equals("organisation", organisation), equals("process", process))
    stays = _newest(tx, *mine)
    instances = tx.find(INSTANCES, Query(where=mine, sort="created_at", descending=True, limit=MOST_READ)).items
    ended = [i for i in instances if i.status is not InstanceStatus.RUNNING]
    steps = _steps(stays)
    slowest = max(steps, key=lambda step: step.waiting.total + step.working.total, default=None)
    return ProcessTimes(
        process=process,
        running=len(instances) - len(ended),
        ended={status.value: n for status in InstanceStatus if (n := sum(i.status is status for i in ended))},
        lead=_lead(ended),
        steps=steps,
        roles=_roles(stays),
        bottleneck=slowest.element if slowest is not None else None,
    )


def time_to_decision(tx: Transaction, use_case: UseCase, first_decision: datetime | None) -> TimeToDecision:
    """`first_decision` is the time of the first decision that was logged for the use case."""
    mine = (equals("organisation", use_case.organisation), equals("use_case", use_case.name))
    began = tx.find(INSTANCES, Query(where=mine, sort="created_at", limit=1)).items
    intake = min((use_case.created_at, *(instance.created_at for instance in began)))
    stays = [_until(s, first_decision) for s in _newest(tx, *mine) if first_decision is None or s.entered_at <= first_decision]
    return TimeToDecision(
        use_case=use_case.name,
        intake_at=intake,
        first_decision_at=first_decision,
        seconds=None if first_decision is None else (first_decision - intake).total_seconds(),
        waiting_s=sum(stay.waited_s or 0.0 for stay in stays),
        working_s=sum(stay.worked_s or 0.0 for stay in stays),
        by_role=_roles(stays),
    )


def _until(stay: Stay, end: datetime | None) -> Stay:
    """The part of a stay that was before a moment. What was worked of it is taken to have been worked first."""
    if end is None or stay.left_at is None or stay.left_at <= end:
        return stay
    total = (end - stay.entered_at).total_seconds()
    worked = min(stay.worked_s or 0.0, total)
    return stay.model_copy(update={"left_at": end, "worked_s": worked, "waited_s": total - worked})


def _newest(tx: Transaction, *where: Where) -> list[Stay]:
    query = Query(where=(*where, Where("left_at", "ne", None)), sort="left_at", descending=True, limit=MOST_READ)
    return list(tx.find(STAYS, query).items)


def _lead(ended: Sequence[Instance]) -> Spread | None:
    done = [i for i in ended if i.status is InstanceStatus.COMPLETED and i.ended_at is not None]
    return _spread((i.ended_at - i.created_at).total_seconds() for i in done if i.ended_at is not None) if done else None


def _steps(stays: Sequence[Stay]) -> tuple[StepTime, ...]:
    kinds: dict[tuple[str, str], list[Stay]] = {}
    for stay in stays:
        kinds.setdefault((stay.element, stay.kind), []).append(stay)
    made = [
        StepTime(
            element=element,
            name=found[0].name,
            kind=kind,
            role=found[0].role,
            count=len(found),
            waiting=_spread(stay.waited_s or 0.0 for stay in found),
            working=_spread(stay.worked_s or 0.0 for stay in found),
        )
        for (element, kind), found in kinds.items()
    ]
    return tuple(sorted(made, key=lambda step: -(step.waiting.total + step.working.total)))


def _roles(stays: Sequence[Stay]) -> tuple[RoleTime, ...]:
    by: dict[str, list[Stay]] = {}
    for stay in stays:
        if stay.role:
            by.setdefault(stay.role, []).append(stay)
    return tuple(
        RoleTime(
            role=role,
            count=len(found),
            waiting=_spread(stay.waited_s or 0.0 for stay in found),
            working=_spread(stay.worked_s or 0.0 for stay in found),
        )
        for role, found in sorted(by.items())
    )


def _spread(values: Iterable[float]) -> Spread:
    ordered = sorted(values)

    def rank(share: float) -> float:
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]

    return Spread(total=sum(ordered), median=rank(0.5), p90=rank(0.9))
