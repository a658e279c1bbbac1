"""A shorter way to the answer of a decision that is one table of constants over input data.

Its answer depends only on which rules match, and these follow from the caller's own values: an `int` finds its place between a
column's constants without becoming a FEEL number first. So the shortcut looks up the rules, and the answer that the general way
gave when the same rules matched before. Whatever is unusual (an input that is missing, of another class, or not among the values
that its type or its clause allows) goes the general way, which knows what to say of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Generic, TypeVar

from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel.compiler import constant, root_scope
from modelyard.dmn.feel.parser import parse_unary_tests
from modelyard.dmn.feel.temporal.values import Date
from modelyard.dmn.feel.types import ANY, BOOLEAN, DATE, NUMBER, STRING, AnyType, ConstrainedType, Type, base_of
from modelyard.dmn.model import HitPolicy
from modelyard.dmn.run import Limits, Run, system_clock
from modelyard.dmn.table_index import Cell, Quick, TableIndex
from modelyard.dmn.tables import CompiledTable

Answer = TypeVar("Answer")

KEPT = 4096
"""How many different answers are kept; a table that has more goes the general way for the rest."""
_NULL = type(None)


class Shortcut(Generic[Answer]):
    """`general` is the general way; `fresh` gives a caller an answer of his own. Threads may share it."""

    __slots__ = ("_all", "_answers", "_columns", "_first", "_fresh", "_general")

    def __init__(
        self,
        columns: Columns,
        table: CompiledTable,
        general: Callable[[Mapping[str, Any]], Answer],
        fresh: Callable[[Answer], Answer],
    ) -> None:
        # Plain tuples: Python takes them apart quicker than named ones.
        self._columns = tuple((name, {cls: (q.keys, q.masks, q.key) for cls, q in quick.items()}) for name, quick in columns)
        self._first, self._all = table.table.hit_policy is HitPolicy.FIRST, table.index.all
        self._general, self._fresh = general, fresh
        self._answers: dict[int, Answer] = {}

    def __call__(self, data: Mapping[str, Any]) -> Answer:
        hits: int = self._all
        try:
            for name, quick in self._columns:
                value = data[name]
                keys, masks, key = quick[type(value)]
                hits &= masks[bisect_right(keys, value if key is None else key(value))]  # type: ignore[operator] # see below
        except (KeyError, TypeError, ArithmeticError):
            # Not given; of a class not foreseen; a mask that is None, for a value that is not allowed; not a finite number.
            return self._general(data)
        if self._first:
            hits &= -hits
        found = self._answers.get(hits)
        if found is None:
            found = self._general(data)
            if len(self._answers) < KEPT:
                self._answers[hits] = found
        return self._fresh(found)


Columns = Sequence[tuple[str, Mapping[type, Quick]]]


def columns_of(table: CompiledTable, inputs: Mapping[str, tuple[str, AnyType]], limits: Limits) -> Columns:
    """For each column the key under which callers give its value, and the rules by that value; empty when there is no shortcut.

    `inputs` are keys and types of input data by the names under which the decision knows them."""
    if not table.constant or not table.inputs:
        return []
    found: list[tuple[str, Mapping[type, Quick]]] = []
    for clause, column in zip(table.inputs, table.index.columns, strict=True):
        if clause.name is None or clause.name not in inputs or column.open:
            return []
        key, type_ = inputs[clause.name]
        guards = [clause.allowed.quick] if clause.allowed is not None else []
        for constrained in (type_, clause.check or ANY):
            more = _guards(constrained, limits)
            if more is None:
                return []
            guards += more
        classes = _classes(type_) & _classes(clause.check or ANY)
        found.append((key, {cls: _guarded(cls, quick, guards) for cls, quick in column.quick.items() if cls in classes}))
    return found if all(quick for _, quick in found) else []


def _guarded(cls: type, quick: Quick, guards: Sequence[Mapping[type, Quick]]) -> Quick:
    """Null needs no guard: it is of every type."""
    for guard in guards if cls is not _NULL else ():
        quick = quick.within(guard[cls]) if cls in guard else Quick([], [None], None)
    return quick


_NUMBERS, _DATES = frozenset({int, float, Decimal}), frozenset({date, Date})
_BY_TYPE: dict[AnyType, frozenset[type]] = {
    NUMBER: _NUMBERS,
    STRING: frozenset({str}),
    BOOLEAN: frozenset({bool}),
    DATE: _DATES,
    ANY: _NUMBERS | _DATES | {str, bool},
}


def _classes(type_: AnyType) -> frozenset[type]:
    """The classes of Python values that are of a type without any conversion but to the FEEL value of the same meaning."""
    base = base_of(type_)
    return (_BY_TYPE.get(base, frozenset()) if isinstance(base, Type) else frozenset()) | {_NULL}


def _guards(type_: AnyType, limits: Limits) -> list[dict[type, Quick]] | None:
    """The constraints of a type, outer ones first; None when one of them is no constant tests."""
    found = []
    while isinstance(type_, ConstrainedType):
        guard = _guard(type_, limits)
        if guard is None:
            return None
        found.append(guard)
        type_ = type_.base
    return found


def _guard(type_: ConstrainedType, limits: Limits) -> dict[type, Quick] | None:
    allows = type_.allows
    if allows is None or type_.allows_all is not None:
        return None
    try:
        tests = parse_unary_tests(type_.text, root_scope().names, limits)
    except (FeelSyntaxError, LimitExceeded):
        return None
    cell = Cell(tests, lambda env, value: allows(value))
    index = TableIndex(1, [[cell]], lambda node: constant(node, root_scope()), [None, Run(limits, system_clock)])
    return index.columns[0].quick or None
