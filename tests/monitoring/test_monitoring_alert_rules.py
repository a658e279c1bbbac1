"""Whatever the order in which windows breach, repeat and are restated, an alert says what is so; and who may say what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor_yard import month

from modelyard.catalog.profile import Tier
from modelyard.core.messages import SYSTEM, Actor, Subject
from modelyard.governance.policy.cedar import Policies, Question, default_text, policies_of
from modelyard.monitoring import Alert, Severity, handlings
from modelyard.monitoring.chance import rate_margin
from modelyard.monitoring.model import Breach, seen_again, without


def breach(number: int, critical: bool) -> Breach:
    return Breach(
        run=f"run_{number}",
        window_from=month(number),
        window_to=month(number + 1),
        value=0.3 if critical else 0.1,
        threshold=0.2 if critical else 0.05,
        severity=Severity.CRITICAL if critical else Severity.WARNING,
    )


def opened(first: Breach) -> Alert:
    names: dict[str, Any] = dict.fromkeys(
        ("monitor_id", "monitor", "endpoint", "use_case", "measure", "field", "segment", "key"), "x"
    )
    seen = {"first_seen": first.window_from, "last_seen": first.window_to, "version": None, "arm": None, "owner": "bea"}
    told = {n: getattr(first, n) for n in ("severity", "value", "threshold", "window_from", "window_to")}
    return Alert(id="alr_1", created_at=month(1), breaches=(first,), time_to_detect=0.0, **names, **seen, **told)


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["warning", "critical", "none"])), max_size=40))
def test_an_alert_is_what_its_breached_windows_say(steps: list[tuple[int, str]]) -> None:
    alert, breached = opened(breach(6, False)), {6: False}
    for number, what in steps:
        if what != "none":
            breached[number] = what == "critical"
            alert = seen_again(alert, breach(number, what == "critical"))
        elif number in breached and len(breached) > 1:
            del breached[number]
            left = without(alert, month(number))
            assert left is not None
            alert = left
    assert alert.count == len(alert.breaches) == len(breached)
    assert (alert.first_seen, alert.last_seen) == (month(min(breached)), month(max(breached) + 1))
    assert alert.window_from == month(max(breached))
    assert alert.severity is (Severity.CRITICAL if any(breached.values()) else Severity.WARNING)
    assert alert.value == (0.3 if breached[max(breached)] else 0.1)


def test_the_last_breach_struck_leaves_no_alert() -> None:
    assert without(opened(breach(6, False)), month(6)) is None


def test_a_long_alert_keeps_its_count_and_its_beginning() -> None:
    alert = opened(breach(1, True))
    for number in range(2, 301):
        alert = seen_again(alert, breach(number, False))
    assert (alert.count, alert.first_seen, alert.last_seen) == (300, month(1), month(301))
    assert len(alert.breaches) == 100


@given(st.floats(0, 1), st.integers(1, 10**6))
def test_margins_shrink_with_rows(line: float, rows: int) -> None:
    assert rate_margin(line, rows * 4) <= rate_margin(line, rows) * 1.001 or rows < 100
    assert 0 <= rate_margin(line, rows) <= 3


@pytest.fixture(scope="module")
def policies() -> Policies:
    return policies_of(default_text())


ROLES = ("viewer", "developer", "validator", "operator", "business_owner", "risk_officer", "administrator")


def test_only_the_platform_records_runs_under_the_shipped_policies(policies: Policies) -> None:
    actions = {h.command.action for h in handlings()}
    subject = Subject(
        type="monitor", id="mon_1", attributes={"name": "m", "endpoint": "hold", "owner": "bea", "tier": Tier.HIGH.value}
    )
    people = [Actor(id="somebody", roles=frozenset({role})) for role in ROLES]
    for action in actions:
        able = [a.id for a in (*people, SYSTEM) if policies.ask(Question(a, action, subject)).allowed]
        assert able, f"nobody may do {action}"
        if action == "monitoring.record_run":
            assert able == [SYSTEM.id]
