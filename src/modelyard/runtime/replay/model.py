"""What is asked of a replay, and what came of it."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime

import msgspec

from modelyard.core.errors import InvalidInput
from modelyard.decisions import Window

RATE = 2000.0
TOLERANCE = 1e-6


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask again. `version` is the version's id or the digest of its manifest; `since` is inclusive, `until` is not (None:
    now); `arm` narrows it to what that arm answered. `rate` is the most rows a second, `most` the most rows. Numbers count as
    different beyond `tolerance`. What a version has answered of a decision is not asked again, unless `again` gives the replay a
    name that it did not have before."""

    endpoint: str
    version: str
    since: datetime | None = None
    until: datetime | None = None
    arm: str | None = None
    rate: float = RATE
    most: int | None = None
    tolerance: float = TOLERANCE
    again: str = ""

    def check(self) -> None:
        """Raises InvalidInput for what can be seen without looking at anything else."""
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise InvalidInput("a replay needs a rate above 0", field="rate", hint="rows a second, for example 500")
        if self.most is not None and self.most < 1:
            raise InvalidInput("a replay is of one row at least", field="most")
        if not (self.tolerance >= 0 and math.isfinite(self.tolerance)):
            raise InvalidInput("a tolerance is a number from 0 on", field="tolerance")
        self.window().micros()

    def window(self) -> Window:
        """The decisions that it is about, and those of shadows of the same arm: `Asking` leaves these out."""
        arms = () if self.arm is None else (self.arm,)
        return Window(endpoint=self.endpoint, arms=arms, since=self.since, until=self.until)

    def id(self, manifest: str) -> str:
        """The name of the replays of this version at this endpoint: their rows have it as their `request`."""
        text = f"{self.endpoint}\0{manifest}\0{self.again}"
        return f"rpl_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


class Pair(msgspec.Struct, frozen=True):
    """How many rows were answered so then and so now. Values are as JSON, long ones by beginning and digest."""

    then: str
    now: str
    rows: int


class FieldDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers of one output differ. Of classes `pairs` tells (the most frequent first; `others` are rows of pairs that
    are not listed), of numbers `mean` and `greatest` absolute difference and `beyond`, the share of rows beyond the tolerance;
    all None where no two numbers met. A number that meets none is a pair."""

    name: str
    rows: int
    same: int
    different: int
    pairs: tuple[Pair, ...] = ()
    others: int = 0
    numbers: int = 0
    mean: float | None = None
    greatest: float | None = None
    beyond: float | None = None


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, to within two in a hundred; None of no calls."""

    calls: int
    p50: float | None
    p99: float | None


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far it is: `read` of `total` rows."""

    replay: str
    read: int
    total: int
    answered: int
    repeated: int
    seconds: float


class Replayed(msgspec.Struct, kw_only=True, tag="result"):
    """What came of a replay. Of `total` rows in the window `read` were gone through, and each of these is one of: `answered` (by
    this run), `repeated` (by an earlier one; compared from the log), unfit (counted by the field that did not fit), an error
    (counted by its code), or `gone` (erased meanwhile). `asked` are those that were put to the model by this run.

    Rows with answers are the `same`, `different`, or `uncompared`: the log has no answer of one of both in clear. `hidden` names
    outputs that the log may not have in clear. `latency_then` is of the decisions as callers had them, `latency_now` of rows that
    the model was asked one by one.
    """

    replay: str
    endpoint: str
    version: str
    manifest: str
    arm: str
    since: str | None
    until: str | None
    tolerance: float
    total: int = 0
    read: int = 0
    asked: int = 0
    answered: int = 0
    repeated: int = 0
    gone: int = 0
    unfit: dict[str, int]
    errors: dict[str, int]
    same: int = 0
    different: int = 0
    uncompared: int = 0
    fields: tuple[FieldDifference, ...] = ()
    hidden: tuple[str, ...] = ()
    latency_then: Quantiles
    latency_now: Quantiles
    stopped: bool = False
    seconds: float = 0.0
