"""Decision tables, case by case: cells, hit policies, aggregation, defaults, types of columns (DMN 1.5, 8 and 10.3.2.8)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from xml.sax.saxutils import escape

import pytest

from modelyard.dmn import load
from tests.dmn.dmn_text import context, decision, definitions, input_data, item, lambda_, list_of, literal, part, table
from tests.dmn.feel_lines import same


def answer(logic: str, *parts: str, **data: Any) -> Any:
    inputs = [input_data(name) for name in data if f'"i_{name}"' not in "".join(parts)]
    made = definitions(*parts, *inputs, decision("q", logic, *(f"i_{name}" for name in data)))
    return load(made, strict=False).evaluate("q", data).value


@pytest.mark.parametrize(
    ("cell", "value", "holds"),
    [
        ("5", 5, True),
        ("-1", -1, True),
        ("1e2", 100, True),
        ("= 5", 5, True),
        ("!= 5", 5, False),
        ("(5..10]", 5, False),
        ("]5..10[", 7, True),
        ('["a".."c"]', "b", True),
        ("not(1, 2)", 3, True),
        ("not(> 5)", None, False),
        ("> 5", None, False),
        ("null", None, True),
        ("null, 5", 5, True),
        ("not(null)", None, False),
        ("? = 5 or ? = null", None, True),
        ("[1, 2]", 1, True),
        ("[1, 2]", [1, 2], True),
        ('"x"', ["x", "z"], False),
        ('list contains(?, "x")', ["x", "z"], True),
        ("count(?) > 1", ["x", "z"], True),
        ('some i in ? satisfies i = "z"', ["x", "z"], True),
        ('? in ("x", "y")', "x", True),
        ('starts with(?, "ab")', "abc", True),
        ('not(contains(?, "x"))', "abc", True),
        ("? > 3 and ? < 8", 5, True),
        ("(? > 3) or (? < 1)", 2, False),
        ("if ? > 3 then true else false", 5, True),
        ("{x: 1}", {"x": 1}, True),
        ("true", True, True),
        ("true", None, False),
        ("> b", 5, True),
        ("b", 3, True),
        ("[b..10]", 2, False),
        ("< b + 1", 3, True),
        ("b > 1", "anything", True),
        ('date("2020-01-01")', date(2020, 1, 1), True),
        ('< @"2020-01-01"', date(2019, 1, 1), True),
        ('[date("2019-01-01")..date("2020-01-01"))', date(2020, 1, 1), False),
        ('> duration("P1D")', timedelta(2), True),
    ],
)
def test_cells(cell: str, value: Any, holds: bool) -> None:
    logic = table(("a", "b"), ((cell, "-", '"yes"'), ("-", "-", '"no"')), policy="FIRST")
    assert answer(logic, a=value, b=3) == ("yes" if holds else "no")


RISING = (("> 1", "10"), ("> 2", "30"), ("> 3", "20"))
PAIRS = (("> 1", '"LOW"', "3"), ("> 2", '"HIGH"', "1"), ("> 3", '"HIGH"', "2"))


@pytest.mark.parametrize(
    ("policy", "rules", "value", "expected"),
    [
        ("UNIQUE", RISING, 2, "10"),
        ("UNIQUE", RISING, 3, "null"),
        ("UNIQUE", RISING, 0, "null"),
        ("ANY", (("-", "1"), ("-", "1")), 5, "1"),
        ("ANY", (("-", "1"), ("-", "2")), 5, "null"),
        ("FIRST", RISING, 5, "10"),
        ("RULE ORDER", RISING, 5, "[10, 30, 20]"),
        ("RULE ORDER", RISING, 0, "[]"),
        ("COLLECT", RISING, 5, "[10, 30, 20]"),
        ("COLLECT", RISING, 0, "[]"),
    ],
)
def test_hit_policies(policy: str, rules: tuple[tuple[str, ...], ...], value: int, expected: str) -> None:
    assert same(answer(table(("a",), rules, policy=policy), a=value), expected)


@pytest.mark.parametrize(
    ("aggregation", "rules", "value", "expected"),
    [
        ("SUM", RISING, 5, "60"),
        ("MIN", RISING, 5, "10"),
        ("MAX", RISING, 5, "30"),
        ("COUNT", RISING, 5, "3"),
        ("SUM", RISING, 0, "null"),
        ("MIN", RISING, 0, "null"),
        ("COUNT", RISING, 0, "0"),
        ("MAX", (("> 1", '"a"'), ("> 2", '"b"')), 5, '"b"'),
        ("SUM", (("> 1", "1"), ("> 2", '"b"')), 5, "null"),
    ],
)
def test_aggregation(aggregation: str, rules: tuple[tuple[str, ...], ...], value: int, expected: str) -> None:
    collected = table(("a",), rules, policy="COLLECT")
    logic = collected.replace('hitPolicy="COLLECT"', f'hitPolicy="COLLECT" aggregation="{aggregation}"')
    assert same(answer(logic, a=value), expected)


def output(name: str = "", type_: str = "", *, default: str = "", values: str = "") -> str:
    named = f' name="{name}"' if name else ""
    typed = f' typeRef="{type_}"' if type_ else ""
    inside = f"<outputValues><text>{escape(values)}</text></outputValues>" if values else ""
    inside += f"<defaultOutputEntry><text>{escape(default)}</text></defaultOutputEntry>" if default else ""
    return f"<output{named}{typed}>{inside}</output>"


def columns(outputs: str, rules: tuple[tuple[str, ...], ...], policy: str = "UNIQUE", head: str = "") -> str:
    head = head or "<input><inputExpression><text>a</text></inputExpression></input>"
    rows = "".join(
        f"<rule><inputEntry><text>{escape(test)}</text></inputEntry>"
        + "".join(f"<outputEntry><text>{escape(cell)}</text></outputEntry>" for cell in cells)
        + "</rule>"
        for test, *cells in rules
    )
    return f'<decisionTable hitPolicy="{policy}">{head}{outputs}{rows}</decisionTable>'


BOTH = output("x", default='"d"') + output("y", default="a + 1")
ORDERED = output("x", values='"HIGH", "LOW"') + output("y", values="3, 2, 1")


@pytest.mark.parametrize(
    ("logic", "expected"),
    [
        (columns(output(default='"d"'), (("> 9", '"r"'),)), '"d"'),
        (columns(output(default='"d"'), (("> 9", '"r"'),), "COLLECT"), '["d"]'),
        (columns(BOTH, (("> 9", '"r"', "1"),)), '{x: "d", y: 6}'),
        (columns(BOTH, (("> 1", '"r"', "1"),)), '{x: "r", y: 1}'),
        (columns(output("x", default='"d"') + output("z"), (("> 9", '"r"', "1"),)), '{x: "d", z: null}'),
        (columns(ORDERED, PAIRS, "PRIORITY"), '{x: "HIGH", y: 2}'),
        (columns(ORDERED, PAIRS, "OUTPUT ORDER"), '[{x: "HIGH", y: 2}, {x: "HIGH", y: 1}, {x: "LOW", y: 3}]'),
        (columns(output(type_="string"), (("> 1", "5"),)), "null"),
        (columns(output(type_="number"), (("> 1", "[5]"),)), "5"),
        (columns(output(type_="number", values="1, 2"), (("> 1", "5"),)), "null"),
        (columns(output("x", "string") + output("y", "number"), (("> 1", "5", "6"),)), "{x: null, y: 6}"),
        (columns(output("a b") + output("c-d"), (("> 1", "1", "2"),)), '{"a b": 1, "c-d": 2}'),
        (columns(output(), (("> 1", "[a, {b: a}]"),)), "[5, {b: 5}]"),
        (columns(output(), (("> 1", "null"),)), "null"),
    ],
)
def test_outputs_and_their_defaults(logic: str, expected: str) -> None:
    assert same(answer(logic, a=5), expected)


@pytest.mark.parametrize(
    ("type_", "values", "value", "expected"),
    [
        ("string", "", 5, "2"),
        ("string", "", ["x"], "1"),
        ("string", '"x", "y"', "x", "1"),
        ("string", '"x", "y"', "z", "null"),
    ],
)
def test_the_values_of_an_input_column(type_: str, values: str, value: Any, expected: str) -> None:
    """A value of another type is null; one that the column does not allow makes the table null (8.3.2)."""
    allowed = f"<inputValues><text>{values}</text></inputValues>" if values else ""
    head = f'<input><inputExpression typeRef="{type_}"><text>a</text></inputExpression>{allowed}</input>'
    assert same(answer(columns(output(), (('"x"', "1"), ("-", "2")), "FIRST", head), a=value), expected)


def test_null_passes_where_an_input_has_a_type_that_lists_its_values() -> None:
    parts = (item("S", "string", allowed='"a", "b"'), input_data("s", "S"))
    logic = table(("s",), (('"a"', "1"), ("-", "2")), policy="FIRST")
    assert [answer(logic, *parts, s=given) for given in ("a", "b", None, "z")] == [1, 2, 2, 2]


def test_nulls_in_the_parts_of_an_input_leave_the_other_parts() -> None:
    parts = (
        item("S", "string", allowed='"a", "b"'),
        item("P", "", part("age", "number"), part("s", "S")),
        input_data("p", "P"),
    )
    logic = table(("p.age", "p.s"), (("> 18", '"a"', "1"), ("> 18", "-", "2"), ("-", "-", "3")), policy="FIRST")
    assert [answer(logic, *parts, p={"age": 20, "s": s}) for s in ("a", None, "z")] == [1, 2, 3]


GRADE = table(("n",), (("> 1", '"hi"'), ("<= 1", '"lo"')))


@pytest.mark.parametrize(
    ("logic", "expected"),
    [
        (context(("n", "5"), ("", GRADE)), '"hi"'),
        (context(("n", "5"), ("r", GRADE)), '{n: 5, r: "hi"}'),
        (context(("n", "5"), ("", list_of(GRADE))), '["hi"]'),
        (context(("f", lambda_((("n", "number"),), GRADE)), ("", "f(0)")), '"lo"'),
        (f'<for iteratorVariable="n"><in>{literal("[1, 2]")}</in><return>{GRADE}</return></for>', '["lo", "hi"]'),
    ],
)
def test_tables_stand_wherever_an_expression_may(logic: str, expected: str) -> None:
    assert same(answer(logic), expected)
