"""The outputs of a table's rules, as far as they are constants."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.dmn.analysis.conditions import Equal, condition_of, truth_of
from modelyard.dmn.analysis.grid import Table, axis_of, constraint_tests
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.compiler import Scope, constant
from modelyard.dmn.feel.semantics import coerce, contains, same
from modelyard.dmn.feel.types import base_of, type_of
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Limits, Run, system_clock

_NO_NAMES = Scope({})


@dataclass(frozen=True, slots=True)
class Entry:
    """One output of one rule. `known`: it is the constant `value`; otherwise it is computed, or cannot be read."""

    text: str
    node: syntax.Expr | None
    known: bool
    value: Value
    fits: bool
    """Whether a constant is of its column's type."""


class Outputs:
    def __init__(self, info: Table) -> None:
        self.info = info
        self.entries = [
            [_entry(info, rule, place) for place in range(len(info.table.outputs))] for rule in range(len(info.table.rules))
        ]
        self.order = [_order(info, place) for place in range(len(info.table.outputs))]

    def alike(self, a: int, b: int) -> bool:
        """Whether two rules surely give the same."""
        pairs = zip(self.entries[a], self.entries[b], strict=True)
        return all(x.node == y.node if x.node is not None else x.text == y.text for x, y in pairs)

    def differ(self, a: int, b: int) -> bool:
        """Whether two rules surely do not give the same."""
        pairs = zip(self.entries[a], self.entries[b], strict=True)
        return any(x.fits and y.fits and not same(x.value, y.value) for x, y in pairs)

    def rank(self, rule: int) -> tuple[int, ...] | None:
        """The place of a rule's outputs in the order of the output values, the less the more important (8.2.8); None if it is
        not known."""
        places = []
        for entry, order in zip(self.entries[rule], self.order, strict=True):
            if order == ():
                continue
            place = _place(order, entry.value) if entry.fits and order is not None else None
            if place is None:
                return None
            places.append(place)
        return tuple(places)

    def shown(self, rule: int) -> str:
        return ", ".join(entry.text or "null" for entry in self.entries[rule])


def _entry(info: Table, rule: int, place: int) -> Entry:
    node = info.outputs[rule][place]
    written = info.table.rules[rule].outputs
    text = (written[place].text or "").strip() if place < len(written) else ""
    if node is None:
        empty = text in ("", "-")
        return Entry(text, None, empty, None, empty)
    known, value = constant(node, _NO_NAMES)
    fitting = coerce(value, base_of(info.output_types[place]), Run(Limits(), system_clock)) if known else None
    fits = known and (value is None or fitting is not None)
    return Entry(text, node, known, fitting if fits else value, fits)


def values_tests(info: Table, place: int) -> syntax.UnaryTests | None:
    """The output values of a column: the clause's own, else those of its type."""
    return info.allowed_outputs[place] or constraint_tests(info.output_types[place])


def _order(info: Table, place: int) -> tuple[Value, ...] | None:
    """The declared output values in order; none where the column declares none; None when they are no constants."""
    tests = values_tests(info, place)
    if tests is None or tests.negated:
        return ()
    found = [constant(test.value, _NO_NAMES) if isinstance(test, syntax.Matches) else (False, None) for test in tests.tests]
    return tuple(value for _, value in found) if all(known for known, _ in found) else None


def _place(order: tuple[Value, ...], value: Value) -> int | None:
    for place, wanted in enumerate(order):
        if contains(wanted, value) is True if isinstance(wanted, Range) else same(wanted, value):
            return place
    return None


def holds(tests: syntax.UnaryTests, value: Value) -> bool | None:
    """Whether a constant is among declared values; None where that is not known."""
    allowed = condition_of(tests)
    axis = axis_of(type_of(value), [allowed, Equal(value)])
    truth, own = truth_of(allowed, axis), truth_of(Equal(value), axis).true
    if not own or not own & ~truth.true:
        return True if own else None
    return None if own & ~truth.false & ~truth.null else False
