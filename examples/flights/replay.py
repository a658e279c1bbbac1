"""The year again, in the order of time: decisions from the running endpoint over HTTP, outcomes a day after arrival.

What comes back is kept by row, so that money can be counted without asking the platform.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from examples.flights.data import CATEGORIES, LABEL, NUMBERS, ROWS
from examples.flights.train import ENDPOINT
from modelyard.client import Client, OutcomesTaken

BATCH = 2_000
KNOWN_AFTER = timedelta(days=1)
"""Outcomes are posted this long after the scheduled departure, in event time."""
PROVISIONAL, REPEATED = 0.005, 0.01
"""Shares of outcomes that are first reported wrongly and corrected later, and of those that are reported twice."""
SEED = 42


@dataclass
class Answered:
    """By row of the whole year: the probability, the arm that gave it (empty: not asked) and the decision's id."""

    score: NDArray[np.float64] = field(default_factory=lambda: np.full(ROWS, np.nan))
    arm: NDArray[Any] = field(default_factory=lambda: np.full(ROWS, "", dtype=object))
    decision: NDArray[Any] = field(default_factory=lambda: np.full(ROWS, None, dtype=object))

    @property
    def asked(self) -> NDArray[np.bool_]:
        return np.asarray(self.arm != "", dtype=bool)


class Replay:
    """Asks for decisions and posts outcomes. `sample` is the share of the flights that take part; `told` hears of progress."""

    def __init__(self, rows: pa.Table, decider: Client, feed: Client, sample: float, told: Callable[[int], None]) -> None:
        self.answered = Answered()
        self.taken = OutcomesTaken()
        self.requests = self.cancelled = self.provisional = 0
        self.first_answer = 0.0
        self._decider, self._feed, self._told = decider, feed, told
        random = np.random.default_rng(SEED)
        self._part = random.random(len(rows)) < sample
        self._provisional = random.random(len(rows)) < PROVISIONAL
        self._repeated = random.random(len(rows)) < REPEATED
        self._columns = {name: np.asarray(rows[name].to_pylist(), dtype=object) for name in CATEGORIES}
        self._columns |= {name: np.round(rows[name].to_numpy().astype(np.float64), 4) for name in NUMBERS}
        self._time = rows["event_time"].to_numpy().astype("datetime64[us]")
        self._flight = np.asarray(rows["flight"].to_pylist(), dtype=object)
        self._label = np.asarray(rows[LABEL].to_pylist(), dtype=object)
        self._delay = np.asarray(rows["arrival_delay"].to_pylist(), dtype=object)
        self._month = rows["month"].to_numpy()
        self._waiting: list[NDArray[np.int64]] = []
        self._corrections: list[int] = []

    def days(self, month: int) -> list[NDArray[np.int64]]:
        """The rows of each local day of the month that take part."""
        found = np.flatnonzero((self._month == month) & self._part)
        if not len(found):
            return []
        dates = np.array([text[:10] for text in self._flight[found]])
        order = np.argsort(dates, kind="stable")
        return np.split(found[order], np.flatnonzero(dates[order][1:] != dates[order][:-1]) + 1)

    def batches(self, month: int) -> Iterator[NDArray[np.int64]]:
        """Whole days together, as many as fit in a batch."""
        batch: list[NDArray[np.int64]] = []
        for day in self.days(month):
            if batch and sum(map(len, batch)) + len(day) > BATCH:
                yield np.concatenate(batch)
                batch = []
            batch.append(day)
        if batch:
            yield np.concatenate(batch)

    def step(self, rows: NDArray[np.int64]) -> None:
        """Ask for the decisions of these rows, then post the outcomes that are known by then."""
        self.decide(rows, self._decider)
        until = self._time[rows].max() - np.timedelta64(KNOWN_AFTER)
        self.settle(until)

    def decide(self, rows: NDArray[np.int64], client: Client) -> None:
        """One request; every row is a decision. Raises what the client raises: no request may fail."""
        columns = {name: values[rows].tolist() for name, values in self._columns.items()}
        answers = client.decide(
            ENDPOINT,
            columns,
            routing_keys=self._flight[rows].tolist(),
            event_times=[_utc(moment) for moment in self._time[rows].tolist()],
        )
        self.first_answer = self.first_answer or time.monotonic()
        self.requests += 1
        self.answered.score[rows] = answers.outputs["probability"]
        self.answered.decision[rows] = answers.decision_ids
        for group in answers.groups:
            places = rows if group.get("rows") is None else rows[group["rows"]]
            self.answered.arm[places] = group["arm"] or "constant"
        self._waiting.append(rows)
        self._told(len(rows))

    def settle(self, until: np.datetime64 | None = None) -> None:
        """Post the outcomes of flights that were due to leave before the moment; all that wait without one."""
        due, later = [], []
        for rows in self._waiting:
            ready = np.ones(len(rows), dtype=bool) if until is None else self._time[rows] <= until
            due.extend(rows[ready].tolist())
            if not ready.all():
                later.append(rows[~ready])
        self._waiting = later
        corrections, self._corrections = self._corrections, []
        known = [row for row in due if self._label[row] is not None]
        self.cancelled += len(due) - len(known)
        posted = [self._outcome(row, provisional=bool(self._provisional[row])) for row in known]
        posted += [self._outcome(row) for row in corrections]
        if posted:
            self.taken += self._feed.post_outcomes("arrivals", posted)
        self._corrections = [row for row in known if self._provisional[row] or self._repeated[row]]
        self.provisional += int(self._provisional[known].sum()) if known else 0
        if until is None and self._corrections:
            self.settle()

    def period(self, rows: NDArray[np.int64]) -> tuple[datetime, datetime]:
        """From the first to just after the last event time of these rows."""
        times = self._time[rows]
        return _utc(times.min().item()), _utc(times.max().item()) + timedelta(seconds=1)

    def _outcome(self, row: int, *, provisional: bool = False) -> dict[str, Any]:
        moment = _utc(self._time[row].item())
        late = bool(self._label[row])
        return {
            "decision": self.answered.decision[row],
            "values": {LABEL: late != provisional, "arrival_delay": self._delay[row]},
            "event_time": moment,
            "time_known": moment + KNOWN_AFTER,
        }


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
