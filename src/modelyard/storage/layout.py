"""How a table's records are laid out for filtering, sorting and searching; every adapter uses these rules, so all behave alike.

A field's value becomes a plain scalar: a datetime the microseconds since 1970 in UTC (exact, and it sorts the same everywhere),
an enumeration its text. Texts sort by code point. Absent values sort before all others.
"""

from __future__ import annotations

import base64
import json
import math
import re
import types
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Union, get_args, get_origin

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from modelyard.core.errors import InvalidInput
from modelyard.core.records import Operator, Query, R, Record, Table, Where

Scalar = str | int | float | bool | None

GREATEST_LIMIT = 10_000
GREATEST_INTEGER = 2**63 - 1
GREATEST_TEXT = 500
GREATEST_WORD = 64
GREATEST_WORDS = 3_500
BASE_FIELDS = ("id", "organisation", "revision", "created_at")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_WORD = re.compile(r"[^\W_]+")


class FieldKind(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    MOMENT = "moment"


_PYTHON_KINDS: tuple[tuple[type, FieldKind], ...] = (
    (str, FieldKind.TEXT),
    (bool, FieldKind.BOOLEAN),  # before int: a bool is an int
    (int, FieldKind.INTEGER),
    (float, FieldKind.REAL),
    (datetime, FieldKind.MOMENT),
)
_READERS: dict[FieldKind, TypeAdapter[Any]] = {
    FieldKind.TEXT: TypeAdapter(str),
    FieldKind.BOOLEAN: TypeAdapter(bool),
    FieldKind.INTEGER: TypeAdapter(int),
    FieldKind.REAL: TypeAdapter(float),
    FieldKind.MOMENT: TypeAdapter(AwareDatetime),
}
_EXACT: dict[FieldKind, type] = {
    FieldKind.TEXT: str,
    FieldKind.BOOLEAN: bool,
    FieldKind.INTEGER: int,
    FieldKind.REAL: float,
    FieldKind.MOMENT: datetime,
}


@dataclass(frozen=True)
class Field:
    """An indexed field: its kind and whether it may be absent."""

    name: str
    kind: FieldKind
    nullable: bool

    def scalar(self, value: Any) -> Scalar:
        """The value as it is kept and compared. Raises InvalidInput for a value of another kind, NaN and the like."""
        if value is None:
            return None
        if type(value) is str and self.kind is FieldKind.TEXT:  # by far the most
            return self._text(value)
        if isinstance(value, _EXACT[self.kind]) and type(value) is not bool:
            return self._plain(value)
        try:
            read = _READERS[self.kind].validate_python(value)
        except ValidationError as error:
            raise InvalidInput(f"{value!r} is not a value of kind {self.kind}", field=self.name) from error
        return self._plain(read)

    def _plain(self, value: Any) -> Scalar:
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, datetime):
            return self._microseconds(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidInput("a number must be finite", field=self.name)
        if isinstance(value, int) and not -GREATEST_INTEGER <= value <= GREATEST_INTEGER:
            raise InvalidInput("an integer must fit 64 bits", field=self.name)
        scalar: Scalar = value
        return scalar

    def _microseconds(self, value: datetime) -> int:
        if value.tzinfo is None:
            raise InvalidInput("a time needs a time zone", field=self.name)
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

    def _text(self, value: str) -> str:
        if "\x00" in value:
            raise InvalidInput("text must not contain the character NUL", field=self.name)
        if len(value) > GREATEST_TEXT:
            raise InvalidInput(f"an indexed text has at most {GREATEST_TEXT} characters", field=self.name)
        return value


@dataclass(frozen=True)
class Condition:
    """A condition on a field with its value as a scalar (a tuple of scalars for `in`)."""

    field: Field
    operator: Operator
    value: Any


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: the sort field's value and the id of its last record."""

    value: Scalar
    id: str


@dataclass(frozen=True)
class Search:
    """A query that was checked: conditions on known fields, words in normal form, cursor decoded."""

    conditions: tuple[Condition, ...]
    words: tuple[str, ...]
    sort: Field
    descending: bool
    limit: int
    after: Cursor | None
    claim: bool


class Layout(Generic[R]):
    """The rules of one table. Raises InvalidInput at construction for a declaration that cannot be kept."""

    def __init__(self, table: Table[R]) -> None:
        if not _NAME.match(table.name):
            raise InvalidInput(f"{table.name!r} is no name for a table: lower case letters, digits and underscores")
        self.table = table
        names = dict.fromkeys((*BASE_FIELDS, *table.indexed))
        self.fields = {name: _field(table.record, name) for name in names}
        unknown = {name for group in table.unique for name in group} - self.fields.keys()
        unknown |= set(table.text) - table.record.model_fields.keys()
        if unknown:
            raise InvalidInput(f"table {table.name}: {', '.join(sorted(unknown))} cannot be unique or searched")

    def scalars(self, record: Record) -> dict[str, Scalar]:
        """The record's indexed values. Raises InvalidInput for a record of another type."""
        if not isinstance(record, self.table.record):
            raise InvalidInput(f"table {self.table.name} keeps {self.table.record.__name__}, not {type(record).__name__}")
        return {name: field.scalar(getattr(record, name)) for name, field in self.fields.items()}

    def words(self, record: Record) -> tuple[str, ...]:
        """The distinct words of the record's text fields, in normal form; the first 3,500 of them (PostgreSQL takes no more)."""
        texts = (text for name in self.table.text for text in _texts(getattr(record, name)))
        return tuple(dict.fromkeys(word for text in texts for word in words(text)))[:GREATEST_WORDS]

    def check(self, query: Query) -> Search:
        """Raises InvalidInput for what this table cannot answer."""
        if not 1 <= query.limit <= GREATEST_LIMIT:
            raise InvalidInput(f"a page has 1 to {GREATEST_LIMIT} records", field="limit")
        sought = tuple(words(query.text))
        if sought and not self.table.text:
            raise InvalidInput(f"{self.table.name} cannot be searched by text", field="text")
        sort = self._known(query.sort)
        return Search(
            conditions=tuple(self._condition(where) for where in query.where),
            words=sought,
            sort=sort,
            descending=query.descending,
            limit=query.limit,
            after=None if query.after is None else _read_cursor(query, sort),
            claim=query.claim,
        )

    def _known(self, name: str) -> Field:
        field = self.fields.get(name)
        if field is None:
            raise InvalidInput(
                f"{self.table.name} has no index on {name!r}", field=name, hint=f"use one of {', '.join(sorted(self.fields))}"
            )
        return field

    def _condition(self, where: Where) -> Condition:
        field = self._known(where.field)
        if where.operator == "in":
            if isinstance(where.value, str | bytes) or not isinstance(where.value, Iterable):
                raise InvalidInput("`in` takes a list of values", field=field.name)
            return Condition(field, "in", tuple(field.scalar(value) for value in where.value))
        if where.operator == "prefix" and (field.kind is not FieldKind.TEXT or where.value is None):
            raise InvalidInput("`prefix` takes the beginning of a text", field=field.name)
        if where.operator in {"lt", "le", "gt", "ge"} and where.value is None:
            raise InvalidInput("an order needs a value to compare with", field=field.name)
        return Condition(field, where.operator, field.scalar(where.value))


class Layouts:
    """The tables that a storage knows."""

    def __init__(self, tables: Iterable[Table[Any]]) -> None:
        self._layouts: dict[str, Layout[Any]] = {}
        for table in tables:
            if table.name in self._layouts:
                raise InvalidInput(f"two tables are named {table.name}")
            self._layouts[table.name] = Layout(table)

    def __getitem__(self, table: Table[R]) -> Layout[R]:
        layout = self._layouts.get(table.name)
        if layout is None:
            raise InvalidInput(f"this storage was not told of the table {table.name}")
        return layout

    def __iter__(self) -> Iterator[Layout[Any]]:
        return iter(self._layouts.values())


def write_cursor(query: Query, value: Scalar, record_id: str) -> str:
    """The cursor after a record: opaque, and only good for the same order."""
    text = json.dumps([query.sort, query.descending, value, record_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(query: Query, sort: Field) -> Cursor:
    try:
        padded = (query.after or "") + "=" * (-len(query.after or "") % 4)
        name, descending, value, record_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        known = name == query.sort and descending is query.descending and isinstance(record_id, str)
        scalar = _same_kind(sort, value)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput("not a cursor of this list", field="after") from error
    if not known or "\x00" in record_id:
        raise InvalidInput("not a cursor of this list", field="after", hint="keep sort and direction while paging")
    return Cursor(scalar, record_id)


_SCALAR_TYPES: dict[FieldKind, tuple[type, ...]] = {
    FieldKind.TEXT: (str,),
    FieldKind.BOOLEAN: (bool,),
    FieldKind.INTEGER: (int,),
    FieldKind.MOMENT: (int,),
    FieldKind.REAL: (int, float),
}


def _same_kind(field: Field, value: Any) -> Scalar:
    if value is None and field.nullable:
        return None
    if type(value) not in _SCALAR_TYPES[field.kind]:
        raise ValueError("another kind of value")
    return field._plain(value)


def words(text: str) -> list[str]:
    """Words in normal form: letters and digits without accents or case, at most 64 characters of each."""
    plain = text.lower() if text.isascii() else _folded(text)
    return [word[:GREATEST_WORD] for word in _WORD.findall(plain)]


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in folded if not unicodedata.combining(c)).casefold()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _field(record: type[Record], name: str) -> Field:
    info = record.model_fields.get(name)
    if info is None:
        raise InvalidInput(f"{record.__name__} has no field {name}")
    kinds, nullable = _kinds(info.annotation)
    if len(kinds) != 1:
        raise InvalidInput(f"{record.__name__}.{name} cannot be indexed: it must be one simple type")
    return Field(name, kinds.pop(), nullable)


def _kinds(annotation: Any) -> tuple[set[FieldKind], bool]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        parts = [_kinds(part) for part in get_args(annotation) if part is not type(None)]
        nullable = len(parts) < len(get_args(annotation)) or any(absent for _, absent in parts)
        return {kind for kinds, _ in parts for kind in kinds}, nullable
    return {_simple_kind(annotation)}, False


def _simple_kind(annotation: Any) -> FieldKind:
    if get_origin(annotation) is not None:  # a Literal of texts is a text
        values = get_args(annotation)
        if values and all(isinstance(value, str) for value in values):
            return FieldKind.TEXT
    for python, kind in _PYTHON_KINDS:
        if isinstance(annotation, type) and issubclass(annotation, python):
            return kind
    raise InvalidInput(f"{annotation!r} cannot be indexed: only str, int, float, bool, datetime and StrEnum can")
