"""How long decisions are kept, by use case or tier; what holds keep; who may say so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from records_yard import DAY, Yard

NOW = datetime.now(UTC)


def ids(yard: Yard, use_case: str) -> set[str]:
    """What any reader finds, the API's and those of others."""
    found = yard.ask("omar", "GET", "/decisions", params={"use_case": use_case, "shadows": True}).json()["items"]
    return {row["id"] for row in found}


def old_and_new(yard: Yard, use_case: str, **given: Any) -> tuple[list[str], list[str]]:
    """Decisions of a year ago, and of today."""
    with yard.writing(f"runtime-{use_case}") as log:
        old = yard.decide(log, use_case, count=3, decision_time=NOW - 365 * DAY, **given)
        return old, yard.decide(log, use_case, count=2, **given)


def apply(yard: Yard, use_case: str) -> dict[str, Any]:
    run = yard.do("omar", "/retention-runs", {"use_case": use_case})
    yard.work()
    found: dict[str, Any] = yard.ask("omar", "GET", f"/retention-runs/{run['id']}").json()
    return found


def test_what_is_old_goes_and_the_run_tells_it(either: Yard) -> None:
    either.use_case("mortgages", tier="medium")
    old, new = old_and_new(either, "mortgages")
    either.outcome([old[0], new[0]])
    assert apply(either, "mortgages")["removed"] == [], "without a rule everything is kept for ever"
    rule = either.do("rita", "/retentions", {"use_case": "mortgages", "days": 200})
    assert (rule["days"], rule["reason"]) == (200, "ticket 12")
    due = either.ask("omar", "GET", "/retention/due", params={"use_case": "mortgages"}).json()["items"]
    assert [(d["rows"], d["held"], d["days"]) for d in due] == [(3, 0, 200)]
    assert ids(either, "mortgages") == {*old, *new}, "counting removes nothing"

    run = apply(either, "mortgages")
    assert (run["state"], run["rows"]) == ("done", 3)
    assert run["removed"][0]["policy"].startswith("sha256:")
    assert abs(datetime.fromisoformat(run["removed"][0]["before"]) - (NOW - 200 * DAY)) < DAY
    assert ids(either, "mortgages") == set(new)
    for decision in old:
        kept = [p for p in either.files_with(decision) if "_delta_log" not in p.parts and not p.name.startswith("modelyard.db")]
        assert kept == [], "an id may stay in the table's own history, a decision does not"
    assert apply(either, "mortgages")["rows"] == 0
    events = either.ask("omar", "GET", "/audit", params={"action": "governance.record_retention"}).json()["items"]
    assert run["id"] in {e["subject_id"] for e in events}


def test_a_hold_beats_retention_by_time_and_by_person(either: Yard) -> None:
    either.use_case("claims")
    with either.writing("runtime-claims") as log:
        early = either.decide(log, "claims", decision_time=NOW - 400 * DAY)
        late = either.decide(log, "claims", decision_time=NOW - 300 * DAY)
        person = either.decide(log, "claims", decision_time=NOW - 300 * DAY, subject="held one")
    window = {"since": (NOW - 410 * DAY).isoformat(), "until": (NOW - 390 * DAY).isoformat()}
    by_time = either.do("rita", "/holds", {"matter": "audit of 2025", "use_case": "claims"} | window)
    by_person = either.do("rita", "/holds", {"matter": "a dispute", "subject": "held one"})
    either.do("rita", "/retentions", {"use_case": "claims", "days": 30})
    due = either.ask("omar", "GET", "/retention/due", params={"use_case": "claims"}).json()["items"][0]
    assert (due["rows"], due["held"], set(due["holds"])) == (1, 2, {by_time["id"], by_person["id"]})
    run = apply(either, "claims")
    assert run["rows"] == 1
    assert ids(either, "claims") == {*early, *person}
    assert late[0] not in ids(either, "claims")
    either.do("rita", f"/holds/{by_time['id']}/lift", {})
    either.do("rita", f"/holds/{by_person['id']}/lift", {})
    assert apply(either, "claims")["rows"] == 2
    assert ids(either, "claims") == set()


def test_a_tier_has_a_rule_for_those_without_their_own(either: Yard) -> None:
    either.use_case("first", tier="low")
    either.use_case("second", tier="low")
    either.do("rita", "/retentions", {"tier": "low", "days": 10})
    either.do("rita", "/retentions", {"use_case": "second"})

    def days() -> dict[str, Any]:
        items = either.ask("omar", "GET", "/retention/due").json()["items"]
        return {d["use_case"]: (d["days"], (d["source"] or "").split(":")[0]) for d in items if d["use_case"] != "modelyard"}

    assert {name: days()[name] for name in ("first", "second")} == {"first": (10, "tier"), "second": (None, "use_case")}
    either.do("rita", "/retentions", {"use_case": "second", "by_tier": True})
    assert days()["second"] == (10, "tier")
    either.do("rita", "/retentions", {"use_case": "second", "days": 20})
    assert days()["second"] == (20, "use_case")


def test_the_platform_applies_it_once_a_day(either: Yard) -> None:
    either.use_case("daily")
    _, new = old_and_new(either, "daily")
    either.platform.custodian.ask_daily()
    either.work()
    assert either.ask("omar", "GET", "/retention-runs").json()["items"] == [], "there is no rule by which anything ends"
    either.do("rita", "/retentions", {"use_case": "daily", "days": 100})
    for _ in range(3):
        either.platform.custodian._asked = ""  # as another worker would: it has not asked yet
        either.platform.custodian.ask_daily()
        either.work()
    runs = either.ask("omar", "GET", "/retention-runs").json()["items"]
    assert [(r["state"], r["rows"], r["asked_by"]) for r in runs] == [("done", 3, "system")]
    assert ids(either, "daily") == set(new)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"days": 10}, ""),
        ({"use_case": "rules", "tier": "low"}, ""),
        ({"use_case": "rules", "days": 0}, "days"),
        ({"tier": "high", "days": 182}, "days"),
        ({"tier": "low", "days": 3, "by_tier": True}, ""),
        ({"use_case": "nobody knows", "days": 3}, "use_case"),
    ],
)
def test_rules_that_cannot_be_are_refused(shared: Yard, body: dict[str, Any], field: str) -> None:
    if "rules" in body.values():
        shared.ask("dana", "POST", "/use-cases", json={"name": "rules", "tier": "low"})
    answer = shared.ask("rita", "POST", "/retentions", json=body, params={"reason": "x"})
    assert answer.status_code in (422, 404), answer.text
    assert (answer.json().get("field") or "") == field


def test_who_owns_or_builds_it_does_not_say_how_long(shared: Yard) -> None:
    me = shared.ask("rita", "GET", "/me").json()["id"]
    shared.ask("dana", "POST", "/use-cases", json={"name": "mine", "tier": "low", "business_owner": me})
    body = {"use_case": "mine", "days": 30}
    answer = shared.ask("rita", "POST", "/retentions", json=body, params={"reason": "x"})
    assert (answer.status_code, "custody.not-the-owner" in answer.text) == (403, True)
    for who in ("dana", "omar", "bea", "vic"):
        assert shared.ask(who, "POST", "/retentions", json=body, params={"reason": "x"}).status_code == 403
    assert shared.ask("rita", "POST", "/retentions", json={"tier": "low", "days": 400}).status_code == 403, "a reason is missing"
