"""Concurrent requests share the expensive calls: one prediction and one durable write for all that wait. Event loop only.

Nothing waits for company: what has queued up while a call was under way is the next call's batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any

from modelyard.core.errors import ModelyardError, Unavailable
from modelyard.decisions import DecisionLog, Rows
from modelyard.kinds.contract import Batch, Predictor
from modelyard.kinds.sandbox import NativePredictor
from modelyard.runtime.inputs import Columns, InputPlan, merged

_MOST_ROWS_A_CALL = 4096
_INLINE_ROWS = 64
_INLINE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to some rows: a list a named output; and how long they waited for their turn (seconds)."""

    outputs: dict[str, list[Any]]
    queue_time: float


@dataclass(slots=True)
class _Waiting:
    columns: Columns
    rows: int
    since: float
    future: asyncio.Future[Answer]


class ModelServer:
    """One loaded model. Calls that are quick run in the event loop, the others in a thread."""

    def __init__(self, predictor: Predictor, plan: InputPlan, executor: Executor, *, inline: bool = True) -> None:
        self.predictor, self.plan = predictor, plan
        self._executor, self._inline = executor, inline
        # The plan has checked and cast every value already: predictors that offer `answer` need not do it again.
        self._ask: Callable[[Batch], Batch] = getattr(predictor, "answer", predictor.predict)
        self._queue: list[_Waiting] = []
        self._busy = False
        self._seconds = _INLINE_SECONDS

    async def answer(self, columns: Columns, rows: int) -> Answer:
        """The model's outputs for these rows. Raises whatever the model raises."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(columns, rows, perf_counter(), loop.create_future())
        self._queue.append(waiting)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next, loop)
        return await waiting.future

    def close(self) -> None:
        """End the process of a model that has one of its own."""
        if isinstance(self.predictor, NativePredictor):
            self.predictor.close()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._queue:
            self._busy = False
            return
        group = self._take()
        started = perf_counter()
        small = self._inline and sum(w.rows for w in group) <= _INLINE_ROWS
        if small and self._seconds < _INLINE_SECONDS:
            self._finish(group, started, _attempt(self._predict, group))
            loop.call_soon(self._next, loop)
        else:
            call = loop.run_in_executor(self._executor, _attempt, self._predict, group)
            call.add_done_callback(lambda done: self._came_back(loop, group, started, done))

    def _came_back(
        self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], started: float, done: asyncio.Future[Any]
    ) -> None:
        result = done.exception() if not done.cancelled() else Unavailable("the runtime is stopping")
        self._finish(group, started, done.result() if result is None else result)
        self._next(loop)

    def _take(self) -> list[_Waiting]:
        total = 0
        for count, waiting in enumerate(self._queue):
            total += waiting.rows
            if total > _MOST_ROWS_A_CALL and count:
                group, self._queue = self._queue[:count], self._queue[count:]
                return group
        group, self._queue = self._queue, []
        return group

    def _predict(self, group: list[_Waiting]) -> dict[str, list[Any]]:
        """Also keeps a running mean of the time a call takes: of this thread's processor, since a busy machine makes every
        call look long, and a long call is what must leave the event loop."""
        started = thread_time()
        batch: Batch = self.plan.batch(merged([w.columns for w in group]))
        outputs = {name: array.tolist() for name, array in self._ask(batch).items()}
        self._seconds += 0.2 * (thread_time() - started - self._seconds)
        return outputs

    def _finish(self, group: list[_Waiting], started: float, result: dict[str, list[Any]] | BaseException) -> None:
        if isinstance(result, BaseException):
            self._fail(group, started, result)
            return
        place = 0
        for waiting in group:
            part = slice(place, place + waiting.rows)
            place += waiting.rows
            outputs = {name: values[part] for name, values in result.items()}
            _resolve(waiting.future, Answer(outputs, started - waiting.since))

    def _fail(self, group: list[_Waiting], started: float, error: BaseException) -> None:
        """One bad row must not hurt the others: each caller of a failed batch is tried alone."""
        if len(group) == 1:
            _reject(group[0].future, error)
            return
        for waiting in group:
            self._finish([waiting], started, _attempt(self._predict, [waiting]))


class LogWriter:
    """Appends to the decision log, durable before they return, many callers at a time."""

    def __init__(self, log: DecisionLog, executor: Executor) -> None:
        self._log, self._executor = log, executor
        self._queue: list[tuple[Sequence[Rows], asyncio.Future[None]]] = []
        self._busy = False

    async def append(self, groups: Sequence[Rows]) -> None:
        """Rows of one request, in one piece. Raises StorageFull, LogUnwritable or InvalidInput; then none of them is logged."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._queue.append((groups, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next, loop)
        await future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._queue:
            self._busy = False
            return
        waiting, self._queue = self._queue, []
        rows = [group for groups, _ in waiting for group in groups]
        call = loop.run_in_executor(self._executor, self._log.commit, rows)
        call.add_done_callback(lambda done: self._came_back(loop, waiting, done))

    def _came_back(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: list[tuple[Sequence[Rows], asyncio.Future[None]]],
        done: asyncio.Future[list[ModelyardError | None]],
    ) -> None:
        failure = done.exception()
        results = iter(()) if failure else iter(done.result())
        for groups, future in waiting:
            errors = [failure] if failure else [e for e in (next(results) for _ in groups) if e is not None]
            if errors:
                _reject(future, errors[0] or Unavailable("the log failed"))
            else:
                _resolve(future, None)
        self._next(loop)


def _attempt(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result, or the exception as a value: what a model raises belongs to those who asked it."""
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - handed on to every caller of the batch
        return error


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
