"""The Open Inference Protocol, version 2, over HTTP: tensors in JSON, and as raw bytes after it (Triton's binary extension).

Where a number in bytes is no number, see `numbers`. Of a request's `parameters`, those of `protocol.Parameters` mean something
here, and `timeout` (microseconds until the caller gives up) and `binary_data_output`; others are ignored, as the protocol asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Annotated, Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime import protocol
from modelyard.runtime.aside import MANY
from modelyard.runtime.asked import MOST_ROWS, Asked, Column, Given, Headers, ReplyHeaders, Said
from modelyard.runtime.forms import arrow, binary
from modelyard.runtime.forms.limits import bounded, decoded
from modelyard.runtime.forms.media import ARROW, JSON, JSON_HEADERS, OCTETS, media_type
from modelyard.runtime.protocol import Answered, InferResponse, Parameters, TensorIn, TensorOut, Text

LENGTH = "inference-header-content-length"
_ACCEPTED = (JSON, OCTETS, ARROW)


class _Parameters(Parameters):
    binary_data_output: bool = False
    timeout: Annotated[int, msgspec.Meta(le=(1 << 63) - 1)] | None = None


class _OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: Any = None
    shared_memory_region: str | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: _OutputParameters | None = None


class _Request(msgspec.Struct):
    inputs: list[TensorIn]
    id: Text | None = None
    parameters: _Parameters | None = None
    outputs: list[_Output] | None = None


class _MixedRequest(msgspec.Struct):
    """A request of which tensors may be in the bytes after it."""

    inputs: list[binary.Tensor]
    id: Text | None = None
    parameters: _Parameters | None = None
    outputs: list[_Output] | None = None


class _BinaryOut(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int]


_decode = msgspec.json.Decoder(_Request).decode
_decode_mixed = msgspec.json.Decoder(_MixedRequest).decode


class OpenInference:
    """Tensors in JSON, as bytes, or both; or an Arrow stream, which is answered as one."""

    def read(self, body: bytes, headers: Headers, inputs: Mapping[str, FieldSpec], most_rows: int = MOST_ROWS) -> Asked:
        """See `Form.read`."""
        if media_type(headers, _ACCEPTED) == ARROW:
            return arrow.read(body, inputs, most_rows)
        length = headers.get(LENGTH)
        if length is None:
            plain = _understood(_decode, body)
            if not plain.inputs:
                raise InvalidInput("no inputs", field="inputs")
            return _asked(plain, _by_name(plain.inputs), plain.inputs[0].shape)
        head, tail = binary.parted(body, length)
        mixed = _understood(_decode_mixed, head)
        if not mixed.inputs:
            raise InvalidInput("no inputs", field="inputs")
        return _asked(mixed, binary.read(mixed.inputs, tail, inputs, most_rows), mixed.inputs[0].shape)

    def write(self, said: Said, asked: Asked) -> tuple[ReplyHeaders, bytes]:
        """See `Form.write`."""
        if asked.reply is not None:
            return arrow.write(said, asked) if asked.reply is arrow.REPLY else _written(said, asked.reply)
        outputs = [_json_tensor(said, column) for column in said.outputs]
        return JSON_HEADERS, protocol.encode(_response(said, outputs))

    def refuse(self, status: int, error: str, cause: Exception | None = None) -> tuple[ReplyHeaders, bytes]:
        """See `Form.refuse`."""
        return JSON_HEADERS, protocol.encode({"error": error})


class _Wanted:
    """Which outputs the caller wants as bytes."""

    __slots__ = ("everything", "named")

    def __init__(self, everything: bool, named: dict[str, bool]) -> None:
        self.everything, self.named = everything, named

    def bytes(self, name: str) -> bool:
        return self.named.get(name, self.everything)


def _understood(decode: Any, head: bytes) -> Any:
    bounded(head)
    try:
        return decoded(decode, head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not an inference request: {error}") from error


def _asked(request: Any, given: Mapping[str, Given], shape: Sequence[int]) -> Asked:
    asked = Asked(given, shape[0] if shape else 0, request.id, None, request.parameters)
    everything = False
    parameters: _Parameters | None = request.parameters
    if parameters is not None:
        everything = parameters.binary_data_output
        if parameters.timeout:
            asked.deadline = perf_counter() + parameters.timeout / 1_000_000
    named: dict[str, bool] = {}
    if request.outputs:
        asked.outputs = [output.name for output in request.outputs]
        named = _outputs_as_bytes(request.outputs)
    if everything or named:
        asked.reply = _Wanted(everything, named)
    return asked


def _outputs_as_bytes(outputs: list[_Output]) -> dict[str, bool]:
    named: dict[str, bool] = {}
    for output in outputs:
        parameters = output.parameters
        if parameters is None:
            continue
        if parameters.classification is not None or parameters.shared_memory_region is not None:
            detail = f"output {output.name!r:.80}: classification and shared memory are not given here"
            raise InvalidInput(detail, field="outputs")
        if parameters.binary_data is not None:
            named[output.name] = parameters.binary_data
    return named


def _by_name(tensors: list[TensorIn]) -> dict[str, TensorIn]:
    named = {tensor.name: tensor for tensor in tensors}
    if len(named) < len(tensors):
        raise InvalidInput("an input is given twice", field="inputs")
    return named


def _response(said: Said, outputs: list[Any]) -> InferResponse:
    answered = Answered(said.ids, said.groups, said.epoch, said.unlogged)
    return InferResponse(said.endpoint, said.version, said.id, answered, outputs)


def _json_tensor(said: Said, column: Column) -> TensorOut:
    values = flat(column.values, len(column.shape))
    data = values if said.rows <= MANY else msgspec.Raw(protocol.encode(values))  # a long answer is encoded in pieces
    return TensorOut(column.name, column.datatype, [said.rows, *column.shape], data)


def _written(said: Said, wanted: _Wanted) -> tuple[ReplyHeaders, bytes]:
    """The answer with the wanted outputs as bytes; one that bytes of its type cannot carry stays in JSON."""
    outputs: list[Any] = []
    pieces: list[bytes] = []
    for column in said.outputs:
        raw = _raw(column) if wanted.bytes(column.name) else None
        if raw is None:
            outputs.append(_json_tensor(said, column))
            continue
        size = {"binary_data_size": len(raw)}
        outputs.append(_BinaryOut(column.name, column.datatype, [said.rows, *column.shape], size))
        pieces.append(raw)
    head = protocol.encode(_response(said, outputs))
    if not pieces:
        return JSON_HEADERS, head
    return [("content-type", OCTETS), (LENGTH, str(len(head)))], b"".join([head, *pieces])


def _raw(column: Column) -> bytes | None:
    """The bytes; None when values are missing, or not of their type: the decision is logged by now, so it must be told."""
    try:
        return binary.to_bytes(column)
    except (InvalidInput, TypeError, ValueError, OverflowError):
        return None


def flat(values: Any, depth: int) -> list[Any]:
    """The values of all rows one after another; `depth` is the number of axes of a row's value."""
    if isinstance(values, np.ndarray):
        plain: list[Any] = values.reshape(-1).tolist()
        return plain
    for _ in range(depth):
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return list(values)
