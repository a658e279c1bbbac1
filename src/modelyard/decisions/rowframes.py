"""The cheap form of a small commit: rows as they come, in msgpack. Arrow's columns cost the same for one row as for a thousand,
so a commit of a few rows is written like this and becomes columns when somebody reads it.

    payload  = KIND, msgpack [group…]                            or, where that is shorter,
               PACKED, u32 length of the msgpack, the same compressed (LZ4 block)
    group    = [rows, common values of the stamp, common values, values by column]
    values   = [value…], or for JSON objects that are not text yet {"names": […], "rows": [[value…]…]}
               or {"names": […], "columns": [column…]}
    column   = [value…], or {"array": [type, rows, whether of vectors, little-endian bytes]}

An Arrow IPC message starts with 0xFFFFFFFF, so that the first byte tells the forms apart. What is written here has passed the
checks that Arrow's columns would have made; whatever does not pass them at a glance is left to Arrow, which says what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import msgspec
import pyarrow as pa

from modelyard.decisions.framing import FrameMeta
from modelyard.decisions.objects import ArrayColumn, ColumnObjects, Objects
from modelyard.decisions.schema import DECISION_TABLE, SCHEMA_VERSION, Rows

MOST_ROWS = 1024
_KIND, _PACKED = b"\x01", b"\x02"
_LENGTH = struct.Struct("<I")
_COMPRESS_FROM = 8192


def _plain(objects: Any) -> dict[str, Any]:
    if type(objects) is Objects:
        return {"names": objects.names, "rows": objects.rows}
    if type(objects) is ColumnObjects:
        return {"names": objects.names, "columns": objects.columns}
    if type(objects) is ArrayColumn:
        return {"array": objects.packed()}
    raise NotImplementedError


def _objects(plain: Mapping[str, Any], rows: int) -> Objects:
    """What `_plain` told. Raises ValueError."""
    names = tuple(plain["names"])
    if "rows" in plain:
        return Objects(names, plain["rows"])
    columns = [ArrayColumn.unpacked(*column["array"]) if isinstance(column, dict) else column for column in plain["columns"]]
    return ColumnObjects(names, columns, rows)


class _Group(msgspec.Struct, array_like=True, gc=False):
    rows: int
    stamp: Any
    shared: Mapping[str, Any]
    columns: Mapping[str, Any]


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_groups = msgspec.msgpack.Decoder(list[_Group])


def encoded(groups: Sequence[Rows]) -> tuple[bytes, FrameMeta] | None:
    """The payload of a commit of decisions, and what readers need to skip it; None when it is one for Arrow."""
    groups = [group for group in groups if group.count]
    total = sum([group.count for group in groups])
    if not 0 < total <= MOST_ROWS or not all(map(_fits, groups)):
        return None
    try:
        body = _encoder.encode([_Group(g.count, g.stamp and g.stamp.packed, g.shared, g.rows) for g in groups])
    except (UnicodeEncodeError, OverflowError, TypeError):
        return None
    payload = _KIND + body
    if len(body) >= _COMPRESS_FROM:
        packed = _PACKED + _LENGTH.pack(len(body)) + pa.compress(body, codec="lz4_raw", asbytes=True)
        payload = min(packed, payload, key=len)
    return payload, _meta(groups, total)


def is_rows(payload: memoryview) -> bool:
    """Whether a frame's payload is of this form."""
    return payload[:1] in (_KIND, _PACKED)


def decoded(payloads: Iterable[memoryview], schema: Any, columns: Sequence[str]) -> Any:
    """One Arrow batch of the rows of all these payloads, with those of the columns that the schema has. Raises
    msgspec.DecodeError or ValueError."""
    groups = [group for payload in payloads for group in _groups.decode(_unpacked(payload))]
    for group in groups:
        group.shared = {"schema_version": SCHEMA_VERSION, **(group.stamp or {}), **group.shared}
    fields = [schema.field(name) for name in columns if name in schema.names]
    arrays = [pa.array(_column(field.name, groups), field.type) for field in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _unpacked(payload: memoryview) -> memoryview | bytes:
    if payload[:1] == _KIND:
        return payload[1:]
    (length,) = _LENGTH.unpack_from(payload, 1)
    plain: bytes = pa.decompress(payload[1 + _LENGTH.size :], decompressed_size=length, codec="lz4_raw", asbytes=True)
    return plain


def _column(name: str, groups: Sequence[_Group]) -> list[Any]:
    values: list[Any] = []
    for group in groups:
        given = group.columns.get(name)
        if isinstance(given, dict):
            given = _objects(given, group.rows).texts()
        values.extend(repeat(group.shared.get(name), group.rows) if given is None else given)
    return values


def _meta(groups: Sequence[Rows], total: int) -> FrameMeta:
    """As `frame_meta`."""
    ids, times = _all("id", groups), _all("decision_time", groups)
    events = [moment for moment in _all("event_time", groups) if moment is not None]
    endpoints: dict[str, int] = {}
    for group in groups:
        for name in _given("endpoint", group):
            endpoints[name] = endpoints.get(name, 0) + 1
    first, last = (min(events), max(events)) if events else (None, None)
    return FrameMeta(total, min(ids), max(ids), min(times), max(times), first, last, endpoints)


def _all(name: str, groups: Sequence[Rows]) -> list[Any]:
    """The values of a column; one that a group's rows have in common is told once."""
    return list(chain.from_iterable([g.rows.get(name) or (g.common(name),) for g in groups]))


def _given(name: str, group: Rows) -> Sequence[Any]:
    return group.rows.get(name) or (group.common(name),) * group.count


def _fits(group: Rows) -> bool:
    """Whether all values are, at a glance, what their columns hold, and none is missing."""
    given, shared = group.rows, group.shared
    for name in _REQUIRED if group.stamp is None else group.stamp.lacks:
        if name not in given and name not in shared:
            return False
    for name, values in given.items():
        fits = _FITTING.get(name)
        if fits is None or len(values) != group.count or not fits(values):
            return False
    for name, value in shared.items():
        fits = _FITTING.get(name)
        if fits is None or not fits((value,)):
            return False
    return True


def _checking(name: str, kind: Any, nullable: bool) -> Callable[[Sequence[Any]], bool]:
    """What tells at a glance that values are fine for a column."""
    if name in (DECISION_TABLE.id_column, DECISION_TABLE.endpoint_column):
        return lambda values: set(map(type, values)) == {str}  # the frame's meta compares and counts these
    texts, empty = pa.types.is_string(kind), {type(None)} if nullable else set()
    allowed = frozenset(({str, bytes} if texts else {float} if pa.types.is_floating(kind) else {int}) | empty)
    within = _are_texts if texts else _are_small if int in allowed else None

    def fits(values: Sequence[Any]) -> bool:
        if isinstance(values, Objects):
            return bool(texts)
        kinds = set(map(type, values))
        return kinds <= allowed and (within is None or within(values, kinds))

    return fits


def _are_texts(values: Sequence[Any], kinds: set[type]) -> bool:
    """Whether all bytes among them are UTF-8."""
    if bytes not in kinds:
        return True
    try:
        for value in values:
            if type(value) is bytes and not value.isascii():
                value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_small(values: Sequence[Any], kinds: set[type]) -> bool:
    """Whether all numbers among them fit in 64 bits."""
    return all(value is None or -_LIMIT <= value < _LIMIT for value in values)


_LIMIT = 1 << 63
_OWN = "schema_version"
_REQUIRED = frozenset(name for name, _, nullable in DECISION_TABLE.columns if not nullable and name != _OWN)
_FITTING = {name: _checking(name, kind, nullable) for name, kind, nullable in DECISION_TABLE.columns if name != _OWN}
"""All whole numbers and times of the table have 64 bits, but for the version, which nobody gives."""
