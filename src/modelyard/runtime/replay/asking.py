"""The rows of a window, asked again of one version in groups, each logged before the next is read."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter, time
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import Busy, InvalidInput, ModelyardError, NotApproved
from modelyard.decisions import DecisionReader, Window
from modelyard.decisions.minting import derived_id
from modelyard.decisions.protection import ENCRYPTED, HASHED
from modelyard.runtime.asked import Asked
from modelyard.runtime.calls import Call, Hidden, Part, decision_rows
from modelyard.runtime.inputs import Columns, rows_of
from modelyard.runtime.replay.comparing import Differences, Durations
from modelyard.runtime.replay.model import Progress, Question, Replayed
from modelyard.runtime.table import ServedEndpoint, ServingArm, Table
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import Protection

AT_ONCE = 256
"""Rows of a group, at most: all that is held of the window besides one batch of the reader."""
_ALONE = 16
"""Rows of a group that are asked one by one, to learn how long one takes."""
_SLOWEST = 60.0
"""Seconds after which a call has failed."""
_TRIES = 5
_LIVE = pa.array(["champion", "challenger", "fallback", "constant"])
_WHOSE = ("unit", "subject", "event_time", "decision_time")
"""What a replayed row has from the first: pseudonyms, when it happened, and when it was decided."""
_COLUMNS = ("id", "role", "inputs", "output", "latency", *_WHOSE)
_OUTSIDE = "(row)"

Rows = Sequence[dict[str, Any]]


def replay_id(of: str, decided: datetime, manifest: str, again: str = "") -> str:
    """The id of what this version says to a decision of that time: the same whenever it is asked."""
    return derived_id(round(decided.timestamp() * 1_000_000), of, manifest, again)


class _Tally:
    """What came of the rows so far."""

    def __init__(self, differences: Differences) -> None:
        self.differences = differences
        self.read = self.asked = self.answered = self.repeated = self.gone = 0
        self.unfit: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.then, self.now = Durations(), Durations()


@dataclass
class Asking:
    """Asks `arm`, which is of the role shadow, what live arms of `endpoint` were asked. `stop` ends it before the next group;
    `look` is called before each group and raises when the arm may not be asked any more."""

    reader: DecisionReader
    arm: ServingArm
    endpoint: ServedEndpoint
    table: Table
    log: LogWriter
    hidden: Hidden
    stop: threading.Event = field(default_factory=threading.Event)
    look: Callable[[], None] = lambda: None
    told: Callable[[Progress], None] | None = None

    async def replay(self, question: Question) -> Replayed:
        """Ask for every decision of the window that a caller got, and compare. What an earlier run with the same name answered is
        not asked again. Raises InvalidInput, NotApproved when the arm's release has ended, and what `look` and the log
        raise; what was logged until then stays. What the model raises is counted."""
        question.check()
        self._again, self._id = question.again, question.id(self.arm.manifest)
        self._started = perf_counter()
        window = replace(question.window(), endpoint=self.endpoint.routes.name)
        self._total = await asyncio.to_thread(self._count, window, question.most)
        tally = await self._to_the_end(window, question)
        return self._result(question, tally)

    async def _to_the_end(self, window: Window, question: Question) -> _Tally:
        """Through all of the window; from its beginning again when the log was rewritten meanwhile, which finds what was answered
        by then in the log."""
        for _ in range(_TRIES - 1):
            try:
                return await self._through(window, question)
            except Busy:
                continue
        return await self._through(window, question)

    async def _through(self, window: Window, question: Question) -> _Tally:
        tally = _Tally(self._differences(question.tolerance))
        size = max(1, min(AT_ONCE, int(question.rate)))
        began = perf_counter()
        with closing(_groups(self.reader, window, size, question.most)) as groups:
            while (group := await asyncio.to_thread(next, groups, None)) is not None:
                due = began + (tally.asked / question.rate) - perf_counter()
                if await asyncio.to_thread(self.stop.wait, due) if due > 0 else self.stop.is_set():
                    break
                await asyncio.to_thread(self.look)
                if time() >= self.arm.until:
                    raise NotApproved(f"arm {self.arm.name!r}: its release has ended", field="until")
                await self._group(group, tally)
                self._tell(tally)
        return tally

    async def _group(self, rows: Rows, tally: _Tally) -> None:
        """One group: those that were answered before are compared, the others asked. Who was erased meanwhile is left out."""
        ids = [replay_id(row["id"], row["decision_time"], self.arm.manifest, self._again) for row in rows]
        known = await asyncio.to_thread(self._known, [*ids, *(row["id"] for row in rows)])
        tally.read += len(rows)
        fresh: list[tuple[str, dict[str, Any]]] = []
        for made, row in zip(ids, rows, strict=True):
            if row["id"] not in known:
                tally.gone += 1
                continue
            if row["latency"] is not None:
                tally.then.add(row["latency"])
            if made in known:
                tally.repeated += 1
                tally.differences.take(row["output"], known[made])
            else:
                fresh.append((made, row))
        if fresh:
            tally.asked += len(fresh)
            await self._ask([made for made, _ in fresh], [row for _, row in fresh], tally)

    async def _ask(self, ids: list[str], rows: Rows, tally: _Tally) -> None:
        started = perf_counter()
        good, columns = self._fitting(rows, tally)
        if not good:
            return
        answers = _Answers(self.arm, columns, len(good), tally)
        await answers.ask()
        if not answers.places:
            return
        places = [good[place] for place in answers.places]
        some = [rows[place] for place in places]
        made = self._made(started, rows_of(columns, answers.places), answers, [ids[place] for place in places], some)
        await self.log.append([made])
        tally.answered += len(places)
        for row, now in zip(some, made.rows["output"], strict=True):
            tally.differences.take(row["output"], now)

    def _fitting(self, rows: Rows, tally: _Tally) -> tuple[list[int], Columns]:
        """The places of rows that the model can take, and their columns; the others are counted by what does not fit."""
        inputs = [_clear(msgspec.json.decode(row["inputs"])) for row in rows]
        plan = self.arm.model.plan
        try:
            _, columns, bad = plan.sift({name: [row.get(name) for row in inputs] for name in plan.names}, len(rows))
        except InvalidInput as error:
            columns, bad = [], dict.fromkeys(range(len(rows)), error)
        tally.unfit.update(error.field or _OUTSIDE for error in bad.values())
        good = [place for place in range(len(rows)) if place not in bad]
        return good, rows_of(columns, good) if good else []

    def _made(self, started: float, taken: Columns, answers: _Answers, ids: list[str], rows: Rows) -> Any:
        """The rows of the log: a shadow's, of the persons and times of the first ones, so that erasing a person finds them."""
        count = len(ids)
        call = Call(self.table, self.endpoint, Asked({}, count, id=self._id), count, None, None, None, started, {})
        names = self.arm.model.plan.names
        part = Part(None, None, 1.0, self.arm, names, taken, count, answers.outputs, 0.0, "replayed")
        made = decision_rows(call, part, ids, self.hidden, [row["id"] for row in rows])
        whose = {name: [row[name] for row in rows] for name in _WHOSE}
        shared = {name: value for name, value in made.shared.items() if name not in whose}
        return replace(made, rows={**made.rows, **whose}, shared=shared)

    def _known(self, ids: Sequence[str]) -> dict[str, str | None]:
        found = self.reader.find(ids, ["id", "output"])
        return dict(zip(found.column("id").to_pylist(), found.column("output").to_pylist(), strict=True))

    def _count(self, window: Window, most: int | None) -> int:
        found: int = sum(_live(batch).num_rows for batch in self.reader.batches(window, ["role"]))
        return found if most is None else min(found, most)

    def _differences(self, tolerance: float) -> Differences:
        specs, policy = self.arm.model.predictor.signature.outputs, self.endpoint.routes.policy
        never = (Protection.MASK, Protection.ENCRYPT)
        return Differences(specs, [s.name for s in specs if policy.protection(s.name, s.role.value) in never], tolerance)

    def _tell(self, tally: _Tally) -> None:
        if self.told is not None:
            seconds = perf_counter() - self._started
            counts = {"answered": tally.answered, "repeated": tally.repeated}
            self.told(Progress(replay=self._id, read=tally.read, total=self._total, seconds=seconds, **counts))

    def _result(self, question: Question, tally: _Tally) -> Replayed:
        differences = tally.differences
        return Replayed(
            replay=self._id,
            endpoint=self.endpoint.routes.name,
            version=self.arm.version,
            manifest=self.arm.manifest,
            arm=self.arm.name,
            since=_told(question.since),
            until=_told(question.until),
            tolerance=question.tolerance,
            total=self._total,
            read=tally.read,
            asked=tally.asked,
            answered=tally.answered,
            repeated=tally.repeated,
            gone=tally.gone,
            unfit=dict(tally.unfit),
            errors=dict(tally.errors),
            same=differences.same,
            different=differences.different,
            uncompared=differences.uncompared,
            fields=differences.fields(),
            hidden=differences.hidden,
            latency_then=tally.then.quantiles(),
            latency_now=tally.now.quantiles(),
            stopped=self.stop.is_set() and tally.read < self._total,
            seconds=perf_counter() - self._started,
        )


class _Answers:
    """What a model says to some rows: to a few one by one, to the others at once, or one by one where that fails. `places` are
    the rows that it answered."""

    def __init__(self, arm: ServingArm, columns: Columns, count: int, tally: _Tally) -> None:
        self._model, self._columns, self._count, self._tally = arm.model, columns, count, tally
        self.places: list[int] = []
        self.outputs: dict[str, list[Any]] = {}

    async def ask(self) -> None:
        alone = min(_ALONE, self._count)
        for place in range(alone):
            await self._one(place)
        rest = list(range(alone, self._count))
        if not rest:
            return
        try:
            await self._some(rest)
        except Exception:  # noqa: BLE001  whichever row it was: each is asked alone, and its own error counted
            for place in rest:
                await self._one(place)

    async def _one(self, place: int) -> None:
        started = perf_counter()
        try:
            await self._some([place])
        except Exception as error:  # noqa: BLE001  what a model raises is a finding about it
            self._tally.errors[error.code if isinstance(error, ModelyardError) else type(error).__name__] += 1
        else:
            self._tally.now.add(perf_counter() - started)

    async def _some(self, places: list[int]) -> None:
        answer = await self._model.answer(rows_of(self._columns, places), len(places), timeout=_SLOWEST)
        for name, values in answer.outputs.items():
            self.outputs.setdefault(name, []).extend(values)
        self.places += places


def _groups(reader: DecisionReader, window: Window, size: int, most: int | None) -> Generator[Rows, None, None]:
    """The decisions of the window that live arms made, so many at a time."""
    left = most
    for batch in reader.batches(window, list(_COLUMNS)):
        live = _live(batch)
        for first in range(0, live.num_rows, size):
            rows = live.slice(first, size if left is None else min(size, left)).to_pylist()
            yield rows
            if left is not None:
                left -= len(rows)
                if left <= 0:
                    return


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _live(batch: Any) -> Any:
    return batch.filter(pc.is_in(batch.column("role"), value_set=_LIVE))


def _clear(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(v, str) and v.startswith((HASHED, ENCRYPTED)) else v for name, v in row.items()}
