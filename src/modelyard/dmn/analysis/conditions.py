"""What a cell asks of a value, read from its syntax, and for which regions of an axis it holds.

The truth of a condition has FEEL's three values, and a fourth: not known, for what depends on more than the tested value. It
follows `modelyard.dmn.feel.unary` and `operators` (DMN 1.5, 7.3.3, 10.3.2.7, and tables 53 and 54)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.dmn.analysis.axis import Axis, Mask
from modelyard.dmn.analysis.scales import scale_of
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.compiler import Scope, constant
from modelyard.dmn.feel.unary import mentions
from modelyard.dmn.feel.values import Range, Value

_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NO_NAMES = Scope({})


@dataclass(frozen=True, slots=True)
class Equal:
    """`loose`: as in a list, where what is not comparable is not equal, instead of null."""

    value: Value
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Any:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


@dataclass(frozen=True, slots=True)
class Unknown:
    """Depends on more than the tested value, or on it in a way that is not followed."""


Condition = Equal | Order | Any | All | Not | Unknown

ANYTHING = All(())


@dataclass(frozen=True, slots=True)
class Truth:
    """The regions for which a condition is surely true, surely false, surely null. For the rest it is not known."""

    true: Mask
    false: Mask
    null: Mask


# --- from syntax ----------------------------------------------------------------------------------------------------------------


def condition_of(tests: syntax.UnaryTests) -> Condition:
    if not tests.tests:
        return ANYTHING
    found = _any(tuple(_test(test) for test in tests.tests))
    return Not(found) if tests.negated else found


def _any(parts: tuple[Condition, ...]) -> Condition:
    return parts[0] if len(parts) == 1 else Any(parts)


def _test(test: syntax.Test, strict: bool = False) -> Condition:
    if isinstance(test, syntax.Compare):
        known, value = constant(test.value, _NO_NAMES)
        return _compare(test.operator, value) if known else Unknown()
    if mentions(test.value, "?"):
        return _formula(test.value)
    known, value = constant(test.value, _NO_NAMES)
    return _matches(value) if known else Unknown()


def _compare(operator: str, value: Value) -> Condition:
    if isinstance(value, (list, dict, Range)):
        return Unknown()
    if operator in ("=", "!="):
        return Equal(value) if operator == "=" else Not(Equal(value))
    return Order(operator, value)


def _matches(value: Value) -> Condition:
    if isinstance(value, Range):
        return _within(value)
    if isinstance(value, list):
        if any(isinstance(item, (list, dict)) for item in value):
            return Unknown()
        return Any(tuple(_within(item) if isinstance(item, Range) else Equal(item, loose=True) for item in value))
    return Unknown() if isinstance(value, dict) else Equal(value)


def _within(range_: Range) -> Condition:
    ends = []
    if range_.low is not None:
        ends.append(Order(">=" if range_.low_closed else ">", range_.low))
    if range_.high is not None:
        ends.append(Order("<=" if range_.high_closed else "<", range_.high))
    return All(tuple(ends))


def _formula(node: syntax.Expr) -> Condition:
    """A condition about `?`: comparisons with constants, and what and, or, not, between and in make of them."""
    if isinstance(node, syntax.Comparison):
        return _comparison(node)
    if isinstance(node, syntax.And):
        return All((_formula(node.left), _formula(node.right)))
    if isinstance(node, syntax.Or):
        return Any((_formula(node.left), _formula(node.right)))
    if isinstance(node, syntax.Between) and _is_tested(node.value):
        low, high = constant(node.low, _NO_NAMES), constant(node.high, _NO_NAMES)
        return All((Order(">=", low[1]), Order("<=", high[1]))) if low[0] and high[0] else Unknown()
    if isinstance(node, syntax.Call) and node.function == syntax.Name("not") and len(node.arguments) == 1 and not node.names:
        return Not(_formula(node.arguments[0]))
    if isinstance(node, syntax.Boolean):
        return ANYTHING if node.value else Not(ANYTHING)
    return Unknown()


def _comparison(node: syntax.Comparison) -> Condition:
    if _is_tested(node.left):
        known, value = constant(node.right, _NO_NAMES)
        return _compare(node.operator, value) if known else Unknown()
    if _is_tested(node.right):
        known, value = constant(node.left, _NO_NAMES)
        return _compare(_FLIPPED[node.operator], value) if known else Unknown()
    return Unknown()


def _is_tested(node: syntax.Expr) -> bool:
    return isinstance(node, syntax.Name) and node.name == "?"


# --- about conditions -----------------------------------------------------------------------------------------------------------


def leaves(condition: Condition) -> Iterator[Equal | Order | Unknown]:
    if isinstance(condition, (Any, All)):
        for part in condition.parts:
            yield from leaves(part)
    elif isinstance(condition, Not):
        yield from leaves(condition.part)
    else:
        yield condition


def is_known(condition: Condition) -> bool:
    return not any(isinstance(leaf, Unknown) for leaf in leaves(condition))


def values_of(condition: Condition) -> Iterator[Value]:
    """The constants that it mentions."""
    return (leaf.value for leaf in leaves(condition) if not isinstance(leaf, Unknown))


def truth_of(condition: Condition, axis: Axis) -> Truth:
    if isinstance(condition, Not):
        inner = truth_of(condition.part, axis)
        return Truth(inner.false, inner.true, inner.null)
    if isinstance(condition, All):
        return _all([truth_of(part, axis) for part in condition.parts], axis)
    if isinstance(condition, Any):
        parts = [truth_of(part, axis) for part in condition.parts]
        opposite = _all([Truth(part.false, part.true, part.null) for part in parts], axis)
        return Truth(opposite.false, opposite.true, opposite.null)
    if isinstance(condition, Unknown):
        return Truth(0, 0, 0)
    return _equal(condition, axis) if isinstance(condition, Equal) else _order(condition, axis)


def _all(parts: list[Truth], axis: Axis) -> Truth:
    true, false, known = axis.all, 0, axis.all
    for part in parts:
        true &= part.true
        false |= part.false
        known &= part.true | part.false | part.null
    return Truth(true, false, known & ~true & ~false)


def _equal(test: Equal, axis: Axis) -> Truth:
    if test.value is None:
        return Truth(axis.null, axis.values, 0)
    if isinstance(test.value, bool):
        return _is_boolean(test.value, axis)
    scale = scale_of(test.value)
    segment = axis.segment_of(test.value, scale)
    if segment is None and scale is not None and axis.is_mixed(scale):
        return Truth(0, 0, 0)
    if segment is None:
        return _elsewhere(axis, axis.null, test.loose)
    at = segment.at(test.value) & axis.all
    return _rest(at, axis, (segment.whole & axis.all & ~at) | axis.null, test.loose)


def _is_boolean(value: bool, axis: Axis) -> Truth:
    """A boolean cell on values that are not boolean is a condition of its own, which is not followed here."""
    segment = axis.segment_of(value, None)
    if segment is None:
        return Truth(0, 0, 0)
    at = segment.at(value)
    return Truth(at, segment.whole & ~at, 0)


def _order(test: Order, axis: Axis) -> Truth:
    scale = scale_of(test.value)
    segment = axis.segment_of(test.value, scale) if scale is not None else None
    if segment is None and scale is not None and axis.is_mixed(scale):
        return Truth(0, 0, 0)
    if segment is None:
        return _elsewhere(axis, 0, False)
    true = segment.order(test.operator, test.value) & axis.all
    return _rest(true, axis, segment.whole & axis.all & ~true, False)


def _rest(true: Mask, axis: Axis, false: Mask, loose: bool) -> Truth:
    """What is in no segment of the test's kind is null; an opaque rest may be of that kind."""
    rest = axis.all & ~true & ~false & ~_opaque(axis)
    return Truth(true, false | rest, 0) if loose else Truth(true, false, rest)


def _elsewhere(axis: Axis, false: Mask, loose: bool) -> Truth:
    return _rest(0, axis, false, loose)


def _opaque(axis: Axis) -> Mask:
    return axis.values if axis.is_opaque else 0
