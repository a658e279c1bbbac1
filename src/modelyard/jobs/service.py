"""Handlers of the commands on jobs and schedules."""

from __future__ import annotations

from typing import Any

from modelyard.core.bus import Handling, Request, Work
from modelyard.core.errors import NotFound
from modelyard.core.messages import Event, Subject
from modelyard.core.records import Transaction, equals, first
from modelyard.jobs import events, model
from modelyard.jobs.commands import CancelJob, DefineSchedule, PauseSchedule, ResumeSchedule, RetryJob, SetLimit
from modelyard.jobs.model import JOBS, RESOURCE_LIMITS, SCHEDULES, Job, JobState, ResourceLimit, Schedule


def cancel_job(work: Work, command: CancelJob) -> Job:
    job = work.save(JOBS, model.cancelled(work.get(JOBS, command.job), work.now))
    ended = job.state is JobState.CANCELLED
    told = events.JobCancelled if ended else events.CancellationRequested
    return _told(work, job, told(job=job.id, kind=job.kind))


def retry_job(work: Work, command: RetryJob) -> Job:
    job = work.save(JOBS, model.retried(work.get(JOBS, command.job), work.now))
    return _told(work, job, events.JobRetried(job=job.id, kind=job.kind))


def define_schedule(work: Work, command: DefineSchedule) -> Schedule:
    kept = first(work.tx, SCHEDULES, equals("organisation", work.organisation), equals("name", command.name))
    fields = {**command.model_dump(), "enqueued_by": work.actor.id, "next_due": None}
    if kept is None:
        fresh = Schedule(**work.new("sch"), **fields)
        schedule = work.add(SCHEDULES, _due_from(fresh, work))
    else:
        schedule = work.save(SCHEDULES, _due_from(kept.model_copy(update=fields), work))
    work.emit(events.ScheduleDefined(schedule=schedule.id, name=schedule.name), f"schedule:{schedule.id}")
    return schedule


def pause_schedule(work: Work, command: PauseSchedule) -> Schedule:
    kept = work.get(SCHEDULES, command.schedule)
    schedule = work.save(SCHEDULES, kept.model_copy(update={"next_due": None}))
    work.emit(events.SchedulePaused(schedule=schedule.id, name=schedule.name), f"schedule:{schedule.id}")
    return schedule


def resume_schedule(work: Work, command: ResumeSchedule) -> Schedule:
    schedule = work.save(SCHEDULES, _due_from(work.get(SCHEDULES, command.schedule), work))
    work.emit(events.ScheduleResumed(schedule=schedule.id, name=schedule.name), f"schedule:{schedule.id}")
    return schedule


def set_limit(work: Work, command: SetLimit) -> ResourceLimit:
    kept = _limit(work.tx, work.organisation, command.name)
    if kept is None:
        limit = work.add(RESOURCE_LIMITS, ResourceLimit(**work.new("lim"), name=command.name, limit=command.limit))
    else:
        limit = work.save(RESOURCE_LIMITS, kept.model_copy(update={"limit": command.limit}))
    work.emit(events.LimitSet(name=limit.name, limit=limit.limit), f"resource_limit:{limit.id}")
    return limit


def handlings() -> list[Handling[Any]]:
    return [
        Handling(CancelJob, cancel_job, _about_job, Job),
        Handling(RetryJob, retry_job, _about_job, Job),
        Handling(DefineSchedule, define_schedule, _about_named_schedule, Schedule),
        Handling(PauseSchedule, pause_schedule, _about_schedule, Schedule),
        Handling(ResumeSchedule, resume_schedule, _about_schedule, Schedule),
        Handling(SetLimit, set_limit, _about_limit, ResourceLimit),
    ]


def _told(work: Work, job: Job, event: Event) -> Job:
    work.emit(event, f"job:{job.id}")
    return job


def _due_from(schedule: Schedule, work: Work) -> Schedule:
    return schedule.model_copy(update={"next_due": model.next_due(schedule, work.now)})


def _about_job(tx: Transaction, request: Request, command: CancelJob | RetryJob) -> Subject:
    job = first(tx, JOBS, equals("organisation", request.organisation), equals("id", command.job))
    if job is None:
        raise NotFound(f"there is no job {command.job!r}", field="job")
    attributes = {"kind": job.kind, "enqueued_by": job.enqueued_by, "state": job.state.value}
    return Subject(type="job", id=job.id, attributes=attributes | {"organisation": job.organisation})


def _about_schedule(tx: Transaction, request: Request, command: PauseSchedule | ResumeSchedule) -> Subject:
    schedule = first(tx, SCHEDULES, equals("organisation", request.organisation), equals("id", command.schedule))
    if schedule is None:
        raise NotFound(f"there is no schedule {command.schedule!r}", field="schedule")
    attributes = {"name": schedule.name, "kind": schedule.kind, "organisation": schedule.organisation}
    return Subject(type="schedule", id=schedule.id, attributes=attributes)


def _about_named_schedule(tx: Transaction, request: Request, command: DefineSchedule) -> Subject:
    kept = first(tx, SCHEDULES, equals("organisation", request.organisation), equals("name", command.name))
    attributes = {"name": command.name, "kind": command.kind, "organisation": request.organisation}
    return Subject(type="schedule", id="new" if kept is None else kept.id, attributes=attributes)


def _limit(tx: Transaction, organisation: str, name: str) -> ResourceLimit | None:
    return first(tx, RESOURCE_LIMITS, equals("organisation", organisation), equals("name", name))


def _about_limit(tx: Transaction, request: Request, command: SetLimit) -> Subject:
    kept = _limit(tx, request.organisation, command.name)
    attributes = {"name": command.name, "organisation": request.organisation}
    return Subject(type="resource_limit", id="new" if kept is None else kept.id, attributes=attributes)
