"""Decision tables: hit policies, defaults, allowed values, types, traces; an index that gives what the cells give one by one."""

from __future__ import annotations

import json
import threading
from datetime import date
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.dmn import InvalidModel, Limits, Model, Result, load, table_index
from modelyard.dmn.compile import Compiler
from modelyard.dmn.feel.compiler import Scope, root_scope
from modelyard.dmn.feel.numbers import CONTEXT
from modelyard.dmn.feel.temporal import Date, parse_temporal
from modelyard.dmn.feel.types import ANY, AnyType
from modelyard.dmn.graph import File
from modelyard.dmn.run import Run, system_clock
from modelyard.dmn.table_index import least_float
from modelyard.dmn.tables import CompiledTable, compile_table
from tests.conftest import examples
from tests.dmn.dmn_text import decision, definitions, function, input_data, table


def model_of(*inputs: str, logic: str, types: dict[str, str] | None = None, type_: str = "", items: str = "") -> Model:
    """A model with one decision `D` of this logic over these inputs."""
    given_ = [input_data(name, (types or {}).get(name, "")) for name in inputs]
    return load(definitions(items, *given_, decision("D", logic, *(f"i_{name}" for name in inputs), type_=type_)))


def typed(
    inputs: tuple[tuple[str, str, str], ...],
    outputs: tuple[tuple[str, str, str, str], ...],
    rules: tuple[tuple[str, ...], ...],
    policy: str = "UNIQUE",
    aggregation: str = "",
) -> str:
    """A table: inputs (expression, type, allowed values), outputs (name, type, output values, default), rules of cells."""

    def texts(tag: str, text: str) -> str:
        return f"<{tag}><text>{escape(text)}</text></{tag}>" if text else ""

    heads = "".join(
        f"<input><inputExpression{f' typeRef={quoteattr(t)}' if t else ''}><text>{escape(e)}</text></inputExpression>"
        f"{texts('inputValues', v)}</input>"
        for e, t, v in inputs
    )
    for name, type_, values, default in outputs:
        attributes = "".join(f" {k}={quoteattr(v)}" for k, v in (("name", name), ("typeRef", type_)) if v)
        heads += f"<output{attributes}>{texts('outputValues', values)}{texts('defaultOutputEntry', default)}</output>"
    rows = table(tuple(e for e, _, _ in inputs), rules).split("<rule>", 1)[1]
    kind = f" aggregation={quoteattr(aggregation)}" if aggregation else ""
    return f"<decisionTable id='T' hitPolicy={quoteattr(policy)}{kind}>{heads}<rule>{rows}"


def item(name: str, type_: str, allowed: str) -> str:
    head = f"<itemDefinition name={quoteattr(name)}><typeRef>{type_}</typeRef>"
    return f"{head}<allowedValues><text>{escape(allowed)}</text></allowedValues></itemDefinition>"


def texts_of(result: Result) -> str:
    return " | ".join(message.text for message in result.messages)


# --- hit policies ---------------------------------------------------------------------------------------------------------------

OVERLAP = ((">1", '"low"'), (">5", '"high"'), (">7", '"middle"'))
ORDER = '"high", "middle", "low"'


def answer(policy: str, x: Any, rules: tuple[tuple[str, ...], ...] = OVERLAP, **more: str) -> Result:
    outputs = (("", "", more.get("values", ORDER), more.get("default", "")),)
    logic = typed((("x", "number", ""),), outputs, rules, policy, more.get("aggregation", ""))
    return model_of("x", logic=logic).evaluate("D", {"x": x})


@pytest.mark.parametrize(
    ("policy", "x", "value"),
    [
        ("FIRST", 9, "low"),
        ("PRIORITY", 9, "high"),
        ("PRIORITY", 3, "low"),
        ("RULE ORDER", 9, ["low", "high", "middle"]),
        ("OUTPUT ORDER", 9, ["high", "middle", "low"]),
        ("COLLECT", 6, ["low", "high"]),
        ("UNIQUE", 3, "low"),
        ("ANY", 3, "low"),
        ("FIRST", 0, None),
        ("COLLECT", 0, []),
        ("RULE ORDER", 0, []),
        ("OUTPUT ORDER", 0, []),
    ],
)
def test_a_hit_policy_makes_of_the_rules_that_match_what_chapter_8_says(policy: str, x: int, value: Any) -> None:
    assert answer(policy, x).value == value


def test_unique_with_several_rules_is_null_and_names_them() -> None:
    found = answer("UNIQUE", 9)
    assert found.value is None
    assert found.failed
    assert "the rules 1, 2 and 3 match" in texts_of(found)


def test_any_with_different_outputs_is_null_and_names_the_rules() -> None:
    found = answer("ANY", 6)
    assert found.value is None
    assert "the rules 1 and 2 match and differ" in texts_of(found)


def test_any_with_equal_outputs_is_that_output() -> None:
    assert answer("ANY", 6, ((">1", "1"), (">5", "1.0")), values="").value == 1


@pytest.mark.parametrize(
    ("aggregation", "x", "value"),
    [
        ("SUM", 9, 6),
        ("MIN", 9, 2),
        ("MAX", 9, 4),
        ("COUNT", 9, 2),
        ("COUNT", 20, 3),
        ("SUM", 0, None),
        ("MIN", 0, None),
        ("MAX", 0, None),
        ("COUNT", 0, 0),
    ],
)
def test_an_aggregate_is_of_all_outputs_equal_ones_included(aggregation: str, x: int, value: Any) -> None:
    rules = ((">1", "2"), (">5", "4"), (">10", "2"))
    assert answer("COLLECT", x, rules, aggregation=aggregation, values="").value == value


def test_an_aggregate_of_several_columns_is_null_but_their_count_is_not() -> None:
    outputs = (("a", "", "", ""), ("b", "", "", ""))
    rules = ((">1", "1", "2"), (">2", "3", "4"))
    for aggregation, value in (("SUM", None), ("COUNT", 2)):
        logic = typed((("x", "", ""),), outputs, rules, "COLLECT", aggregation)
        assert model_of("x", logic=logic).evaluate("D", {"x": 5}).value == value


def test_several_outputs_are_a_context_and_are_ordered_column_by_column() -> None:
    outputs = (("a", "", '"x", "y"', ""), ("b", "", "2, 1", ""))
    rules = (("-", '"y"', "2"), ("-", '"x"', "1"), ("-", '"x"', "2"))
    for policy, value in (
        ("PRIORITY", {"a": "x", "b": 2}),
        ("OUTPUT ORDER", [{"a": "x", "b": 2}, {"a": "x", "b": 1}, {"a": "y", "b": 2}]),
        ("FIRST", {"a": "y", "b": 2}),
    ):
        logic = typed((("x", "", ""),), outputs, rules, policy)
        assert model_of("x", logic=logic).evaluate("D", {"x": 5}).value == value


def test_the_type_of_a_column_orders_its_values_where_the_clause_lists_none() -> None:
    items = item("tLevel", "string", '"high", "low"')
    logic = typed((("x", "", ""),), (("", "tLevel", "", ""),), (("-", '"low"'), ("-", '"high"')), "PRIORITY")
    assert model_of("x", logic=logic, items=items).evaluate("D", {"x": 1}).value == "high"


# --- defaults, types, allowed values --------------------------------------------------------------------------------------------


def test_the_default_output_is_given_when_no_rule_matches() -> None:
    assert answer("UNIQUE", 0, default='"low"').value == "low"
    assert answer("COLLECT", 0, default='"low"').value == ["low"]
    assert answer("COLLECT", 0, ((">1", "1"),), default="7", values="", aggregation="SUM").value == 7
    outputs = (("a", "", "", "1 + 1"), ("b", "", "", ""))
    logic = typed((("x", "", ""),), outputs, ((">1", "1", "2"),), "FIRST")
    assert model_of("x", logic=logic).evaluate("D", {"x": 0}).value == {"a": 2, "b": None}


def test_that_no_rule_matches_is_told() -> None:
    found = answer("UNIQUE", 0)
    assert (found.value, found.failed, texts_of(found)) == (None, False, "no rule matches")


def test_an_input_outside_of_the_input_values_gives_null_and_says_so() -> None:
    logic = typed((("x", "string", '"a", "b"'),), (("", "", "", ""),), (("-", "1"),))
    model = model_of("x", logic=logic, types={"x": "string"})
    assert [model.evaluate("D", {"x": x}).value for x in ("a", "b", None)] == [1, 1, 1]
    found = model.evaluate("D", {"x": "c"})
    assert found.value is None
    assert "not among its input values" in texts_of(found)
    assert found.messages[0].element == "T"


def test_an_output_outside_of_the_output_values_is_null_and_says_which_rule_gave_it() -> None:
    logic = typed((("x", "", ""),), (("", "", '"a"', ""),), (("1", '"a"'), ("2", '"b"')))
    model = model_of("x", logic=logic)
    assert model.evaluate("D", {"x": 1}).value == "a"
    for _ in range(2):
        found = model.evaluate("D", {"x": 2})
        assert found.value is None
        assert "not among its output values" in texts_of(found)
        assert "rule 2" in str(found.messages[0].element)


def test_inputs_and_outputs_are_coerced_to_their_types() -> None:
    logic = typed((("x", "number", ""),), (("", "list", "", ""),), ((">1", "1"), ("null", "[0]")))
    model = model_of("x", logic=logic)
    assert model.evaluate("D", {"x": [5]}).value == [1]
    found = model.evaluate("D", {"x": "five"})
    assert found.value == [0]
    assert "not of type number" in texts_of(found)


@pytest.mark.parametrize(("cell", "matches"), [("null", True), ("not(null)", False), ("-", True), ("", True), ("<1", False)])
def test_a_cell_may_test_for_null(cell: str, matches: bool) -> None:
    assert (answer("UNIQUE", None, ((cell, '"low"'),)).value == "low") is matches


def test_cells_and_outputs_see_the_scope_and_the_tested_value() -> None:
    rules = (("> limit", "x - limit"), ("? * 2 > limit", "limit"), ('instance of(x, "a")', "0"))
    model = model_of("x", "limit", logic=table(("x",), rules[:2], policy="FIRST"))
    assert model.evaluate("D", {"x": 5, "limit": 3}).value == 2
    assert model.evaluate("D", {"x": 3, "limit": 4}).value == 4
    assert model.evaluate("D", {"x": 1, "limit": 4}).value is None


def test_a_cell_that_cannot_be_read_matches_nothing_unless_loading_is_strict() -> None:
    source = definitions(input_data("x"), decision("D", table(("x",), (("< <", "1"), ("5", "2")), policy="FIRST"), "i_x"))
    with pytest.raises(InvalidModel):
        load(source)
    assert load(source, strict=False).evaluate("D", {"x": 5}).value == 2


def test_a_table_in_a_function_works_as_in_a_decision() -> None:
    logic = table(("x",), ((">1", '"many"'), ("<=1", '"few"')))
    body = function("f", ("x",), "1").replace("<literalExpression><text>1</text></literalExpression>", logic)
    model = load(definitions(input_data("n"), body, decision("D", "f(n)", "i_n", knowledge=("b_f",))))
    assert model.evaluate("D", {"n": 5}).value == "many"
    assert model.tables[0].owner == "f"


# --- who gets what --------------------------------------------------------------------------------------------------------------


def test_a_trace_tells_the_inputs_and_the_rules_that_matched() -> None:
    logic = typed((("x + 1", "", ""),), (("a", "", "", ""), ("b", "", "", "")), (("<3", "1", "2"), (">3", "x", '"v"')), "COLLECT")
    model = model_of("x", logic=logic)
    found = model.evaluate("D", {"x": 5}, trace=True)
    assert found.trace is not None
    (traced,) = found.trace.nodes[-1].tables
    assert traced.element == "T"
    assert traced.inputs == (("x + 1", 6),)
    assert [(rule.index, rule.outputs) for rule in traced.rules] == [(2, {"a": 5, "b": "v"})]
    assert traced.value == found.value == model.evaluate("D", {"x": 5}).value


def test_a_caller_cannot_change_the_model_through_an_answer() -> None:
    outputs = (("a", "", "", ""), ("b", "", "", ""))
    logic = typed((("x", "", ""),), outputs, (("-", "[1, [2]]", "1"),), "FIRST")
    model = model_of("x", logic=logic)
    for _ in range(3):
        found = model.evaluate("D", {"x": 1}).value
        assert found == {"a": [1, [2]], "b": 1}
        found["a"][1].append(3)
        found["c"] = 1


def test_threads_may_share_a_model() -> None:
    rules = tuple((f"[{n}..{n + 1})", str(n)) for n in range(50))
    model = model_of("x", logic=table(("x",), rules))
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(n for n in range(50) if model.evaluate("D", {"x": n}).value != n)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- the index against the cells ------------------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(["-2", "0", "0.5", "1", "1.0", "3", "1e30", "-1e-30", "12345678901234567890123456789012345"])
ATOMS = st.one_of(
    NUMBERS,
    st.sampled_from(['""', '"a"', '"ab"', '"b"', '"é"', "true", "false", "null", '@"2024-02-29"', '@"2024-03-01"']),
    st.sampled_from(['@"P1D"', '@"PT25H"', '@"P1Y"', '@"12:00:00"', '@"2024-02-29T10:00:00"', 'date("2024-01-01")']),
)
ORDERED = st.one_of(NUMBERS, st.sampled_from(['"a"', '"b"', '@"2024-02-29"', '@"P1D"', '@"P13M"']))


@st.composite
def ranges(draw: st.DrawFn) -> str:
    kind = draw(
        st.sampled_from([("-1", "0.5", "2"), ('"a"', '"aa"', '"b"'), ('@"2024-01-01"', '@"2024-02-29"', '@"2025-01-01"')])
    )
    low, high = draw(st.tuples(st.sampled_from(kind), st.sampled_from(kind)))
    return f"{draw(st.sampled_from('[('))}{low}..{high}{draw(st.sampled_from('])'))}"


TESTS = st.one_of(
    ATOMS,
    ranges(),
    st.builds(lambda o, a: f"{o} {a}", st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), st.one_of(ATOMS, ORDERED)),
    st.lists(ATOMS, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    st.sampled_from(["? > y", "y", "< y", "? != null", '[date("2024-01-01")..date("2024-12-31")]', "[1..y]"]),
)
CELLS = st.one_of(
    st.just("-"),
    st.lists(TESTS, min_size=1, max_size=3).map(", ".join),
    st.lists(TESTS, min_size=1, max_size=2).map(lambda tests: f"not({', '.join(tests)})"),
)
TEMPORAL = ("2024-02-28", "2024-02-29", "2024-03-01", "P1D", "PT25H", "P1Y", "P14M", "12:00:00", "2024-02-29T10:00:00")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS.map(CONTEXT.create_decimal),
    st.integers(-3, 4).map(Decimal),
    st.sampled_from(["", "a", "aa", "ab", "b", "c", "\0", "é"]),
    st.sampled_from(TEMPORAL).map(parse_temporal),
    st.lists(st.integers(0, 3).map(Decimal), max_size=2),
    st.just({"a": Decimal(1)}),
)


def tables_of(model: Model, names: dict[str, AnyType]) -> tuple[CompiledTable, CompiledTable]:
    """The model's table, and the same one without an index."""
    info = model.tables[0]
    compiler: Compiler = File(model.definitions[0], Limits()).compiler
    compiler.types = File(model.definitions[0], Limits()).types()
    return info.code, compile_table(info.table, Scope(names, root_scope()), compiler, info.owner, indexed=False)


def told(value: Any) -> str:
    """A value with its classes, so that 1 and true differ."""
    return f"{type(value).__name__} {value!r}" if not isinstance(value, list) else "; ".join(map(told, value))


@settings(max_examples=examples(60, hunt=150), deadline=None)
@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6),
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12),
    st.sampled_from(["COLLECT", "FIRST"]),
)
def test_the_index_gives_what_the_cells_give_one_by_one(
    cells: list[tuple[str, str]], values: list[tuple[Any, Any]], policy: str
) -> None:
    rules = tuple((*pair, str(number)) for number, pair in enumerate(cells))
    source = definitions(input_data("x"), input_data("y"), decision("D", table(("x", "y"), rules, policy=policy), "i_x", "i_y"))
    indexed, plain = tables_of(load(source, strict=False), {"x": ANY, "y": ANY})
    for pair in [*values, *((b, a) for a, b in values)]:
        env = [None, Run(Limits(), system_clock), *pair]
        assert told(indexed(env)) == told(plain(env)), f"{rules} on {pair}"


def test_a_table_too_wide_for_an_index_answers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_index, "WIDEST", 50)
    rules = tuple((f"[{n}..{n + 1})", "-" if n % 2 else "true", str(n)) for n in range(20))
    model = model_of("x", "y", logic=table(("x", "y"), rules))
    assert [model.evaluate("D", {"x": n, "y": True}).value for n in range(20)] == list(range(20))
    assert [model.evaluate("D", {"x": n, "y": False}).value for n in range(4)] == [None, 1, None, 3]


PYTHON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-4, 5),
    st.sampled_from([10**33, 10**34 + 1, -(10**40), 10**6200]),
    st.floats(),
    st.sampled_from([0.5, -0.0, 0.1 + 0.2, 1e30, 5e-324]),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from([Decimal("0.5"), Decimal("0.50000000000000000000000000000000000001"), Decimal("1E+9999")]),
    st.sampled_from(["", "a", "b", "ab", "2024-02-29", "zz"]),
    st.dates(date(2024, 2, 27), date(2024, 3, 2)),
    st.just(Date(2024, 2, 29)),
    st.just([1]),
    st.just(object()),
)
SIMPLE = st.one_of(st.just("-"), st.lists(st.one_of(ATOMS, ranges()), min_size=1, max_size=2).map(", ".join), TESTS)
ITEMS = item("tSmall", "number", "[0..3], 0.5") + item("tName", "string", '"a", "b"')


def outcome(evaluate: Any, data: dict[str, Any]) -> str:
    try:
        found = evaluate(data)
        return f"{told(found.value)} {found.messages}"
    except ValueError as error:
        return f"{type(error).__name__} {error}"


@settings(max_examples=examples(60, hunt=150), deadline=None)
@given(
    st.lists(st.tuples(SIMPLE, SIMPLE), min_size=1, max_size=4),
    st.lists(st.tuples(PYTHON, PYTHON), min_size=1, max_size=10),
    st.tuples(*[st.sampled_from(["", "number", "string", "boolean", "date", "tSmall", "tName"])] * 2),
    st.sampled_from(["", "number", "string", "tSmall"]),
    st.sampled_from(["", "[0..2]", '"a", "b"', "not(1)"]),
    st.sampled_from(["COLLECT", "FIRST", "UNIQUE"]),
)
def test_the_short_way_gives_what_the_general_way_gives(
    cells: list[tuple[str, str]], values: list[tuple[Any, Any]], types: tuple[str, str], clause: str, allowed: str, policy: str
) -> None:
    rules = tuple((*pair, str(number)) for number, pair in enumerate(cells))
    logic = typed((("x", clause, allowed), ("y", "", "")), (("", "", "", ""),), rules, policy)
    source = definitions(ITEMS, input_data("x", types[0]), input_data("y", types[1]), decision("D", logic, "i_x", "i_y"))
    model, other = load(source, strict=False), load(source, strict=False)
    for x, y in values * 2:
        data = {"x": x, "y": y}
        assert outcome(lambda d: model.evaluate("D", d), data) == outcome(
            lambda d: other.evaluate("D", d, trace=True)._replace(trace=None), data
        )


@settings(max_examples=examples(60, hunt=150), deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_the_least_float_is_not_below_its_bound_and_none_is_nearer(bound: Decimal, value: float) -> None:
    assert (value >= least_float(bound)) is (Decimal(repr(value)) >= bound)


def test_the_repeated_cells_of_a_long_table_are_answered_without_a_slip() -> None:
    rules = tuple((f"[{n}..{n + 1})", ('"a"', 'not("a")', "-")[n % 3], json.dumps(str(n))) for n in range(1000))
    model = model_of("x", "y", logic=table(("x", "y"), rules, policy="FIRST"))
    for n in range(0, 1000, 37):
        expected = str(n) if n % 3 != 1 else None
        assert model.evaluate("D", {"x": n + 0.5, "y": "a"}).value == expected
