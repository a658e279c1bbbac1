"""The analysis of decision tables against brute force, and on tables whose faults are known."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.dmn.analysis import Analysis, AnalysisLimits, Code, Finding, analyse, analyse_table, describe
from modelyard.dmn.analysis.cover import Budget, Cover, gaps, meeting
from modelyard.dmn.engine import Source, load
from modelyard.dmn.feel import syntax, types
from modelyard.dmn.feel.compiler import BUILT_IN_NAMES, compile_tests
from modelyard.dmn.feel.parser import parse_expression, parse_unary_tests
from modelyard.dmn.feel.scope import Scope
from modelyard.dmn.feel.temporal import parse_temporal
from modelyard.dmn.feel.types import AnyType, ConstrainedType
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import (
    Aggregation,
    DecisionTable,
    HitPolicy,
    InputClause,
    LiteralExpression,
    OutputClause,
    Rule,
    UnaryTests,
)
from modelyard.dmn.run import Limits, Run, Severity, system_clock
from tests.conftest import examples

NAMES = Scope(dict.fromkeys(("age", "risk", "member", "limit", "income", "applicant"), types.ANY) | BUILT_IN_NAMES)
Rules = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Info:
    table: DecisionTable
    owner: str
    input_types: tuple[AnyType, ...]
    inputs: tuple[syntax.Expr | None, ...]
    allowed_inputs: tuple[syntax.UnaryTests | None, ...]
    cells: tuple[tuple[syntax.UnaryTests | None, ...], ...]
    output_types: tuple[AnyType, ...]
    allowed_outputs: tuple[syntax.UnaryTests | None, ...]
    outputs: tuple[tuple[syntax.Expr | None, ...], ...]


def parsed(text: str) -> syntax.UnaryTests:
    return parse_unary_tests(text, NAMES.names)


def table(
    inputs: dict[str, AnyType],
    rules: Rules,
    policy: HitPolicy = HitPolicy.UNIQUE,
    *,
    allowed: dict[str, str] | None = None,
    values: str | None = None,
    default: str | None = None,
    output: AnyType = types.ANY,
    aggregation: Aggregation | None = None,
    columns: Sequence[str] | None = None,
    owner: str = "Decision",
) -> Info:
    """A table with one output: the last text of each rule. `columns` are the input expressions where they are not the names."""
    texts = list(columns or inputs)
    allowed = allowed or {}
    model = DecisionTable(
        inputs=tuple(InputClause(expression=LiteralExpression(text=text)) for text in texts),
        outputs=(OutputClause(default=LiteralExpression(text=default) if default else None),),
        rules=tuple(
            Rule(inputs=tuple(UnaryTests(text=cell) for cell in rule[:-1]), outputs=(LiteralExpression(text=rule[-1]),))
            for rule in rules
        ),
        hit_policy=policy,
        aggregation=aggregation,
    )
    return Info(
        model,
        owner,
        tuple(inputs.values()),
        tuple(parse_expression(text, NAMES.names) for text in texts),
        tuple(parsed(allowed[text]) if text in allowed else None for text in texts),
        tuple(tuple(parsed(cell) for cell in rule[:-1]) for rule in rules),
        (output,),
        (parsed(values) if values else None,),
        tuple((parse_expression(rule[-1], NAMES.names),) for rule in rules),
    )


def of_code(analysis: Analysis, code: Code) -> list[Finding]:
    return [finding for finding in analysis.findings if finding.code is code]


def only(analysis: Analysis, code: Code) -> Finding:
    (finding,) = of_code(analysis, code)
    return finding


def codes(analysis: Analysis) -> set[Code]:
    return {finding.code for finding in analysis.findings}


# --- brute force ----------------------------------------------------------------------------------------------------------------


def holds(tests: syntax.UnaryTests, value: Value) -> bool | None:
    """As the engine evaluates the cell."""
    return compile_tests(tests, Scope({}), lambda text: None)([None, Run(Limits(), system_clock)], value)


def matching(info: Info, values: Sequence[Value]) -> list[int]:
    """The rules, from 1, that the engine's matchers let pass."""
    return [
        number
        for number, cells in enumerate(info.cells, 1)
        if all(cell is not None and holds(cell, value) is True for cell, value in zip(cells, values, strict=True))
    ]


HALVES = [Decimal(n) / 2 for n in range(-2, 15)]
LETTERS = ["a", "b", "c", "other"]
POINTS = list(product(HALVES, LETTERS, [True, False]))
TYPES = {"age": types.NUMBER, "risk": types.STRING, "member": types.BOOLEAN}

digits = st.integers(0, 6).map(str)
ranges = st.tuples(st.sampled_from("[("), digits, digits, st.sampled_from("])")).map(lambda t: f"{t[0]}{t[1]}..{t[2]}{t[3]}")
comparisons = st.tuples(st.sampled_from(["<", "<=", ">", ">=", "!=", "="]), digits).map(" ".join)
number_tests = st.lists(digits | ranges | comparisons, min_size=1, max_size=3).map(", ".join)
string_tests = st.lists(st.sampled_from(['"a"', '"b"', '"c"']), min_size=1, max_size=3).map(", ".join)


def cells(tests: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just("-"), tests, tests.map(lambda text: f"not({text})"))


rules_strategy = st.lists(
    st.tuples(cells(number_tests), cells(string_tests), cells(st.sampled_from(["true", "false"])), st.sampled_from("12")),
    min_size=0,
    max_size=6,
)


@settings(max_examples=examples(60, hunt=120), deadline=None)
@given(rules_strategy)
def test_gaps_and_overlaps_are_those_of_brute_force(rules: list[tuple[str, ...]]) -> None:
    info = table(TYPES, rules)
    matches = {point: matching(info, point) for point in POINTS}
    analysis = analyse_table(info)
    assert analysis.complete
    found = of_code(analysis, Code.GAP)
    assert bool(found) == any(not hit for hit in matches.values())
    for finding in found:
        assert matching(info, witness(finding)) == []
    pairs = {pair for hit in matches.values() for pair in combinations(hit, 2)}
    assert told_pairs(of_code(analysis, Code.OVERLAP)) == pairs
    for finding in of_code(analysis, Code.OVERLAP):
        assert set(finding.rules[:2]) <= set(matching(info, witness(finding)))


@settings(max_examples=examples(60, hunt=120), deadline=None)
@given(rules_strategy)
def test_unreachable_rules_of_first_are_those_of_brute_force(rules: list[tuple[str, ...]]) -> None:
    info = table(TYPES, rules, HitPolicy.FIRST)
    hits = [matching(info, point) for point in POINTS]
    deciding = {hit[0] for hit in hits if hit}
    analysis = analyse_table(info)
    never = {f.rules[0] for code in (Code.UNREACHABLE, Code.IMPOSSIBLE_CELL) for f in of_code(analysis, code)}
    assert never == set(range(1, len(rules) + 1)) - deciding
    for finding in of_code(analysis, Code.UNREACHABLE):
        hit = matching(info, witness(finding))
        assert finding.rules[0] in hit
        assert hit[0] < finding.rules[0]


@settings(max_examples=examples(50, hunt=80), deadline=None)
@given(rules_strategy)
def test_priority_and_any_follow_the_outputs(rules: list[tuple[str, ...]]) -> None:
    info = table(TYPES, rules, HitPolicy.PRIORITY, values="2, 1")
    output = {number: rule[-1] for number, rule in enumerate(rules, 1)}
    hits = [matching(info, point) for point in POINTS]
    winning = {number for hit in hits for number in hit if output[number] == max(output[n] for n in hit)}
    matched = {number for hit in hits for number in hit}
    assert {f.rules[0] for f in of_code(analyse_table(info), Code.UNREACHABLE)} == matched - winning
    pairs = {(i, j) for hit in hits for i, j in combinations(hit, 2) if output[i] != output[j]}
    analysis = analyse_table(table(TYPES, rules, HitPolicy.ANY))
    assert told_pairs(of_code(analysis, Code.OVERLAP)) == pairs


def witness(finding: Finding) -> tuple[Value, ...]:
    assert finding.witness is not None
    return tuple(finding.witness.values())


def told_pairs(findings: list[Finding]) -> set[tuple[int, int]]:
    return {(min(f.rules[0], other), max(f.rules[0], other)) for f in findings for other in f.rules[1:]}


KINDS: dict[str, tuple[AnyType, list[str], list[str]]] = {
    "number": (types.NUMBER, ["1", "-2.5", "1000"], ["-3", "-2.5", "0", "1", "2", "1000", "2000"]),
    "string": (types.STRING, ['"a"', '"b"', '""'], ['"a"', '"b"', '""', '"ab"', '"zz"']),
    "boolean": (types.BOOLEAN, ["true", "false"], ["true", "false"]),
    "date": (
        types.DATE,
        ['date("2024-02-29")', '@"2024-03-01"'],
        ["2024-02-28", "2024-02-29", "2024-03-01", "2030-01-01"],
    ),
    "time": (types.TIME, ['time("09:00:00")', '@"17:30:00"'], ["00:00:00", "09:00:00", "12:00:00", "17:30:00", "23:59:59"]),
    "zoned time": (
        types.TIME,
        ['@"09:00:00Z"', '@"09:00:00+02:00"'],
        ["09:00:00Z", "07:00:00Z", "11:00:00+02:00", "08:00:00Z", "23:00:00-05:00"],
    ),
    "date and time": (
        types.DATE_TIME,
        ['date and time("2024-01-01T00:00:00")', '@"2024-01-01T00:00:01"'],
        ["2023-12-31T23:59:59", "2024-01-01T00:00:00", "2024-01-01T00:00:01", "2025-01-01T00:00:00"],
    ),
    "days": (types.DAYS_TIME, ['duration("P1D")', '@"PT36H"', '@"-PT1S"'], ["P1D", "PT24H", "PT36H", "P2D", "-P1D", "PT0S"]),
    "months": (types.YEARS_MONTHS, ['duration("P1Y")', '@"P13M"'], ["P12M", "P13M", "P2Y", "P0M", "-P1M"]),
}


def cell_texts(literals: list[str]) -> Iterator[str]:
    for a in literals:
        yield from (a, f"not({a})", f"= {a}", f"!= {a}", f"< {a}", f">= {a}", f"not(> {a})", f"null, {a}", f"not(null, {a})")
        yield from (f"? > {a}", f"{a} < ?", f"? != {a} and ? != null", f"not(? = {a})", f"[{a}]")
        for b in literals:
            yield from (f"[{a}..{b})", f"({a}..{b}]", f"not([{a}..{b}])", f"< {a}, > {b}", f"? between {a} and {b}")
            yield from (f"? < {a} or ? > {b}", f"[{a}, {b}, null]", f"not([{a}, {b}])")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_holds_for_the_values_for_which_the_engine_says_so(kind: str) -> None:
    """A table of the cell alone has a gap where the engine says that it does not hold, and only there."""
    type_, literals, texts = KINDS[kind]
    values = [value_of(text) for text in texts]
    for text in cell_texts(literals):
        tests = parsed(text)
        for value in values:
            condition = holds(tests, value)
            found = analyse_table(table({"age": type_}, [[text, "1"], [f"not({written(value, kind)})", "2"]], HitPolicy.ANY))
            gap = bool(of_code(found, Code.GAP))
            unknown = bool(of_code(found, Code.NOT_ANALYSED))
            null_only = gap and all(f.witness == {"age": None} for f in of_code(found, Code.GAP))
            assert unknown or null_only or gap == (condition is not True), (text, value, describe(found.findings[0]))


def value_of(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"'):
        return text.strip('"')
    found = parse_temporal(text)
    return Decimal(text) if found is None else found


def written(value: Value, kind: str) -> str:
    if kind == "string":
        return f'"{value}"'
    if kind == "boolean":
        return str(value).lower()
    return str(value) if kind == "number" else f'@"{value}"'


LITERALS = [literal for _, literals, _ in KINDS.values() for literal in literals] + ["null", "limit", "[5..1]", "[]", "{}"]
literals = st.sampled_from(LITERALS)
any_test = st.one_of(
    literals,
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), literals).map(" ".join),
    st.tuples(literals, literals).map(lambda pair: f"[{pair[0]}..{pair[1]})"),
    st.tuples(literals, literals).map(lambda pair: f"[{pair[0]}, {pair[1]}]"),
    st.tuples(literals, literals).map(lambda pair: f"? > {pair[0]} or ? = {pair[1]}"),
    st.just("count(?) > 1"),
)
any_cells = cells(st.lists(any_test, min_size=1, max_size=2).map(", ".join))
any_type = st.sampled_from([*(kind[0] for kind in KINDS.values()), types.ANY, types.ANY, types.ANY_LIST, types.ANY_CONTEXT])


@settings(max_examples=examples(100, hunt=250), deadline=None)
@given(any_type, any_type, st.lists(st.tuples(any_cells, any_cells, st.sampled_from("12")), max_size=4), st.booleans())
def test_whatever_a_table_says_nothing_false_is_told(
    one: AnyType, other: AnyType, rules: list[tuple[str, str, str]], first: bool
) -> None:
    info = table({"age": one, "risk": other}, rules, HitPolicy.FIRST if first else HitPolicy.UNIQUE)
    for finding in analyse_table(info).findings:
        if finding.witness is None:
            continue
        hit = matching(info, witness(finding))
        if finding.code is Code.GAP:
            assert not set(hit) - unknown_rules(info)
        elif finding.code in (Code.OVERLAP, Code.MASKED):
            assert set(finding.rules[:2]) <= set(hit), describe(finding)
        elif finding.code is Code.UNREACHABLE:
            assert set(finding.rules[1:]) & set(hit), describe(finding)


def unknown_rules(info: Info) -> set[int]:
    """Rules that name a variable, which brute force has no value for."""
    return {number for number, rule in enumerate(info.table.rules, 1) if any("limit" in (c.text or "") for c in rule.inputs)}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_gap_boxes_are_exactly_what_the_boxes_leave(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    masks = [st.integers(0, 2**size - 1) for size in sizes]
    domain = tuple(data.draw(mask) for mask in masks)
    boxes = data.draw(st.lists(st.tuples(*masks), max_size=6))
    points = [point for point in product(*map(range, sizes)) if inside(point, domain)]
    left = {point for point in points if not any(inside(point, box) for box in boxes)}
    found = list(gaps(domain, boxes, 10_000, Budget(10**7)))
    assert {point for point in points if any(inside(point, box) for box in found)} == left


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 255), max_size=8), st.lists(st.integers(0, 4095), max_size=8))
def test_boxes_meet_those_with_which_they_share_a_point(some: list[int], others: list[int]) -> None:
    found = meeting([(mask,) for mask in some], [(mask,) for mask in others], Budget(10**6))
    assert found == [sum(1 << place for place, other in enumerate(others) if mask & other) for mask in some]


def inside(point: Sequence[int], box: Sequence[int]) -> bool:
    return all(mask >> place & 1 for place, mask in zip(point, box, strict=True))


# --- known tables ---------------------------------------------------------------------------------------------------------------


def test_a_gap_is_told_in_words_with_a_typical_input() -> None:
    rules = [["< 18", "-", '"no"'], [">= 18", "< 1000", '"small"'], [">= 18", ">= 2000", '"large"']]
    finding = only(analyse_table(table({"age": types.NUMBER, "limit": types.NUMBER}, rules)), Code.GAP)
    assert finding.witness == {"age": Decimal(30), "limit": Decimal(1500)}
    assert "age >= 18 and limit in [1000..2000)" in finding.text
    assert finding.severity is Severity.WARNING


def test_a_gap_between_whole_numbers_says_so() -> None:
    finding = only(analyse_table(table({"age": types.NUMBER}, [["<= 17", "1"], [">= 18", "2"]])), Code.GAP)
    assert finding.witness == {"age": Decimal("17.5")}
    assert "no whole number" in finding.text


def test_there_is_nothing_between_two_days() -> None:
    rules = [['<= date("2024-02-29")', "1"], ['>= date("2024-03-01")', "2"]]
    analysis = analyse_table(table({"age": types.DATE}, rules))
    assert of_code(analysis, Code.GAP) == []
    later = [['<= date("2024-02-28")', "1"], ['>= date("2024-03-01")', "2"]]
    assert str(witness(only(analyse_table(table({"age": types.DATE}, later)), Code.GAP))[0]) == "2024-02-29"


def test_allowed_values_bound_what_must_be_covered() -> None:
    rules = [['"Low", "Medium"', "1"], ['"High"', "2"]]
    assert only(analyse_table(table({"risk": types.STRING}, rules)), Code.GAP).witness == {"risk": "other"}
    assert (
        of_code(analyse_table(table({"risk": types.STRING}, rules, allowed={"risk": '"Low", "Medium", "High"'})), Code.GAP) == []
    )
    score = ConstrainedType("tScore", types.NUMBER, text="[0..100]")
    assert of_code(analyse_table(table({"age": score}, [["[0..50)", "1"], [">= 50", "2"]])), Code.GAP) == []
    outside = only(analyse_table(table({"age": score}, [["[0..100]", "1"], ["> 100", "2"]])), Code.OUTSIDE_VALUES)
    assert outside.rules == (2,)


def test_null_counts_where_a_cell_asks_for_it() -> None:
    without = analyse_table(table({"age": types.NUMBER}, [["< 18", "1"], [">= 18", "2"]]))
    assert of_code(without, Code.GAP) == []
    assert without.assumptions == ("'age' is always a number, never null",)
    rules = [["null", "-", "1"], ["< 18", "-", "2"], [">= 18", "true", "3"], [">= 18", "false", "4"]]
    asked = analyse_table(table({"age": types.NUMBER, "member": types.BOOLEAN}, rules))
    assert of_code(asked, Code.GAP) == []
    forgotten = analyse_table(table({"age": types.NUMBER}, [["not(null)", "1"]]))
    assert only(forgotten, Code.GAP).witness == {"age": None}


def test_a_default_output_turns_a_gap_into_information() -> None:
    analysis = analyse_table(table({"age": types.NUMBER}, [["< 18", "1"]], default="0"))
    assert only(analysis, Code.GAP).severity is Severity.INFO
    assert Code.DEFAULT_MISSING not in codes(analysis)
    assert Code.DEFAULT_MISSING in codes(analyse_table(table({"age": types.NUMBER}, [["< 18", "1"]])))


def test_a_catch_all_in_a_unique_table_is_one_finding() -> None:
    rules = [[str(number), "1"] for number in range(20)] + [["-", "2"]]
    finding = only(analyse_table(table({"age": types.NUMBER}, rules)), Code.OVERLAP)
    assert finding.rules == (21, *range(1, 21))
    assert finding.severity is Severity.ERROR


def test_a_rule_that_several_earlier_ones_cover_together_never_decides() -> None:
    rules = [["< 18", "-", "1"], [">= 60", "-", "1"], ["[18..60)", "true", "1"], ["-", "true", "2"], ["-", "false", "2"]]
    analysis = analyse_table(table({"age": types.NUMBER, "member": types.BOOLEAN}, rules, HitPolicy.FIRST))
    assert only(analysis, Code.UNREACHABLE).rules == (4, 1, 2, 3)
    assert only(analysis, Code.MASKED).rules == (5, 1, 2)


def test_collect_has_neither_gaps_to_mend_nor_overlaps() -> None:
    rules = [["> 1", "1"], ["> 2", "2"]]
    analysis = analyse_table(table({"age": types.NUMBER}, rules, HitPolicy.COLLECT))
    assert {finding.severity for finding in analysis.findings} == {Severity.INFO}
    assert Code.OVERLAP not in codes(analysis)


def test_repeated_rules_and_rules_that_could_be_one() -> None:
    rules = [["< 18", '"x"'], ["not(>= 18)", '"x"'], ["< 18", '"y"'], ["[18..20)", '"z"'], [">= 20", '"z"']]
    analysis = analyse_table(table({"age": types.NUMBER}, rules, HitPolicy.ANY))
    assert only(analysis, Code.REDUNDANT).rules == (2, 1)
    assert only(analysis, Code.DUPLICATE).rules == (3, 1)
    assert only(analysis, Code.MERGEABLE).rules == (4, 5)
    assert "age >= 18" in only(analysis, Code.MERGEABLE).text


@pytest.mark.parametrize("cell", ["> limit", "limit", "string length(?) > 3", "? > limit", "not(limit)"])
def test_cells_that_are_no_constant_tests_are_unknown(cell: str) -> None:
    rules = [[cell, "1"], ["< 5", "2"]]
    analysis = analyse_table(table({"age": types.NUMBER}, rules))
    assert not analysis.complete
    assert only(analysis, Code.NOT_ANALYSED).rules == (1,)
    assert codes(analysis) <= {Code.NOT_ANALYSED, Code.DEFAULT_MISSING}
    covering = analyse_table(table({"age": types.NUMBER}, [["-", "1"], [cell, "2"]], HitPolicy.FIRST))
    assert only(covering, Code.UNREACHABLE).rules == (2, 1)
    partly = analyse_table(table({"age": types.NUMBER, "member": types.BOOLEAN}, [[cell, "true", "1"]]))
    assert only(partly, Code.GAP).witness == {"age": Decimal(0), "member": False}


def test_times_with_and_without_an_offset_are_not_put_on_one_line() -> None:
    rules = [['< @"09:00:00"', "1"], ['>= @"09:00:00Z"', "2"]]
    analysis = analyse_table(table({"age": types.TIME}, rules))
    assert not analysis.complete
    assert codes(analysis) <= {Code.DEFAULT_MISSING, Code.NOT_ANALYSED}


def test_constraints_that_cannot_be_read_are_asked_about_the_example() -> None:
    long = ConstrainedType("tName", types.STRING, lambda value, run: len(value) > 1, text="string length(?) > 1")
    analysis = analyse_table(table({"risk": long}, [['"ab"', "1"]]))
    assert only(analysis, Code.GAP).witness == {"risk": "other"}
    short = ConstrainedType("tName", types.STRING, lambda value, run: len(value) < 3, text="string length(?) < 3")
    assert of_code(analyse_table(table({"risk": short}, [['"ab"', "1"]])), Code.GAP) == []


def test_two_columns_of_one_expression_are_one_input() -> None:
    rules = [[">= 18", "< 65", "1"], ["< 18", "-", "2"], [">= 65", "-", "3"]]
    info = table({"a": types.NUMBER, "b": types.NUMBER}, rules, columns=["age", "age"])
    analysis = analyse_table(info)
    assert not {Code.GAP, Code.OVERLAP} & codes(analysis)


def test_inputs_made_from_the_same_data_weigh_less() -> None:
    rules = [[">= 18", "false", "1"]]
    info = table({"a": types.NUMBER, "b": types.BOOLEAN}, rules, columns=["applicant.age", "applicant.age > 65"])
    found = of_code(analyse_table(info), Code.GAP)
    assert {finding.severity for finding in found} == {Severity.INFO}
    assert all("same data" in finding.text for finding in found)
    apart = table({"a": types.NUMBER, "b": types.BOOLEAN}, rules, columns=["applicant.age", "applicant.member"])
    assert {finding.severity for finding in of_code(analyse_table(apart), Code.GAP)} == {Severity.WARNING}


def test_types_values_and_aggregation_of_cells_and_outputs() -> None:
    wrong = analyse_table(table({"age": types.NUMBER}, [['"18"', "1"], ["< 5", '"x"']], output=types.NUMBER))
    assert [finding.rules for finding in of_code(wrong, Code.TYPE_MISMATCH)] == [(1,), (2,)]
    declared = table({"age": types.NUMBER}, [["< 5", '"x"'], [">= 5", '"y"']], values='"x", "z"')
    assert only(analyse_table(declared), Code.OUTPUT_NOT_ALLOWED).rules == (2,)
    ranked = analyse_table(table({"age": types.NUMBER}, [["-", "1"]], HitPolicy.PRIORITY))
    assert only(ranked, Code.OUTPUT_VALUES_MISSING).severity is Severity.ERROR
    summed = table({"age": types.NUMBER}, [["-", "1"], ["5", '"x"']], HitPolicy.COLLECT, aggregation=Aggregation.SUM)
    assert only(analyse_table(summed), Code.AGGREGATION_TYPE).rules == (2,)


def test_columns_that_decide_nothing() -> None:
    rules = [["-", "true", '"a"', "1"], [">= 0, < 0", "true", '"b"', "2"]]
    analysis = analyse_table(table(TYPES | {"age": types.NUMBER, "risk": types.BOOLEAN, "member": types.STRING}, rules))
    assert "'age'" in only(analysis, Code.UNUSED_INPUT).text
    assert "'risk'" in only(analysis, Code.CONSTANT_COLUMN).text


def test_a_thousand_rules_take_work_in_proportion() -> None:
    """A grid of 10 x 10 x 10 is covered, and each rule is its own; one that is missing is found."""
    columns = {
        "age": types.NUMBER,
        "limit": types.NUMBER,
        "risk": types.NUMBER,
        "member": types.NUMBER,
        "applicant": types.NUMBER,
    }
    steps = ["< 10", *(f"[{n}0..{n + 1}0)" for n in range(1, 9)), ">= 90"]
    rules = [[a, b, c, "-", "-", "1"] for a in steps for b in steps for c in steps]
    whole = analyse_table(table(columns, rules))
    assert not {Code.GAP, Code.OVERLAP, Code.INCOMPLETE} & codes(whole)
    assert whole.work < 100_000
    missing = analyse_table(table(columns, rules[:555] + rules[556:]))
    assert witness(only(missing, Code.GAP))[:3] == (Decimal(55), Decimal(55), Decimal(55))


def test_a_search_that_is_too_long_is_given_up_and_says_so() -> None:
    chance = random.Random(5)
    columns = {"age": types.NUMBER, "limit": types.NUMBER, "risk": types.NUMBER, "member": types.NUMBER}
    rules = [[*(f"not([{n}..{n + 3}])" for n in chance.choices(range(40), k=4)), "1"] for _ in range(120)]
    analysis = analyse_table(table(columns, rules), AnalysisLimits(findings=5, work=3_000))
    assert not analysis.complete
    assert analysis.work < 10_000
    assert Code.INCOMPLETE in codes(analysis)


def test_more_findings_than_are_shown_are_counted() -> None:
    rules = [[str(2 * n), "1"] for n in range(30)]
    analysis = analyse_table(table({"age": types.NUMBER}, [*rules, *rules]), AnalysisLimits(findings=10))
    told = of_code(analysis, Code.OVERLAP)
    assert len(told) == 11
    assert told[-1].text.startswith("20 more")
    assert not analysis.complete


def test_a_cover_without_columns() -> None:
    assert Cover((), [], Budget(10)).uncovered() == ()
    assert Cover((), [()], Budget(10)).uncovered() is None


# --- through the engine ---------------------------------------------------------------------------------------------------------

MODEL = """<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" id="d" name="d" namespace="n">
<itemDefinition name="tRisk"><typeRef>string</typeRef><allowedValues><text>"Low", "High"</text></allowedValues></itemDefinition>
<inputData id="i1" name="Applicant age"><variable name="Applicant age" typeRef="number"/></inputData>
<inputData id="i2" name="Risk"><variable name="Risk" typeRef="tRisk"/></inputData>
<decision id="x" name="Limit"><variable name="Limit" typeRef="number"/>
<informationRequirement id="q1"><requiredInput href="#i1"/></informationRequirement>
<informationRequirement id="q2"><requiredInput href="#i2"/></informationRequirement>
<decisionTable id="t" hitPolicy="UNIQUE">
<input id="c1"><inputExpression><text>Applicant age</text></inputExpression></input>
<input id="c2"><inputExpression><text>Risk</text></inputExpression></input>
<output id="o"/>
<rule id="r1"><inputEntry id="a"><text>&lt; 18</text></inputEntry><inputEntry id="b"><text>-</text></inputEntry>
<outputEntry id="e"><text>0</text></outputEntry></rule>
<rule id="r2"><inputEntry id="f"><text>&gt;= 18</text></inputEntry><inputEntry id="g"><text>"Low"</text></inputEntry>
<outputEntry id="h"><text>1000</text></outputEntry></rule>
<rule id="r3"><inputEntry id="k"><text>[16..21]</text></inputEntry><inputEntry id="l"><text>"Low"</text></inputEntry>
<outputEntry id="m"><text>100</text></outputEntry></rule>
</decisionTable></decision></definitions>"""


def test_findings_of_a_loaded_model_hold_when_it_is_evaluated() -> None:
    model = load(Source("limit.dmn", MODEL.encode()))
    findings = analyse(model)
    gap = next(finding for finding in findings if finding.code is Code.GAP)
    overlaps = [finding for finding in findings if finding.code is Code.OVERLAP]
    assert {finding.rules for finding in overlaps} == {(1, 3), (2, 3)}
    assert gap.witness == {"Applicant age": Decimal(20), "Risk": "High"}
    for finding in (gap, *overlaps):
        assert finding.witness is not None
        assert model.evaluate("Limit", finding.witness).value is None
    assert model.evaluate("Limit", {"Applicant age": 30, "Risk": "Low"}).value == 1000
    assert describe(gap).startswith("warning: Limit: No rule covers Applicant age >= 18 and Risk = ")


def test_the_how_to_shows_what_the_analysis_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "check-decision-tables.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in text.splitlines() if line[2:3].isdigit()]
    risk = ConstrainedType("tRisk", types.STRING, text='"Low", "Medium", "High"')
    inputs: dict[str, AnyType] = {"age": types.NUMBER, "income": types.NUMBER, "risk": risk}
    analysis = analyse_table(table(inputs, rows, values='"approve", "refer", "decline"', owner="Approval"))
    assert "\n".join(map(describe, analysis.findings)) == text.split("```text\n")[1].split("\n```")[0]
    assert {code.value for code in Code} == set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))


def test_a_table_that_is_too_large_is_said_to_be_so() -> None:
    rules = [("< 0", "0"), *((f"[{n}..{n + 1})", str(n)) for n in range(300)), (">= 300", "0")]
    info = table({"age": types.NUMBER}, rules)
    assert analyse_table(info).complete
    small = analyse_table(info, AnalysisLimits(bits=1000))
    assert (small.complete, [finding.code for finding in small.findings]) == (False, [Code.INCOMPLETE])
