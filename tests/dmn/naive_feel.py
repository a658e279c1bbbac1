"""A tree-walking interpreter of a part of FEEL, written from the specification's tables alone (DMN 1.5, 10.3.2), for comparison
with the compiled engine. No thought is given to speed, and none to messages: what is wrong is None.

Not here: temporal values, functions other than `not` and `count`, types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, DecimalException
from typing import Any

from modelyard.dmn.feel.numbers import CONTEXT
from modelyard.dmn.feel.syntax import (
    And,
    Arithmetic,
    Between,
    Boolean,
    Call,
    Compare,
    Comparison,
    ContextOf,
    Filter,
    For,
    If,
    In,
    Iteration,
    ListOf,
    Name,
    Negation,
    Null,
    Number,
    Or,
    Path,
    Quantified,
    RangeOf,
    String,
    Test,
)
from modelyard.dmn.feel.values import Range

Names = dict[str, Any]


def evaluate(node: Any, names: Names) -> Any:
    return _RULES[type(node)](node, names)


def is_number(value: Any) -> bool:
    return isinstance(value, Decimal)


# --- three-valued logic (10.3.2.6, tables 50 and 51) ----------------------------------------------------------------------------


def three_and(left: Any, right: Any) -> bool | None:
    if left is False or right is False:
        return False
    return True if left is True and right is True else None


def three_or(left: Any, right: Any) -> bool | None:
    if left is True or right is True:
        return True
    return False if left is False and right is False else None


def three_not(value: Any) -> bool | None:
    return not value if isinstance(value, bool) else None


# --- equality and order (10.3.2.13, table 53; 10.3.2.3) -------------------------------------------------------------------------


def equal(left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return left is right
    if type(left) is not type(right):
        return None
    if isinstance(left, list):
        return len(left) == len(right) and all_three(equal(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict):
        return set(left) == set(right) and all_three(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def all_three(results: Iterator[bool | None]) -> bool | None:
    outcome: bool | None = True
    for result in results:
        outcome = three_and(outcome, result)
    return outcome


def any_three(results: Iterator[bool | None]) -> bool | None:
    outcome: bool | None = False
    for result in results:
        outcome = three_or(outcome, result)
    return outcome


def less(left: Any, right: Any) -> bool | None:
    if (is_number(left) and is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        return bool(left < right)
    return None


def compared(operator: str, left: Any, right: Any) -> bool | None:
    if operator == "=":
        return equal(left, right)
    if operator == "!=":
        return three_not(equal(left, right))
    if operator == "<":
        return less(left, right)
    if operator == ">":
        return less(right, left)
    if operator == "<=":
        return three_not(less(right, left))
    return three_not(less(left, right))


# --- operators ------------------------------------------------------------------------------------------------------------------


def arithmetic(node: Arithmetic, names: Names) -> Any:
    left, right = evaluate(node.left, names), evaluate(node.right, names)
    if node.operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not is_number(left) or not is_number(right):
        return None
    operations: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
        "+": CONTEXT.add,
        "-": CONTEXT.subtract,
        "*": CONTEXT.multiply,
        "/": CONTEXT.divide,
        "**": CONTEXT.power,
    }
    if node.operator == "**" and not left and not right:
        return Decimal(1)
    try:
        found = operations[node.operator](left, right)
        return found if found.is_finite() else None
    except DecimalException:
        return None


def negation(node: Negation, names: Names) -> Any:
    value = evaluate(node.value, names)
    return CONTEXT.minus(value) if is_number(value) else None


def comparison(node: Comparison, names: Names) -> Any:
    return compared(node.operator, evaluate(node.left, names), evaluate(node.right, names))


def between(node: Between, names: Names) -> Any:
    value, low, high = (evaluate(part, names) for part in (node.value, node.low, node.high))
    return three_and(compared(">=", value, low), compared("<=", value, high))


def conjunction(node: And, names: Names) -> Any:
    return three_and(evaluate(node.left, names), evaluate(node.right, names))


def disjunction(node: Or, names: Names) -> Any:
    return three_or(evaluate(node.left, names), evaluate(node.right, names))


def choice(node: If, names: Names) -> Any:
    return evaluate(node.then if evaluate(node.condition, names) is True else node.otherwise, names)


def contained(node: In, names: Names) -> Any:
    value = evaluate(node.value, names)
    return any_three(holds(test, value, {**names, "?": value}) for test in node.tests)


def holds(test: Test, value: Any, names: Names) -> bool | None:
    wanted = evaluate(test.value, names)
    if isinstance(test, Compare):
        return compared(test.operator, value, wanted)
    if isinstance(wanted, Range) and not isinstance(value, Range):
        return inside(value, wanted)
    if isinstance(test.value, RangeOf) and wanted is None:
        return None
    if isinstance(wanted, list):
        return equal(value, wanted) is True or any_three(held_by(item, value) for item in wanted)
    if mentions_value(test.value) and isinstance(wanted, bool | None):
        return wanted
    return equal(value, wanted)


def held_by(item: Any, value: Any) -> bool | None:
    """An element of a list of tests: a range that contains the value, or a value that is the same (list contains)."""
    return inside(value, item) if isinstance(item, Range) and not isinstance(value, Range) else equal(value, item) is True


def mentions_value(node: Any) -> bool:
    return "Name(name='?')" in repr(node)


def inside(value: Any, interval: Range) -> bool | None:
    low = high = True if value is not None else None
    if interval.low is not None:
        low = compared(">=" if interval.low_closed else ">", value, interval.low)
    if interval.high is not None:
        high = compared("<=" if interval.high_closed else "<", value, interval.high)
    return three_and(low, high)


# --- iterations, filters, paths -------------------------------------------------------------------------------------------------


def turns(iterations: tuple[Iteration, ...], names: Names) -> list[Names] | None:
    """The names of each turn, the last variable changing fastest; None when something cannot be iterated."""
    if not iterations:
        return [names]
    first, rest = iterations[0], iterations[1:]
    items = iterated(first, names)
    if items is None:
        return None
    found = []
    for item in items:
        further = turns(rest, {**names, first.name: item})
        if further is None:
            return None
        found += further
    return found


def iterated(iteration: Iteration, names: Names) -> list[Any] | None:
    source = evaluate(iteration.source, names)
    if iteration.until is None:
        if source is None or isinstance(source, Range):
            return None
        return source if isinstance(source, list) else [source]
    until = evaluate(iteration.until, names)
    if not is_number(source) or not is_number(until) or source != int(source) or until != int(until):
        return None
    start, end = int(source), int(until)
    return [Decimal(i) for i in (range(start, end + 1) if start <= end else range(start, end - 1, -1))]


def loop(node: For, names: Names) -> Any:
    found = turns(node.iterations, names)
    if found is None:
        return None
    partial: list[Any] = []
    for turn in found:
        partial.append(evaluate(node.body, {**turn, "partial": list(partial)}))
    return partial


def quantified(node: Quantified, names: Names) -> Any:
    found = turns(node.iterations, names)
    if found is None:
        return None
    results = (three_not(three_not(evaluate(node.condition, turn))) for turn in found)
    return all_three(results) if node.every else any_three(results)


def filtered(node: Filter, names: Names) -> Any:
    source = evaluate(node.source, names)
    items = source if isinstance(source, list) else [] if source is None else [source]
    if isinstance(node.condition, (Number, Negation)):
        index = evaluate(node.condition, names)
        return item_at(items, index) if is_number(index) else []
    if items and is_number(index := evaluate(node.condition, item_names(items[0], names))):
        return item_at(items, index)
    return [item for item in items if evaluate(node.condition, item_names(item, names)) is True]


def item_names(item: Any, names: Names) -> Names:
    return {**names, "item": item, **(item if isinstance(item, dict) else {})}


def item_at(items: list[Any], index: Decimal) -> Any:
    if index != int(index) or index == 0 or abs(index) > len(items):
        return None
    return items[int(index) - 1] if index > 0 else items[int(index)]


def path(node: Path, names: Names) -> Any:
    return entry(evaluate(node.source, names), node.name)


def entry(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [entry(item, name) for item in value]
    return value.get(name) if isinstance(value, dict) else None


# --- values ---------------------------------------------------------------------------------------------------------------------


def context(node: ContextOf, names: Names) -> Any:
    made: Names = {}
    for key, value in node.entries:
        made[key] = evaluate(value, {**names, **made})
    return made


def interval(node: RangeOf, names: Names) -> Any:
    low = None if node.low is None else evaluate(node.low, names)
    high = None if node.high is None else evaluate(node.high, names)
    if (node.low is not None and low is None) or (node.high is not None and high is None):
        return None
    ends = [end for end in (low, high) if end is not None]
    if not all(is_number(end) for end in ends) and not all(isinstance(end, str) for end in ends):
        return None
    return Range(low, high, node.low_closed, node.high_closed)


def call(node: Call, names: Names) -> Any:
    assert isinstance(node.function, Name)
    (argument,) = (evaluate(argument, names) for argument in node.arguments)
    if node.function.name == "not":
        return three_not(argument)
    assert node.function.name == "count"
    return None if argument is None else Decimal(len(argument) if isinstance(argument, list) else 1)


_RULES: dict[type[Any], Callable[[Any, Names], Any]] = {
    Null: lambda node, names: None,
    Boolean: lambda node, names: node.value,
    Number: lambda node, names: node.value,
    String: lambda node, names: node.value,
    Name: lambda node, names: names.get(node.name),
    ListOf: lambda node, names: [evaluate(item, names) for item in node.items],
    ContextOf: context,
    RangeOf: interval,
    Negation: negation,
    Arithmetic: arithmetic,
    Comparison: comparison,
    Between: between,
    In: contained,
    And: conjunction,
    Or: disjunction,
    If: choice,
    For: loop,
    Quantified: quantified,
    Path: path,
    Filter: filtered,
    Call: call,
}
