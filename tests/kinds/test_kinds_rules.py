"""What the kind `rules` says of decision models, how it serves, explains, checks and observes them."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds_rules_models import (
    ELIGIBILITY,
    ELIGIBLE_SAMPLE,
    EXAMPLES,
    FEES,
    FEES_SAMPLE,
    IMPORTING,
    LIBRARY,
    OFFER,
    bundle,
    definitions,
    file,
    flags,
    input_data,
    predictor,
    table,
    texts,
)

from modelyard.core.errors import InvalidArtifact, InvalidInput, TooLarge
from modelyard.kinds import registry
from modelyard.kinds.batches import take
from modelyard.kinds.contract import DECLARES_SIGNATURE, Batch, Policy, Severity
from modelyard.kinds.registry import UnknownFormat
from modelyard.kinds.rules import kind
from modelyard.kinds.rules.fields import exact
from modelyard.kinds.rules.hits import hit_counts
from modelyard.kinds.rules.predictor import RulesPredictor
from modelyard.kinds.sandbox import check_isolated, evaluate_isolated, inspect_isolated, observe_isolated
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

Loaded = Callable[[str], RulesPredictor]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return lambda text: predictor(file(tmp_path / "model.dmn", text))


@pytest.fixture
def loan(loaded: Loaded) -> RulesPredictor:
    return loaded(ELIGIBILITY)


# inspect


def test_inputs_and_item_definitions_become_the_signature(loan: RulesPredictor) -> None:
    fields = {field.name: field for field in loan.signature.inputs}
    assert list(fields) == ["Applicant.age", "Applicant.status", "Applicant.born", "Income", "Member"]
    assert (fields["Applicant.age"].type, fields["Applicant.age"].minimum, fields["Applicant.age"].maximum) == (
        DataType.FP64,
        0,
        120,
    )
    assert fields["Applicant.status"].allowed == ("employed", "retired", "none")
    assert fields["Applicant.born"].type is DataType.BYTES
    assert "ISO 8601" in fields["Applicant.born"].description
    assert fields["Member"].type is DataType.BOOL
    assert all(field.nullable for field in fields.values())
    (output,) = loan.signature.outputs
    assert (output.name, output.role, output.allowed) == ("Eligibility", Role.LABEL, ("ELIGIBLE", "REFER", "REFUSED"))


@pytest.mark.parametrize(
    ("type_ref", "allowed", "expected"),
    [
        ("number", "[1..5]", (None, 1, 5)),
        ("number", "> 0", (None, 0, None)),
        ("number", "<= -2.5", (None, None, -2.5)),
        ("number", "[1..2], [8..9]", (None, 1, 9)),
        ("number", "1, 2, 3", ((1, 2, 3), None, None)),
        ("number", "not(3)", (None, None, None)),
        ("number", "? * 2 < 5", (None, None, None)),
        ("string", '"a", "b"', (("a", "b"), None, None)),
        ("string", '"a", null', (("a",), None, None)),
        ("string", "string length(?) < 5", (None, None, None)),
    ],
)
def test_allowed_values_become_bounds_where_a_field_can_say_them(
    loaded: Loaded, type_ref: str, allowed: str, expected: tuple[object, ...]
) -> None:
    escaped = allowed.replace("<", "&lt;").replace(">", "&gt;")
    item = f'<itemDefinition name="t"><typeRef>{type_ref}</typeRef>'
    item += f"<allowedValues><text>{escaped}</text></allowedValues></itemDefinition>"
    made = loaded(
        definitions(
            "M", item + input_data("x", "t") + table("D", {"x": type_ref}, [("-", "1")], {"D": "number"}, requires=("x",))
        )
    )
    (field,) = made.signature.inputs
    assert (field.allowed, field.minimum, field.maximum) == expected


def test_an_input_without_a_type_has_that_of_the_columns_that_ask_for_it(loaded: Loaded) -> None:
    silent = '<inputData id="i_x" name="x"/><inputData id="i_y" name="y"/>'
    one = table("D", {"x": "number", "y": "string"}, [("> 1", '"a"', "1")], {"D": "number"}, requires=("x", "y"))
    other = table("E", {"y": "number"}, [("-", "1")], {"E": "number"}, requires=("y",))
    made = loaded(definitions("M", silent + one + other))
    assert [(f.name, f.type) for f in made.signature.inputs] == [("x", DataType.FP64), ("y", DataType.BYTES)]
    assert "any value" in made.signature.input("y").description
    assert made.predict({"x": np.array([2.0]), "y": texts("a")})["D"].tolist() == [1.0]


def test_a_context_gives_a_field_an_entry_and_roles_by_type(loaded: Loaded) -> None:
    outputs = loaded(OFFER).signature.outputs
    assert [(o.name, o.type, o.role) for o in outputs] == [
        ("Offer.rate", DataType.FP64, Role.OTHER),
        ("Offer.gift", DataType.BOOL, Role.OTHER),
        ("Offer.label", DataType.BYTES, Role.LABEL),
    ]
    assert loaded(FEES).signature.outputs[0].role is Role.SCORE


def test_an_inspection_says_what_is_in_the_file(tmp_path: Path) -> None:
    found = kind.inspect(bundle(tmp_path / "loan.zip", {"loan.dmn": ELIGIBILITY, "examples.csv": EXAMPLES}), Policy())
    assert (found.kind, found.format, found.executes_code, found.requirements) == ("rules", "dmn", False, ())
    assert found.facts["dmn"] == "1.5"
    assert found.facts["examples"] == ["examples.csv"]
    assert found.facts["tables"][1] == {"owner": "Eligibility", "hit_policy": "FIRST", "rules": 4}
    assert found.facts[DECLARES_SIGNATURE] is True


def test_findings_about_tables_and_foreign_functions_are_risks(tmp_path: Path) -> None:
    twice = table("D", {"x": "number"}, [("< 5", "1"), ("< 9", "2")], {"D": "number"}, requires=("x",))
    java = (
        '<businessKnowledgeModel id="b" name="b"><variable name="b"/><encapsulatedLogic kind="Java"><formalParameter name="x"/>'
        "<context/></encapsulatedLogic></businessKnowledgeModel>"
    )
    found = kind.inspect(file(tmp_path / "m.dmn", definitions("M", input_data("x", "number") + java + twice)), Policy())
    codes = {risk.code for risk in found.risks}
    assert {"external_function", "table_overlap", "table_gap"} <= codes
    assert {risk.severity for risk in found.risks} == {Severity.WARNING}


def test_a_broken_model_is_told_with_file_element_and_line(tmp_path: Path) -> None:
    broken = table("Fare", {"x": "number"}, [("< +", "1"), ("-", "2 *")], {"D": "number"}, requires=("x",))
    with pytest.raises(InvalidArtifact) as caught:
        kind.inspect(file(tmp_path / "fares.dmn", definitions("M", input_data("x", "number") + broken)), Policy())
    assert "fares.dmn, line 3, element 'Fare_1'" in caught.value.detail
    assert "'Fare_2'" in caught.value.detail


def test_a_file_of_another_kind_is_left_to_that_kind(tmp_path: Path) -> None:
    for name, text in (("a.xml", "<PMML/>"), ("b.json", '{"nodes": []}'), ("c.txt", "rules")):
        with pytest.raises(UnknownFormat):
            kind.inspect(file(tmp_path / name, text), Policy())


def test_a_format_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    found = registry.detect(file(tmp_path / "loan.bin", "\ufeff" + ELIGIBILITY), Policy())
    assert (found.kind, found.format) == ("rules", "dmn")
    (utf16 := tmp_path / "utf16").write_bytes(ELIGIBILITY.replace("UTF-8", "UTF-16").encode("utf-16"))
    assert registry.detect(utf16, Policy()).format == "dmn"


def test_the_first_file_that_no_other_imports_is_the_model(tmp_path: Path) -> None:
    made = predictor(bundle(tmp_path / "m.zip", {"a.dmn": LIBRARY, "b.dmn": IMPORTING}))
    assert [output.name for output in made.signature.outputs] == ["Double"]
    with pytest.raises(InvalidArtifact, match="load that file too"):
        kind.inspect(file(tmp_path / "alone.dmn", IMPORTING), Policy())


def test_several_final_decisions_all_answer(loaded: Loaded) -> None:
    two = "".join(table(name, {"x": "number"}, [("-", '"a"')], {name: "string"}, requires=("x",)) for name in ("A", "B"))
    made = loaded(definitions("M", input_data("x", "number") + two))
    assert [(o.name, o.role) for o in made.signature.outputs] == [("A", Role.LABEL), ("B", Role.OTHER)]


# load and predict


def test_declared_outputs_choose_the_decisions_that_answer(loan: RulesPredictor, tmp_path: Path) -> None:
    path = file(tmp_path / "loan.dmn", ELIGIBILITY)
    outputs = (FieldSpec(name="Risk", type=DataType.BYTES, role=Role.LABEL),)
    signature = Signature(inputs=loan.signature.inputs, outputs=outputs)
    made = kind.load(path, kind.inspect(path, Policy()), signature, Policy())
    assert made.predict(ELIGIBLE_SAMPLE)["Risk"].tolist() == ["low", "medium", "high", "high", "medium"]
    unknown = signature.model_copy(update={"outputs": (FieldSpec(name="Rsik", type=DataType.BYTES),)})
    with pytest.raises(InvalidInput, match="no decision is named 'Rsik'"):
        kind.load(path, kind.inspect(path, Policy()), unknown, Policy())


def test_a_signature_must_have_what_the_model_takes_in_a_type_that_fits(loan: RulesPredictor, tmp_path: Path) -> None:
    path = file(tmp_path / "loan.dmn", ELIGIBILITY)
    inspection, inputs = kind.inspect(path, Policy()), loan.signature.inputs
    with pytest.raises(InvalidInput, match="'Member', which the signature lacks"):
        kind.load(path, inspection, Signature(inputs=inputs[:-1], outputs=()), Policy())
    text = FieldSpec(name="Income", type=DataType.BYTES)
    with pytest.raises(InvalidInput, match="is a number, the signature says BYTES"):
        kind.load(path, inspection, Signature(inputs=(*inputs[:3], text, inputs[4]), outputs=()), Policy())


def test_fields_that_the_model_does_not_take_are_carried_along(tmp_path: Path) -> None:
    path = file(tmp_path / "fees.dmn", FEES)
    inspection = kind.inspect(path, Policy())
    assert inspection.signature is not None
    customer = FieldSpec(name="customer", type=DataType.BYTES, role=Role.IDENTIFIER)
    wider = Signature(inputs=(customer, *inspection.signature.inputs), outputs=inspection.signature.outputs)
    made = kind.load(path, inspection, wider, Policy())
    assert made.predict(FEES_SAMPLE | {"customer": texts("a", "b", "c")})["Fees"].tolist() == [6, 13, 1]


ECHO = definitions(
    "Echo",
    "".join(input_data(*given) for given in (("n", "number"), ("s", "string"), ("d", "date"), ("b", "boolean"), ("a", "Any")))
    + '<decision id="d_Out" name="Out"><variable name="Out"/>'
    + "".join(f'<informationRequirement><requiredInput href="#i_{name}"/></informationRequirement>' for name in "nsdba")
    + '<literalExpression><text>string join([string(n), string(s), string(d), string(b), string(a)], "|")</text>'
    "</literalExpression></decision>",
)  # fmt: skip


def echo(**columns: np.ndarray) -> Batch:
    rows = len(next(iter(columns.values())))
    return {name: columns.get(name, texts(*[None] * rows)) for name in "nsdba"}


def test_values_reach_the_rules_as_they_were_meant(loaded: Loaded) -> None:
    made = loaded(ECHO)
    batch = echo(
        n=np.array([0.1, 42.0, np.nan]), s=texts("x", "42", None), d=texts("2024-02-29", None, None),
        b=flags(True, False, None), a=texts("free", "[1]", None),
    )  # fmt: skip
    assert made.predict(batch)["Out"].tolist() == ["0.1|x|2024-02-29|true|free", "42|42|false|[1]", ""]
    single = echo(n=np.array([0.1], dtype=np.float32))
    narrow = FieldSpec(name="n", type=DataType.FP32, nullable=True)
    signature = Signature(inputs=(narrow, *made.signature.inputs[1:]), outputs=made.signature.outputs)
    assert RulesPredictor(made.model, signature).predict(single)["Out"].tolist() == ["0.1"]


@pytest.mark.parametrize(
    ("columns", "field", "told"),
    [
        ({"d": texts("2024-01-01", "2024-02-30")}, "d", "row 1: '2024-02-30' is no date"),
        ({"n": np.array([1.0, np.inf])}, "n", "row 1: FEEL has no infinite numbers"),
        ({"n": texts("1", "2")}, "n", "should be FP64"),
        ({"b": texts("yes", None)}, "b", "should be BOOL"),
        ({"s": np.array([1.0, 2.0])}, "s", "should be BYTES"),
    ],
)
def test_what_is_no_value_is_refused_with_field_and_row(
    loaded: Loaded, columns: dict[str, np.ndarray], field: str, told: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        loaded(ECHO).predict(echo(**columns))
    assert caught.value.field == field
    assert told in caught.value.detail


def test_lists_are_json_and_what_is_none_is_refused(loaded: Loaded) -> None:
    made = loaded(OFFER)
    assert made.predict({"Amounts": texts("[]"), "When": texts(None)})["Offer.rate"].shape == (1,)
    with pytest.raises(InvalidInput, match="row 0: is not JSON"):
        made.predict({"Amounts": texts("[1,"), "When": texts(None)})


def test_a_missing_nullable_field_is_null_and_a_context_of_nulls_is_null(loaded: Loaded) -> None:
    item = '<itemDefinition name="tA"><itemComponent name="x"><typeRef>number</typeRef></itemComponent></itemDefinition>'
    logic = (
        '<decision id="d_D" name="D"><variable name="D" typeRef="string"/><informationRequirement><requiredInput href="#i_A"/>'
        '</informationRequirement><literalExpression><text>if A = null then "nobody" else string(A.x)</text>'
        "</literalExpression></decision>"
    )  # fmt: skip
    made = loaded(definitions("M", item + input_data("A", "tA") + input_data("B", "number") + logic))
    assert [field.name for field in made.signature.inputs] == ["A.x"]
    assert made.predict({"A.x": np.array([np.nan, 3.0])})["D"].tolist() == ["nobody", "3"]


def test_null_answers_are_nan_or_none(loaded: Loaded) -> None:
    outputs = {"rate": "number", "gift": "boolean", "label": "string"}
    some = table("D", {"x": "number"}, [("> 0", "0.5", "true", '"a"')], outputs, requires=("x",))
    answers = loaded(definitions("M", input_data("x", "number") + some)).predict({"x": np.array([1.0, -1.0])})
    np.testing.assert_array_equal(answers["D.rate"], [0.5, np.nan])
    assert answers["D.gift"].tolist() == [True, None]
    assert answers["D.label"].tolist() == ["a", None]


def test_an_answer_beyond_a_double_is_refused_not_infinite(loaded: Loaded) -> None:
    made = loaded(
        definitions(
            "M", input_data("x", "number") + table("D", {"x": "number"}, [("-", "10 ** x")], {"D": "number"}, requires=("x",))
        )
    )
    assert made.predict({"x": np.array([3.0])})["D"].tolist() == [1000.0]
    with pytest.raises(InvalidInput, match="too large"):
        made.predict({"x": np.array([400.0])})


def test_work_without_end_is_given_up_and_names_the_row(loaded: Loaded) -> None:
    logic = (
        '<decision id="d_D" name="D"><variable name="D" typeRef="number"/><informationRequirement><requiredInput href="#i_x"/>'
        "</informationRequirement><literalExpression><text>count(for i in 1..x, j in 1..x return i)</text>"
        "</literalExpression></decision>"
    )
    made = loaded(definitions("M", input_data("x", "number") + logic))
    assert made.predict({"x": np.array([3.0])})["D"].tolist() == [9.0]
    started = time.monotonic()
    with pytest.raises(InvalidInput, match="row 1"):
        made.predict({"x": np.array([3.0, 1e6])})
    assert time.monotonic() - started < 20


def test_one_missing_entry_leaves_the_others_of_its_context(loan: RulesPredictor) -> None:
    batch = take(ELIGIBLE_SAMPLE, slice(2, 3)) | {"Applicant.status": texts(None), "Applicant.born": texts(None)}
    assert loan.predict(batch)["Eligibility"].tolist() == ["REFER"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_reaches_the_rules_as_the_shortest_decimal_that_reads_back_as_it(number: float) -> None:
    assert float(exact(number)) == number
    assert len(exact(number).normalize().as_tuple().digits) <= 17


STATUSES = st.sampled_from(["employed", "retired", "none", None])
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 120),
        STATUSES,
        st.none() | st.dates(),
        st.none() | st.floats(-1e9, 1e9),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_rows_are_independent_and_answered_as_the_engine_answers(loan: RulesPredictor, rows: list[tuple[Any, ...]]) -> None:
    ages, statuses, born, incomes, members = zip(*rows, strict=True)
    batch: Batch = {
        "Applicant.age": np.array([math.nan if a is None else a for a in ages], dtype=float),
        "Applicant.status": texts(*statuses),
        "Applicant.born": texts(*(b and b.isoformat() for b in born)),
        "Income": np.array([math.nan if i is None else i for i in incomes]),
        "Member": texts(*members),
    }
    together = loan.predict(batch)["Eligibility"].tolist()
    assert together == [loan.predict(take(batch, slice(n, n + 1)))["Eligibility"][0] for n in range(len(rows))]
    for row, answer in zip(rows, together, strict=True):
        applicant = dict(zip(("age", "status", "born"), row[:3], strict=True))
        data = {"Applicant": applicant if any(v is not None for v in row[:3]) else None, "Income": row[3], "Member": row[4]}
        assert loan.model.evaluate("Eligibility", data).value == answer


def test_whole_numbers_may_be_declared_and_may_be_missing(tmp_path: Path) -> None:
    path = file(tmp_path / "fees.dmn", FEES)
    kinds = (FieldSpec(name="Kind", type=DataType.BYTES), FieldSpec(name="Amount", type=DataType.INT64, nullable=True))
    whole = FieldSpec(name="Fees", type=DataType.INT64, role=Role.SCORE)
    made = kind.load(path, kind.inspect(path, Policy()), Signature(inputs=kinds, outputs=(whole,)), Policy())
    for amounts in (texts(200, None), np.array([200, np.nan]), np.array([200, 0])):
        assert made.predict({"Kind": texts("card", "cash"), "Amount": amounts})["Fees"].tolist() == [13, 1]
    with pytest.raises(InvalidInput, match="'Kind' is empty in row 1"):
        made.predict({"Kind": texts("card", None), "Amount": np.array([1, 2])})
    with pytest.raises(InvalidInput, match="'Kind' is missing"):
        made.predict({"Amount": np.array([1, 2])})


def test_an_answer_that_is_no_value_of_the_declared_type_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "loan.dmn", ELIGIBILITY)
    inspection = kind.inspect(path, Policy())
    assert inspection.signature is not None
    wrong = Signature(inputs=inspection.signature.inputs, outputs=(FieldSpec(name="Eligibility", type=DataType.FP64),))
    with pytest.raises(InvalidInput, match="row 0: the answer 'Eligibility' is no number, the signature says FP64"):
        kind.load(path, inspection, wrong, Policy()).predict(ELIGIBLE_SAMPLE)


def test_a_list_is_answered_as_json(loaded: Loaded) -> None:
    rules = [("> 0", '"a"'), ("> 1", '"b"')]
    made = loaded(
        definitions(
            "M",
            input_data("x", "number") + table("D", {"x": "number"}, rules, {"D": "string"}, requires=("x",), policy="COLLECT"),
        )
    )
    assert made.predict({"x": np.array([5.0, 1.0])})["D"].tolist() == ['["a","b"]', '["a"]']


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(ELIGIBILITY)), st.integers(0, 60), st.text(max_size=30))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path: Path, at: int, length: int, instead: str) -> None:
    damaged = (ELIGIBILITY[:at] + instead + ELIGIBILITY[at + length :]).encode("utf-8", "surrogatepass")
    (path := tmp_path / "damaged.dmn").write_bytes(damaged)
    try:
        found = kind.inspect(path, Policy())
    except InvalidArtifact:
        return
    assert found.model_dump_json()
    if found.signature is not None:
        assert isinstance(kind.load(path, found, found.signature, Policy()), RulesPredictor)


def test_a_thousand_rules_are_read_checked_and_asked_quickly(loaded: Loaded) -> None:
    rules = [(f"[{n}..{n + 1})", '"even"' if n % 2 == 0 else '"odd"') for n in range(1_000)]
    started = time.monotonic()
    made = loaded(
        definitions("M", input_data("x", "number") + table("D", {"x": "number"}, rules, {"D": "string"}, requires=("x",)))
    )
    batch = {"x": np.arange(0, 1000, 0.5)}
    answers = made.predict(batch)["D"]
    hits = made.observe(batch)["D"]
    assert time.monotonic() - started < 15
    assert answers[:4].tolist() == ["even", "even", "odd", "odd"]
    assert hits[-1] == "1000"


# explain


def test_an_explanation_tells_which_rules_fired_on_which_values(loan: RulesPredictor) -> None:
    first, second, *_ = loan.explain(take(ELIGIBLE_SAMPLE, slice(0, 3)))
    assert first.method == "rules that fired"
    assert first.text == (
        "Rule 2 of 'Risk' fired: Applicant.age 40 is in [25..65], Applicant.status is \"employed\" → \"low\"; "
        "Rule 1 of 'Eligibility' fired: Risk is \"low\", Income 4000 ≥ 3000 → \"ELIGIBLE\" (standard case)."
    )  # fmt: skip
    assert {a.field for a in first.attributions} == {"Applicant.age", "Applicant.status", "Income"}
    assert sum(a.contribution for a in first.attributions) == pytest.approx(1)
    assert {a.field: a.value for a in second.attributions} == {"Applicant.age": 70.0, "Income": 6000.0}


def test_an_explanation_says_where_no_rule_fired(loaded: Loaded) -> None:
    made = loaded(
        definitions(
            "M", input_data("x", "number") + table("D", {"x": "number"}, [("> 0", "1")], {"D": "number"}, requires=("x",))
        )
    )
    (told,) = made.explain({"x": np.array([-1.0])})
    assert told.text.startswith("No rule of 'D' fired for x = -1 → null")
    assert told.attributions == ()


@pytest.mark.parametrize(
    ("type_", "cell", "value", "words"),
    [
        ("number", "3", np.array([3.0]), "x is 3"),
        ("number", "!= 3", np.array([4.0]), "x 4 ≠ 3"),
        ("number", "[1..2], > 5", np.array([6.0]), "x 6 is one of [1..2], > 5"),
        ("number", "not(1, 2)", np.array([3.0]), "x 3 is not one of 1, 2"),
        ("number", "not([1..2])", np.array([3.0]), "x 3 is not in [1..2]"),
        ("string", '"a", "b"', texts("b"), 'x "b" is one of "a", "b"'),
        ("string", 'starts with(?, "b")', texts("bc"), 'x "bc" meets starts with(?, "b")'),
        ("date", '> date("2024-01-01")', texts("2024-01-02"), 'x 2024-01-02 > date("2024-01-01")'),
        ("boolean", "true", np.array([True]), "x is true"),
        ("number", "null", np.array([np.nan]), "x is null"),
    ],
)
def test_conditions_read_as_people_would_say_them(loaded: Loaded, type_: str, cell: str, value: np.ndarray, words: str) -> None:
    made = loaded(
        definitions("M", input_data("x", type_) + table("D", {"x": type_}, [(cell, "1")], {"D": "number"}, requires=("x",)))
    )
    (told,) = made.explain({"x": value})
    assert f"fired: {words} → 1" in told.text.replace('@"2024-01-02"', "2024-01-02").replace('date("2024-01-02")', "2024-01-02")


def test_a_thousand_explanations_at_once_are_enough(loaded: Loaded) -> None:
    with pytest.raises(TooLarge, match="at most 1000"):
        loaded(FEES).explain({"Kind": texts(*["card"] * 1001), "Amount": np.ones(1001)})


# checks


def check(made: RulesPredictor, sample: Batch, name: str) -> tuple[bool, float | None, str]:
    found = next(result for result in kind.checks(made, sample) if result.name == name)
    return found.passed, found.value, found.detail


def test_overlaps_gaps_and_dead_rules_fail_with_a_witness(loaded: Loaded) -> None:
    both = table("D", {"x": "number"}, [("< 5", "1"), ("< 9", "2"), ("> 20", "3")], {"D": "number"}, requires=("x",))
    dead = table("E", {"x": "number"}, [("< 9", "1"), ("< 5", "2"), ("-", "3")], {"E": "number"}, requires=("x",), policy="FIRST")
    made = loaded(definitions("M", input_data("x", "number") + both + dead))
    sample = {"x": np.array([6.0, 30.0])}
    passed, count, told = check(made, sample, "tables keep their hit policies")
    assert (passed, count) == (False, 1)
    assert "D, rules 1, 2" in told
    assert not check(made, sample, "tables are complete")[0]
    passed, _, told = check(made, sample, "every rule can fire")
    assert not passed
    assert "E, rules 2, 1" in told or "E, rule 2" in told


def test_examples_beside_the_model_are_tests(tmp_path: Path) -> None:
    wrong = EXAMPLES + "30,retired,1,true,ELIGIBLE\n"
    files = {"loan.dmn": ELIGIBILITY, "good.csv": EXAMPLES, "wrong.csv": wrong, "broken.csv": "Shoe size,expect Risk\n1,low\n"}
    made = predictor(bundle(tmp_path / "loan.zip", files))
    assert check(made, ELIGIBLE_SAMPLE, "examples in good.csv agree")[0]
    passed, count, told = check(made, ELIGIBLE_SAMPLE, "examples in wrong.csv agree")
    assert (passed, count) == (False, 1)
    assert "line 4" in told
    passed, _, told = check(made, ELIGIBLE_SAMPLE, "examples in broken.csv agree")
    assert not passed
    assert "Shoe size" in told


def test_null_answers_and_uncovered_rules_are_told(loan: RulesPredictor) -> None:
    _, share, told = check(loan, take(ELIGIBLE_SAMPLE, slice(0, 1)), "rules that the sample covers")
    assert share == pytest.approx(2 / 8)
    assert "rule 1 of Risk" in told
    assert check(loan, ELIGIBLE_SAMPLE, "Eligibility is answered")[0]


# observe


def test_hits_are_counted_by_table_and_rule(loan: RulesPredictor) -> None:
    counts = hit_counts(loan.evaluation, ELIGIBLE_SAMPLE)
    assert counts["Risk"] == {"1": 2, "2": 1, "3": 1, "4": 1, "none": 0}
    assert counts["Eligibility"] == {"1": 1, "2": 1, "3": 2, "4": 1, "none": 0}


def test_what_is_observed_is_the_rule_that_fired(loan: RulesPredictor, loaded: Loaded) -> None:
    assert loan.observe(ELIGIBLE_SAMPLE)["Risk"].tolist() == ["2", "4", "1", "1", "3"]
    fees = loaded(FEES).observe(FEES_SAMPLE)
    assert fees["Fees rule 2"].tolist() == ["silent", "fired", "silent"]
    assert fees["Fees rule 3"].tolist() == ["fired"] * 3
    none = loaded(
        definitions(
            "M", input_data("x", "number") + table("D", {"x": "number"}, [("> 0", "1")], {"D": "number"}, requires=("x",))
        )
    )
    assert none.observe({"x": np.array([1.0, -1.0])})["D"].tolist() == ["1", "none"]


# in the sandbox


def test_everything_works_in_a_child_process(tmp_path: Path) -> None:
    path = bundle(tmp_path / "loan.zip", {"loan.dmn": ELIGIBILITY, "examples.csv": EXAMPLES})
    inspection = inspect_isolated(path)
    assert inspection.kind == "rules"
    assert inspection.signature is not None
    sample = ELIGIBLE_SAMPLE | {"Member": texts(None, False, True, False, True), "Applicant.born": texts(*[None] * 5)}
    assert all(result.passed for result in check_isolated(path, sample, inspection.signature).checks)
    answers = evaluate_isolated(path, inspection.signature, sample)
    assert answers["Eligibility"].tolist() == ["ELIGIBLE", "ELIGIBLE", "REFER", "REFUSED", "REFER"]
    assert observe_isolated(path, inspection.signature, sample)["Risk"].tolist() == ["2", "4", "1", "1", "3"]


def test_a_model_too_large_or_too_deep_is_refused(tmp_path: Path) -> None:
    deep = "(" * 100_000 + "1" + ")" * 100_000
    text = definitions(
        "M", input_data("x", "number") + table("D", {"x": "number"}, [("-", deep)], {"D": "number"}, requires=("x",))
    )
    with pytest.raises((InvalidArtifact, TooLarge)):
        kind.inspect(file(tmp_path / "deep.dmn", text), Policy())


def test_loading_rules_imports_no_heavy_library(tmp_path: Path) -> None:
    import subprocess

    path = file(tmp_path / "loan.dmn", ELIGIBILITY)
    code = f"""
import pathlib, sys
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
kind = registry.kind("rules")
found = kind.inspect(pathlib.Path({str(path)!r}), Policy())
kind.load(pathlib.Path({str(path)!r}), found, found.signature, Policy())
print(sorted({{"pyarrow", "pandas", "sklearn", "onnxruntime", "sqlalchemy", "zen", "modelyard.kinds.ml"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
