"""A step asks for a person: the task is opened; a step no longer does: it is withdrawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from modelyard import bpmn
from modelyard.bpmn.engine import CompiledProcess
from modelyard.core.bus import Work
from modelyard.core.errors import InvalidInput
from modelyard.core.records import Transaction, equals, every, first
from modelyard.dmn import DaysTime, YearsMonths
from modelyard.dmn.feel.temporal import parse_duration
from modelyard.governance.assurance.model import APPROVALS, Approval
from modelyard.governance.identity.model import IDENTITIES
from modelyard.governance.risk.service import months_later
from modelyard.lifecycle.course import Course
from modelyard.lifecycle.model import DEFINITIONS
from modelyard.lifecycle.tasks.events import TaskOpened, TaskWithdrawn
from modelyard.lifecycle.tasks.model import (
    CANDIDACIES,
    GREATEST_PRIORITY,
    GREATEST_QUORUM,
    LIVE,
    TASKS,
    Candidacy,
    Task,
    TaskStatus,
)
from modelyard.lifecycle.values import as_json, texts

MEANT = ("role", "candidates", "exclude", "title", "requester", "tier")
"""Inputs that say whose the task is; the others are what the person is shown."""


def open_task(course: Course, effect: bpmn.WorkWanted) -> Task:
    """Put the task before those whose it is. What of it cannot be understood is told to the person who looks at it, since the
    process was published like that: an unknown candidate is kept as it was written."""
    given, more = as_json(effect.data), effect.extensions
    strict = bool(course.code.nodes[effect.element].inputs)
    meant = {name: given[name] for name in MEANT if strict and name in given}
    work, now = course.work, course.work.now
    roles = texts(meant.get("role")) or texts(more.get("role")) or lane_roles(course.code, effect.lane)
    known = partial(known_as, work.tx, work.organisation)
    candidates = tuple(dict.fromkeys(map(known, texts(meant.get("candidates")))))
    approval = _approval(course, effect, given)
    rule, quorum, each = quorum_of(more.get("quorum"), roles, candidates)
    task = Task(
        id=course.named(effect.work),
        **course.kept(),
        instance=course.instance.id,
        process=course.instance.process,
        number=course.instance.number,
        work=effect.work,
        element=effect.element,
        name=str(meant.get("title") or effect.name or effect.element),
        about=course.instance.about,
        use_case=course.instance.use_case,
        priority=priority_of(more.get("priority")),
        roles=roles,
        candidates=candidates,
        excluded=tuple(map(known, texts(meant.get("exclude")))),
        requester=known(str(meant["requester"])) if meant.get("requester") else course.instance.started_by,
        tier=str(meant["tier"]) if meant.get("tier") else _tier(course),
        form=_form(course, more.get("form")),
        data=_shown(approval, {name: value for name, value in given.items() if name not in meant}),
        strict=strict,
        opened_step=course.instance.steps + 1,
        operation=effect.what,
        approval=approval.id if approval is not None else None,
        quorum=quorum,
        rule=rule,
        each=each,
        due_at=later(now, more.get("dueIn")),
        remind_at=later(now, more.get("remindIn")),
        expires_at=later(now, more.get("expiresIn")),
        escalate_to=texts(more.get("escalateTo")),
    )
    kept = work.add(TASKS, task.model_copy(update={"next_at": next_time(task)}))
    announce(work, kept)
    work.emit(TaskOpened(**told(kept), roles=kept.roles, candidates=kept.candidates), f"instance:{kept.instance}")
    return kept


def _shown(approval: Approval | None, data: dict[str, Any]) -> dict[str, Any]:
    """What the person is shown; of an approval always what it is bound to, so that deciding on it says what was seen."""
    return data if approval is None else {"shown": approval.bound} | data


def announce(work: Work, task: Task) -> None:
    """Put it into the inboxes of those whose it is."""
    for who in whose(task):
        add_candidacy(work, task, who)


def whose(task: Task) -> list[str]:
    return [*(f"role:{role}" for role in task.roles), *(f"identity:{person}" for person in task.candidates)]


def add_candidacy(work: Work, task: Task, who: str) -> None:
    kept = {"organisation": task.organisation, "created_at": work.now}
    work.tx.add(CANDIDACIES, Candidacy(id=f"{task.id}:{who}", **kept, task=task.id, who=who, urgency=urgency(task)))


def urgency(task: Task) -> str:
    """Sorts as the most urgent first: by priority, then by what is due soonest, then by what has waited longest."""
    due = f"{task.due_at:%Y-%m-%dT%H:%M:%S.%f}" if task.due_at is not None else "~"
    return f"{GREATEST_PRIORITY - task.priority:05d} {due} {task.created_at:%Y-%m-%dT%H:%M:%S.%f} {task.id}"


def remove_candidacies(work: Work, task: Task) -> None:
    """The task waits in nobody's inbox any more."""
    for each in every(work.tx, CANDIDACIES, equals("task", task.id)):
        work.tx.remove(CANDIDACIES, each.id)


def told(task: Task) -> dict[str, Any]:
    """What every event about a task tells."""
    return {
        "task": task.id,
        "instance": task.instance,
        "process": task.process,
        "element": task.element,
        "about": task.about,
    }


def withdraw_task(work: Work, task: Task) -> None:
    """The process goes another way: nobody needs to do it."""
    if task.status not in LIVE:
        return
    end_task(work, task, TaskStatus.WITHDRAWN)
    work.emit(TaskWithdrawn(**told(task)), f"instance:{task.instance}")


def end_task(work: Work, task: Task, status: TaskStatus, **changes: Any) -> Task:
    """Close a task, with the time that somebody worked on it."""
    remove_candidacies(work, task)
    closing = {"status": status, "ended_at": work.now, "next_at": None, "worked_s": worked(task, work.now)}
    return work.save(TASKS, task.model_copy(update=closing | changes))


def worked(task: Task, now: datetime) -> float:
    """Seconds for which somebody held it, until now."""
    held = (now - task.claimed_at).total_seconds() if task.claimed_at is not None and task.assignee is not None else 0.0
    return task.worked_s + max(held, 0.0)


def next_time(task: Task) -> datetime | None:
    """When something is to be done about it by itself: a reminder, an escalation, its end."""
    escalation = task.due_at if task.escalate_to and not task.escalated else None
    times = [moment for moment in (task.remind_at, escalation, task.expires_at) if moment is not None]
    return min(times) if times else None


def lane_roles(code: CompiledProcess, lane: str | None) -> tuple[str, ...]:
    """The roles of a lane, or of the one around it; its name, written as roles are, where it says none."""
    lanes = {each.id: each for each in code.process.lanes}
    found = lanes.get(lane or "")
    while found is not None:
        if found.role or found.name:
            return texts(found.role) or (found.name.strip().lower().replace(" ", "_").replace("-", "_"),)
        found = lanes.get(found.parent or "")
    return ()


def known_as(tx: Transaction, organisation: str, who: str) -> str:
    """The id of an identity given by id or name; an id is never taken for a name that somebody chose to look like it."""
    if first(tx, IDENTITIES, equals("organisation", organisation), equals("id", who)) is not None:
        return who
    named = first(tx, IDENTITIES, equals("organisation", organisation), equals("name", who))
    return named.id if named is not None else who


def later(now: datetime, text: Any) -> datetime | None:
    """So long after. Raises InvalidInput for what is no duration of days and time, or of months, or does not end in our times."""
    if text is None:
        return None
    length = parse_duration(str(text))
    try:
        if isinstance(length, DaysTime) and length.nanoseconds > 0:
            return now + timedelta(microseconds=length.nanoseconds // 1000)
        if isinstance(length, YearsMonths) and length.months > 0:
            return months_later(now, length.months)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(f"{text!r} is too long", field="dueIn", hint="write it as in P3D or PT4H") from error
    raise InvalidInput(f"{text!r} is no duration", field="dueIn", hint="write it as in P3D or PT4H")


def priority_of(text: Any) -> int:
    """A whole number, the higher the more urgent. Raises InvalidInput."""
    if text is None:
        return 0
    found = _whole(text)
    if found is None or abs(found) > GREATEST_PRIORITY:
        raise InvalidInput(f"{text!r} is no priority", field="priority", hint=f"a whole number up to {GREATEST_PRIORITY}")
    return found


def quorum_of(text: Any, roles: tuple[str, ...], candidates: tuple[str, ...] = ()) -> tuple[str, int, tuple[str, ...]]:
    """The rule as it is written, how many must approve, and the roles of which one is asked for each: `all` is one of each role,
    or each of the candidates where there are no roles. Raises InvalidInput."""
    rule = str(text or "any").strip()
    if rule == "all":
        return rule, len(roles) or len(candidates) or 1, roles if len(roles) > 1 else ()
    count = 1 if rule == "any" else _whole(rule)
    if count is None or not 1 <= count <= GREATEST_QUORUM:
        raise InvalidInput(f"{text!r} is no quorum", field="quorum", hint=f"any, all, or a number from 1 to {GREATEST_QUORUM}")
    return rule, count, ()


def _whole(text: Any) -> int | None:
    return int(str(text)) if re.fullmatch(r"\s*-?[0-9]{1,9}\s*", str(text)) else None


def _tier(course: Course) -> str | None:
    tier = course.after.data.get("tier")
    return tier if isinstance(tier, str) else None


def _form(course: Course, name: Any) -> dict[str, Any] | None:
    if not name:
        return None
    return course.work.tx.get(DEFINITIONS, course.instance.definition).forms.get(str(name))


def _approval(course: Course, effect: bpmn.WorkWanted, given: Mapping[str, Any]) -> Approval | None:
    """The approval that is decided here."""
    asked = given.get("approval") if effect.what == "governance.decide_approval" else None
    ours = equals("organisation", course.work.organisation)
    return first(course.work.tx, APPROVALS, ours, equals("id", asked)) if isinstance(asked, str) else None
