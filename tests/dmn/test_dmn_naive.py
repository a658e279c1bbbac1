"""The compiled engine against a plain interpreter of the specification, and the laws of its three-valued logic."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.dmn.feel.compiler import Scope, compile_expression, root_scope
from modelyard.dmn.feel.parser import parse_expression
from modelyard.dmn.feel.printer import show
from modelyard.dmn.feel.syntax import (
    And,
    Arithmetic,
    Between,
    Boolean,
    Call,
    Compare,
    Comparison,
    ContextOf,
    Expr,
    Filter,
    For,
    If,
    In,
    Iteration,
    ListOf,
    Matches,
    Name,
    Negation,
    Null,
    Number,
    Or,
    Path,
    Quantified,
    RangeOf,
    String,
)
from modelyard.dmn.feel.types import ANY
from modelyard.dmn.feel.values import Range
from modelyard.dmn.run import Limits, Run
from tests.conftest import examples
from tests.dmn.naive_feel import evaluate

NAMES: dict[str, Any] = {
    "n": Decimal(3),
    "m": Decimal("-0.5"),
    "s": "abc",
    "yes": True,
    "no": False,
    "none": None,
    "numbers": [Decimal(1), Decimal(2), Decimal(3), Decimal(10)],
    "people": [{"v": Decimal(1), "w": "abc"}, {"v": Decimal(7), "w": "b"}, {"v": None}],
    "person": {"v": Decimal(2), "w": "abc", "people": [{"v": Decimal(3)}]},
    "odd": [Decimal(1), "abc", None, True, [Decimal(1)]],
}
SCOPE = Scope(dict.fromkeys(NAMES, ANY), root_scope())
Strategy = st.SearchStrategy[Expr]


def compiled(tree: Expr) -> Any:
    run = Run(Limits(), lambda: datetime(2024, 1, 1, tzinfo=UTC))
    return compile_expression(tree, SCOPE, lambda _: None)([None, run, *NAMES.values()])


def named(*names: str) -> Strategy:
    return st.sampled_from(names).map(Name)


def literal(value: int) -> Expr:
    return Number(Decimal(value)) if value >= 0 else Negation(Number(Decimal(-value)))


small = st.integers(-4, 12).map(literal)
comparisons = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))
number_leaves = st.one_of(small, named("n", "m", "i", "j", "item", "v", "none", "?"))
truth_leaves = st.one_of(st.booleans().map(Boolean), st.just(Null()), named("yes", "no", "none", "item", "s"))
text_leaves = st.one_of(st.sampled_from(("", "a", "abc", "b")).map(String), named("s", "w", "none"))
list_leaves = named("numbers", "people", "odd")


def larger(inner: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
    """Expressions of numbers, truth values, texts, lists and of anything, one level deeper than these."""
    number, truth, text, many, anything = inner
    context = st.builds(lambda a, b: ContextOf((("v", a), ("x", b), ("y", Name("x")))), number, anything)
    turns = st.lists(
        st.one_of(
            st.builds(Iteration, st.sampled_from(("i", "j")), many),
            st.builds(Iteration, st.sampled_from(("i", "j")), small, small),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple)
    interval = st.builds(RangeOf, number, number, st.booleans(), st.booleans())
    half = st.one_of(
        st.builds(lambda end, closed: RangeOf(None, end, False, closed), number, st.booleans()),
        st.builds(lambda end, closed: RangeOf(end, None, closed, False), number, st.booleans()),
    )
    tests = st.lists(
        st.one_of(
            st.builds(Compare, comparisons, number),
            st.builds(Matches, st.one_of(number, text, interval, half, many)),
            st.builds(lambda o, v: Matches(Comparison(o, Name("?"), v)), comparisons, number),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple)
    return (
        st.one_of(
            number_leaves,
            st.builds(Arithmetic, st.sampled_from(("+", "-", "*", "/")), number, number),
            st.builds(lambda a, b: Arithmetic("**", a, b), number, small),
            st.builds(Negation, number),
            st.builds(If, truth, number, number),
            st.builds(Filter, many, small),
            st.builds(Path, st.one_of(context, named("person"), st.builds(Filter, named("people"), small)), st.just("v")),
            st.builds(lambda found: Call(Name("count"), (found,)), many),
        ),
        st.one_of(
            truth_leaves,
            st.builds(Comparison, comparisons, number, number),
            st.builds(Comparison, comparisons, text, text),
            st.builds(Comparison, st.sampled_from(("=", "!=")), anything, anything),
            st.builds(And, truth, truth),
            st.builds(Or, truth, truth),
            st.builds(lambda value: Call(Name("not"), (value,)), truth),
            st.builds(Between, number, number, number),
            st.builds(In, number, tests),
            st.builds(Quantified, st.booleans(), turns, truth),
        ),
        st.one_of(
            text_leaves,
            st.builds(lambda a, b: Arithmetic("+", a, b), text, text),
            st.builds(If, truth, text, text),
        ),
        st.one_of(
            list_leaves,
            st.lists(anything, max_size=3).map(lambda items: ListOf(tuple(items))),
            st.builds(For, turns, anything),
            st.builds(Filter, many, truth),
            st.builds(lambda name: Path(Name("people"), name), st.sampled_from(("v", "w", "z"))),
        ),
        st.one_of(
            number, truth, text, many, context, interval, st.builds(Arithmetic, st.sampled_from("+-*/"), anything, anything)
        ),
    )


def grown(levels: int) -> tuple[Strategy, ...]:
    kinds: tuple[Strategy, ...] = (number_leaves, truth_leaves, text_leaves, list_leaves, st.one_of(number_leaves, text_leaves))
    for _ in range(levels):
        kinds = larger(kinds)
    return kinds


def alike(one: Any, other: Any) -> bool:
    """Whether two results are the same, of the same kinds (in Python True equals 1)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, Range):
        return all(alike(getattr(one, part), getattr(other, part)) for part in ("low", "high", "low_closed", "high_closed"))
    return bool(one == other)


@settings(
    deadline=None,
    max_examples=examples(300, hunt=1_000),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.one_of(*grown(3)))
def test_compiled_and_naive_agree(tree: Expr) -> None:
    expected, found = evaluate(tree, NAMES), compiled(tree)
    assert alike(found, expected), f"{show(tree)}: {found!r} compiled, {expected!r} by the specification"


TRUTHS = ("true", "false", "null", "1")
"""What is no truth value counts as null."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A and B", "B and A"),
        ("A or B", "B or A"),
        ("A and (B and C)", "(A and B) and C"),
        ("A or (B or C)", "(A or B) or C"),
        ("A and (B or C)", "A and B or A and C"),
        ("A or B and C", "(A or B) and (A or C)"),
        ("not(A and B)", "not(A) or not(B)"),
        ("not(A or B)", "not(A) and not(B)"),
        ("A or A and B", "A or false"),
        ("A and (A or B)", "A and true"),
        ("not(not(A))", "A and true"),
        ("A and false", "false"),
        ("A or true", "true"),
        ("some x in [A, B, C] satisfies x", "A or B or C"),
        ("every x in [A, B, C] satisfies x", "A and B and C"),
        ("if A then B else C", "if A and true then B else C"),
    ],
)
def test_laws_of_three_valued_logic(one: str, other: str) -> None:
    for values in product(TRUTHS, repeat=3):
        results = []
        for law in (one, other):
            text = law
            for letter, value in zip("ABC", values, strict=True):
                text = text.replace(letter, value)
            results.append(compiled(parse_expression(text, SCOPE.names)))
        assert alike(*results), f"{one} is not {other} for {values}: {results}"


def test_the_naive_interpreter_is_right_about_what_everybody_knows() -> None:
    for text, value in (
        ("1 + 2 * 3", Decimal(7)),
        ("-3 ** 2", Decimal(9)),
        ("none and no", False),
        ("none or yes", True),
        ("for i in 1..3 return i * count(partial)", [Decimal(0), Decimal(2), Decimal(6)]),
        ("people[v > 1].w", ["b"]),
        ("numbers[-1]", Decimal(10)),
        ("3 in (< 2, [3..4))", True),
        ('"a" + 1', None),
    ):
        tree = parse_expression(text, SCOPE.names)
        assert alike(evaluate(tree, NAMES), value)
        assert alike(compiled(tree), value)
