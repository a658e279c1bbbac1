"""Requests share the expensive call: what waits for a model is answered together. Event loop only.

Without a latency target nothing waits for company: what has queued up while a call was under way, or came in the same turn of the
loop, is the next call's batch. With one, rows wait for company as long as they will still be answered in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from modelyard.core.errors import TimedOut, Unavailable
from modelyard.kinds.contract import Batch, Predictor
from modelyard.kinds.sandbox import HostedPredictor
from modelyard.runtime.costs import Cost
from modelyard.runtime.errors import Withdrawn
from modelyard.runtime.inputs import Columns, InputPlan, Row, merged
from modelyard.runtime.turns import Turn

_MOST_ROWS_A_CALL = 4096
_INLINE_ROWS = 256
_INLINE_SECONDS = 0.001
_FORGET = 1.1
MARGIN = 0.8
"""The part of a latency target that prediction may take: the rest is for the log and the way back."""

Outputs = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to some rows: a list a named output; and how long they waited for their turn (seconds)."""

    outputs: Outputs
    queue_time: float


class Waiting(Protocol):
    """Rows in a model's queue. `row` is set for a single one, `columns` otherwise; `due` is when they should be answered
    (`perf_counter` seconds; None: as soon as possible)."""

    row: Row | None
    columns: Columns | None
    rows: int
    since: float
    due: float | None

    @property
    def gone(self) -> bool:
        """Nobody waits for these rows any more."""
        ...

    @property
    def stands(self) -> bool:
        """The routes still send these rows here."""
        ...

    def answered(self, outputs: Outputs, first: int, started: float) -> None:
        """The answers are in `outputs` from row `first` on; the call began at `started`."""
        ...

    def failed(self, error: BaseException) -> None:
        """There is no answer."""
        ...


_Answered = tuple[Sequence[Waiting], "Outputs | BaseException"]


class _Call:
    """The rows of one caller of `ModelServer.answer`."""

    __slots__ = ("_stands", "columns", "due", "future", "row", "rows", "since")

    def __init__(
        self, columns: Columns, rows: int, due: float | None, future: asyncio.Future[Answer], stands: Callable[[], bool] | None
    ) -> None:
        self.columns: Columns | None = columns
        self.row: Row | None = None
        if rows == 1:
            self.row = [column[0] for column in columns]
        self.rows, self.since, self.due, self.future, self._stands = rows, perf_counter(), due, future, stands

    @property
    def gone(self) -> bool:
        return self.future.done()

    @property
    def stands(self) -> bool:
        return self._stands is None or self._stands()

    def answered(self, outputs: Outputs, first: int, started: float) -> None:
        if not self.future.done():
            part = slice(first, first + self.rows)
            found = {name: values[part] for name, values in outputs.items()}
            self.future.set_result(Answer(found, started - self.since))

    def failed(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class ModelServer:
    """One loaded model. Calls that are quick run in the event loop, the others in a thread.

    `dropped` counts requests that left the queue unanswered because their time was up, `late` answers that nobody waited for
    any more.
    """

    def __init__(
        self, predictor: Predictor, plan: InputPlan, executor: Executor, *, inline: bool = True, turn: Turn | None = None
    ) -> None:
        self.predictor, self.plan = predictor, plan
        self._turn = turn or Turn()
        self._executor, self._inline = executor, inline
        # The plan has checked and cast every value already: predictors that offer `answer` need not do it again.
        self._ask: Callable[[Batch], Batch] = getattr(predictor, "answer", predictor.predict)
        self._queue: list[Waiting] = []
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seconds = _INLINE_SECONDS
        self.cost = Cost()
        self.dropped = self.late = self.calls = 0

    @property
    def quick(self) -> bool:
        """Whether a small call costs so little that it is made in the event loop."""
        return self._inline and self._seconds < _INLINE_SECONDS

    @property
    def waiting(self) -> int:
        """How many requests are in the queue."""
        return len(self._queue)

    async def answer(
        self,
        columns: Columns,
        rows: int,
        *,
        timeout: float | None = None,
        target: float | None = None,
        stands: Callable[[], bool] | None = None,
    ) -> Answer:
        """The model's outputs for these rows. Raises TimedOut when they take longer than `timeout` seconds, Withdrawn when they
        wait and `stands` says that the routes send them here no more, else whatever the model raises. `target` is the time
        (seconds) within which they should be answered: so long they may wait for company."""
        loop = asyncio.get_running_loop()
        due = None if target is None else perf_counter() + target * MARGIN
        waiting = _Call(columns, rows, due, loop.create_future(), stands)
        self.put(waiting)
        if timeout is None:
            return await waiting.future
        timer = loop.call_later(timeout, waiting.failed, TimedOut(f"took longer than {timeout:g} s"))
        try:
            return await waiting.future
        finally:
            timer.cancel()

    def put(self, waiting: Waiting) -> None:
        """Queue rows; they are answered, or failed, later."""
        self._queue.append(waiting)
        if not self._busy:
            self._busy = True
            self._loop = asyncio.get_running_loop()
            self._turn.soon(self._next, self._loop)
        elif self._timer is not None and (waiting.due is None or len(self._queue) >= self.cost.enough):
            self._timer.cancel()
            self._timer = None
            self._turn.soon(self._next, asyncio.get_running_loop())

    def recheck(self) -> None:
        """The routes have changed: whoever waits here and is sent here no more is told so. Safe from any thread."""
        loop = self._loop
        if loop is not None and self._queue:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(self._send_back)

    def status(self) -> dict[str, Any]:
        """What the queue does, for people and probes; seconds."""
        told = {"waiting": len(self._queue), "calls": self.calls, "dropped": self.dropped, "late": self.late}
        return told | {"call_seconds": round(self.cost.call, 6), "row_seconds": round(self.cost.row, 9), "ready": self.ready()}

    def ready(self) -> bool:
        """Whether the model can answer now; one whose environment or process is still starting cannot."""
        asked = getattr(self.predictor, "ready", None)
        return asked is None or bool(asked())

    @property
    def progress(self) -> str:
        """How far its environment and process are, for people."""
        return self.predictor.progress if isinstance(self.predictor, HostedPredictor) else "ready"

    def close(self, at_once: bool = False) -> None:
        """End the process of a model that has one of its own, after the answer that it may be at unless `at_once`."""
        if isinstance(self.predictor, HostedPredictor):
            (self.predictor.stop if at_once else self.predictor.close)()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._forget_gone()
        if not self.quick:
            self._send_back()
        if not self._queue:
            self._busy = False
            return
        patience = self._patience()
        if patience > 0:
            self._timer = loop.call_later(patience, self._next, loop)
            return
        group = self._take()
        started = perf_counter()
        if self.quick and sum([w.rows for w in group]) <= _INLINE_ROWS:
            self._finished(self._answers(group), started, loop)
            return
        try:
            call = loop.run_in_executor(self._executor, self._answers, group)
        except RuntimeError:  # its thread has ended with it
            gone = Unavailable("the model was let go of before it was asked", hint="ask again: other routes are in force")
            self._finished([(group, gone)], started, loop)
        else:
            call.add_done_callback(lambda done: self._came_back(loop, group, started, done))

    def _finished(self, answers: list[_Answered], started: float, loop: asyncio.AbstractEventLoop) -> None:
        """Hand out answers that are there already; what waits behind has the next turn."""
        self._finish(answers, started)
        self._busy = bool(self._queue)
        if self._busy:
            self._turn.soon(self._next, loop)

    def _send_back(self) -> None:
        queued, self._queue = self._queue, []
        for waiting in queued:
            if waiting.stands:
                self._queue.append(waiting)
            else:
                waiting.failed(Withdrawn("the routes send this request elsewhere now", hint="ask again"))

    def _forget_gone(self) -> None:
        if any(w.gone for w in self._queue):
            left = [w for w in self._queue if not w.gone]
            self.dropped += len(self._queue) - len(left)
            self._queue = left

    def _patience(self) -> float:
        """How long to wait for company: not at all when somebody has no time to, when more would not make a row cheaper, or when
        nothing is known yet of what a call costs."""
        if self._queue[0].due is None:
            return 0.0
        dues = [w.due for w in self._queue if w.due is not None]
        if len(dues) < len(self._queue) or not self.cost.known:
            return 0.0
        rows = sum([w.rows for w in self._queue])
        if rows >= self.cost.enough:
            return 0.0
        return min(dues) - self.cost.of(rows) - perf_counter()

    def _came_back(
        self, loop: asyncio.AbstractEventLoop, group: Sequence[Waiting], started: float, done: asyncio.Future[Any]
    ) -> None:
        error = done.exception() if not done.cancelled() else Unavailable("the model was let go of before it was asked")
        self._finish(done.result() if error is None else [(group, error)], started)
        self._next(loop)

    def _take(self) -> list[Waiting]:
        total = 0
        most = self._most_rows()
        for count, waiting in enumerate(self._queue):
            total += waiting.rows
            if total > most and count:
                group, self._queue = self._queue[:count], self._queue[count:]
                return group
        group, self._queue = self._queue, []
        return group

    def _most_rows(self) -> int:
        """So many rows at once that the first of them is still answered in time, if that is possible."""
        first = self._queue[0]
        if first.due is None or not self.cost.known:
            return _MOST_ROWS_A_CALL
        left = first.since + (first.due - first.since) / MARGIN - perf_counter()
        return max(1, min(_MOST_ROWS_A_CALL, self.cost.rows_within(left))) if left > 0 else _MOST_ROWS_A_CALL

    def _answers(self, group: Sequence[Waiting]) -> list[_Answered]:
        """One bad row must not hurt the others: the callers of a batch that failed are asked for one by one."""
        result = _attempt(self._predict, group)
        if len(group) == 1 or not isinstance(result, BaseException):
            return [(group, result)]
        return [([waiting], _attempt(self._predict, [waiting])) for waiting in group]

    def _predict(self, group: Sequence[Waiting]) -> Outputs:
        """Also learns the time that calls take, but not from one that had to wait for the model's process. What decides between
        loop and thread is the least of late: a busy machine makes every call look long now and then."""
        cold = isinstance(self.predictor, HostedPredictor) and self.predictor.pid is None
        started = perf_counter()
        outputs = {name: plain(array) for name, array in self._ask(self._batch(group)).items()}
        took = perf_counter() - started
        self._seconds = min(took, self._seconds * _FORGET)
        rows = sum([w.rows for w in group])
        if not cold:
            self.cost.learn(rows, took)
        self.calls += 1
        _require_rows(outputs, rows)
        return outputs

    def _batch(self, group: Sequence[Waiting]) -> Batch:
        rows = [w.row for w in group if w.row is not None]
        if len(rows) == len(group):
            return self.plan.batch_of_rows(rows)
        return self.plan.batch(merged([_columns(w) for w in group]))

    def _finish(self, answers: list[_Answered], started: float) -> None:
        for group, result in answers:
            place = 0
            for waiting in group:
                if waiting.gone:
                    self.late += 1
                elif isinstance(result, BaseException):
                    waiting.failed(result)
                else:
                    waiting.answered(result, place, started)
                place += waiting.rows


def plain(array: Any) -> Any:
    """A model's array as values of Python's own. What it says in bytes is text where it can be, as in JSON and in the log."""
    values = array.tolist()
    return _texts(values) if array.dtype.kind in "SO" else values


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(one) for one in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:  # the protocol's binary form carries any bytes; JSON and the log have them in base64
            return value
    return value


def _columns(waiting: Waiting) -> Columns:
    if waiting.columns is not None:
        return waiting.columns
    assert waiting.row is not None
    return [[value] for value in waiting.row]


def _require_rows(outputs: Outputs, rows: int) -> None:
    """Raises Unavailable when not every row has its answer: with some missing or too many, nobody could say which is whose."""
    if not outputs:
        raise Unavailable("the model answered nothing")
    for name, values in outputs.items():
        found = len(values) if isinstance(values, list) else 0
        if found != rows:
            raise Unavailable(f"the model answered {found} rows of {name!r:.80} for {rows}")


def _attempt(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result, or the exception as a value: what a model raises belongs to those who asked it."""
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - handed on to every caller of the batch
        return error
