"""Which job comes next: the first due one whose resource has a place left, however many wait for a resource that is full."""

from __future__ import annotations

from datetime import datetime

from modelyard.core.records import Query, Transaction, Where, equals, first
from modelyard.jobs.model import JOBS, RESOURCE_LIMITS, Job, lane

LOOKED_AT = 16
_FIRST = -(10**19 // 4)
"""Comes before every rank."""
_LAST = "~"
"""Comes after every place in a lane."""


class Choice:
    """One look at the queue, at one time, on behalf of a worker that knows some kinds of jobs (all when None)."""

    def __init__(self, tx: Transaction, now: datetime, kinds: tuple[str, ...] | None) -> None:
        self._tx, self._now, self._kinds = tx, now, kinds
        self._full: dict[tuple[str, str], bool] = {}

    def candidates(self) -> list[Job]:
        """Jobs that may be claimed, the best one first, with some that come after it should others be taking them."""
        # Nothing but the place is asked of the database: it would rather look through all jobs of a kind there ever were.
        page = self._tx.find(JOBS, Query(where=(Where("rank", "gt", _FIRST),), sort="rank", limit=LOOKED_AT))
        found = [job for job in page.items if self._is_wanted(job) and job.not_before <= self._now]
        return found if found or page.next is None else self._first_of_lanes()

    def _is_wanted(self, job: Job) -> bool:
        return (self._kinds is None or job.kind in self._kinds) and not self._is_full(job)

    def _first_of_lanes(self) -> list[Job]:
        """The first due job of each lane that is open. A full lane costs one look, whatever its length."""
        found: list[Job] = []
        head = self._after("")
        while head is not None:
            its_lane = lane(head)
            if self._is_wanted(head):
                found += self._due_in(its_lane)
            head = self._after(its_lane + _LAST)
        return sorted(found, key=lambda job: (job.rank or 0, job.id))[:LOOKED_AT]

    def _after(self, place: str) -> Job | None:
        items = self._tx.find(JOBS, Query(where=(Where("lane", "gt", place),), sort="lane", limit=1)).items
        return items[0] if items else None

    def _due_in(self, its_lane: str) -> tuple[Job, ...]:
        where = (Where("lane", "prefix", its_lane), Where("not_before", "le", self._now))
        return self._tx.find(JOBS, Query(where=where, sort="lane", limit=1)).items

    def _is_full(self, job: Job) -> bool:
        if job.resource is None:
            return False
        place = (job.organisation, job.resource)
        if place not in self._full:
            self._full[place] = self._count(*place)
        return self._full[place]

    def _count(self, organisation: str, resource: str) -> bool:
        """Whether as many jobs run as may. What is counted here and changed by the claim is what two claims at once conflict on:
        the database lets one of them through and has the other look again."""
        mine = equals("organisation", organisation)
        found = first(self._tx, RESOURCE_LIMITS, mine, equals("name", resource))
        if found is None or found.limit == 0:
            return found is not None
        running = Query(where=(equals("occupies", resource), mine), sort="id", limit=found.limit)
        return len(self._tx.find(JOBS, running).items) >= found.limit
