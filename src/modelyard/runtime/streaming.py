"""Answers that come piece by piece, as server-sent events.

    data: {"outputs": {"text": "Once "}}                 a piece, as the model made it
    event: decision                                      the end: the whole decision, which is in the log by now
    event: error                                         the end, when the model broke off: problem details, and the decision

Routing, checks, fallbacks and the log are those of any answer: a `Listener` stands between the arm and its model, sends the
pieces on, and gives back the whole. What was said before a model broke off, or its caller left, is logged with the reason: it was
said. No other arm goes on where one broke off. An endpoint's time for an answer is the time to the first piece; nobody speaks
longer than `LONGEST` seconds.

Pieces are told before the log has the decision, which only an endpoint may do that answers unlogged too (its policy says
`unlogged: answer`). Elsewhere, and from models that do not stream, the answer is heard in one piece when the log has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
import structlog

from modelyard.core.errors import InvalidInput, TimedOut, Unavailable
from modelyard.kinds.contract import Batch
from modelyard.runtime.asked import ReplyHeaders
from modelyard.runtime.engine import Answer, ModelServer, plain
from modelyard.runtime.forms.media import EVENTS
from modelyard.runtime.http import CallerGone, Exchange, Stream
from modelyard.runtime.inputs import Columns

HEADERS: ReplyHeaders = [("content-type", f"{EVENTS}; charset=utf-8"), ("cache-control", "no-store")]
LONGEST = 300.0
_LEFT = "the caller left"
_log = structlog.get_logger("modelyard.runtime")


@runtime_checkable
class Streaming(Protocol):
    """A predictor that can answer one row piece by piece."""

    def stream(self, batch: Batch) -> Iterator[Batch]:
        """The pieces of the answer to a batch of one row, in order. Put together they are what `predict` gives: texts are joined,
        of other values the last one counts. The iterator is closed when nobody listens any more; its steps may run in different
        threads, one at a time. Raises as `predict` does."""
        ...


class Listener:
    """Hears one answer and tells it to one caller. `reasons` says why it did not come to its end, `begun` whether anything was
    told."""

    def __init__(self, exchange: Exchange) -> None:
        self.reasons: list[str] = []
        self.begun = False
        self.whole: Batch | None = None
        self._exchange = exchange
        self._stream: Stream | None = None
        self._gone: asyncio.Task[None] | None = None

    def over(self, model: ModelServer, piecewise: bool) -> _Heard:
        """The model, heard while it answers if that may be (`piecewise`), else when the log has its answer."""
        return _Heard(self, model, piecewise)

    async def end(self, status: int, answer: bytes) -> bool:
        """Tell the end: the decision, or the error, in the caller's form. False when nothing was told before, and `answer` was an
        error: then it can still be told as any other is."""
        try:
            if not self.begun and status != 200:
                return False
            if status == 200 and self.whole is not None:
                await self.hear(self.whole)
            if status == 200 and not self.reasons:
                await self._send(_event("decision", answer))
            elif _LEFT not in self.reasons:
                await self._send(_event("error", self._broken(status, answer)))
            return True
        finally:
            if self._stream is not None:
                self._stream.end()
            if self._gone is not None:
                self._gone.cancel()

    def _broken(self, status: int, answer: bytes) -> bytes:
        if status != 200:
            return answer
        detail = "; ".join(self.reasons)
        title, code = "broken off", "broken_off"
        told = {"type": f"https://modelyard.dev/problems/{code}", "title": title, "status": 500, "detail": detail, "code": code}
        return msgspec.json.encode(told | {"decision": msgspec.Raw(answer)})

    async def hear(self, piece: Batch) -> None:
        """Tell a piece."""
        outputs = {name: plain(values)[0] for name, values in piece.items()}
        await self._send(_event(None, msgspec.json.encode({"outputs": outputs})))

    async def _send(self, event: bytes) -> None:
        if self._stream is None:
            self._stream, self.begun = self._exchange.stream(200, HEADERS), True
        try:
            await self._stream.send(event)
        except CallerGone as error:
            _log.info("a listener left", detail=str(error))
            self.reasons.append(_LEFT)

    def left(self) -> asyncio.Task[None]:
        """Done when the caller has gone."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_task(_until_gone(self._exchange))
        return self._gone


class _Heard:
    """A model as its arm asks it, every piece of its answer told to a listener."""

    def __init__(self, listener: Listener, model: ModelServer, piecewise: bool) -> None:
        self._listener, self._model, self._piecewise = listener, model, piecewise

    async def answer(self, columns: Columns, rows: int, *, timeout: float | None = None, **limits: Any) -> Answer:
        """As `ModelServer.answer`; other `limits` hold for models that do not stream. Raises TimedOut when the first piece takes
        longer than `timeout` seconds, Unavailable when a part of another model's answer was told before."""
        if rows != 1:
            raise InvalidInput(f"{rows} rows: one at a time is answered piece by piece", field="records")
        if self._listener.begun:
            raise Unavailable("a part of the answer was told already")
        predictor = self._model.predictor
        if not self._piecewise or not isinstance(predictor, Streaming):
            whole = await self._model.answer(columns, rows, timeout=timeout, **limits)
            self._listener.whole = {name: np.array([*values, None], dtype=object)[:-1] for name, values in whole.outputs.items()}
            return whole
        started = perf_counter()
        outputs = await self._pieces(predictor.stream(self._model.plan.batch(columns)), timeout)
        names = [spec.name for spec in predictor.signature.outputs]
        return Answer({name: [outputs.get(name)] for name in names}, perf_counter() - started if not outputs else 0.0)

    async def _pieces(self, stream: Iterator[Batch], timeout: float | None) -> dict[str, Any]:
        """All pieces put together, up to the end or to where it broke off."""
        outputs: dict[str, Any] = {}
        left, step = self._listener.left(), None
        end, wait = perf_counter() + LONGEST, timeout
        try:
            while not self._listener.reasons:
                step = asyncio.ensure_future(asyncio.to_thread(next, stream, None))
                await asyncio.wait({step, left}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                if left.done():
                    self._listener.reasons.append(_LEFT)
                    break
                if not step.done():
                    raise TimedOut(f"took longer than {LONGEST if self._listener.begun else timeout:g} s")
                piece, wait = step.result(), max(0.0, end - perf_counter())
                if piece is None:
                    break
                _join(outputs, piece)
                await self._listener.hear(piece)
        except Exception as error:
            if not self._listener.begun:
                raise
            self._listener.reasons.append(f"{type(error).__name__}: {error}"[:300])
        finally:
            _close(stream, step)
        return outputs


def _join(outputs: dict[str, Any], piece: Batch) -> None:
    for name, values in piece.items():
        value = plain(values)[0]
        before = outputs.get(name)
        outputs[name] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _close(stream: Iterator[Batch], step: asyncio.Future[Any] | None) -> None:
    """Stop the iterator, after the step that it may still be in."""

    def close(done: Any = None) -> None:
        end = getattr(stream, "close", None)
        if end is not None:
            asyncio.get_running_loop().run_in_executor(None, end)

    if step is None or step.done():
        close()
    else:
        step.add_done_callback(close)


def _event(name: str | None, data: bytes) -> bytes:
    """One event; JSON has no line breaks of its own."""
    return (b"" if name is None else b"event: " + name.encode() + b"\n") + b"data: " + data + b"\n\n"


async def _until_gone(exchange: Exchange) -> None:
    await exchange.caller_left()
