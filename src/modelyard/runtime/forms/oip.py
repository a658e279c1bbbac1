"""The Open Inference Protocol, version 2, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.runtime import protocol
from modelyard.runtime.asked import Asked, Headers, ReplyHeaders, Said
from modelyard.runtime.errors import UnsupportedMedia
from modelyard.runtime.protocol import Answered, InferResponse, TensorIn, TensorOut

JSON: ReplyHeaders = [("content-type", "application/json")]
_BINARY = "inference-header-content-length"


class OpenInference:
    """Tensors in JSON."""

    def read(self, body: bytes, headers: Headers, inputs: Mapping[str, Any]) -> Asked:
        """See `Form.read`."""
        _require_json(headers)
        request = protocol.decode_request(body)
        shape = request.inputs[0].shape
        return Asked(
            given=_by_name(request.inputs),
            rows=shape[0] if shape else 0,
            id=request.id,
            parameters=request.parameters,
            outputs=None if not request.outputs else [ref.name for ref in request.outputs],
        )

    def write(self, said: Said, asked: Asked) -> tuple[ReplyHeaders, bytes]:
        """See `Form.write`."""
        outputs = [
            TensorOut(c.name, c.datatype, [said.rows, *c.shape], flat(c.values, len(c.shape))) for c in said.outputs
        ]  # fmt: skip
        answered = Answered(said.ids, said.groups, said.epoch)
        return JSON, protocol.encode(InferResponse(said.endpoint, said.version, said.id, answered, outputs))

    def refuse(self, status: int, error: str, cause: Exception | None = None) -> tuple[ReplyHeaders, bytes]:
        """See `Form.refuse`."""
        return JSON, protocol.encode({"error": error})


def flat(values: Any, depth: int) -> list[Any]:
    """The values of all rows one after another; `depth` is the number of axes of a row's value."""
    if isinstance(values, np.ndarray):
        plain: list[Any] = values.reshape(-1).tolist()
        return plain
    for _ in range(depth):
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return list(values)


def _by_name(tensors: list[TensorIn]) -> dict[str, TensorIn]:
    named = {tensor.name: tensor for tensor in tensors}
    if len(named) < len(tensors):
        raise InvalidInput("an input is given twice", field="inputs")
    return named


def _require_json(headers: Headers) -> None:
    kind = headers.get("content-type")
    if kind is not None and "json" not in kind.lower():
        raise UnsupportedMedia(f"content type {kind:.80} is not read here", hint="application/json")
    if headers.get(_BINARY) is not None:
        raise UnsupportedMedia("binary tensors are not read here", hint="send the data as JSON")
