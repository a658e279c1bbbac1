"""What callers of the engine are promised: values, messages, traces, and errors that say where."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from modelyard.dmn import InvalidData, InvalidModel, LimitExceeded, Limits, Source, load, plain
from tests.dmn.dmn_text import decision, definitions, function, input_data, literal, table


def feel(text: str, limits: Limits | None = None, **data: Any) -> Any:
    """The value of a FEEL expression over inputs."""
    names = [n.replace("_", " ") for n in data]
    file = definitions(*(input_data(n) for n in names), decision("d", text, *(f"i_{n}" for n in names)))
    found = load(file, limits=limits or Limits(), strict=False).evaluate("d", dict(zip(names, data.values(), strict=True)))
    return found.value


LOAN = definitions(
    input_data("Age", "number"),
    input_data("Income", "number"),
    decision("Floor", "if Age < 25 then 3000 else 2000", "i_Age"),
    decision(
        "Eligibility",
        table(
            ("Age", "Income >= Floor"),
            (("< 18", "-", '"INELIGIBLE"'), (">= 18", "true", '"ELIGIBLE"'), (">= 18", "false", '"INELIGIBLE"')),
        ),
        "i_Age",
        "i_Income",
        "d_Floor",
        type_="string",
    ),
)


def test_a_decision_is_evaluated_with_all_that_it_requires() -> None:
    model = load(LOAN)
    assert model.evaluate("Eligibility", {"Age": 30, "Income": 2500}).value == "ELIGIBLE"
    assert model.evaluate("Eligibility", {"Age": 20, "Income": 2500.0}).value == "INELIGIBLE"
    assert model.evaluate("d_Eligibility", {"Age": Decimal(17), "Income": 9000}).value == "INELIGIBLE"


def test_a_model_says_what_is_in_it() -> None:
    model = load(LOAN)
    assert [(i.name, str(i.type)) for i in model.inputs] == [("Age", "number"), ("Income", "number")]
    found = {d.name: d for d in model.decisions}
    assert [i.name for i in found["Eligibility"].inputs] == ["Age", "Income"]
    assert found["Eligibility"].requires == ("Floor",)
    assert [t.owner for t in model.tables] == ["Eligibility"]


def test_a_trace_tells_every_node_and_the_rules_that_matched() -> None:
    trace = load(LOAN).evaluate("Eligibility", {"Age": 30, "Income": 2500}, trace=True).trace
    assert trace is not None
    assert [(n.name, n.value) for n in trace.nodes] == [("Floor", Decimal(2000)), ("Eligibility", "ELIGIBLE")]
    (ran,) = trace.nodes[1].tables
    assert ran.inputs == (("Age", Decimal(30)), ("Income >= Floor", True))
    assert [(r.index, r.outputs) for r in ran.rules] == [(2, {"": "ELIGIBLE"})]


def test_without_being_asked_there_is_no_trace() -> None:
    assert load(LOAN).evaluate("Eligibility", {"Age": 30, "Income": 2500}).trace is None


def test_null_comes_with_its_reason() -> None:
    result = load(LOAN).evaluate("Eligibility", {"Age": "thirty", "Income": 1})
    assert result.failed
    assert any("Age" in message.text and "number" in message.text for message in result.messages)


def test_dates_come_as_text_python_or_the_engines_own_and_go_as_iso() -> None:
    model = load(definitions(input_data("d", "date"), decision("next", 'd + duration("P1D")', "i_d")))
    for given in ("2024-02-28", date(2024, 2, 28)):
        assert plain(model.evaluate("next", {"d": given}).value) == "2024-02-29"


def test_the_clock_is_the_callers() -> None:
    model = load(definitions(decision("d", "today()")), clock=lambda: datetime(2024, 5, 6, 7, 8, tzinfo=UTC))
    assert plain(model.evaluate("d", {}).value) == "2024-05-06"


def test_functions_and_services_are_called() -> None:
    file = definitions(
        input_data("x"),
        function("double", ("n",), "n * 2"),
        decision("d", "double(x) + 1", "i_x", knowledge=("b_double",)),
        '<decisionService id="s" name="s"><outputDecision href="#d_d"/><inputData href="#i_x"/></decisionService>',
        decision("by service", "s(4)", knowledge=("s",)),
    )
    model = load(file)
    assert model.evaluate("d", {"x": 3}).value == 7
    assert model.evaluate_service("s", {"x": 4}).value == 9
    assert model.evaluate("by service", {}).value == 9
    assert model.invoke("double", {"n": 5}).value == 10
    assert [f.name for f in model.functions] == ["double"]
    assert [(s.name, s.outputs) for s in model.services] == [("s", ("d",))]


def test_a_function_may_call_itself() -> None:
    body = "if n <= 1 then 1 else n * factorial(n - 1)"
    file = definitions(function("factorial", ("n",), body), decision("d", "factorial(20)", knowledge=("b_factorial",)))
    assert load(file).evaluate("d", {}).value == Decimal("2432902008176640000")


def test_models_import_each_other() -> None:
    other = definitions(
        input_data("x"),
        decision("double x", "x * 2", "i_x"),
        function("inc", ("n",), "n + 1"),
        namespace="urn:other",
        name="other",
    )
    main = definitions(
        '<import name="o" namespace="urn:other" importType="https://www.omg.org/spec/DMN/20230324/MODEL/"/>',
        '<decision id="d" name="d"><variable name="d"/><informationRequirement><requiredDecision href="urn:other#d_double x"/>'
        '</informationRequirement><knowledgeRequirement><requiredKnowledge href="urn:other#b_inc"/></knowledgeRequirement>'
        + literal("o.inc(o.double x)")
        + "</decision>",
    )
    model = load(main, other)
    assert model.name == "test"
    assert [i.name for i in model.decisions[0].inputs] == ["o.x"]
    for given in ({"o.x": 4}, {"o": {"x": 4}}, {"x": 4}):
        assert model.evaluate("d", given).value == 9
    with pytest.raises(InvalidModel, match="urn:other"):
        load(main)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((decision("a", "b", "d_b"), decision("b", "a", "d_a")), "requires itself"),
        ((decision("a", "1", "d_absent"),), "#d_absent"),
        ((decision("a", "1 +"),), "not FEEL"),
        ((decision("a", "nothing + 1"),), "unknown name 'nothing'"),
        ((decision("a", "frobnicate(1)"),), "unknown function 'frobnicate'"),
        ((decision("a", "1", type_="tNowhere"),), "tNowhere"),
        ((decision("a", '@"2024-13-01"'),), "no date"),
    ],
)
def test_what_is_wrong_with_a_model_is_said_with_its_place(parts: tuple[str, ...], told: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        load(Source("loan.dmn", definitions(*parts)))
    assert told in str(caught.value)
    assert "loan.dmn" in str(caught.value)
    assert caught.value.line
    assert caught.value.element


def test_every_problem_is_told_at_once_and_the_rest_works_when_not_strict() -> None:
    file = definitions(decision("a", "1 +"), decision("b", "2 +"), decision("c", "3"))
    with pytest.raises(InvalidModel) as caught:
        load(file)
    assert [problem.element for problem in caught.value.problems] == ["d_a", "d_b"]
    model = load(file, strict=False)
    assert len(model.problems) == 2
    assert model.evaluate("c", {}).value == 3
    broken = model.evaluate("a", {})
    assert broken.value is None
    assert "not FEEL" in broken.messages[0].text


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), float("inf"), {"a": [object()]}])
def test_what_is_no_value_is_refused_with_its_path(value: Any) -> None:
    model = load(definitions(input_data("x"), decision("d", "x", "i_x")))
    with pytest.raises(InvalidData, match="x"):
        model.evaluate("d", {"x": value})


def test_an_unknown_decision_is_told_what_there_is() -> None:
    with pytest.raises(InvalidData, match="'Eligibility'"):
        load(LOAN).evaluate("Eligibilty", {})


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("for i in 1..1000000000 return i", Limits()),
        ("count(for i in 1..3000, j in 1..3000, k in 1..3000 return i)", Limits(steps=100_000)),
        ("some x in 1..1000000000 satisfies x < 0", Limits(steps=100_000)),
        ('string join(for i in 1..100000 return "aaaaaaaaaa")', Limits(text_length=1000)),
        ("{f: function(n) f(n + 1), r: f(1)}.r", Limits()),
        ("[" * 5000 + "]" * 5000, Limits()),
    ],
)
def test_limits_end_an_evaluation_with_a_clear_error(text: str, limits: Limits) -> None:
    file = definitions(decision("d", text))
    with pytest.raises((LimitExceeded, InvalidModel), match=r"more|larger|nested|deep"):
        load(file, limits=limits).evaluate("d", {})


def test_a_megabyte_of_expression_is_evaluated_or_refused_and_the_process_lives() -> None:
    long_list = "sum([" + ",".join(["1.000000"] * 100_000) + "])"
    assert feel(long_list) == 100_000
    with pytest.raises((LimitExceeded, InvalidModel)):
        load(definitions(decision("d", "1" + "+1.00000" * 100_000))).evaluate("d", {})
    with pytest.raises((LimitExceeded, InvalidModel)):
        load(definitions(decision("d", '"' + "x" * 2_000_000 + '"')))


@pytest.mark.parametrize("text", ["10**6000*10**6000", "10**(-6000)*10**(-6000)", "9**9**9**9", "1/0", "2**0.5/0"])
def test_absurd_numbers_are_null_or_numbers(text: str) -> None:
    value = feel(text)
    assert value is None or value.is_finite()


def test_results_cannot_change_the_model() -> None:
    file = definitions(decision("d", table(("1",), (("-", "[1, 2]"),))), decision("e", "[[1], {a: [2]}]"))
    model = load(file)
    for name in ("d", "e"):
        first = model.evaluate(name, {}).value
        before = plain(first)
        first.append("mine")
        assert plain(model.evaluate(name, {}).value) == before


def test_a_model_serves_many_threads() -> None:
    model = load(LOAN)
    wrong: list[Any] = []

    def ask(age: int) -> None:
        for income in range(0, 5000, 50):
            wanted = "ELIGIBLE" if age >= 18 and income >= (3000 if age < 25 else 2000) else "INELIGIBLE"
            found = model.evaluate("Eligibility", {"Age": age, "Income": income}).value
            if found != wanted:
                wrong.append((age, income, found))

    threads = [threading.Thread(target=ask, args=(age,)) for age in (10, 18, 24, 25, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=r"nowhere\.dmn"):
        load(tmp_path / "nowhere.dmn")


TREE = "for i in 1..60 return if i = 1 then [1] else [partial[-1], partial[-1]]"


def test_values_that_share_their_parts_are_compared_and_told_in_time() -> None:
    assert feel(f"{{a: {TREE}, b: {TREE}, same: a[-1] = b[-1]}}.same") is True
    assert feel(f"({TREE}) + 1") is None
    model = load(definitions(decision("d", TREE)))
    with pytest.raises(LimitExceeded, match="parts"):
        plain(model.evaluate("d", {}).value)
