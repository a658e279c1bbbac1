"""The durable queue: jobs with leases, retries, progress, logs, artifacts and limits, and schedules that enqueue them."""

from modelyard.jobs.model import (
    JOB_ARTIFACTS,
    JOB_LOGS,
    JOBS,
    RESOURCE_LIMITS,
    SCHEDULES,
    TABLES,
    Artifact,
    Job,
    JobState,
    LogChunk,
    ResourceLimit,
    Schedule,
)
from modelyard.jobs.queue import Order, Queue, enqueue, place
from modelyard.jobs.runs import Run, Stopped

__all__ = [
    "JOBS",
    "JOB_ARTIFACTS",
    "JOB_LOGS",
    "RESOURCE_LIMITS",
    "SCHEDULES",
    "TABLES",
    "Artifact",
    "Job",
    "JobState",
    "LogChunk",
    "Order",
    "Queue",
    "ResourceLimit",
    "Run",
    "Schedule",
    "Stopped",
    "enqueue",
    "place",
]
