"""Readers of the usual request: one row of JSON that is right in every respect, decoded once into types made for the endpoint's
inputs. Whatever else comes they leave to the forms, which say what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, Union

import msgspec
from msgspec.structs import astuple

from modelyard.core.errors import InvalidInput
from modelyard.runtime import protocol
from modelyard.runtime.inputs import FieldPlan, InputPlan, Row
from modelyard.runtime.protocol import Key, Text

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInput)


class Usual(msgspec.Struct, gc=False):
    """What was asked: a value a field in the order of the plan; the request's id, its routing key, the person it is about, and
    its event time in microseconds, where they were given."""

    row: Row
    id: str | None = None
    key: Key | None = None
    subject: str | None = None
    event_time: int | None = None


class Reader(Protocol):
    """Reads one row of a plan's inputs."""

    def read(self, body: bytes) -> Usual | None:
        """What was asked; None when the body is not the usual one, or wrong."""
        ...


class _Parameters(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    routing_key: Key | None = None
    subject: Key | None = None
    event_time: Text | None = None


class TensorReader:
    """Of the Open Inference Protocol's JSON."""

    def __init__(self, plan: InputPlan) -> None:
        self._fields = list(plan.fields.values())
        tensors = [_tensor(place, field) for place, field in enumerate(self._fields)]
        if len(tensors) == 1:  # of one type alone, msgspec does not ask for the name
            tensors.append(
                msgspec.defstruct("Other", [], namespace={"place": -1}, tag_field="name", tag=f"not {self._fields[0].name}")
            )
        inputs = list[Union[tuple(tensors)]]  # type: ignore[valid-type,misc]  # noqa: UP007  made at run time
        options = [("id", Text | None, None), ("parameters", _Parameters | None, None)]
        request = msgspec.defstruct("UsualRequest", [("inputs", inputs), *options], forbid_unknown_fields=True)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(request).decode
        self._order = list(range(len(self._fields)))
        self._checks = _checks(self._fields)
        self._vectors = [
            (place, field.size, [1, *field.spec.shape]) for place, field in enumerate(self._fields) if field.spec.shape
        ]

    def read(self, body: bytes) -> Usual | None:
        """See `Reader`."""
        try:
            request = self._decode(body)
            row = self._row(request.inputs)
            if row is None:
                return None
            for place, vector, check in self._checks:
                check(row[place] if vector else [row[place]])
            beside = request.parameters
            if beside is None:
                return Usual(row, request.id)
            return Usual(row, request.id, beside.routing_key, _subject(beside.subject), _moment(beside.event_time))
        except _UNREADABLE:
            return None

    def _row(self, tensors: list[Any]) -> Row | None:
        if [t.place for t in tensors] != self._order:
            tensors = sorted(tensors, key=_place)
            if [t.place for t in tensors] != self._order:
                return None
        row = [t.data[0] for t in tensors] if not self._vectors else [
            t.data if isinstance(t.data, list) else t.data[0] for t in tensors
        ]  # fmt: skip
        for place, size, shape in self._vectors:
            if len(row[place]) != size or tensors[place].shape != shape:
                return None
        return row


class RecordReader:
    """Of records of named fields: the record alone, or with what goes beside it. An object that has the same member twice is
    not read: every member brings a colon, so it has one more than it should have."""

    def __init__(self, plan: InputPlan) -> None:
        """Names are written without escapes, and have no colon."""
        self._fields = list(plan.fields.values())
        record = _record(self._fields)
        unset = msgspec.UNSET
        beside = [
            ("key", Key | None | msgspec.UnsetType, unset),
            ("subject", Key | None | msgspec.UnsetType, unset),
            ("event_time", Text | None | msgspec.UnsetType, unset),
            ("id", Text | None | msgspec.UnsetType, unset),
        ]
        envelope = msgspec.defstruct("Envelope", [("inputs", record), *beside], forbid_unknown_fields=True, gc=False)
        self._reads = [self._alone(msgspec.json.Decoder(record).decode), self._beside(msgspec.json.Decoder(envelope).decode)]
        self._optional = [place for place, f in enumerate(self._fields) if f.spec.nullable and not f.spec.shape]
        self._texts = [place for place, field in enumerate(self._fields) if str in _kinds(field)]
        self._checks = _checks(self._fields)
        self._vectors = [(place, field.size) for place, field in enumerate(self._fields) if field.spec.shape]

    def read(self, body: bytes) -> Usual | None:
        """See `Reader`. Callers keep to one form, so the one that was read last is tried first."""
        try:
            return self._reads[0](body)
        except msgspec.DecodeError:
            self._reads.reverse()
        except _UNREADABLE:
            return None
        try:
            return self._reads[0](body)
        except _UNREADABLE:
            return None

    def _alone(self, decode: Callable[[bytes], Any]) -> Callable[[bytes], Usual | None]:
        def read(body: bytes) -> Usual | None:
            row = self._row(decode(body), body, 0, ())
            return None if row is None else Usual(row)

        return read

    def _beside(self, decode: Callable[[bytes], Any]) -> Callable[[bytes], Usual | None]:
        def read(body: bytes) -> Usual | None:
            record, *beside = astuple(decode(body))
            given = [value for value in beside if value is not msgspec.UNSET]
            row = self._row(record, body, 1 + len(given), given)
            if row is None:
                return None
            key, subject, moment, asked = [None if value is msgspec.UNSET else value for value in beside]
            return Usual(row, asked, key, _subject(subject), _moment(moment))

        return read

    def _row(self, record: Any, body: bytes, members: int, beside: Iterable[Any]) -> Row | None:
        """The record's values; None when they do not fit, or a member is there twice. `members` are those around the record,
        `beside` their values."""
        row: Row = astuple(record)
        colons = len(row) + members
        for place in self._optional:
            if row[place] is msgspec.UNSET:
                colons -= 1
                row = [*row[:place], None, *row[place + 1 :]]
        found = body.count(b":")
        if found != colons and (b"\\" in body or found != colons + self._within(row, beside)):
            return None
        for place, size in self._vectors:
            if len(row[place]) != size:
                return None
        for place, vector, check in self._checks:
            check(row[place] if vector else [row[place]])
        return row

    def _within(self, row: Row, beside: Iterable[Any]) -> int:
        """How many colons are in texts, which have as many as they are written with where nothing is escaped."""
        texts = [value for value in beside if isinstance(value, str)]
        for place in self._texts:
            value = row[place]
            texts += [value] if isinstance(value, str) else [text for text in value or () if text is not None]
        return sum([text.count(":") for text in texts])


def record_reader(plan: InputPlan) -> RecordReader | None:
    """A reader of records; None where a field's name has to be written with escapes, or has a colon, which callers may escape:
    then nobody could tell by colons what is there twice."""
    plain = all(":" not in name and msgspec.json.encode(name) == f'"{name}"'.encode() for name in plan.names)
    return RecordReader(plan) if plain else None


def _record(fields: list[FieldPlan]) -> Any:
    """The type of a record. A field that may be null may be left out, but for a vector, which is never null itself."""
    members: list[Any] = []
    for place, field in enumerate(fields):
        if field.spec.shape:
            members.append((f"f{place}", list[field.item]))  # type: ignore[name-defined]
        elif field.spec.nullable:
            members.append((f"f{place}", field.item | msgspec.UnsetType, msgspec.UNSET))
        else:
            members.append((f"f{place}", field.item))
    rename = {f"f{place}": field.name for place, field in enumerate(fields)}
    return msgspec.defstruct("Record", members, rename=rename, forbid_unknown_fields=True, kw_only=True, gc=False)


def _kinds(field: FieldPlan) -> tuple[Any, ...]:
    return getattr(field.item, "__args__", (field.item,))


def _checks(fields: list[FieldPlan]) -> list[tuple[int, bool, Callable[[list[Any]], None]]]:
    """What the fields' signatures ask for beyond their types: the place, whether its value is a list, and what raises
    InvalidInput for a list of values."""
    return [(place, bool(field.spec.shape), field.check) for place, field in enumerate(fields) if field.check is not None]


def _subject(given: Key | None) -> str | None:
    """Raises InvalidInput where nobody is named."""
    if given == "":
        raise InvalidInput("the person has no name", field="subject")
    return None if given is None else str(given)


def _moment(given: str | None) -> int | None:
    """Raises InvalidInput when it is no time."""
    return None if given is None else protocol.micros(given)


def _place(tensor: Any) -> int:
    place: int = tensor.place
    return place


def _tensor(place: int, field: FieldPlan) -> Any:
    """The type of one field's tensor, told by its name."""
    shape, data = (list[int], list[field.item]) if field.spec.shape else (tuple[Literal[1]], tuple[field.item])  # type: ignore[name-defined]
    fields = [("shape", shape), ("datatype", Literal[tuple(sorted(field.accepts))]), ("data", data)]
    return msgspec.defstruct(
        f"Tensor{place}", fields, namespace={"place": place}, tag_field="name", tag=field.name,
        forbid_unknown_fields=True, gc=False,
    )  # fmt: skip
