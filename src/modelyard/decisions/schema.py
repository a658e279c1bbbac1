"""Tables of the log, version 1: what each column is, and how rows become Arrow batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.errors import InvalidInput
from modelyard.decisions.framing import FrameMeta
from modelyard.decisions.packing import distinct

SCHEMA_VERSION = 1
_FIRST_STAMP = 256
_FEW = 32
TIME = pa.timestamp("us", tz="UTC")
EARLIEST, LATEST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Times given by callers lie between these: one that languages and files cannot tell would be in the way of all who read."""


def require_time(moment: datetime, field: str) -> None:
    """Raises InvalidInput for a time that not every reader of the log could read."""
    if not EARLIEST <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < LATEST:
        raise InvalidInput(f"{moment!s:.60} is not within the years 1000 to 8999", field=field)


def _column(name: str, kind: Any, required: bool = False) -> Any:
    return pa.field(name, kind, nullable=not required)


DECISIONS = pa.schema(
    [
        _column("id", pa.string(), required=True),
        _column("decision_time", TIME, required=True),
        _column("event_time", TIME),
        _column("organisation", pa.string(), required=True),
        _column("use_case", pa.string(), required=True),
        _column("endpoint", pa.string(), required=True),
        _column("requested_arm", pa.string()),
        _column("answered_arm", pa.string()),
        _column("role", pa.string()),
        _column("version", pa.string()),
        _column("manifest", pa.string()),
        _column("release", pa.string()),
        _column("epoch", pa.int64(), required=True),
        _column("probability", pa.float64()),
        _column("unit", pa.string()),
        _column("subject", pa.string()),
        _column("inputs", pa.string(), required=True),
        _column("output", pa.string()),
        _column("reason", pa.string()),
        _column("shadow_of", pa.string()),
        _column("parts", pa.string()),
        _column("tokens", pa.int64()),
        _column("cost", pa.float64()),
        _column("latency", pa.float64()),
        _column("queue_time", pa.float64()),
        _column("request", pa.string()),
        _column("trace", pa.string()),
        _column("schema_version", pa.int16(), required=True),
    ]
)
"""One row a decision. `inputs`, `output` and `parts` are JSON objects as text. `requested_arm` is what the assignment drew,
`answered_arm` what answered (they differ on fallback; no arm answered when the endpoint's constant did), `reason` says why.
`probability` is the chance with which the requested arm was drawn. `unit` (of randomisation) and `subject` are pseudonyms.
`latency` and `queue_time` are seconds. `shadow_of` names the decision that a shadow's answer was made beside; such rows have
the role `shadow` and never reached a caller."""

OUTCOMES = pa.schema(
    [
        _column("decision_id", pa.string(), required=True),
        _column("values", pa.string(), required=True),
        _column("event_time", TIME),
        _column("time_known", TIME, required=True),
        _column("source", pa.string(), required=True),
        _column("correction", pa.int32(), required=True),
        _column("maturity", pa.float64()),
        _column("organisation", pa.string()),
        _column("recorded_time", TIME, required=True),
        _column("schema_version", pa.int16(), required=True),
    ]
)
"""One row an outcome. `values` is a JSON object as text, in canonical form; `correction` counts from 0 for each decision;
`maturity` is the window (seconds) after which an outcome of its kind is final."""


Column = tuple[str, Any, bool]
"""Name, type and whether nulls are allowed: asking the Arrow schema for them costs more than building the array."""


@dataclass(frozen=True)
class TableSpec:
    """How a table is indexed: its id column, its time column, and (decisions only) the column that rows are counted by."""

    name: str
    schema: Any
    id_column: str
    time_column: str
    endpoint_column: str | None
    columns: tuple[Column, ...] = field(init=False)
    names: frozenset[str] = field(init=False)
    places: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple((f.name, f.type, f.nullable) for f in self.schema))
        object.__setattr__(self, "names", frozenset(self.schema.names))
        object.__setattr__(self, "places", {name: place for place, name in enumerate(self.schema.names)})


DECISION_TABLE = TableSpec("decisions", DECISIONS, "id", "decision_time", "endpoint")
OUTCOME_TABLE = TableSpec("outcomes", OUTCOMES, "decision_id", "recorded_time", None)


class Stamp:
    """Values that many rows have in common, as columns made once: a commit takes as many rows of them as it needs. For values
    that stay the same over many commits (of one arm of one snapshot); not for those of one request."""

    __slots__ = ("_batch", "_table", "lacks", "packed", "shared")

    def __init__(self, table: TableSpec, shared: Mapping[str, Any]) -> None:
        """Raises InvalidInput when a column is unknown or a value of a wrong type."""
        if not shared.keys() <= table.names:
            raise InvalidInput(f"the {table.name} log has no such column", field=min(shared.keys() - table.names))
        self.shared, self._table = dict(shared), table
        own = {name for name, value in shared.items() if value is not None} | {"schema_version"}
        self.lacks = frozenset(name for name, _, nullable in table.columns if not nullable) - own
        self._batch = self._made(_FIRST_STAMP)
        self.packed = msgspec.Raw(msgspec.msgpack.encode({name: v for name, v in shared.items() if v is not None}))

    def taken(self, count: int) -> Any:
        """So many rows: columns without a common value are empty."""
        if count > self._batch.num_rows:
            self._batch = self._made(1 << (count - 1).bit_length())
        return self._batch.slice(0, count)

    def _made(self, count: int) -> Any:
        given = frozenset(self.shared)
        rows = [Rows(count, {}, self.shared)]
        arrays = [_array((name, kind, True), rows, count, given) for name, kind, _ in self._table.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self._table.schema)


@dataclass(slots=True)
class Rows:
    """Rows in columns: `rows` has one list per column that differs between rows, `shared` one value for all rows, `stamp` what
    they have in common with rows of other requests. What `rows` or `shared` say goes before the stamp.

    Times are microseconds since 1970 (int) or aware datetimes, one or the other within a list.
    """

    count: int
    rows: Mapping[str, Sequence[Any]]
    shared: Mapping[str, Any] = field(default_factory=dict)
    stamp: Stamp | None = None

    def __len__(self) -> int:
        return self.count

    def common(self, name: str) -> Any:
        """The value of a column that all rows have in common; None where there is none."""
        if name in self.shared or self.stamp is None:
            return self.shared.get(name)
        return self.stamp.shared.get(name)


def to_batch(table: TableSpec, groups: Sequence[Rows]) -> Any:
    """One Arrow batch of all groups in order, those of one stamp together. Raises InvalidInput when a column is unknown, missing
    or of a wrong type."""
    for group in groups:
        _check(table, group)
    stamps = {id(group.stamp): group.stamp for group in groups}
    if len(stamps) > 1:
        batches = [_batch(table, [g for g in groups if g.stamp is stamp], stamp) for stamp in stamps.values()]
        return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return _batch(table, groups, next(iter(stamps.values()), None))


def _batch(table: TableSpec, groups: Sequence[Rows], stamp: Stamp | None) -> Any:
    total = sum(group.count for group in groups)
    given = frozenset().union(*(group.rows for group in groups), *(group.shared for group in groups))
    if stamp is None:
        arrays = [_array(column, groups, total, given) for column in table.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=table.schema)
    if not stamp.lacks <= given:
        raise InvalidInput("a value is missing", field=min(stamp.lacks - given))
    batch = stamp.taken(total)
    for name in given:
        place = table.places[name]
        batch = batch.set_column(place, table.schema.field(place), _array(table.columns[place], groups, total, given))
    return batch


def _check(table: TableSpec, group: Rows) -> None:
    for name, values in group.rows.items():
        if len(values) != group.count:
            raise InvalidInput(f"{len(values)} values for {group.count} rows", field=name)
    for names in (group.rows, group.shared):
        if not names.keys() <= table.names:
            raise InvalidInput(f"the {table.name} log has no such column", field=min(names.keys() - table.names))


def _array(column: Column, groups: Sequence[Rows], total: int, given: frozenset[str]) -> Any:
    name, kind, nullable = column
    values = _values(name, groups, total) if name in given or name == "schema_version" else None
    if values is None:
        array = pa.nulls(total, kind)
    else:
        try:
            array = pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError, TypeError) as error:
            raise InvalidInput(f"not a {kind}: {error}", field=name) from error
    if not nullable and array.null_count:
        raise InvalidInput("a value is missing", field=name)
    return array


def _values(name: str, groups: Sequence[Rows], total: int) -> list[Any]:
    if name == "schema_version":
        return [SCHEMA_VERSION] * total
    if len(groups) == total and all(group.count == 1 for group in groups):
        return [g.rows[name][0] if name in g.rows else g.common(name) for g in groups]
    values: list[Any] = []
    for group in groups:
        values.extend(group.rows[name] if name in group.rows else repeat(group.common(name), group.count))
    return values


def frame_meta(table: TableSpec, batch: Any, ends: tuple[str, str] | None = None) -> FrameMeta:
    """What readers need to skip the batch. `ends` are the least and the greatest id, for whoever knows them."""
    lowest, highest = ends or _ends(batch.column(table.places[table.id_column]))
    low, high = _range(distinct(batch.column(table.places[table.time_column])))
    first, last = _range(distinct(batch.column(table.places["event_time"])))
    endpoints = _counted(batch.column(table.places[table.endpoint_column])) if table.endpoint_column else {}
    return FrameMeta(batch.num_rows, lowest, highest, low or 0, high or 0, first, last, endpoints)


def _ends(ids: Any) -> tuple[str, str]:
    """The least and the greatest; looked at where they are when they are many."""
    if len(ids) < _FEW:
        few = ids.to_pylist()
        return min(few), max(few)
    ends = pc.min_max(ids).as_py()
    return ends["min"], ends["max"]


def _counted(names: Any) -> dict[str, int]:
    if pa.types.is_run_end_encoded(names.type):
        found = distinct(names)
        return {found[0].as_py(): len(names)} if len(found) == 1 else _counted(pc.run_end_decode(names))
    if len(names) >= _FEW:
        return {pair["values"]: pair["counts"] for pair in pc.value_counts(names).to_pylist()}
    found = names.to_pylist()
    if found.count(found[0]) == len(found):
        return {found[0]: len(found)}
    return dict(Counter(found))


def _range(times: Any) -> tuple[int | None, int | None]:
    if times.null_count == len(times):
        return None, None
    numbers = times.drop_null() if times.null_count else times
    whole = numbers.view(pa.int64())
    if len(numbers) < _FEW:
        few = whole.to_pylist()
        return min(few), max(few)
    micros = whole.to_numpy(zero_copy_only=False)
    return int(micros.min()), int(micros.max())
