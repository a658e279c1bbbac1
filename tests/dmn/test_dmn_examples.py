"""Examples in CSV or the TCK's XML say whether a model answers as expected, and what of its tables they cover."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.dmn import tck
from modelyard.dmn.engine import Model, load
from modelyard.dmn.errors import DmnError, InvalidData, InvalidModel, LimitExceeded
from modelyard.dmn.example_files import from_csv, from_tck
from modelyard.dmn.examples import run
from modelyard.dmn.feel.temporal import parse_date, parse_date_time, parse_duration, parse_time
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Limits

MODELS = Path(__file__).parent / "models"


@pytest.fixture(scope="module")
def model() -> Model:
    return load(MODELS / "discount.dmn")


def test_a_csv_file_that_the_model_agrees_with(model: Model) -> None:
    source = """# case,Amount,Customer.segment,expect Discount.rate,expect Discount.reason
nobody gets much for little,50,gold,0,small
gold,100,gold,0.10,gold
others,100,silver,0.05,large
"""
    report = run(model, from_csv(source, model))
    assert report.passed
    assert [(result.row, result.name) for result in report.results] == [
        (2, "nobody gets much for little"),
        (3, "gold"),
        (4, "others"),
    ]
    assert report.results[1].actual == {"expect Discount.rate": Decimal("0.1"), "expect Discount.reason": "gold"}


def test_a_row_that_does_not_agree_says_what_was_expected_and_what_came(model: Model) -> None:
    report = run(
        model, from_csv("Amount,Customer.segment,expect Discount.rate,expect Discount.reason\n100,gold,0.2,gold\n", model)
    )
    (failure,) = report.failures
    assert failure.failed == ("expect Discount.rate",)
    assert failure.expected["expect Discount.rate"] == Decimal("0.2")
    assert failure.actual["expect Discount.rate"] == Decimal("0.1")


def test_empty_cells_give_and_expect_nothing(model: Model) -> None:
    source = 'Amount,Limit,expect Review,expect Discount\n5,,,"{rate: 0, reason: ""small""}"\n\n5,1,refer,\n,1,none,null\n'
    report = run(model, from_csv(source, model))
    assert report.passed, report.failures
    assert [set(result.expected) for result in report.results] == [
        {"expect Discount"},
        {"expect Review"},
        {"expect Review", "expect Discount"},
    ]


def test_components_that_are_not_given_are_null(model: Model) -> None:
    some, none = from_csv("Customer.segment,Customer.since,expect Review\ngold,,none\n,,none\n", model)
    assert some.inputs == {"Customer": {"segment": "gold", "since": None}}
    assert none.inputs == {}


def test_one_element_may_stand_for_a_list(model: Model) -> None:
    assert run(model, from_csv('Codes,expect Number of codes\n007,1\n"[""a"", ""b""]",2\n', model)).passed


def test_an_entry_of_a_list_is_the_list_of_its_elements_entries(model: Model) -> None:
    source = 'Customer;expect Remarks.code\n{segment: "a", since: date("2024-05-01")};["a", "2024-05-01"]\n'
    assert run(model, from_csv(source, model)).passed


def test_texts_of_a_lists_elements_are_read_as_a_list() -> None:
    source = b"""<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" namespace="n" name="m">
      <itemDefinition name="tRow"><itemComponent name="kind"><typeRef>string</typeRef></itemComponent></itemDefinition>
      <itemDefinition name="tRows" isCollection="true"><typeRef>tRow</typeRef></itemDefinition>
      <decision name="D" id="D"><variable name="D" typeRef="tRows"/>
        <literalExpression><text>[{kind: "a"}, {kind: "b"}]</text></literalExpression></decision></definitions>"""
    rows = load(source)
    report = run(rows, from_csv('expect D.kind\n"[""a"", ""b""]"\n', rows))
    assert [result.passed for result in report.results] == [True]


def test_messages_and_refusals_of_the_engine_are_kept(model: Model) -> None:
    report = run(model, from_csv("Amount,expect Review\nabc,none\n", model))
    assert "abc" in " ".join(message.text for message in report.results[0].messages)
    long = """<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" namespace="n" name="m"><decision name="D">
        <literalExpression><text>for i in 1..1000 return i</text></literalExpression></decision></definitions>"""
    limited = load(long.encode(), limits=Limits(steps=10))
    (failure,) = run(limited, from_csv("expect D\nnull\n", limited)).results
    assert failure.failed == ("expect D",), "a refusal is no null"
    assert isinstance(failure.errors[0], LimitExceeded)


VALUES = [
    ("Amount", "12", Decimal(12)),
    ("Amount", "-1.5e2", Decimal(-150)),
    ("Amount", "null", None),
    ("Customer.segment", "007", "007"),
    ("Customer.segment", "true", "true"),
    ("Customer.segment", '"""quoted"""', "quoted"),
    ("Customer.segment", "null", None),
    ("Customer.since", "2024-05-01", parse_date("2024-05-01")),
    ("Customer.since", '"date(""2024-05-01"")"', parse_date("2024-05-01")),
    ("Codes", "007", "007"),
    ("Codes", '"[""a"", ""b""]"', ["a", "b"]),
    ("Customer.other", "true", True),
    ("Customer.other", "10:30:00", parse_time("10:30:00")),
    ("Customer.other", "2024-05-01T10:30:00Z", parse_date_time("2024-05-01T10:30:00Z")),
    ("Customer.other", "P1Y", parse_duration("P1Y")),
    ("Customer.other", '"@""PT2H"""', parse_duration("PT2H")),
    ("Customer.other", '"[1, ""a""]"', [Decimal(1), "a"]),
    ("Customer.other", "free text", "free text"),
    ("Customer.other", "date of birth", "date of birth"),
]


@pytest.mark.parametrize(("heading", "cell", "value"), VALUES)
def test_cells(model: Model, heading: str, cell: str, value: Value) -> None:
    (example,) = from_csv(f"{heading},expect Review\n{cell},none\n", model)
    name, _, component = heading.partition(".")
    assert (example.inputs[name][component] if component else example.inputs[name]) == value


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separators_and_encodings(model: Model, mark: str) -> None:
    source = f"Amount{mark}expect Discount.reason\r\n5{mark}small\r\n".encode("utf-8-sig")
    (example,) = from_csv(source, model)
    assert example.inputs == {"Amount": Decimal(5)}


@pytest.mark.parametrize(
    ("source", "detail", "line"),
    [
        ("", "empty", None),
        ("Amount\n5\n", "nothing is expected", 1),
        ("Amuont,expect Review\n", "'Amuont' is not an input of the model; there is 'Codes', 'Amount'", 1),
        ("Amount,expect Reveiw\n", "'expect Reveiw' is not a decision of the model", 1),
        ("Amount,Amount,expect Review\n", "'Amount' is there twice", 1),
        ("Amount,expect Review\n5\n", "1 cells, there are 2 columns", 2),
        ("Amount,expect Review\n5,\n", "expects nothing", 2),
        ("Amount,expect Review\n5,a\n[1,b\n", "column 'Amount'", 3),
        ('Amount,expect Review\n"date(""2024-13-01"")",a\n', "column 'Amount'", 2),
        ("Amount,expect Review\n1e9999,a\n", "column 'Amount'", 2),
        ("Customer,Customer.segment,expect Review\n", "whole and in part", 1),
        ("Customer.segment,Customer,expect Review\n", "whole and in part", 1),
        ('Amount,expect Review\n5,"a\n', "not a CSV file", 2),
        (b"Amount,expect Review\n5,\xff\n", "not in UTF-8", None),
    ],
)
def test_a_csv_file_that_cannot_be_read(model: Model, source: str | bytes, detail: str, line: int | None) -> None:
    with pytest.raises(InvalidData) as caught:
        from_csv(source, model, "e.csv")
    assert detail in caught.value.detail
    assert (caught.value.file, caught.value.line) == ("e.csv", line)


def test_a_csv_file_is_bounded(model: Model) -> None:
    with pytest.raises(LimitExceeded):
        from_csv("Amount,expect Review\n" * 9, model, limits=Limits(file_bytes=100))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(st.text(max_size=8), st.sampled_from(["[", "{a:", '"', '@"x"', "date(", "1e", "P1Y", "null"])), max_size=3
        )
    )
)
def test_no_csv_file_raises_anything_else(model: Model, rows: list[list[str]]) -> None:
    source = "Amount,Customer.other,expect Review\n" + "\n".join(",".join(row) for row in rows)
    try:
        found = len(from_csv(source, model))
    except DmnError:
        found = 0
    assert found <= source.count("\n") + source.count("\r")


# --- coverage -------------------------------------------------------------------------------------------------------------------


def test_coverage_of_rules_and_conditions(model: Model) -> None:
    report = run(model, from_csv("Amount,Customer.segment,expect Discount.rate\n50,gold,0\n200,gold,0.1\n", model))
    table = next(found for found in report.coverage.tables if found.element == "t_discount")
    assert (table.evaluations, table.fired, table.unfired) == (2, (1, 2), (3,))
    assert table.rule_share == pytest.approx(2 / 3)
    assert [(c.rule, c.column, c.text) for c in table.conditions] == [
        (1, 1, "< 100"),
        (2, 1, ">= 100"),
        (2, 2, '"gold"'),
        (3, 1, ">= 100"),
        (3, 2, 'not("gold")'),
    ]
    assert [(c.rule, c.column, c.was_true, c.was_false) for c in table.uncovered] == [(2, 2, True, False), (3, 2, False, True)]
    assert table.condition_share == pytest.approx(8 / 10)


def test_full_coverage(model: Model) -> None:
    source = "Amount,Limit,Customer.segment,expect Discount.rate,expect Review\n"
    source += "50,100,gold,0,none\n200,100,gold,0.1,refer\n200,100,,0.05,refer\n2000,9000,silver,0.05,look\n"
    report = run(model, from_csv(source, model))
    review = next(found for found in report.coverage.tables if found.element == "t_review")
    assert (review.fired, review.uncovered) == ((1, 2, 3), ())
    assert report.coverage.rule_share == 1
    assert report.coverage.condition_share == 1


def test_a_cell_with_names_is_known_from_its_rule(model: Model) -> None:
    """`> Limit` cannot be evaluated apart from its table; of the rules after the first that matches FIRST tells nothing."""
    report = run(model, from_csv("Amount,Limit,expect Review\n50,10,refer\n", model))
    review = next(found for found in report.coverage.tables if found.element == "t_review")
    assert [(c.rule, c.was_true, c.was_false) for c in review.conditions] == [(1, True, False), (2, False, True)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(98, 102), st.sampled_from(["gold", "silver", ""])), min_size=1, max_size=5))
def test_coverage_is_what_the_cells_say_one_by_one(model: Model, rows: list[tuple[int, str]]) -> None:
    source = "Amount,Customer.segment,expect Discount\n" + "".join(f"{amount},{segment},1\n" for amount, segment in rows)
    table = next(t for t in run(model, from_csv(source, model)).coverage.tables if t.element == "t_discount")
    cells = {
        (1, 1): [amount < 100 for amount, _ in rows],
        (2, 1): [amount >= 100 for amount, _ in rows],
        (2, 2): [segment == "gold" for _, segment in rows],
        (3, 1): [amount >= 100 for amount, _ in rows],
        (3, 2): [segment != "gold" for _, segment in rows],
    }
    assert {(c.rule, c.column): (c.was_true, c.was_false) for c in table.conditions} == {
        place: (any(held), not all(held)) for place, held in cells.items()
    }


def test_tables_that_were_not_evaluated_are_uncovered(model: Model) -> None:
    report = run(model, from_csv("Amount,Limit,expect Review\n50,10,refer\n", model))
    table = next(found for found in report.coverage.tables if found.element == "t_discount")
    assert (table.evaluations, table.rule_share, table.condition_share) == (0, 0, 0)
    assert report.coverage.rule_share == pytest.approx(1 / 6)


# --- the TCK's XML --------------------------------------------------------------------------------------------------------------

HEAD = (
    f'<testCases xmlns="{tck.NAMESPACE}" xmlns:xsi="{tck.XSI}" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
    "<modelName>discount.dmn</modelName><labels><label>Level 2</label></labels>"
)


def kit_file(inside: str) -> bytes:
    return f"{HEAD}{inside}</testCases>".encode()


CASES = kit_file("""
<testCase id="001" name="gold"><description>D</description>
  <inputNode name="Amount"><value xsi:type="xsd:decimal">200</value></inputNode>
  <inputNode name="Customer"><component name="segment"><value xsi:type="xsd:string">gold</value></component>
    <component name="since"><value xsi:nil="true"/></component></inputNode>
  <resultNode name="Discount" type="decision"><expected><component name="reason"><value>gold</value></component>
    <component name="rate"><value xsi:type="xsd:double">0.1000000001</value></component></expected></resultNode></testCase>
<testCase id="003" type="bkm" invocableName="Twice">
  <inputNode name="n"><value xsi:type="xsd:decimal">4</value></inputNode>
  <resultNode name="Twice"><expected><value xsi:type="xsd:decimal">8</value></expected></resultNode></testCase>
<testCase id="002" type="decisionService" invocableName="Both">
  <inputNode name="Amount"><value xsi:type="xsd:decimal">20</value></inputNode>
  <inputNode name="Limit"><value xsi:type="xsd:decimal">10</value></inputNode>
  <resultNode name="Review"><expected><value xsi:type="xsd:string">refer</value></expected></resultNode>
  <resultNode name="Discount" errorResult="true"><expected><value xsi:nil="true"/></expected></resultNode></testCase>
""")


def test_the_tests_of_a_tck_file_are_examples(model: Model) -> None:
    file = tck.read(CASES)
    assert (file.model_name, file.labels, [case.id for case in file.cases]) == (
        "discount.dmn",
        ("Level 2",),
        ["001", "003", "002"],
    )
    assert file.cases[0].inputs["Customer"] == {"segment": "gold", "since": None}
    assert file.cases[2].results[1] == tck.Expected("Discount", None, error=True)
    first, knowledge, second = run(model, from_tck(CASES)).results
    assert knowledge.actual == {"Twice": Decimal(8)}
    assert (first.name, first.passed) == ("gold", True), first
    assert second.failed == ("Discount",)
    assert second.actual["Review"] == "refer"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('<value xsi:type="xsd:date">2024-05-01</value>', parse_date("2024-05-01")),
        ('<value xsi:type="xsd:time"> 10:30:00Z </value>', parse_time("10:30:00Z")),
        ('<value xsi:type="xsd:dateTime">2024-05-01T10:30:00</value>', parse_date_time("2024-05-01T10:30:00")),
        ('<value xsi:type="xsd:duration">P1Y2M</value>', parse_duration("P1Y2M")),
        ('<value xsi:type="xsd:dayTimeDuration">PT1H</value>', parse_duration("PT1H")),
        ('<value xsi:type="xsd:boolean">1</value>', True),
        ('<value xsi:type="xsd:string"> a </value>', " a "),
        ("<value>a</value>", "a"),
        ("<list/>", []),
        (
            '<list><item><value xsi:type="xsd:integer">1</value></item><item><value xsi:nil="1"/></item></list>',
            [Decimal(1), None],
        ),
        ('<list xsi:nil="true"/>', None),
        ('<component name="a" xsi:nil="true"/>', {"a": None}),
        ("", None),
    ],
)
def test_values_of_the_tck(written: str, value: Value) -> None:
    source = kit_file(f'<testCase id="1"><resultNode name="R"><expected>{written}</expected></resultNode></testCase>')
    assert tck.read(source).cases[0].results[0].value == value


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (b"<testCases/>", "not with the <testCases>"),
        (b"<!DOCTYPE a><testCases/>", "document type"),
        (kit_file('<testCase type="what"/>'), "'what' is not known"),
        (kit_file('<testCase type="bkm"/>'), "no invocableName"),
        (kit_file("<testCase><inputNode/></testCase>"), "<inputNode> has no name"),
        (
            kit_file('<testCase><inputNode name="a"><value xsi:type="xsd:date">today</value></inputNode></testCase>'),
            "'today' is not",
        ),
        (kit_file('<testCase><inputNode name="a"><value xsi:type="xsd:decimal">x</value></inputNode></testCase>'), "'x' is not"),
        (kit_file('<testCase><inputNode name="a"><value xsi:type="xsd:anyURI">x</value></inputNode></testCase>'), "'anyURI'"),
    ],
)
def test_a_tck_file_that_cannot_be_read(source: bytes, detail: str) -> None:
    with pytest.raises(InvalidModel, match=detail.replace("<", ".")) as caught:
        tck.read(source, "t.xml")
    assert caught.value.file == "t.xml"


@pytest.mark.parametrize(
    ("expected", "actual", "agree"),
    [
        (Decimal(1), Decimal("1.000000001"), True),
        (Decimal(1), Decimal("1.0000001"), False),
        (Decimal("1e20"), Decimal("100000000000000000001"), False),
        (Decimal("1e-20"), Decimal("2e-20"), False),
        (Decimal(0), Decimal("-0.00"), True),
        (Decimal(1), "1", False),
        (True, Decimal(1), False),
        (None, None, True),
        (None, False, False),
        ([Decimal(1)], [Decimal("1.0")], True),
        ([Decimal(1)], [Decimal(1), None], False),
        ({"a": Decimal(1), "b": "x"}, {"b": "x", "a": Decimal("1.0")}, True),
        ({"a": None}, {}, False),
        (parse_time("10:00:00Z"), parse_time("11:00:00+01:00"), False),
        (parse_time("10:00:00Z"), parse_time("10:00:00+00:00"), True),
        (parse_time("10:00:00Z"), parse_time("10:00:00"), False),
        (parse_date_time("2024-05-01T10:00:00Z"), parse_date_time("2024-05-01T12:00:00@Europe/Paris"), False),
        (parse_date_time("2024-05-01T12:00:00+02:00"), parse_date_time("2024-05-01T12:00:00@Europe/Paris"), True),
        (parse_duration("PT60M"), parse_duration("PT1H"), True),
        (parse_duration("P0D"), parse_duration("P0M"), False),
    ],
)
def test_results_agree_as_the_kits_runners_see_it(expected: Value, actual: Value, agree: bool) -> None:
    assert tck.agrees(expected, actual) is agree
