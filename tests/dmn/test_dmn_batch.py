"""A decision over the rows of an Arrow table answers each row as it answers that row alone."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.dmn import InvalidData, Model, load
from modelyard.dmn.from_python import plain
from tests.conftest import examples
from tests.dmn.dmn_text import decision, definitions, function, input_data, table

POLICIES = ("FIRST", "UNIQUE", "ANY", "COLLECT", "RULE ORDER")
SMALL = (
    '<itemDefinition name="tSmall"><typeRef>number</typeRef><allowedValues><text>[0..5]</text></allowedValues></itemDefinition>'
    '<itemDefinition name="tList" isCollection="true"><typeRef>number</typeRef></itemDefinition>'
    '<itemDefinition name="tPair"><itemComponent name="a"><typeRef>number</typeRef></itemComponent>'
    '<itemComponent name="b"><typeRef>string</typeRef></itemComponent></itemDefinition>'
)


def model_of(logic: str, type_: str = "", **inputs: str) -> Model:
    given_ = [input_data(name, kind) for name, kind in inputs.items()]
    return load(definitions(SMALL, *given_, decision("D", logic, *(f"i_{name}" for name in inputs), type_=type_)))


def row_by_row(model: Model, rows: pa.Table) -> list[Any]:
    """What the batch must give: numbers as floats."""
    return [_as_told(plain(model.evaluate("D", row).value)) for row in rows.to_pylist()]


def _as_told(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_told(item) for item in value]
    if isinstance(value, dict):
        return {name: _as_told(item) for name, item in value.items()}
    return float(value) if isinstance(value, Decimal) else value


NUMBER_CELLS = st.sampled_from(["-", "< 2", "[1..3)", ">= 2.5", "1, 4", "not(2)", "null", "not(null)", "<= -1"])
TEXT_CELLS = st.sampled_from(["-", '"a"', '"a", "b"', 'not("a")', "null", '< "b"'])
DATE_CELLS = st.sampled_from(["-", 'date("2024-02-29")', '>= @"2024-03-01"', "null"])
FLAG_CELLS = st.sampled_from(["-", "true", "false", "null"])
INTEGERS = st.lists(st.one_of(st.none(), st.integers(-2, 6)), min_size=1, max_size=12)
FLOATS = st.one_of(st.none(), st.floats(-3, 6), st.sampled_from([2.5, 0.1, -0.0, 1e300]))


def column(draw: st.DrawFn, values: st.SearchStrategy[Any], kinds: list[pa.DataType], size: int) -> pa.Array:
    return pa.array(draw(st.lists(values, min_size=size, max_size=size)), draw(st.sampled_from(kinds)))


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    size = draw(st.integers(0, 12))
    whole = st.one_of(st.none(), st.integers(-2, 6))
    numbers = draw(st.sampled_from(["integers", "floats", "decimals"]))
    if numbers == "integers":
        n = column(draw, whole, [pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.decimal128(10, 2)], size)
    elif numbers == "floats":
        n = column(draw, FLOATS, [pa.float64()], size)
    else:
        n = column(draw, st.one_of(st.none(), st.decimals(-3, 6, places=3)), [pa.decimal128(20, 3), pa.decimal256(50, 5)], size)
    letters = st.one_of(st.none(), st.sampled_from(["", "a", "aa", "b", "c"]))
    s = column(draw, letters, [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], size)
    d = column(draw, st.one_of(st.none(), st.dates(date(2024, 2, 27), date(2024, 3, 2))), [pa.date32(), pa.date64()], size)
    f = column(draw, st.one_of(st.none(), st.booleans()), [pa.bool_()], size)
    made = pa.table({"other": pa.nulls(size), "n": n, "s": s, "d": d, "f": f})
    cut = draw(st.integers(0, size))
    return pa.concat_tables([made.slice(0, cut), made.slice(cut)])


@settings(max_examples=examples(60, hunt=150), deadline=None)
@given(
    st.lists(st.tuples(NUMBER_CELLS, TEXT_CELLS, DATE_CELLS, FLAG_CELLS), min_size=1, max_size=6),
    tables(),
    st.sampled_from(POLICIES),
    st.sampled_from(["number", "tSmall", ""]),
)
def test_a_batch_answers_as_row_by_row(cells: list[tuple[str, ...]], rows: pa.Table, policy: str, kind: str) -> None:
    rules = tuple((*row, str(number)) for number, row in enumerate(cells))
    logic = table(("n", "s", "d", "f"), rules, policy=policy)
    result = "tList" if policy in ("COLLECT", "RULE ORDER") else "number"
    model = model_of(logic, result, n=kind, s="string", d="date", f="boolean")
    assert model.evaluate_many("D", rows).to_pylist() == row_by_row(model, rows)


@settings(max_examples=50, deadline=None)
@given(tables())
def test_a_batch_of_any_logic_answers_as_row_by_row(rows: pa.Table) -> None:
    model = model_of("if f then s else string(n * 2) + string(d)", "string", n="number", s="string", d="date", f="boolean")
    assert model.evaluate_many("D", rows).to_pylist() == row_by_row(model, rows)


def test_a_chain_of_decisions_is_evaluated_for_each_row() -> None:
    model = load(
        definitions(
            input_data("x", "number"),
            function("twice", ("n",), "n * 2"),
            decision("A", "twice(x) + 1", "i_x", knowledge=("b_twice",), type_="number"),
            decision("D", table(("A", "x"), (("< 5", "-", '"low"'), (">= 5", "-", '"high"'))), "d_A", "i_x", type_="string"),
        )
    )
    rows = pa.table({"x": [1, 2, None, 1]})
    assert model.evaluate_many("D", rows).to_pylist() == ["low", "high", None, "low"]


def test_many_rows_and_rules_are_told_apart() -> None:
    rules = tuple((f"[{n}..{n + 1})", ("true", "-", "false")[n % 3], str(n)) for n in range(300))
    model = model_of(table(("n", "f"), rules, policy="FIRST"), "number", n="number", f="boolean")
    values = np.random.default_rng(7).uniform(-5, 305, 5000)
    found = model.evaluate_many("D", pa.table({"n": values, "f": values > 100}))
    expected = [_rule(value, bool(value > 100)) for value in values.tolist()]
    assert found.to_pylist() == expected


def _rule(value: float, flag: bool) -> float | None:
    rule = math.floor(value)
    holds = 0 <= rule < 300 and (rule % 3 == 1 or flag is (rule % 3 == 0))
    return float(rule) if holds else None


# --- types ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logic", "type_", "arrow", "value"),
    [
        ("n / 4", "number", pa.float64(), 0.5),
        ('"a"', "string", pa.string(), "a"),
        ("n > 1", "boolean", pa.bool_(), True),
        ('date("2024-02-29")', "date", pa.date32(), date(2024, 2, 29)),
        ('time("10:00:00Z")', "time", pa.string(), "10:00:00Z"),
        ("[n, 1]", "tList", pa.list_(pa.float64()), [2.0, 1.0]),
        ('{a: n, b: "x"}', "tPair", pa.struct([("a", pa.float64()), ("b", pa.string())]), {"a": 2.0, "b": "x"}),
        ('{a: n, b: "x"}', "", pa.struct([("a", pa.float64()), ("b", pa.string())]), {"a": 2.0, "b": "x"}),
        ("null", "", pa.null(), None),
    ],
)
def test_the_answers_are_of_the_arrow_type_of_the_decision(logic: str, type_: str, arrow: pa.DataType, value: Any) -> None:
    found = model_of(logic, type_, n="number").evaluate_many("D", pa.table({"n": [2]}))
    assert (found.type, found.to_pylist()) == (arrow, [value])


def test_the_type_does_not_depend_on_the_rows() -> None:
    model = model_of("{a: n, b: null}", "tPair", n="number")
    types = {model.evaluate_many("D", pa.table({"n": pa.array(rows, pa.int64())})).type for rows in ([], [1], [None])}
    assert types == {pa.struct([("a", pa.float64()), ("b", pa.string())])}


def test_numbers_may_be_asked_for_as_decimals() -> None:
    model = model_of("n / 3", "number", n="number")
    kind = pa.decimal128(38, 34)
    with pytest.raises(InvalidData, match="does not fit"):
        model.evaluate_many("D", pa.table({"n": [100]}), numbers=pa.decimal128(10, 2))
    assert model.evaluate_many("D", pa.table({"n": [1]}), numbers=kind).to_pylist() == [Decimal("0." + "3" * 34)]


def test_times_durations_lists_and_structs_become_values() -> None:
    model = model_of('string(t) + " " + string(p) + " " + string(sum(l)) + " " + c.b', "string", t="", p="", l="tList", c="tPair")
    rows = pa.table(
        {
            "t": pa.array([datetime.fromisoformat("2024-02-29T10:30")], pa.timestamp("ns")),
            "p": pa.array([timedelta(days=1, hours=2)], pa.duration("s")),
            "l": [[1, 2, 3]],
            "c": [{"a": 1, "b": "x"}],
        }
    )
    assert model.evaluate_many("D", rows).to_pylist() == ["2024-02-29T10:30:00 P1DT2H 6 x"]


def test_text_is_read_as_a_date_where_the_input_is_one() -> None:
    model = model_of(table(("d",), (('< @"2024-03-01"', "1"), ("-", "2")), policy="FIRST"), "number", d="date")
    assert model.evaluate_many("D", pa.table({"d": ["2024-02-29", "2024-03-01"]})).to_pylist() == [1.0, 2.0]


# --- what is refused ------------------------------------------------------------------------------------------------------------

PLAIN = table(("n", "s"), (("> 1", '"a"', "1"), ("<= 1", "-", "2")), policy="FIRST")


@pytest.mark.parametrize(
    ("columns", "detail"),
    [
        ({"s": ["a"]}, "no column 'n'"),
        ({"n": ["1"], "s": ["a"]}, "the column 'n' is of Arrow type string, but the input is of type number"),
        ({"n": [1], "s": [True]}, "the column 's' is of Arrow type bool, but the input is of type string"),
        ({"n": [float("nan")], "s": ["a"]}, "n: .*not a finite number"),
        ({"n": [1.0, float("inf")], "s": ["a", "b"]}, "n: .*not a finite number"),
    ],
)
def test_a_column_that_is_missing_or_of_another_type_is_named(columns: dict[str, list[Any]], detail: str) -> None:
    model = model_of(PLAIN, "number", n="number", s="string")
    with pytest.raises(InvalidData, match=detail):
        model.evaluate_many("D", pa.table(columns))


def test_two_columns_of_one_name_are_refused() -> None:
    rows = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    with pytest.raises(InvalidData, match="several columns 'n'"):
        model_of("n", n="number").evaluate_many("D", rows)


def test_times_finer_than_python_can_tell_are_refused_not_rounded() -> None:
    rows = pa.table({"t": pa.array([1], pa.timestamp("ns"))})
    with pytest.raises(InvalidData, match="the column 't'"):
        model_of("t", t="").evaluate_many("D", rows)


def test_answers_of_different_kinds_need_a_type() -> None:
    model = model_of('if n > 1 then n else "few"', n="number")
    with pytest.raises(InvalidData, match="give it a type"):
        model.evaluate_many("D", pa.table({"n": [1, 2]}))


def test_an_unknown_decision_is_refused() -> None:
    with pytest.raises(InvalidData, match="no decision 'E'"):
        model_of("n", n="number").evaluate_many("E", pa.table({"n": [1]}))


def test_no_rows_have_no_answers() -> None:
    model = model_of(PLAIN, "number", n="number", s="string")
    rows = pa.table({"n": pa.array([], pa.int64()), "s": pa.array([], pa.string())})
    assert model.evaluate_many("D", rows).to_pylist() == []
