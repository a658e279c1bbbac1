"""The loop of a child that keeps a model: load what the first frame names, then answer until the other side closes."""

from __future__ import annotations

import gc
import json
import socket
from collections.abc import Mapping
from typing import Any, Protocol

from . import wire

STARVED = ("bad_alloc", "bad allocation", "memoryerror", "unable to allocate", "cannot allocate memory", "failed to map segment")
"""How engines and the dynamic linker say that there is no memory."""


class Model(Protocol):
    """What the loop needs of a loaded model."""

    def predict(self, batch: dict[str, Any]) -> Mapping[str, Any]:
        """Columns for columns; may check and cast first."""
        ...

    def answer(self, batch: dict[str, Any]) -> Mapping[str, Any]:
        """The same for a batch that fits the signature already."""
        ...

    def explain(self, batch: dict[str, Any], background: dict[str, Any] | None) -> list[Any]:
        """One explanation a row, as plain values."""
        ...


class Host(Protocol):
    """Who knows how to load."""

    def load(self, request: Mapping[str, Any]) -> tuple[Model, Mapping[str, Any]]:
        """The model, and what is told of it."""
        ...


def serve(connection: socket.socket, host: Host) -> int:
    """Answer on the socket until the other side closes it; 1 when nothing could be loaded."""
    reader = wire.Reader(connection.recv_into)
    first = reader.next()
    loaded: list[Model] = []
    connection.sendall(_loading(first, host, loaded))
    if not loaded:
        return 1
    model = loaded[0]
    gc.collect()
    if hasattr(gc, "freeze"):  # PyPy collects otherwise
        gc.freeze()  # what loading made stays: the collector need not look at it again and again
    while True:
        try:
            asked = reader.next()
        except wire.Garbled:
            return 0
        connection.sendall(_reply(model, asked))


def refuse(connection: socket.socket, error: BaseException) -> int:
    """Answer the first frame with an error."""
    first = wire.Reader(connection.recv_into).next()
    connection.sendall(wire.plain(first.number, {"error": told_of(error)}))
    return 1


def _loading(first: wire.Message, host: Host, loaded: list[Model]) -> bytes:
    try:
        model, told = host.load(first.header)
    except Exception as error:  # noqa: BLE001  a stranger's model may raise anything; the parent tells it as an error of ours
        return wire.plain(first.number, {"error": told_of(error)})
    loaded.append(model)
    return wire.plain(first.number, {"answer": "loaded", "result": dict(told)})


def _reply(model: Model, asked: wire.Message) -> bytes:
    try:
        what = asked.header["ask"]
        if what == "answer":
            return wire.columns(asked.number, "answer", "columns", model.answer(asked.columns))
        if what == "predict":
            return wire.columns(asked.number, "answer", "columns", model.predict(asked.columns))
        return wire.plain(asked.number, {"answer": "explained", "result": _explained(model, asked)})
    except Exception as error:  # noqa: BLE001  as above
        return wire.plain(asked.number, {"error": told_of(error)})


def _explained(model: Model, asked: wire.Message) -> list[Any]:
    """The columns of the background follow those of the batch, their names marked by position alone."""
    count = asked.header["rows_of"]
    names = list(asked.columns)
    batch = {name.partition(":")[2]: asked.columns[name] for name in names[:count]}
    background = {name.partition(":")[2]: asked.columns[name] for name in names[count:]}
    found = model.explain(batch, background or None)
    json.dumps(found)  # what cannot be told is an error of the model, not of the frame
    return found


def told_of(error: BaseException) -> dict[str, Any]:
    """An error as plain values. One with `code` and `detail` is told as it is; of any other its class and message."""
    if starved(error):
        return {"code": "memory", "detail": "out of memory", "field": None, "hint": None}
    code, detail = getattr(error, "code", None), getattr(error, "detail", None)
    if isinstance(code, str) and isinstance(detail, str):
        return {"code": code, "detail": detail, "field": getattr(error, "field", None), "hint": getattr(error, "hint", None)}
    words = f"{type(error).__name__}: {str(error)[:1000]}"
    return {"code": "invalid_artifact", "detail": words, "field": "artifact", "hint": None}


def starved(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is want of memory: engines and the dynamic linker say so only in words."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in STARVED):
            return True
        error = error.__cause__ or error.__context__
    return False
