"""The child: gives up its rights, then reads its request, then does as asked; see `isolation` and `native`.

`--result TERMS`: one request on stdin, one answer on the descriptor that the terms name. `--serve TERMS`: questions and answers
on a socket. TERMS is JSON: see `modelyard.kinds.shim.confine.apply`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from modelyard.kinds.shim import confine


def main(arguments: list[str]) -> int:
    """Run as told; the exit status is 0 whenever an answer was given."""
    mode, terms = arguments[0], json.loads(arguments[1])
    refused: confine.Unconfined | None = None
    missing: list[str] = []
    try:
        missing = confine.apply(terms)  # before anything else is imported
    except confine.Unconfined as error:
        refused = error
    if mode == "--serve":
        return _serve(socket.socket(fileno=terms["serve"]), missing, refused)
    return _one(terms["result"], refused)


def _one(descriptor: int, refused: Exception | None) -> int:
    import msgspec

    request = msgspec.msgpack.decode(sys.stdin.buffer.read())

    def work() -> Any:
        if refused is not None:
            raise refused
        from modelyard.kinds.sandbox import operations

        return operations.run(operations.Request(request))

    with os.fdopen(descriptor, "wb") as result:
        result.write(_answered(work))
    return 0


def _answered(work: Callable[[], Any]) -> bytes:
    """The work's result as a frame, or its error: nothing that a model does may end the child without a word."""
    from modelyard.kinds.sandbox import frames
    from modelyard.kinds.shim import serving

    try:
        return frames.pack({"result": work()})
    except Exception as error:  # noqa: BLE001  a stranger's kind may raise anything; the parent tells it as an error of ours
        return frames.pack({"error": serving.told_of(error)})


def _serve(connection: socket.socket, missing: list[str], refused: Exception | None) -> int:
    from modelyard.kinds.shim import serving

    return serving.refuse(connection, refused) if refused else serving.serve(connection, _Host(missing))


class _Host:
    """Loads an artifact by its kind."""

    def __init__(self, missing: list[str]) -> None:
        self._missing = missing

    def load(self, request: Mapping[str, Any]) -> tuple[_Model, Mapping[str, Any]]:
        from modelyard.kinds.sandbox import operations

        _, _, predictor = operations.load(operations.Request(dict(request)))
        return _Model(predictor), {"signature": predictor.signature.model_dump(mode="json"), "missing": self._missing}


class _Model:
    """A predictor as the serving loop asks it."""

    def __init__(self, predictor: Any) -> None:
        self._explain = predictor.explain
        self.predict: Callable[[dict[str, Any]], Mapping[str, Any]] = predictor.predict
        self.answer: Callable[[dict[str, Any]], Mapping[str, Any]] = getattr(predictor, "answer", predictor.predict)

    def explain(self, batch: dict[str, Any], background: dict[str, Any] | None) -> list[Any]:
        return [found.model_dump(mode="json") for found in self._explain(batch, background)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
