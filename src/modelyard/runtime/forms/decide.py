"""Named fields in, a decision out: what business callers send.

    {"income": 52000, "region": "north"}                              one record
    [{"income": 52000, "region": "north"}, …]                          many records
    {"inputs": {"income": 52000, …}, "key": "c-17", "subject": …}      one record, with what goes beside it
    {"records": [{…}, …], "key": ["c-17", …], …}                       many records, with what goes beside them

They are told apart by form alone, whatever the fields are called: no field holds an object, so an `inputs` that is one, or
`records` that are a list of some, can only be the envelope. Beside them stand `key`, `subject`, `event_time` (one value, or a
list with one a record), `id` and `outputs` (the names wanted). A field that is left out is null.

One record is answered with an object, many with a list of them. Errors are problem details (RFC 9457).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidInput, ModelyardError
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime import protocol
from modelyard.runtime.asked import MOST_ROWS, Asked, Given, Headers, ReplyHeaders, Said
from modelyard.runtime.forms import arrow
from modelyard.runtime.forms.limits import bounded, decoded, few_enough, fits, known_enough, lists_fit
from modelyard.runtime.forms.media import ARROW, JSON, JSON_HEADERS, PROBLEM, media_type
from modelyard.runtime.protocol import Group, Key, Parameters, TensorIn, Text
from modelyard.runtime.shapes import flattened

Record = dict[str, msgspec.Raw]

_TYPE = "https://modelyard.dev/problems/"
_ACCEPTED = (JSON, ARROW)
_ONE, _MANY = "one", "many"
_PLACE = re.compile(r" - at `\$\[(\d+)\](?:\[\d+\])*`")
_NULL = msgspec.Raw(b"null")

_PROBLEM_HEADERS: ReplyHeaders = [("content-type", PROBLEM)]


class _Beside(msgspec.Struct, forbid_unknown_fields=True):
    """The envelope. `inputs` or `records`, never both."""

    inputs: Record | msgspec.UnsetType = msgspec.UNSET
    records: list[Record] | msgspec.UnsetType = msgspec.UNSET
    key: Key | list[Key] | None = None
    subject: Key | list[Key] | None = None
    event_time: Text | list[Text] | None = None
    id: Text | None = None
    outputs: list[str] | None = None


class Decision(msgspec.Struct, omit_defaults=True):
    """The answer to one record; `reason` says why it is not the drawn arm that answered, `unlogged` that the decision log could
    not be written and the endpoint's policy is to answer all the same."""

    decision_id: str
    outputs: dict[str, Any]
    version: str | None
    arm: str | None
    role: str
    reason: str | None = None
    id: str | None = None
    unlogged: bool = False


class Problem(msgspec.Struct, omit_defaults=True):
    """Problem details. `field` is the field at fault, `row` its record (from 0), `hint` what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    row: int | None = None
    hint: str | None = None


_decode_one = msgspec.json.Decoder(Record).decode
_decode_many = msgspec.json.Decoder(list[Record]).decode
_count_many = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_beside = msgspec.json.Decoder(_Beside).decode


class Decide:
    """Records of named fields in JSON; or an Arrow stream, which is answered as one."""

    def read(self, body: bytes, headers: Headers, inputs: Mapping[str, FieldSpec], most_rows: int = MOST_ROWS) -> Asked:
        """See `Form.read`."""
        if media_type(headers, _ACCEPTED) == ARROW:
            return arrow.read(body, inputs, most_rows)
        bounded(body)
        try:
            return _read(body, inputs, most_rows)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"not a record or a list of records: {error}", hint='{"field": value, …}') from error

    def write(self, said: Said, asked: Asked) -> tuple[ReplyHeaders, bytes]:
        """See `Form.write`."""
        if asked.reply is arrow.REPLY and asked.listener is None:
            return arrow.write(said, asked)
        found = decisions(said, asked.id)
        return JSON_HEADERS, protocol.encode(found if asked.reply is _MANY else found[0])

    def refuse(self, status: int, error: str, cause: Exception | None = None) -> tuple[ReplyHeaders, bytes]:
        """See `Form.refuse`."""
        return _PROBLEM_HEADERS, protocol.encode(problem(status, error, cause))


def for_one() -> Asked:
    """What is kept of a request for one record, to write its answer."""
    return Asked({}, 1, reply=_ONE)


def decisions(said: Said, request: str | None = None) -> list[Decision]:
    """One decision a row."""
    names = [column.name for column in said.outputs]
    values = [c.values.tolist() if isinstance(c.values, np.ndarray) else c.values for c in said.outputs]
    rows = zip(*values, strict=True) if values else iter([()] * said.rows)
    found = []
    for place, (identity, row, group) in enumerate(zip(said.ids, rows, by_row(said.groups, said.rows), strict=True)):
        outputs = dict(zip(names, row, strict=True))
        called = None if place else request
        found.append(Decision(identity, outputs, group.version, group.arm, group.role, group.reason, called, said.unlogged))
    return found


def by_row(groups: Sequence[Group], rows: int) -> list[Group]:
    """The group that each row belongs to."""
    if len(groups) == 1 and groups[0].rows is None:
        return [groups[0]] * rows
    found = [groups[0]] * rows
    for group in groups:
        for row in range(rows) if group.rows is None else group.rows:
            found[row] = group
    return found


def problem(status: int, error: str, cause: Exception | None) -> Problem:
    """The problem details of an error; the row is taken out of the detail, where it stands as a path."""
    if not isinstance(cause, ModelyardError):
        return Problem(f"{_TYPE}error", "error", status, error, "error")
    place = _PLACE.search(cause.detail)
    detail = cause.detail if place is None else _PLACE.sub(f" in row {place[1]}", cause.detail)
    title = cause.code.replace("_", " ")
    row = None if place is None else int(place[1])
    return Problem(_TYPE + cause.code, title, status, detail, cause.code, cause.field, row, cause.hint)


def _read(body: bytes, inputs: Mapping[str, FieldSpec], most_rows: int) -> Asked:
    start = body.lstrip(b" \t\r\n")[:1]
    if start == b"[":
        _count(body, most_rows)
        records = decoded(_decode_many, body)
        _refuse_twins(body, [records])
        return Asked(_columns(records, inputs, len(body)), len(records), reply=_MANY)
    record = decoded(_decode_one, body)
    if _is_envelope(record):
        return _read_beside(body, record, inputs, most_rows)
    _refuse_twins(body, [[record]])
    return Asked(_columns([record], inputs, len(body)), 1, reply=_ONE)


def _count(records: bytes | msgspec.Raw, most_rows: int) -> None:
    """Raises InvalidInput for a list of more records than are answered at once. Texts may have braces, so it is counted exactly
    when there are more braces than that."""
    text = bytes(records)
    if text.count(b"{") > most_rows:
        few_enough(len(decoded(_count_many, text)), most_rows, "records")


def _is_envelope(record: Record) -> bool:
    """Whether the object is not a record but has one, or some, in it: fields never hold objects."""
    inputs, records = record.get("inputs"), record.get("records")
    if inputs is not None and bytes(inputs)[:1] == b"{":
        return True
    if records is None:
        return False
    start = bytes(records)[:64].translate(None, b" \t\r\n")
    return start.startswith((b"[{", b"[]"))


def _read_beside(body: bytes, members: Record, inputs: Mapping[str, FieldSpec], most_rows: int) -> Asked:
    _count(members.get("records", _NULL), most_rows)
    beside = decoded(_decode_beside, body)
    one, many = beside.inputs, beside.records
    if one is not msgspec.UNSET and many is not msgspec.UNSET:
        raise InvalidInput("`inputs` or `records`, not both", field="records")
    records = [one] if isinstance(one, dict) else [] if many is msgspec.UNSET else many
    _refuse_twins(body, [[members], records])
    key = beside.key
    keyed = {"routing_keys": key} if isinstance(key, list) else {"routing_key": key}
    parameters = Parameters(**keyed, event_time=beside.event_time, subject=beside.subject)
    reply = _ONE if many is msgspec.UNSET else _MANY
    columns = _columns(records, inputs, len(body))
    return Asked(columns, len(records), beside.id, None, parameters, beside.outputs, reply=reply)


def _refuse_twins(body: bytes, levels: Sequence[Sequence[Record]]) -> None:
    """Raises InvalidInput when an object has the same member twice: which of the two was meant?

    Every member brings a colon, so a body without twins has as many as its members, and those within texts. Only when the count
    is another one are members looked at one by one.
    """
    inner = levels[-1]
    expected = sum(len(record) for level in levels for record in level)
    if body.count(b":") == expected:
        return
    expected += sum(bytes(value).count(b":") for record in inner for value in record.values())
    named = [name for level in levels for record in level for name in record]
    if body.count(b":") != expected or any(":" in name for name in named):
        _look_for_twins(body)


def _look_for_twins(body: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise InvalidInput(f"{name!r:.80} is given twice", field=name)
        return found

    try:
        json.loads(body, object_pairs_hook=once, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError as error:
        raise InvalidInput(f"not a record or a list of records: {error}") from error


def _columns(records: Sequence[Record], inputs: Mapping[str, FieldSpec], size: int) -> dict[str, Given]:
    """The records as columns: known fields in the signature's order, then those nobody knows (others will say so). `size` is
    that of the body."""
    if not records:
        raise InvalidInput("no records", field="records")
    fits(len(records), len(inputs), size)
    given: dict[str, Given] = {}
    for name, spec in inputs.items():
        column = _column(name, spec, records)
        if column is not None:
            given[name] = column
    strange = [record for record in records if not record.keys() <= inputs.keys()]
    strangers = dict.fromkeys(name for record in strange for name in record if name not in inputs)
    if inputs and strangers:
        known_enough(len(strangers), next(iter(strangers)))
        fits(len(records), len(inputs) + len(strangers), size)
    for name in strangers:
        given[name] = _unknown(name, records, bool(inputs))
    if not given:
        raise InvalidInput("the record is empty", hint=f"needed: {', '.join(inputs)}" if inputs else None)
    return given


def _unknown(name: str, records: Sequence[Record], strict: bool) -> Given:
    """A field that the champion does not know: another arm may. Without any model, all records must have the same fields."""
    row = None if strict else next((place for place, record in enumerate(records) if name not in record), None)
    if row is not None:
        raise InvalidInput(f"input {name!r:.80} is missing in row {row}", field=name)
    return [msgspec.json.decode(record.get(name, _NULL)) for record in records]


def _column(name: str, spec: FieldSpec, records: Sequence[Record]) -> Given | None:
    """One field of all records as it came, null where it is left out; None when no record has it, and others must say so."""
    values = [record[name] for record in records if name in record]
    if len(values) < len(records):
        if not values and not spec.nullable:
            return None
        values = [record.get(name, _NULL) for record in records]
    if spec.shape:
        for value in values:
            lists_fit(name, value, spec.shape)
        return [flattened(msgspec.json.decode(value), spec.shape) for value in values]
    data = b"[" + bytes(values[0]) + b"]" if len(values) == 1 else b"[" + b",".join(map(bytes, values)) + b"]"
    return TensorIn(name, [len(values)], spec.type, msgspec.Raw(data))
