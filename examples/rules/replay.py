"""The applications again, in the order of the file: decisions from the running endpoint over HTTP, outcomes a day later.

How a loan ends is really known after months; here it is told a day later, so that a demo can end. What comes back is
kept by row, so that money can be counted without asking the platform.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from examples.rules.data import APPLICATIONS_A_DAY, FIELDS, LABEL, ROWS
from examples.rules.versions import DECISION, ENDPOINT, WEEK
from modelyard.client import Client, OutcomesTaken

KNOWN_AFTER = timedelta(days=1)
REPEATED = 50
"""Every so many outcomes, one is reported twice."""
Rows = NDArray[np.int64]


@dataclass
class Answered:
    """By row of the file: the decision, its reason, the arm that gave it (empty: not asked) and the decision's id."""

    decided: NDArray[Any] = field(default_factory=lambda: np.full(ROWS, "", dtype=object))
    reason: NDArray[Any] = field(default_factory=lambda: np.full(ROWS, "", dtype=object))
    arm: NDArray[Any] = field(default_factory=lambda: np.full(ROWS, "", dtype=object))
    decision: NDArray[Any] = field(default_factory=lambda: np.full(ROWS, None, dtype=object))

    @property
    def asked(self) -> NDArray[np.bool_]:
        return np.asarray(self.arm != "", dtype=bool)


class Replay:
    """Asks for decisions and posts outcomes. `told` hears of progress, in rows."""

    def __init__(self, rows: pa.Table, decider: Client, feed: Client, told: Callable[[int], None]) -> None:
        self.answered = Answered()
        self.taken = OutcomesTaken()
        self.requests = 0
        self.first_answer = 0.0
        self._decider, self._feed, self._told = decider, feed, told
        self._columns = {name: np.asarray(rows[name].to_pylist(), dtype=object) for name in FIELDS}
        self._application = np.asarray(rows["application"].to_pylist(), dtype=object)
        self._time = rows["event_time"].to_numpy().astype("datetime64[us]")
        self._bad = np.asarray(rows[LABEL].to_pylist(), dtype=object)
        self._waiting: list[Rows] = []

    def days(self, first: int, last: int) -> list[Rows]:
        """The rows of each day of the weeks from `first` up to before `last`, counted from 0; fewer at the file's end."""
        rows = np.arange(first * WEEK, min(last * WEEK, ROWS))
        return [part for part in np.split(rows, range(APPLICATIONS_A_DAY, len(rows), APPLICATIONS_A_DAY)) if len(part)]

    def step(self, rows: Rows) -> None:
        """Ask for the decisions of these rows, then post the outcomes that are known by then."""
        self.decide(rows, self._decider)
        self.settle(self._time[rows].max() - np.timedelta64(KNOWN_AFTER))

    def decide(self, rows: Rows, client: Client) -> None:
        """One request; every row is a decision. Raises what the client raises: no request may fail."""
        answers = client.decide(
            ENDPOINT,
            {name: values[rows].tolist() for name, values in self._columns.items()},
            routing_keys=self._application[rows].tolist(),
            event_times=[_utc(moment) for moment in self._time[rows].tolist()],
        )
        self.first_answer = self.first_answer or time.monotonic()
        self.requests += 1
        self.answered.decided[rows] = answers.outputs[f"{DECISION}.decision"]
        self.answered.reason[rows] = answers.outputs[f"{DECISION}.reason"]
        self.answered.decision[rows] = answers.decision_ids
        for group in answers.groups:
            places = rows if group.get("rows") is None else rows[group["rows"]]
            self.answered.arm[places] = group["arm"] or "constant"
        self._waiting.append(rows)
        self._told(len(rows))

    def settle(self, until: np.datetime64 | None = None) -> None:
        """Post the outcomes of applications that came before the moment; all that wait without one."""
        waiting = np.concatenate([*self._waiting, np.array([], dtype=np.int64)])
        due = waiting if until is None else waiting[self._time[waiting] <= until]
        self._waiting = [] if until is None else [waiting[self._time[waiting] > until]]
        if len(due):
            posted = [self._outcome(row) for row in due.tolist()]
            posted += [self._outcome(row) for row in due.tolist() if row % REPEATED == 0]
            self.taken += self._feed.post_outcomes("loan-accounts", posted)

    def period(self, rows: Rows) -> tuple[datetime, datetime]:
        """From the first to just after the last event time of these rows."""
        times = self._time[rows]
        return _utc(times.min().item()), _utc(times.max().item()) + timedelta(seconds=1)

    def application(self, row: int) -> dict[str, Any]:
        """What was asked in a row, whole numbers as such."""
        asked = {name: values[row] for name, values in self._columns.items()}
        return {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in asked.items()}

    def _outcome(self, row: int) -> dict[str, Any]:
        moment = _utc(self._time[row].item())
        return {
            "decision": self.answered.decision[row],
            "values": {LABEL: bool(self._bad[row])},
            "event_time": moment,
            "time_known": moment + KNOWN_AFTER,
        }


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
