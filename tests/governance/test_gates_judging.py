"""What a gate in DMN makes of evidence, and that it lets nothing pass when anything is wrong with it."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest
from gates_yard import NEVER, SHIPPED, START, dmn_of, evidence_of, examples_of, gate_of

from modelyard import dmn
from modelyard.core.errors import InvalidInput
from modelyard.dmn import examples
from modelyard.dmn.analysis import analyse
from modelyard.dmn.example_files import from_csv
from modelyard.governance.assurance import gates
from modelyard.governance.assurance.model import Evidence, RowResult
from modelyard.governance.bootstrap import root_gates

FACTS = gates.facts_of_kind("ml")
SCAN = evidence_of("scan", 1, metrics={"dangers": 0.0})
REPORT = evidence_of("test_report", 2, metrics={"checks": 4.0, "checks_failed": 0.0, "roc_auc": 0.8})


def judged(source: str, *evidence: Evidence, tier: str = "low") -> tuple[RowResult, ...]:
    return gates.judge(gate_of(source), tier, FACTS, evidence, START + timedelta(hours=1))


def passes(rows: tuple[RowResult, ...]) -> bool:
    return bool(rows) and all(row.passed for row in rows)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_is_shipped_gives_what_its_examples_say(name: str) -> None:
    model = dmn.load(SHIPPED[name].encode())
    given = from_csv(examples_of(name), model, name)
    report = examples.run(model, given)
    assert [(failure.name, failure.failed) for failure in report.failures] == []
    silent = {table.owner: table.rules - len(table.fired) for table in report.coverage.tables if table.owner != "compared"}
    assert silent == dict.fromkeys(silent, 0), "each rule of the tables that people edit is shown by an example"


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_nothing_is_wrong_with_the_tables_that_are_shipped(name: str) -> None:
    found = analyse(dmn.load(SHIPPED[name].encode()))
    assert [finding for finding in found if finding.severity is not dmn.Severity.INFO] == []


def test_a_condition_says_what_it_found_where_and_why() -> None:
    rows = judged(SHIPPED["production"], SCAN, evidence_of("test_report", 2, metrics={"checks": 4.0, "checks_failed": 1.5}))
    assert [row.passed for row in rows] == [True, False, True, True, True]
    failed = rows[1]
    assert failed.name == "all checks of the kind pass"
    assert failed.reason == "checks_failed is 1.5, asked is exactly 0"
    assert (failed.category, failed.evidence, failed.value, failed.limit) == ("soundness", "evd_2", 1.5, 0.0)
    assert rows[3].reason == "the test_report does not show roc_auc (not required)"


def test_evidence_that_ended_is_not_seen_and_the_newest_counts() -> None:
    assert passes(judged(SHIPPED["production"], SCAN, REPORT))
    ended = REPORT.model_copy(update={"valid_until": START + timedelta(minutes=30)})
    assert not passes(judged(SHIPPED["production"], SCAN, ended))
    older = evidence_of("test_report", 0, metrics={"checks": 4.0, "checks_failed": 4.0})
    assert passes(judged(SHIPPED["production"], REPORT, SCAN, older))


def test_a_gate_knows_age_stage_version_and_facts() -> None:
    told = """[{
      condition: "fresh",
      passes: evidence[1].age < 1 and evidence[1].age > 0 and stage = "production" and version.kind = "ml"
        and evidence[1].facts.checks[1].name = "finite" and date and time(at) > date and time("2026-01-01T00:30:00Z"),
      reason: "by " + evidence[1].produced by
    }]"""
    source = dmn_of(told)
    (row,) = judged(source, evidence_of("scan", 1, facts={"checks": [{"name": "finite", "passed": True}]}))
    assert (row.passed, row.reason) == (True, "by system")


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        ("null", "names no condition"),
        ("[]", "names no condition"),
        ("true", "names no condition"),
        ('{condition: "a", passes: true}', "names no condition"),
        ('[{condition: "a", passes: "true"}]', "does not say why"),
        ('[{condition: "a", passes: 1}]', "does not say why"),
        ('[{condition: "a", passes: null}]', "does not say why"),
        ('[{condition: "a"}]', "does not say why"),
        ("[{passes: true}]", "must be"),
        ("[true, true]", "must be"),
        ('[{condition: "a", passes: true}, null]', "must be"),
        ('[{condition: "a", passes: number("x") = null}]', "number"),
        ('for i in 1..100000000 return {condition: "a", passes: true}', "steps|larger"),
        ('[{condition: "a", passes: matches("' + "a" * 40 + '!", "(a+)+$")}]', ""),
        ('[{condition: "a", passes: now() > date and time("2020-01-01T00:00:00Z")}]', "not known here"),
        ('[{condition: "a", passes: today() > date("2020-01-01")}]', "not known here"),
        ('[{condition: "a", passes: true}', ""),
        ("unheard of", ""),
    ],
)
def test_what_is_not_plainly_a_pass_does_not_pass(gate: str, why: str) -> None:
    started = time.perf_counter()
    rows = judged(dmn_of(gate), SCAN)
    assert time.perf_counter() - started < 5
    assert not passes(rows)
    assert [row for row in rows if not row.passed and re.search(why, row.reason)]


def test_what_is_no_dmn_at_all_does_not_pass() -> None:
    for source in ("", "<definitions/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "x" * 2_000_000):
        (row,) = judged(source, SCAN)
        assert (row.name, row.passed, row.category) == (gates.ITSELF, False, gates.BROKEN)


@pytest.mark.parametrize(
    "approvals",
    [
        "null",
        "[]",
        "{roles: [], days to decide: 14, release days: 90}",
        '{roles: ["validator"], days to decide: 0, release days: 90}',
        '{roles: ["validator"], days to decide: 14.5, release days: 90}',
        '{roles: ["validator"], days to decide: 14}',
        '{roles: "validator", days to decide: 14, release days: 90}',
        "{roles: [1], days to decide: 14, release days: 90}",
        '{roles: ["validator"], days to decide: number("x"), release days: 90}',
    ],
)
def test_a_gate_that_names_nobody_who_approves_is_told_so(approvals: str) -> None:
    with pytest.raises(InvalidInput, match="who approves at tier 'low'"):
        gates.approval_rule(gate_of(dmn_of(NEVER, approvals)), "low", FACTS)


def test_who_approves_follows_from_the_tier() -> None:
    rules = {tier: gates.approval_rule(gate_of(SHIPPED["production"]), tier, FACTS) for tier in ("low", "medium", "high")}
    assert {tier: rule.roles for tier, rule in rules.items()} == {
        "low": ("business_owner",),
        "medium": ("business_owner",),
        "high": ("business_owner", "validator"),
    }
    assert (rules["high"].days_to_decide, rules["high"].release_days) == (14, 180)


def test_what_is_shipped_are_two_gates_and_the_risk_tiering() -> None:
    assert [gate.name for gate in root_gates()] == ["governance", "production", "risk-tier"]
