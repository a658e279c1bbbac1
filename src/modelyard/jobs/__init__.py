"""The durable queue: jobs with leases, retries and progress, and schedules that enqueue them."""

from modelyard.jobs.model import JOBS, SCHEDULES, TABLES, Job, JobState, Schedule
from modelyard.jobs.queue import Order, Queue, enqueue, place

__all__ = ["JOBS", "SCHEDULES", "TABLES", "Job", "JobState", "Order", "Queue", "Schedule", "enqueue", "place"]
