"""Which rules of a decision table match, without looking at every cell.

A cell of constant tests (`< 5`, `[1..3]`, `"a", "b"`, `not(null)`, …) holds on whole stretches of a kind's values: between two
neighbouring constants it cannot change. So each column becomes, for each kind of value, sorted points and for each stretch
between them the set of rules whose cell holds there, as the bits of an integer. A lookup is a bisection, a table the intersection
of its columns' sets. What a cell says on a stretch is asked of the cell's own matcher, once, when the table is loaded: the index
can be no other than what evaluating the cells one by one gives.

Other cells (with names, functions of `?`, times with zones), and values of kinds without an order, are evaluated cell by cell,
for those rules only that the indexed columns leave."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from math import inf, nextafter
from operator import attrgetter
from sys import float_info
from typing import Any, NamedTuple

from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.numbers import CONTEXT, ZERO
from modelyard.dmn.feel.scope import Env, Matcher
from modelyard.dmn.feel.temporal.days import date_of_number, day_number
from modelyard.dmn.feel.temporal.values import MAX_DURATION, Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.values import Range, Value

Constant = Callable[[syntax.Expr], tuple[bool, Value]]
"""Whether an expression is a constant, and its value."""

ABSENT = object()
WIDEST = 1 << 30
"""Bits of the masks of one column for one kind of value: 128 MB, which some 20,000 rules with different cells take."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`matcher` None is "-": it holds for everything. `tests` None is a cell that cannot be read."""

    tests: syntax.UnaryTests | None
    matcher: Matcher | None


@dataclass(frozen=True, slots=True)
class Kind:
    """Values of one class in a total order. `before` and `after` are a value's neighbours, None where there is none.

    `key` gives what Python can compare quickly; None: the value itself."""

    cls: type
    least: Value
    before: Callable[[Any], Value]
    after: Callable[[Any], Value]
    key: Callable[[Any], Any] | None = None


def _finite(value: Decimal) -> Decimal | None:
    return value if value.is_finite() else None


KINDS = (
    Kind(Decimal, ZERO, lambda n: _finite(CONTEXT.next_minus(n)), lambda n: _finite(CONTEXT.next_plus(n))),
    Kind(str, "", lambda s: "" if s else None, lambda s: s + "\0"),
    Kind(bool, False, lambda b: False if b else None, lambda b: None if b else True),
    Kind(
        Date,
        Date(0, 1, 1),
        lambda d: date_of_number(day_number(d) - 1),
        lambda d: date_of_number(day_number(d) + 1),
        attrgetter("year", "month", "day"),
    ),
    Kind(
        DaysTime,
        DaysTime(0),
        lambda d: DaysTime(d.nanoseconds - 1),
        lambda d: DaysTime(d.nanoseconds + 1),
        attrgetter("nanoseconds"),
    ),
    Kind(
        YearsMonths,
        YearsMonths(0),
        lambda d: YearsMonths(d.months - 1) if d.months > -MAX_DURATION else None,
        lambda d: YearsMonths(d.months + 1) if d.months < MAX_DURATION else None,
        attrgetter("months"),
    ),
    Kind(type(None), None, lambda _: None, lambda _: None),
)
"""The kinds that are indexed. Times are not: with and without zones they are not all comparable."""

_ATOMS = (*(kind.cls for kind in KINDS), Time, DateTime)


MOST_PROBES = 1_000_000
"""Tests times constants, over the cells of a column, that loading asks for an index; further cells are evaluated when asked."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Values of one kind: `masks[bisect_right(keys, key(value))]` are the rules. `points[i]` is the value of `keys[i]`."""

    points: list[Value]
    keys: list[Any]
    masks: list[int]
    key: Callable[[Any], Any] | None

    def at(self, value: Value) -> int:
        return self.masks[bisect_right(self.keys, value if self.key is None else self.key(value))]


def constants(tests: syntax.UnaryTests, constant: Constant) -> list[Value] | None:
    """The simple values at which the tests may begin or end to hold; None when they are not constant."""
    found: list[Value] = []
    for test in tests.tests:
        if not _collect(test.value, constant, found):
            return None
    return found


def _collect(node: syntax.Expr, constant: Constant, found: list[Value]) -> bool:
    """Add a constant expression's simple values; False when it has others."""
    if isinstance(node, syntax.UnaryTests):
        return all(_collect(test.value, constant, found) for test in node.tests)
    if isinstance(node, syntax.RangeOf):
        return all(end is None or _collect(end, constant, found) for end in (node.low, node.high))
    if isinstance(node, syntax.ListOf):
        return all(_collect(item, constant, found) for item in node.items)
    is_constant, value = constant(node)
    return is_constant and _atoms(value, found)


def _atoms(value: Value, found: list[Value]) -> bool:
    if isinstance(value, Range):
        return _atoms(value.low, found) and _atoms(value.high, found)
    if isinstance(value, list):
        return all(_atoms(item, found) for item in value)
    if type(value) is DateTime:
        found.append(value.date)
    found.append(value)
    return isinstance(value, _ATOMS)


def _stretches(kind: Kind, values: Sequence[Value]) -> Iterator[tuple[Value, Value]]:
    """The stretches on which constant tests cannot change: for each its first value (ABSENT: from the least on) and one in it."""
    own: dict[Any, Value] = {}
    for value in values:
        if type(value) is kind.cls:
            for point in (value, kind.after(value)):
                if point is not None:
                    own[point if kind.key is None else kind.key(point)] = point
    ordered = [own[key] for key in sorted(own)]
    first = kind.before(ordered[0]) if ordered else kind.least
    if kind.cls is type(None) or first is not None or not ordered:
        yield ABSENT, first
    for point in ordered:
        yield point, point


def _steps(kind: Kind, cells: Sequence[tuple[int, Matcher, list[Value]]], always: int, probe: Env) -> Steps | None:
    """`cells` are the rules with the same constant tests, their matcher and constants; `always` are rules in every mask.

    None when the masks would take too much memory, which grows with the square of the rules: better slow than gone."""
    start = always
    toggles: dict[Any, int] = {}
    points: dict[Any, Value] = {}
    for rules, matcher, values in cells:
        held = False
        for point, example in _stretches(kind, values):
            holds = matcher(probe, example) is True
            if holds is held:
                continue
            held = holds
            if point is ABSENT:
                start ^= rules
            else:
                key = point if kind.key is None else kind.key(point)
                points[key] = point
                toggles[key] = toggles.get(key, 0) ^ rules
    keys = sorted(key for key, rules in toggles.items() if rules)
    if len(keys) * max(rules.bit_length() for rules in (start, *toggles.values())) > WIDEST:
        return None
    masks = [start]
    for key in keys:
        masks.append(masks[-1] ^ toggles[key])
    return Steps([points[key] for key in keys], keys, masks, kind.key)


@dataclass
class Column:
    """One input's cells. `tested` are the rules with a cell that is not "-"; `open` those whose cell is not indexed."""

    matchers: list[Matcher | None]
    tested: int
    open: int
    steps: dict[type, Steps] = field(default_factory=dict)

    @cached_property
    def quick(self) -> dict[type, Quick]:
        """The steps for values as Python callers give them, not yet FEEL's. Empty if a cell is not indexed."""
        if self.open or len(self.steps) < len(KINDS):
            return {}
        made = {cls: Quick(steps.keys, list(steps.masks), steps.key) for cls, steps in self.steps.items()}
        made[date] = made[Date]
        points, masks = self.steps[Decimal].points, self.steps[Decimal].masks
        made[Decimal] = Quick([_LEAST, *points, _INFINITE], [None, *masks, None], CONTEXT.create_decimal)
        made[float] = Quick([-float_info.max, *map(least_float, points), inf], [None, *masks, None], None)
        made[int] = Quick([-_EXACT, *map(_least_int, points), _EXACT], [None, *masks, None], None)
        return made


class Quick(NamedTuple):
    """As `Steps`. A mask that is None says that the value is no FEEL number, so that the caller must be told."""

    keys: list[Any]
    masks: list[int | None]
    key: Callable[[Any], Any] | None

    def at(self, value: Any) -> int | None:
        """The rules for a value of the class. None, too, for a number that cannot be compared."""
        try:
            return self.masks[bisect_right(self.keys, value if self.key is None else self.key(value))]
        except ArithmeticError:
            return None

    def within(self, guard: Quick) -> Quick:
        """The same where the guard's mask is 1; None elsewhere."""
        keys = sorted({*self.keys, *guard.keys})
        samples = [(self.masks[0], guard.masks[0])]
        samples += [(self.masks[bisect_right(self.keys, k)], guard.masks[bisect_right(guard.keys, k)]) for k in keys]
        return Quick(keys, [mask if held == 1 else None for mask, held in samples], self.key)


_LEAST, _INFINITE = Decimal("-9." + "9" * 33 + "E+6144"), Decimal("Infinity")
_EXACT = 10**33
"""Integers nearer to zero than this are FEEL numbers as they are."""


def _least_int(bound: Decimal) -> int:
    """The least integer from -_EXACT to _EXACT that is not below `bound`."""
    return int(max(Decimal(-_EXACT), min(Decimal(_EXACT), bound)).to_integral_value(ROUND_CEILING))


def least_float(bound: Decimal) -> float:
    """The least float whose shortest decimal is not below `bound`; infinite where there is none."""
    found = float(bound)
    while found > -inf and (found == inf or Decimal(repr(found)) >= bound):
        found = nextafter(found, -inf)
    while found < inf and (found == -inf or Decimal(repr(found)) < bound):
        found = nextafter(found, inf)
    return found


class TableIndex:
    """The rules of a table, by the values of its inputs. Immutable after it was made, so threads may share it."""

    def __init__(
        self, rules: int, columns: Sequence[Sequence[Cell]], constant: Constant, probe: Env, indexed: bool = True
    ) -> None:
        """`columns` have a cell a rule. `probe` is an environment for matchers of constants. Not `indexed`: every cell is
        evaluated at each match, which gives the same and is there to compare with."""
        self.all = (1 << rules) - 1
        self.columns = [_column(cells, constant, probe, indexed) for cells in columns]

    @property
    def complete(self) -> bool:
        """Whether no cell need ever be evaluated for values of the indexed kinds."""
        return not any(column.open for column in self.columns)

    def match(self, env: Env, values: Sequence[Value], first: bool = False) -> int:
        """The rules that match, as bits from the first rule; only the first of them when `first`."""
        hits, pending = self.all, None
        for column, value in zip(self.columns, values, strict=True):
            steps = column.steps.get(type(value))
            if steps is not None:
                hits &= steps.masks[bisect_right(steps.keys, value if steps.key is None else steps.key(value))]
                left = column.open
            else:
                left = column.tested
            if left:
                if pending is None:
                    pending = []
                pending.append((left, column.matchers, value))
        if pending is not None and hits:
            return _evaluated(hits, pending, env, first)
        return hits & -hits if first else hits


def _evaluated(hits: int, pending: list[tuple[int, list[Matcher | None], Value]], env: Env, first: bool) -> int:
    left = hits
    while left:
        rule = left & -left
        left ^= rule
        index = rule.bit_length() - 1
        for mask, matchers, value in pending:
            if mask & rule:
                matcher = matchers[index]
                if matcher is not None and matcher(env, value) is not True:
                    hits ^= rule
                    break
        else:
            if first:
                return rule
    return hits


def _column(cells: Sequence[Cell], constant: Constant, probe: Env, indexed: bool) -> Column:
    grouped: dict[syntax.UnaryTests, int] = {}
    matchers: dict[syntax.UnaryTests, Matcher] = {}
    tested = open_ = always = 0
    for index, cell in enumerate(cells):
        rule = 1 << index
        if cell.matcher is None:
            always |= rule
        elif cell.tests is None or not indexed:
            open_ |= rule
        else:
            grouped[cell.tests] = grouped.get(cell.tests, 0) | rule
            matchers[cell.tests] = cell.matcher
        tested |= 0 if cell.matcher is None else rule
    known: list[tuple[int, Matcher, list[Value]]] = []
    probes = MOST_PROBES
    for tests, rules in grouped.items():
        values = constants(tests, constant)
        probes -= len(tests.tests) * len(values or ())
        if values is None or probes < 0:
            open_ |= rules
        else:
            known.append((rules, matchers[tests], values))
    column = Column([cell.matcher for cell in cells], tested, open_)
    if indexed:
        for kind in KINDS:
            steps = _steps(kind, known, always | open_, probe)
            if steps is not None:
                column.steps[kind.cls] = steps
    return column


def rules_of(mask: int) -> list[int]:
    """The rules of a mask in order, counted from 0."""
    found = []
    while mask:
        rule = mask & -mask
        found.append(rule.bit_length() - 1)
        mask ^= rule
    return found
