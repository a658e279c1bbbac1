"""A decision table as sets: each column an axis, each cell two sets of its regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

from modelyard.dmn.analysis.axis import Axis, ChoiceSegment, Mask, OpaqueSegment, OrderedSegment, Segment, bits
from modelyard.dmn.analysis.conditions import (
    ANYTHING,
    All,
    Condition,
    Order,
    Unknown,
    condition_of,
    leaves,
    truth_of,
    values_of,
)
from modelyard.dmn.analysis.scales import (
    DATES,
    DAYS_TIMES,
    LOCAL_DATE_TIMES,
    LOCAL_TIMES,
    MIXES,
    NUMBERS,
    STRINGS,
    YEARS_MONTHS,
    ZONED_DATE_TIMES,
    ZONED_TIMES,
    Scale,
    scale_of,
)
from modelyard.dmn.errors import DmnError
from modelyard.dmn.feel import syntax, types
from modelyard.dmn.feel.compiler import BUILT_IN_NAMES
from modelyard.dmn.feel.names import NameScope
from modelyard.dmn.feel.parser import parse_unary_tests
from modelyard.dmn.feel.semantics import written
from modelyard.dmn.feel.types import AnyType, ConstrainedType, ContextType, ListType, Type, base_of, fits
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import DecisionTable

_SCALES: dict[str, tuple[Scale, ...]] = {
    types.NUMBER.name: (NUMBERS,),
    types.STRING.name: (STRINGS,),
    types.DATE.name: (DATES,),
    types.TIME.name: (LOCAL_TIMES, ZONED_TIMES),
    types.DATE_TIME.name: (LOCAL_DATE_TIMES, ZONED_DATE_TIMES),
    types.DAYS_TIME.name: (DAYS_TIMES,),
    types.YEARS_MONTHS.name: (YEARS_MONTHS,),
}
_NAMES = NameScope(BUILT_IN_NAMES)
MOST_TESTS, MOST_CELL_VALUES = 10_000, 300_000_000
"""Tests of one cell, and rules times values of one column, that are analysed: the sets of a larger one would fill the memory."""


class Table(Protocol):
    """What the analysis needs of a compiled table: see `modelyard.dmn.tables.TableInfo`."""

    @property
    def table(self) -> DecisionTable: ...
    @property
    def owner(self) -> str: ...
    @property
    def input_types(self) -> tuple[AnyType, ...]: ...
    @property
    def inputs(self) -> tuple[syntax.Expr | None, ...]: ...
    @property
    def allowed_inputs(self) -> tuple[syntax.UnaryTests | None, ...]: ...
    @property
    def cells(self) -> tuple[tuple[syntax.UnaryTests | None, ...], ...]: ...
    @property
    def output_types(self) -> tuple[AnyType, ...]: ...
    @property
    def allowed_outputs(self) -> tuple[syntax.UnaryTests | None, ...]: ...
    @property
    def outputs(self) -> tuple[tuple[syntax.Expr | None, ...], ...]: ...


@dataclass(frozen=True, slots=True)
class Column:
    """One input. For each rule, `must` has the regions where its cell surely holds, `may` those where it may; they are the same
    where the cell could be analysed. Likewise `domain`, the values that surely occur, and `widest`, those that may.

    `places` are the columns of the table that ask for this input (more than one when columns have the same expression)."""

    name: str
    places: tuple[int, ...]
    axis: Axis
    domain: Mask
    widest: Mask
    must: tuple[Mask, ...]
    may: tuple[Mask, ...]
    conditions: tuple[Condition, ...]
    assumption: str

    def words(self, mask: Mask) -> str:
        return f"{self.name} {self.axis.words(mask, self.domain or self.axis.all)}"

    @property
    def is_partly_unknown(self) -> bool:
        return self.must != self.may or self.domain != self.widest


def bits_of(info: Table) -> tuple[int, int]:
    """How large the sets of a table will be: bits in all (a set of regions for each test), and regions of the longest axis."""
    total = longest = 0
    for place in range(len(info.table.inputs)):
        tests, values = 0, set()
        for row in info.cells:
            for value in values_of(_cell(row, place)):
                tests += 1
                values.add(written(value))
        regions = 2 * len(values) + 2
        total, longest = total + max(tests, len(info.table.rules)) * regions, max(longest, regions)
    return total, longest


class Grid:
    """All columns. A *box* has a set of regions for each column."""

    def __init__(self, info: Table) -> None:
        self.info, self.count = info, len(info.table.rules)
        self.columns = tuple(_column(info, places) for places in _places(info))
        self.dependent = _dependent(info, [column.places[0] for column in self.columns])

    @property
    def domain(self) -> tuple[Mask, ...]:
        return tuple(column.domain for column in self.columns)

    @property
    def is_exact(self) -> bool:
        return not any(column.is_partly_unknown for column in self.columns)

    def must(self, rule: int) -> tuple[Mask, ...]:
        """The box of inputs that occur and that the rule surely matches."""
        return tuple(column.must[rule] & column.domain for column in self.columns)

    def may(self, rule: int) -> tuple[Mask, ...]:
        """A box with all inputs that the rule can match."""
        return tuple(column.may[rule] & column.widest for column in self.columns)

    def witness(self, box: Sequence[Mask]) -> Mapping[str, Value]:
        return {c.name: c.axis.sample(mask) for c, mask in zip(self.columns, box, strict=True)}

    def words(self, box: Sequence[Mask]) -> str:
        """A box for a reader; inputs that may have any value are left out."""
        parts = [c.words(mask) for c, mask in zip(self.columns, box, strict=True) if c.domain & ~mask]
        return " and ".join(parts) or "any input"


# --- columns --------------------------------------------------------------------------------------------------------------------


def name_of(table: DecisionTable, place: int) -> str:
    clause = table.inputs[place]
    return (clause.expression.text or "").strip() or clause.label or f"input {place + 1}"


def _places(info: Table) -> list[tuple[int, ...]]:
    """The columns of the table, those with the same input expression together."""
    found: dict[Any, list[int]] = {}
    for place in range(len(info.table.inputs)):
        node = info.inputs[place]
        found.setdefault((place,) if node is None else node, []).append(place)
    return [tuple(places) for places in found.values()]


def _column(info: Table, places: tuple[int, ...]) -> Column:
    cells = tuple(_merged([_cell(row, place) for place in places]) for row in info.cells)
    if len(cells) * sum(1 for cell in cells for _ in leaves(cell)) > MOST_CELL_VALUES:
        cells = (Unknown(),) * len(cells)
    allowed = [condition for place in places for condition in _allowed(info, place)]
    type_ = _type(info, places)
    axis = axis_of(type_, [*allowed, *cells])
    domain, widest = _domain(info, places, axis, any(value is None for cell in cells for value in values_of(cell)))
    truths = [_sets(cell, axis) for cell in cells]
    name = name_of(info.table, places[0])
    return Column(
        name,
        places,
        axis,
        domain,
        widest,
        must=tuple(must for must, _ in truths),
        may=tuple(may for _, may in truths),
        conditions=cells,
        assumption=_assumption(name, axis),
    )


def _type(info: Table, places: Iterable[int]) -> AnyType:
    return next((info.input_types[place] for place in places if info.input_types[place] != types.ANY), types.ANY)


def _cell(row: Sequence[syntax.UnaryTests | None], place: int) -> Condition:
    tests = row[place] if place < len(row) else None
    return Unknown() if tests is None else _condition(tests)


def _condition(tests: syntax.UnaryTests) -> Condition:
    """The condition, unknown if it has too many tests."""
    return condition_of(tests) if len(tests.tests) <= MOST_TESTS else Unknown()


def _merged(cells: Sequence[Condition]) -> Condition:
    return cells[0] if len(cells) == 1 else All(tuple(cells))


def _allowed(info: Table, place: int) -> Iterator[Condition]:
    """The allowed values of the input clause and of the item definitions that its type is made of."""
    tests = info.allowed_inputs[place]
    if tests is not None:
        yield _condition(tests)
    yield from constraints(info.input_types[place])


def constraints(type_: AnyType) -> Iterator[Condition]:
    while isinstance(type_, ConstrainedType):
        yield _parsed(type_.text)
        type_ = type_.base


def constraint_tests(type_: AnyType) -> syntax.UnaryTests | None:
    """The allowed values of an item definition, where it has only those."""
    if not isinstance(type_, ConstrainedType):
        return None
    try:
        return parse_unary_tests(type_.text, _NAMES)
    except DmnError:
        return None


def _parsed(text: str) -> Condition:
    """`allowed; constraint` when an item definition has both."""
    try:
        return _condition(parse_unary_tests(text, _NAMES))
    except DmnError:
        first, semicolon, second = text.partition("; ")
        return All((_parsed(first), _parsed(second))) if semicolon else Unknown()


def _sets(condition: Condition, axis: Axis) -> tuple[Mask, Mask]:
    truth = truth_of(condition, axis)
    return truth.true, axis.all & ~truth.false & ~truth.null


def _domain(info: Table, places: Iterable[int], axis: Axis, asked: bool) -> tuple[Mask, Mask]:
    """The regions that surely occur and those that may. Null, which types never refuse, occurs where a cell asks for it."""
    must = may = axis.all
    for place in places:
        tests, type_ = info.allowed_inputs[place], info.input_types[place]
        clause = _sets(_condition(tests) if tests is not None else ANYTHING, axis)
        by_type = _sets(All(tuple(constraints(type_))), axis)
        tried = by_type[1] & ~by_type[0]
        passing = sum(1 << region for region in bits(tried) if fits(axis.sample(1 << region), type_))
        must, may = must & clause[0] & (by_type[0] | passing), may & clause[1] & by_type[1]
    return (must | axis.null, may | axis.null) if asked else (must, may)


def _assumption(name: str, axis: Axis) -> str:
    kinds = [segment.name for segment in axis.segments if not isinstance(segment, OpaqueSegment)]
    said = f"{name!r} is always a {' or a '.join(kinds)}" if kinds else f"{name!r} may be anything"
    if axis.null:
        return f"{said} or null"
    return f"{said}, never null" if kinds else f"{said} but null"


# --- axes -----------------------------------------------------------------------------------------------------------------------


def axis_of(type_: AnyType, found: Sequence[Condition]) -> Axis:
    """The axis that the constants of a column cut, in the order in which they are told. A column without a type has the kinds
    of values that it mentions."""
    mentioned = [value for condition in found for value in values_of(condition)]
    keys: dict[Scale, dict[Any, None]] = {}
    for value in mentioned:
        scale = scale_of(value)
        if scale is not None:
            keys.setdefault(scale, {})[scale.key(value)] = None
    base = base_of(type_)
    segments = _segments(base, keys, any(isinstance(value, bool) for value in mentioned), _is_ordered(found))
    null = 0
    if any(value is None for value in mentioned):
        segments.append(OpaqueSegment(None, "= null", _end(segments)))
        null = segments[-1].whole
    return Axis(segments, null)


def _is_ordered(found: Sequence[Condition]) -> bool:
    """Whether strings are compared with < or in ranges."""
    return any(isinstance(leaf, Order) and isinstance(leaf.value, str) for condition in found for leaf in leaves(condition))


def _segments(base: AnyType, keys: Mapping[Scale, Iterable[Any]], booleans: bool, ordered: bool) -> list[Segment]:
    scales: tuple[Scale, ...] = tuple(keys) if base == types.ANY else _scales(base)
    if len(scales) > 1:
        scales = tuple(scale for scale in scales if scale in keys) or scales[:1]
    segments: list[Segment] = []
    for scale in scales:
        if MIXES.get(scale) in scales:
            continue  # times with and without offset have no common order: only the local ones are looked at
        if scale is STRINGS and not ordered:
            segments.append(ChoiceSegment(keys.get(scale, ()), True, _end(segments)))
        else:
            segments.append(OrderedSegment(scale, keys.get(scale, ()), _end(segments)))
    if base == types.BOOLEAN or (base == types.ANY and booleans):
        segments.append(ChoiceSegment((True, False), False, _end(segments)))
    return segments or [OpaqueSegment(typical(base), "anything", 0)]


def _scales(base: AnyType) -> tuple[Scale, ...]:
    return _SCALES.get(base.name, ()) if isinstance(base, Type) else ()


def _end(segments: Sequence[Segment]) -> int:
    return segments[-1].start + segments[-1].size if segments else 0


def typical(type_: AnyType) -> Value:
    """Some value of a type, for an example in which it does not matter."""
    base = base_of(type_)
    if isinstance(base, ListType):
        return []
    if isinstance(base, ContextType):
        return {name: typical(field) for name, field in base.fields.items()}
    if base == types.BOOLEAN:
        return True
    scales = _scales(base)
    return scales[0].between(None, None) if scales else "any value"


# --- dependence -----------------------------------------------------------------------------------------------------------------


def _dependent(info: Table, places: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """Pairs of inputs that are computed from the same data, so that not every combination of their values need occur."""
    paths = [set(_paths(info.inputs[place])) for place in places]
    return tuple(
        (name_of(info.table, places[i]), name_of(info.table, places[j]))
        for i in range(len(places))
        for j in range(i + 1, len(places))
        if any(a[: len(b)] == b[: len(a)] for a in paths[i] for b in paths[j])
    )


def _paths(node: Any) -> Iterator[tuple[str, ...]]:
    """The variables of an expression, with the entries taken of them: `applicant.age`."""
    path = _path(node)
    if path is not None:
        yield path
    elif isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name):
        yield from _paths(node.arguments)
    elif isinstance(node, tuple):
        for part in node:
            yield from _paths(part)
    elif is_dataclass(node):
        for part in fields(node):
            yield from _paths(getattr(node, part.name))


def _path(node: Any) -> tuple[str, ...] | None:
    if isinstance(node, syntax.Name):
        return (node.name,)
    if isinstance(node, syntax.Path):
        source = _path(node.source)
        return None if source is None else (*source, node.name)
    return None
