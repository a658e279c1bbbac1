"""The policies of the example of rules: sound, tried by examples, never without an answer; the planted mistakes are mistakes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.rules import payoff
from examples.rules.data import FIELDS, LABEL, ROWS
from examples.rules.derive import policy
from examples.rules.payoff import Payoff
from examples.rules.versions import DECISION, EXAMPLES, HERE, PLANS, Built, build, compiled, granted_by_age, manifest
from modelyard.core.errors import InvalidInput
from modelyard.dmn import Model, Severity, examples
from modelyard.dmn.analysis import Code, analyse
from modelyard.dmn.example_files import from_csv
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
from modelyard.kinds.signature import Role

ORDER = ("DECLINE", "REFER", "ACCEPT")
JOBS = ("fixed", "freelance", "partime", "others", None)
HOMES = ("owner", "parents", "priv", "rent", "ignore", "other", None)


@pytest.fixture(scope="module", params=[1, 2])
def shipped(request: pytest.FixtureRequest) -> Model:
    return policy(request.param)


def invented() -> pa.Table:
    """As many applications as there are, made up."""
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {
        "Applicant.Age": random.integers(18, 70, ROWS),
        "Applicant.Seniority": random.integers(0, 30, ROWS),
        "Applicant.Income": random.integers(40, 400, ROWS),
        "Applicant.Expenses": random.integers(35, 90, ROWS),
        "Applicant.Assets": random.integers(0, 9_000, ROWS),
        "Applicant.Debt": random.integers(0, 500, ROWS),
        "Loan.Amount": random.integers(200, 2_500, ROWS),
        "Loan.Price": random.integers(2_500, 5_000, ROWS),
        "Loan.Term": random.integers(1, 6, ROWS) * 12,
    }
    table = {name: pa.array(values.astype(float)) for name, values in columns.items()}
    table |= {
        "Applicant.Job": pa.array(random.choice(JOBS[:4], ROWS)),
        "Applicant.Home": pa.array(random.choice(HOMES[:6], ROWS)),
        "Bureau.Records": pa.array(random.choice(["no", "yes"], ROWS)),
        LABEL: pa.array(random.random(ROWS) < 0.3),
    }
    return pa.table(table)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Built]:
    rows = invented()
    return {number: build(number, rows, tmp_path_factory.mktemp(f"v{number}")) for number in PLANS}


def found(model: Model) -> set[Code]:
    return {finding.code for finding in analyse(model) if finding.severity is not Severity.INFO}


def tried(model: Model, text: bytes) -> examples.Report:
    return examples.run(model, from_csv(text, model, EXAMPLES))


def test_a_policy_loads_without_a_problem_and_the_analysis_finds_nothing(shipped: Model) -> None:
    assert shipped.problems == ()
    assert found(shipped) == set()


@pytest.mark.parametrize("number", [1, 2])
def test_the_examples_agree_and_make_every_rule_fire(number: int) -> None:
    report = tried(policy(number), (HERE / f"v{number}" / EXAMPLES).read_bytes())
    assert [(each.name, each.failed) for each in report.failures] == []
    assert report.coverage.rule_share == 1
    assert report.coverage.condition_share == 1


def test_tables_of_different_hit_policies_chained_decisions_and_services(shipped: Model) -> None:
    assert {info.table.hit_policy.value for info in shipped.tables} == {"COLLECT", "UNIQUE", "RULE ORDER", "OUTPUT ORDER"}
    assert {service.name for service in shipped.services} == {"Loan origination", "Bureau strategy"}


def test_the_service_answers_as_the_decision_and_the_strategy_needs_no_bureau(shipped: Model) -> None:
    asked = application(income=180.0)
    assert shipped.evaluate_service("Loan origination", asked).value == shipped.evaluate(DECISION, asked).value
    form = {name: asked[name] for name in ("Applicant", "Loan")}
    assert shipped.evaluate_service("Bureau strategy", form).value in {"DECLINE", "BUREAU", "THROUGH"}


def test_all_versions_are_on_the_same_terms_at_the_rate_that_money_is_counted_with() -> None:
    one, other = ((HERE / f"v{number}" / "credit-terms.dmn").read_bytes() for number in (1, 2))
    assert one == other
    terms = compiled(HERE / "v1")
    asked = application(income=100.0)
    instalment = terms.evaluate("Required monthly instalment", asked).value
    amount, months = (np.array([asked["Loan"][name]], dtype=float) for name in ("Amount", "Term"))
    assert float(instalment) * months[0] - amount[0] == pytest.approx(payoff.interest(amount, months)[0])


def test_the_kind_reads_the_policy_with_the_inputs_that_the_data_have(built: dict[int, Built]) -> None:
    signature = registry.kind("rules").inspect(built[1].policy, Policy()).signature
    assert signature is not None
    assert {field.name for field in signature.inputs} == set(FIELDS)
    said = manifest().version
    assert said is not None
    assert [field.name for field in said.signature.outputs] == [field.name for field in signature.outputs]
    assert [field.name for field in said.signature.inputs if field.role is Role.PROTECTED] == ["Applicant.Age"]


def test_version_3_has_the_gap_and_the_overlap_that_its_examples_do_not_show(built: dict[int, Built]) -> None:
    model = compiled(built[3].policy)
    assert found(model) == {Code.GAP, Code.OVERLAP}
    assert tried(model, (built[3].policy / EXAMPLES).read_bytes()).passed


def test_version_4_passes_for_sound_but_not_by_the_examples_that_people_wrote(built: dict[int, Built]) -> None:
    model = compiled(built[4].policy)
    assert found(model) == set()
    assert tried(model, (built[4].policy / EXAMPLES).read_bytes()).passed
    assert len(tried(model, (HERE / "v2" / EXAMPLES).read_bytes()).failures) > 5
    assert built[4].metrics["refused"] > built[2].metrics["refused"] + 0.2


def test_a_build_says_what_was_changed_from_what(built: dict[int, Built]) -> None:
    for number, each in built.items():
        assert {path.name for path in each.files} == {"credit-policy.dmn", "credit-terms.dmn", EXAMPLES}
        assert (each.folder / "modelyard.yaml").read_text().count(PLANS[number].notes) == 1
    with pytest.raises(InvalidInput, match="no plan"):
        build(5, invented())


def test_what_is_granted_is_told_by_age(built: dict[int, Built]) -> None:
    shares = granted_by_age(compiled(built[1].policy), invented().slice(0, 500))
    assert list(shares) == ["granted_18_to_29", "granted_30_to_44", "granted_45_to_59", "granted_60_to_119"]
    assert all(0 <= share <= 1 for share in shares.values())
    young = invented().slice(0, 50).set_column(0, "Applicant.Age", pa.array([20.0] * 50))
    assert list(granted_by_age(compiled(built[1].policy), young)) == ["granted_18_to_29"]


def application(
    age: float | None = 40,
    seniority: float | None = 5,
    job: str | None = "fixed",
    home: str | None = "owner",
    income: float | None = None,
    assets: float | None = 0,
    amount: float = 900,
    records: str = "no",
) -> dict[str, Any]:
    applicant = {
        "Age": age,
        "Seniority": seniority,
        "Job": job,
        "Home": home,
        "Income": income,
        "Expenses": 45,
        "Assets": assets,
        "Debt": None,
    }
    return {"Applicant": applicant, "Loan": {"Amount": amount, "Price": 1500, "Term": 36}, "Bureau": {"Records": records}}


APPLICATIONS = st.builds(
    application,
    age=st.integers(16, 80),
    seniority=st.integers(0, 40),
    job=st.sampled_from(JOBS),
    home=st.sampled_from(HOMES),
    income=st.none() | st.decimals(0, 1000, places=1),
    assets=st.none() | st.integers(0, 10_000),
    amount=st.integers(100, 2_000),
)


@settings(max_examples=60, deadline=None)
@given(asked=APPLICATIONS, records=st.sampled_from(["no", "yes"]))
def test_every_application_has_an_answer_with_a_reason(asked: dict[str, Any], records: str) -> None:
    for number in (1, 2):
        answer = POLICIES[number].evaluate(DECISION, asked | {"Bureau": {"Records": records}}).value
        assert None not in answer.values()
        assert answer["decision"] in ORDER
        assert answer["reason"]
        assert 0 <= answer["default rate"] <= 1


@settings(max_examples=60, deadline=None)
@given(asked=APPLICATIONS)
def test_bad_records_never_help(asked: dict[str, Any]) -> None:
    for model in POLICIES.values():
        clean, bad = (model.evaluate(DECISION, asked | {"Bureau": {"Records": text}}).value for text in ("no", "yes"))
        assert ORDER.index(bad["decision"]) <= ORDER.index(clean["decision"])
        assert bad["default rate"] >= clean["default rate"]


POLICIES = {number: policy(number) for number in (1, 2)}


def test_what_a_decision_is_worth() -> None:
    worth = Payoff(gain=np.array([100.0, 100.0]), loss=np.array([400.0, 400.0]), bad=np.array([False, True]))
    assert worth.value(np.array(["ACCEPT", "ACCEPT"], dtype=object)).tolist() == [100, -400]
    assert worth.value(np.array(["REFER", "REFER"], dtype=object)).tolist() == pytest.approx([90 - 15, -200 - 15])
    assert worth.value(np.array(["DECLINE", "DECLINE"], dtype=object)).tolist() == [0, 0]
    with pytest.raises(KeyError):
        worth.value(np.array(["PERHAPS", "ACCEPT"], dtype=object))


@given(amount=st.floats(100, 5_000), months=st.integers(1, 120))
def test_interest_is_what_paying_back_month_by_month_comes_to(amount: float, months: int) -> None:
    rate = payoff.ANNUAL_RATE / 12
    interest = float(payoff.interest(np.array([amount]), np.array([float(months)]))[0])
    instalment, left, paid = (amount + interest) / months, amount, 0.0
    for _ in range(months):
        paid += left * rate
        left -= instalment - left * rate
    assert left == pytest.approx(0, abs=1e-6 * amount)
    assert paid == pytest.approx(interest)


def test_a_pair_is_one_application_under_both_policies() -> None:
    random = np.random.default_rng(1)
    bad = random.random(2_000) < 0.3
    worth = Payoff(np.full(2_000, 190.0), np.full(2_000, 460.0), bad)
    everybody = np.full(2_000, "ACCEPT", dtype=object)
    knowing = np.where(bad & (random.random(2_000) < 0.5), "DECLINE", "ACCEPT").astype(object)
    where = np.arange(2_000) < 1_500
    interval, (before, after) = worth.compare(everybody, knowing, where)
    assert interval.low > 0
    assert interval.estimate == pytest.approx(after.mean - before.mean)
    assert after.count == 1_500
    same, _ = worth.compare(everybody, everybody, where)
    assert (same.low, same.high) == (0, 0)


def test_the_ledger_counts_refusals_of_the_officer_as_refusals() -> None:
    bad = np.array([True] * 4 + [False] * 10)
    worth = Payoff(np.full(14, 190.0), np.full(14, 460.0), bad)
    costs = manifest().use_case.value.cost_matrix
    assert costs is not None
    figures = worth.figures(np.full(14, "REFER", dtype=object), np.ones(14, dtype=bool), costs)
    assert (figures.true_positive, figures.false_negative) == (2, 2)
    assert (figures.false_positive, figures.true_negative) == (1, 9)


def test_numbers_of_the_policy_are_decimal() -> None:
    answer = POLICIES[2].evaluate(DECISION, application(income=180.0)).value
    assert isinstance(answer["instalment"], Decimal)
    assert answer["instalment"] == answer["instalment"].quantize(Decimal("0.01"))
