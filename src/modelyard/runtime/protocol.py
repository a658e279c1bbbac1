"""The Open Inference Protocol, version 2, over HTTP with JSON tensors: what comes in and what goes out. Pure.

`parameters` of a request that mean something here: `routing_key` (or `routing_keys`, one a row), `event_time` and `subject`
(one, or a list with one a row). Others are ignored, as the protocol asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any

import msgspec

from modelyard.core.errors import InvalidInput
from modelyard.decisions import require_time

LONGEST_TEXT = 1024
"""Characters of a key, a subject, a request's own name: each is looked at or logged once a row."""

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
Key = Text | int
_AT_ONCE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


Shape = Annotated[list[Annotated[int, msgspec.Meta(le=(1 << 63) - 1)]], msgspec.Meta(max_length=32)]
"""Of a tensor that came: no more axes, and no greater ones, than an array can have."""


class TensorIn(msgspec.Struct):
    """One input. `data` stays as it came until the field's own type is known."""

    name: str
    shape: Shape
    datatype: str
    data: msgspec.Raw


class OutputRef(msgspec.Struct):
    """An output that the caller asks for."""

    name: str


class Parameters(msgspec.Struct):
    routing_key: Key | None = None
    routing_keys: list[Key] | None = None
    event_time: Text | list[Text] | None = None
    subject: Key | list[Key] | None = None


class InferRequest(msgspec.Struct):
    inputs: list[TensorIn]
    id: Text | None = None
    parameters: Parameters | None = None
    outputs: list[OutputRef] | None = None


class TensorOut(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | msgspec.Raw


class Group(msgspec.Struct, omit_defaults=True):
    """Rows of a request that one arm answered; `rows` is None when it answered all of them, `arm` when the constant did."""

    arm: str | None
    version: str | None
    role: str
    rows: list[int] | None = None
    reason: str | None = None


class Answered(msgspec.Struct, omit_defaults=True):
    """What a caller learns of how the answer came about; `decision_ids` has one a row. `unlogged` says that the log could
    not be written, and that the endpoint's policy is to answer all the same."""

    decision_ids: list[str]
    groups: list[Group]
    epoch: int
    unlogged: bool = False


class InferResponse(msgspec.Struct):
    model_name: str
    model_version: str | None
    id: str
    parameters: Answered
    outputs: list[TensorOut]


_decoder = msgspec.json.Decoder(InferRequest)
_encoder = msgspec.json.Encoder()


def decode_request(body: bytes) -> InferRequest:
    """The request. Raises InvalidInput that says what is wrong and where."""
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not an inference request: {error}") from error
    if not request.inputs:
        raise InvalidInput("no inputs", field="inputs")
    return request


def encode(document: Any) -> bytes:
    """JSON; what is not a number (NaN, infinity) becomes null."""
    return _encoder.encode(document)


def encode_rows(names: list[str], columns: Sequence[Iterable[Any]]) -> list[bytes]:
    """One JSON object a row. Some rows at a time: encoding does not let go of the interpreter."""
    found: list[bytes] = []
    rows = zip(*columns, strict=True)
    while lines := [dict(zip(names, row, strict=True)) for row in islice(rows, _AT_ONCE)]:
        found += _encoder.encode_lines(lines).split(b"\n")[:-1]
    return found


def routing_keys(parameters: Parameters | None, rows: int) -> list[str] | str | None:
    """One key for all rows, one a row, or none. Raises InvalidInput when their number is not that of the rows."""
    if parameters is None:
        return None
    if parameters.routing_keys is None:
        return None if parameters.routing_key is None else str(parameters.routing_key)
    if parameters.routing_key is not None:
        raise InvalidInput("`routing_key` or `routing_keys`, not both", field="parameters.routing_keys")
    return [str(key) for key in _one_a_row(parameters.routing_keys, rows, "parameters.routing_keys")]


def subjects(parameters: Parameters | None, rows: int) -> list[str] | None:
    """The subject of each row, or None when none is named. Raises InvalidInput when one is the empty text: everybody whose name
    is missing somewhere would be one person."""
    if parameters is None or parameters.subject is None:
        return None
    given = parameters.subject
    each = _one_a_row(given, rows, "parameters.subject") if isinstance(given, list) else [given] * rows
    named = [str(key) for key in each]
    if "" in named:
        hint = "leave `subject` out where nobody is meant"
        raise InvalidInput("the person has no name: an empty text", field="parameters.subject", hint=hint)
    return named


def event_times(parameters: Parameters | None, rows: int) -> list[int] | None:
    """The event time of each row in microseconds, or None when none is given. Times are ISO 8601 with an offset."""
    if parameters is None or parameters.event_time is None:
        return None
    if isinstance(parameters.event_time, str):
        return [micros(parameters.event_time)] * rows
    return [micros(text) for text in _one_a_row(parameters.event_time, rows, "parameters.event_time")]


def _one_a_row(values: list[Any], rows: int, field: str) -> list[Any]:
    if len(values) != rows:
        raise InvalidInput(f"{len(values)} values for {rows} rows", field=field)
    return values


def micros(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"not an ISO 8601 time: {text[:40]!r}", field="parameters.event_time") from error
    if moment.tzinfo is None:
        raise InvalidInput(f"a time without an offset: {text!r}", field="parameters.event_time", hint="add Z or +02:00")
    require_time(moment, "parameters.event_time")
    return (moment - _EPOCH) // _MICROSECOND
