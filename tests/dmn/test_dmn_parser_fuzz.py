"""Trees survive being shown and parsed; and no text whatsoever does worse than a FeelSyntaxError or LimitExceeded."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel.parser import NameScope, parse_expression, parse_type, parse_unary_tests
from modelyard.dmn.feel.printer import show
from modelyard.dmn.feel.syntax import (
    And,
    Arithmetic,
    At,
    Between,
    Boolean,
    Call,
    Compare,
    Comparison,
    ContextOf,
    Expr,
    Filter,
    For,
    Function,
    If,
    In,
    InstanceOf,
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
    Test,
    TypeName,
    UnaryTests,
)
from modelyard.dmn.feel.types import ANY
from tests.conftest import examples

PLAIN = ("a", "b", "item", "partial", "x1", "größe", "?", "date", "time", "not", "list")
SEVERAL = ("date and time", "order in process", "profit-loss", "net  worth", "if any", "p.q", "what's new", "a*b")
SCOPE = NameScope(dict.fromkeys((*PLAIN, *SEVERAL), ANY))
QUICK = settings(deadline=None, max_examples=examples(100, hunt=300), suppress_health_check=[HealthCheck.too_slow])

names = st.sampled_from((*PLAIN, *SEVERAL))
new_names = st.sampled_from(("i", "j", "order line", "n1", "m-n"))
steps = st.sampled_from(("a", "start included", "time offset", "in", "x", "date of birth"))
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9)
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
type_words = st.sampled_from(("number", "date", "date and time", "days and time duration", "list", "tns.tLoan", "context"))
types = st.recursive(
    st.builds(TypeName, type_words),
    lambda inner: st.one_of(
        st.builds(lambda t: TypeName("list", (t,)), inner),
        st.builds(lambda t: TypeName("range", (t,)), inner),
        st.builds(lambda ts: TypeName("function", tuple(ts)), st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda fs: TypeName("context", (), tuple(fs.items())), st.dictionaries(new_names, inner, min_size=1, max_size=3)
        ),
    ),
    max_leaves=4,
)
leaves = st.one_of(
    st.just(Null()),
    st.builds(Boolean, st.booleans()),
    st.builds(Number, numbers),
    st.builds(String, text),
    st.builds(At, text),
    st.builds(Name, names),
)


def some_tests(inner: st.SearchStrategy[Expr], least: int) -> st.SearchStrategy[tuple[Test, ...]]:
    compare = st.builds(Compare, st.sampled_from(("<", "<=", ">", ">=", "=", "!=")), inner)
    return st.lists(st.one_of(compare, st.builds(Matches, inner)), min_size=least, max_size=3).map(tuple)


def ranges(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        st.builds(RangeOf, inner, inner, st.booleans(), st.booleans()),
        st.builds(lambda end, closed: RangeOf(None, end, False, closed), inner, st.booleans()),
        st.builds(lambda end, closed: RangeOf(end, None, closed, False), inner, st.booleans()),
        st.builds(lambda operator, end: UnaryTests((Compare(operator, end),)), st.sampled_from(("=", "!=")), inner),
    )


def iterations(inner: st.SearchStrategy[Expr], until: bool) -> st.SearchStrategy[tuple[Iteration, ...]]:
    ends = st.none() | inner if until else st.none()
    return st.lists(st.builds(Iteration, new_names, inner, ends), min_size=1, max_size=2).map(tuple)


def calls(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    named = st.dictionaries(st.sampled_from(("from", "start position", "a")), inner, min_size=1, max_size=2)
    return st.one_of(
        st.builds(Call, inner, st.lists(inner, max_size=3).map(tuple)),
        st.builds(lambda f, found: Call(f, tuple(found.values()), tuple(found)), inner, named),
    )


def branches(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    parameters = st.dictionaries(new_names, st.none() | types, max_size=2).map(lambda found: tuple(found.items()))
    keys = st.one_of(st.sampled_from(("k", "in", "if", "two words")), text)
    return st.one_of(
        st.builds(ListOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ContextOf, st.lists(st.tuples(keys, inner), max_size=2).map(tuple)),
        ranges(inner),
        st.builds(Negation, inner),
        st.builds(Arithmetic, st.sampled_from(("+", "-", "*", "/", "**")), inner, inner),
        st.builds(Comparison, st.sampled_from(("=", "!=", "<", "<=", ">", ">=")), inner, inner),
        st.builds(Between, inner, inner, inner),
        st.builds(In, inner, some_tests(inner, 1)),
        st.builds(And, inner, inner),
        st.builds(Or, inner, inner),
        st.builds(If, inner, inner, inner),
        st.builds(For, iterations(inner, True), inner),
        st.builds(Quantified, st.booleans(), iterations(inner, False), inner),
        st.builds(Path, inner, steps),
        st.builds(Filter, inner, inner),
        calls(inner),
        st.builds(InstanceOf, inner, types),
        st.builds(Function, parameters, inner),
    )


trees: st.SearchStrategy[Expr] = st.recursive(leaves, branches, max_leaves=12)


@QUICK
@given(trees)
@example(And(Name("a"), Call(Name("time"), ())))
@example(Comparison("<", InstanceOf(Name("a"), TypeName("list")), Number(Decimal(1))))
@example(Path(Negation(Number(Decimal(1))), "a"))
@example(RangeOf(Name("a"), Filter(Name("b"), RangeOf(None, Number(Decimal(1)), False, False)), True, True))
def test_a_tree_that_is_shown_and_parsed_is_the_same(tree: Expr) -> None:
    shown = show(tree)
    assert parse_expression(shown, SCOPE) == tree, shown


@QUICK
@given(some_tests(trees, 0), st.booleans())
def test_unary_tests_that_are_shown_and_parsed_are_the_same(tests: tuple[Test, ...], negated: bool) -> None:
    tree = UnaryTests(tests, negated and bool(tests))
    shown = show(tree)
    assert parse_unary_tests(shown, SCOPE) == tree, shown


@QUICK
@given(types)
def test_a_type_that_is_shown_and_parsed_is_the_same(tree: TypeName) -> None:
    assert parse_type(show(tree)) == tree


REAL = (
    "-",
    "< 5",
    "[18..25)",
    "]0..1[",
    '"a","b"',
    'not("declined", "referred")',
    '> date("2020-01-01")',
    "? > 5 and ? < 10",
    "1 + 2 * 3 ** 4 - -5",
    ".5e-3 / 1.25E+6",
    "date and time(date, time).time offset",
    'if a > 1 then "yes" else if b then "no" else null',
    "for i in 1..10, j in [i, 2] return i * j + count(partial)",
    "some order line in order.lines satisfies order line.price > 100",
    "every x in [1, 2, 3] satisfies x in (1..3]",
    'function(x: number, y: list<string>) external {java: {class: "A", method signature: "m(int)"}}',
    "(function(x) x ** 2)(3)",
    'substring(string: "abc", start position: 2, length: -1)',
    "people[item.age >= 18 and name != null].name",
    '{a: 1, "b c": a + 1, d e-f: function(x) x}.d e',
    "a instance of context<a: number, b: list<range<date and time>>>",
    "f instance of function<number, string> -> Any",
    "x between 1 and 2 and y between date and time",
    'a in (< 5, > 10, [1..2], "x") or b in !=3',
    "(!=10).end = (=10).start",
    '@"2024-02-29T10:00:00@Europe/Paris" - @"P1DT2H"',
    "a /* b */ - // c\n 1",
    "profit-loss + profit - loss",
    "what's new.p.q",
    'matches("\\u0041\\U01F40E\\d", "\\"", \'x\')',
    "[[1..2[, ]3..4[ ][1]",
    "-a[1].b(c)[d] instance of list<number>",
    "order in process",
    "{}[{}]",
)
CHARACTERS = "()[]{},.:?@-+*/<>=!\"'\\;#&\n\t\0\ud800\U0001f40e\u00a0"
WORDS = """
    .. ** <= >= != -> // /* */ 0 1 .5 1. 1e 1e5 ]] [[ (( )) "a" @"P1D" and or in not if then else for return some every satisfies
    between instance of list range context function external null true false date time a b item partial profit loss x1 net worth
    number what's"""
TOKENS = (*CHARACTERS, *WORDS.split())


word = st.sampled_from(("a", "b", "in", "1"))
mark = st.sampled_from(("-", "+", ".", "'"))
compound = st.tuples(st.sampled_from(("a", "b")), st.lists(word | mark, max_size=4)).map(lambda found: (found[0], *found[1]))


@QUICK
@given(st.sets(compound, min_size=1, max_size=6), st.sets(compound, max_size=6), compound, st.lists(word | mark, max_size=3))
def test_the_longest_name_in_any_scope_wins(
    inner: set[tuple[str, ...]], outer: set[tuple[str, ...]], start: tuple[str, ...], rest: list[str]
) -> None:
    tokens = (*start, *rest)
    known = {parts: " ".join(parts) for parts in inner | outer if len(parts) > 1}
    scope = NameScope({" ".join(p): ANY for p in inner}, NameScope({" ".join(p): ANY for p in outer}))
    longest = max((parts for parts in known if tokens[: len(parts)] == parts), key=len, default=None)
    source = "  ".join(tokens)
    found = scope.longest(source, tokens[0], len(tokens[0]))
    assert found == (None if longest is None else (known[longest], len("  ".join(longest))))


def survives(source: str) -> None:
    for parse in (parse_expression, parse_unary_tests):
        with contextlib.suppress(FeelSyntaxError, LimitExceeded):
            tree = parse(source, SCOPE)
            assert tree.at >= 0
    with contextlib.suppress(FeelSyntaxError, LimitExceeded):
        assert isinstance(parse_type(source), TypeName)


@QUICK
@given(st.text(max_size=60))
def test_any_text(source: str) -> None:
    survives(source)


@QUICK
@given(st.lists(st.sampled_from(TOKENS), max_size=30), st.sampled_from(("", " ")))
def test_any_tokens(tokens: list[str], between: str) -> None:
    survives(between.join(tokens))


@QUICK
@given(st.data(), st.sampled_from(REAL))
def test_broken_expressions(data: st.DataObject, source: str) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(source)))
        end = min(len(source), start + data.draw(st.integers(0, 5)))
        source = source[:start] + data.draw(st.sampled_from(("", source[start:end] * 2, *TOKENS))) + source[end:]
    survives(source)


@QUICK
@given(st.sampled_from(REAL), st.sampled_from(REAL), st.integers(1, 60))
def test_repeated_expressions(one: str, other: str, times: int) -> None:
    survives((one + " " + other) * times)


@pytest.mark.parametrize("source", REAL)
def test_what_parses_is_shown_alike(source: str) -> None:
    for parse in (parse_expression, parse_unary_tests):
        with contextlib.suppress(FeelSyntaxError):
            tree = parse(source, SCOPE)
            assert parse(show(tree), SCOPE) == tree


@pytest.mark.parametrize("source", REAL)
def test_errors_point_into_the_text(source: str) -> None:
    for end in range(len(source)):
        found = error_of(source[:end])
        assert found is None or (0 <= found.at <= end and found.detail in str(found))


def error_of(source: str) -> FeelSyntaxError | None:
    try:
        parse_expression(source, SCOPE)
    except FeelSyntaxError as error:
        return error
    return None
