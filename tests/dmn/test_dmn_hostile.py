"""Input that is out to hang, to fill the memory or to crash: whatever it is, there is a value or an error of the engine, soon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.dmn import DmnError, InvalidModel, LimitExceeded, Limits, Source, load, plain
from modelyard.dmn.analysis import analyse
from modelyard.dmn.expression import Expression
from tests.conftest import examples
from tests.dmn.dmn_text import NAMESPACE, context, decision, definitions, function, input_data, item, part, service, table

PATIENCE = 30.0
"""Seconds of processor time for what takes two alone; without the limits it takes hours."""
SMALL = Limits(steps=200_000, text_length=100_000, regex_seconds=0.2)
LONG = '{s: string join(for i in 1..9000 return "aaaaaaaaaa"), r: %s}.r'
LIST = "{l: for i in 1..%d return i, m: for i in l return i, r: %s}.r"
DOUBLED = "{f: function(n, l) if n > 150 then l else f(n + 1, [l, l]), r: %s}.r"


@contextmanager
def soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < PATIENCE


@pytest.mark.parametrize(
    "text",
    [
        LONG % 'count(for i in 1..1000000 return s + "b")',
        LONG % "count(for i in 1..1000000 return upper case(s))",
        LONG % "count(for i in 1..1000000 return substring(s, 2))",
        LONG % 'count(for i in 1..1000000 return contains(s, "aaaaaaaaab"))',
        LONG % 'count(for i in 1..1000000 return substring after(s, "a"))',
        LIST % (9000, "count(for i in 1..1000000 return l = m)"),
        LIST % (9000, "list contains(for i in 1..1000000 return m, append(l, 1))"),
        LIST % (300, "distinct values(for i in 1..100000 return append(l, i))"),
        LIST % (9000, "count(for i in 1..1000000 return 0 in l)"),
        LIST % (9000, "count(for i in 1..1000000 return l instance of list<number>)"),
        LIST % (9000, "count(sort(l, function(x, y) modulo(x * 7919, 10007) < modulo(y * 7919, 10007)))"),
        "count(for i in 1..1000000 return 1.000123456789123456789 ** 0.12345678912345678912)",
        "count(for i in 1..1000000 return modulo(10 ** 6144, 3 * 10 ** (-6100)))",
        'count(for i in 1..1000000 return date and time("2024-03-31T02:30:00@Europe/Paris"))',
        'count(for i in @"-999999999-01-01"..@"999999999-01-01" return i)',
        "for a in 1..100000000, b in [] return a",
        "some a in 1..100000000, b in [] satisfies a",
        "for i in 1..10**6000 return i",
        "{f: function(n) if n > 40 then 1 else f(n + 1) + f(n + 1), r: f(1)}.r",
        DOUBLED % "flatten(f(1, []))",
        DOUBLED % "f(1, []).x",
    ],
)
def test_work_without_end_is_given_up(text: str) -> None:
    with soon(), pytest.raises(LimitExceeded):
        Expression(text, limits=SMALL).evaluate({})


@pytest.mark.parametrize(
    "text",
    [
        LONG % "count(for i in 1..20000 return s + 1)",
        DOUBLED % "f(1, [1]) = f(1, [2])",
        DOUBLED % "f(1, [1]) instance of list<Any>",
        DOUBLED % "string(f(1, [1]))",
        DOUBLED % "f(1, [1]) + 1",
        "{" + ", ".join(f"a b {n}: {n}" for n in range(20_000)) + "}.a b 7",
        "string(10 ** 6000)",
        "[1, 2][10 ** 6000]",
        'matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "^(a+)+$b")',
        'time("10:00:00@../../etc/passwd")',
    ],
)
def test_what_only_looks_like_it_has_a_value(text: str) -> None:
    with soon():
        assert not hasattr(Expression(text).evaluate({}).value, "call")


def test_a_value_nested_too_deeply_is_refused_on_the_way_out() -> None:
    found = Expression("for i in 1..2900 return if i = 1 then [] else [partial[-1]]").evaluate({}).value
    with pytest.raises(LimitExceeded, match="nested"):
        plain(found)


def test_half_a_pair_of_surrogates_is_no_character() -> None:
    with pytest.raises(DmnError, match="character"):
        Expression(r'"\uD83D"').evaluate({})
    assert Expression(r'string length("\uD83D\uDE00")').evaluate({}).value == 1


def test_the_fraction_of_a_second_is_cut_never_rounded_to_a_second() -> None:
    found = Expression("time(1, 1, 59.9999999999999999999999999999999)").evaluate({}).value
    assert str(found) == "01:01:59.999999999"


def importing(number: int, *others: int) -> bytes:
    imports = (f'<import name="i{o}" namespace="urn:{o}" importType="{NAMESPACE}"/>' for o in others)
    return definitions(*imports, namespace=f"urn:{number}", name=f"m{number}")


def test_imports_that_meet_again_and_again_are_looked_at_once() -> None:
    with soon():
        assert load(*(importing(n, *range(n + 1, 40)) for n in range(40))).name == "m0"
    with pytest.raises(InvalidModel, match="circle"):
        load(importing(0, 1), importing(1, 2), importing(2, 0))


def test_item_definitions_that_share_parts() -> None:
    shared = (item(f"t{n}", "", *(part(f"a{m}", f"t{n - 1}") for m in range(10))) for n in range(1, 30))
    model = load(definitions(item("t0", "number"), *shared, input_data("x", "t29"), decision("d", "x", "i_x")))
    with soon():
        assert "has no 'a0'" in model.evaluate("d", {"x": {"a1": 1}}).messages[0].text
        assert len(str(model.inputs[0].type)) < 10_000


def test_large_files_take_time_in_proportion() -> None:
    with soon():
        chain = (decision(f"a{n}", f"a{n - 1} + 1", f"d_a{n - 1}") for n in range(1, 5000))
        assert load(definitions(decision("a0", "1"), *chain)).evaluate("a4999", {}).value == 5000
        boxed = context(*((f"k {n}", str(n)) for n in range(10_000)))
        assert len(load(definitions(decision("d", boxed))).evaluate("d", {}).value) == 10_000


def test_services_that_call_services() -> None:
    parts = [decision("a0", "1")]
    for n in range(1, 100):
        parts.append(service(f"s{n}", (f"d_a{n - 1}",)))
        parts.append(decision(f"a{n}", f"s{n}() + s{n}()", knowledge=(f"s_s{n}",)))
    with soon(), pytest.raises(LimitExceeded):
        load(definitions(*parts), limits=SMALL).evaluate("a99", {})


@pytest.mark.parametrize(("sign", "count"), [("", 100_000), ("> ", 30_000), ("< ", 30_000)])
def test_a_cell_of_tens_of_thousands_of_tests(sign: str, count: int) -> None:
    cell = ", ".join(f"{sign}{n}" for n in range(count))
    with soon():
        model = load(definitions(input_data("x", "number"), decision("d", table(("x",), ((cell, "1"),)), "i_x")))
        assert model.evaluate("d", {"x": 5}).value == 1
        assert analyse(model)


# --- anything ----------------------------------------------------------------------------------------------------------------

WORDS = (
    *("1", "0.5", "-1", "10**40", '"a"', '"P1D"', '@"2024-02-29"', '@"PT1H"', "true", "null", "x", "y", "item", "partial", "?"),
    *("[", "]", "(", ")", "{", "}", ",", ":", "..", ".", "+", "-", "*", "/", "**", "=", "!=", "<", ">=", " and ", " or ", " in "),
    *("if ", " then ", " else ", "for i in ", " return ", "some i in ", " satisfies ", "function(a) ", "i", "a", " between "),
    *("string(", "count(", "sort(", "date(", "matches(", "substring(", "flatten(", "range(", "instance of ", "list<number>"),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=examples(100, hunt=300), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map("".join), VALUES, VALUES)
def test_any_expression_of_any_data_has_a_value_or_an_error_of_the_engine(text: str, x: Any, y: Any) -> None:
    file = definitions(
        input_data("x"),
        input_data("y", "number"),
        decision("d", text, "i_x", "i_y"),
        decision("t", table(("x", text), ((text, "-", text), ("-", text, "1")), policy="COLLECT"), "i_x", "i_y"),
        function("f", ("a",), text),
    )
    with suppress(DmnError):
        model = load(Source("any.dmn", file), strict=False, limits=SMALL)
        analyse(model)
        for name in ("d", "t"):
            plain(model.evaluate(name, {"x": x, "y": y}, trace=True).value)
        assert model.invoke("f", {"a": x}).trace is None


EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None, min_value=-(10**40), max_value=10**40).map(EXACT.plus)


@settings(deadline=None, max_examples=examples(100, hunt=300))
@given(NUMBERS, NUMBERS)
def test_arithmetic_is_that_of_34_digits(a: Decimal, b: Decimal) -> None:
    for sign, operation in (("+", EXACT.add), ("-", EXACT.subtract), ("*", EXACT.multiply), ("/", EXACT.divide)):
        found = Expression(f"a {sign} b").evaluate({"a": a, "b": b}).value
        try:
            expected = operation(a, b)
        except DecimalException:
            expected = None
        assert found == expected
