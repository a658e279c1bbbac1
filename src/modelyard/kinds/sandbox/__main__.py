"""The child: takes limits on itself, then reads its request, then does as asked; see `isolation` and `native`.

`--result=FD`: one request on stdin, one answer on that descriptor. `--serve=FD`: requests and answers on a socket.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from modelyard.core.errors import InvalidArtifact, ModelyardError
from modelyard.kinds.sandbox import frames
from modelyard.kinds.sandbox.limits import Limits
from modelyard.kinds.sandbox.process import STARVED


def main(arguments: list[str]) -> int:
    """Run as the one argument says; the exit status is 0 whenever an answer was given."""
    mode, _, descriptor = arguments[0].partition("=")
    if mode == "--serve":
        return _serve(socket.socket(fileno=int(descriptor)))
    request = msgspec.msgpack.decode(sys.stdin.buffer.read())
    Limits.model_validate(request["limits"]).apply()
    with os.fdopen(int(descriptor), "wb") as result:
        result.write(_answered(lambda: _run(request)))
    return 0


def _run(request: dict[str, Any]) -> Any:
    from modelyard.kinds.sandbox import operations

    return operations.run(operations.Request(request))


def _serve(connection: socket.socket) -> int:
    """Load the artifact that the first request names, then answer batches until the other side closes."""
    stream = connection.makefile("rb")
    request = frames.unpack(stream.read)
    Limits.model_validate(request["limits"]).apply()
    loaded: list[Any] = []
    connection.sendall(_answered(lambda: _load(request, loaded)))
    while loaded:
        try:
            asked = frames.unpack(stream.read)
        except EOFError:
            return 0
        connection.sendall(_answered(lambda asked=asked: _reply(loaded[0], asked)))  # type: ignore[misc]
    return 0


def _load(request: dict[str, Any], loaded: list[Any]) -> Any:
    from modelyard.kinds.sandbox import operations

    _, _, predictor = operations.load(operations.Request(request))
    loaded.append(predictor)
    return {"signature": predictor.signature.model_dump(mode="json")}


def _reply(predictor: Any, asked: dict[str, Any]) -> Any:
    batch = frames.to_batch(asked["batch"])
    if asked["operation"] == "predict":
        return frames.from_batch(predictor.predict(batch))
    background = None if asked["background"] is None else frames.to_batch(asked["background"])
    return [found.model_dump(mode="json") for found in predictor.explain(batch, background)]


def _answered(work: Callable[[], Any]) -> bytes:
    """The work's result as a frame, or its error: nothing that a model does may end the child without a word."""
    try:
        return frames.pack({"result": work()})
    except Exception as error:  # noqa: BLE001  a stranger's kind may raise anything; the parent tells it as an error of ours
        if _starved(error):
            return frames.pack({"error": {"code": "memory", "detail": "out of memory", "field": None, "hint": None}})
        if isinstance(error, ModelyardError):
            return frames.pack({"error": frames.from_error(error)})
        told = InvalidArtifact(f"{type(error).__name__}: {str(error)[:1000]}", field="artifact")
        return frames.pack({"error": frames.from_error(told)})


def _starved(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is want of memory: engines and the dynamic linker say so only in words."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in STARVED):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
