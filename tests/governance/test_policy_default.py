"""The shipped policies: who may do what, and which policy says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.messages import SYSTEM, Actor, ActorKind, Subject
from modelyard.governance.identity import Role
from modelyard.governance.policy import Answer, Question, default_text, known_actions, policies_of
from modelyard.governance.policy.service import require_sound

DEFAULT = policies_of(default_text())
ROLES = [role.value for role in Role]


def actor(*roles: str, name: str = "me", kind: ActorKind = ActorKind.PERSON) -> Actor:
    return Actor(id=name, kind=kind, roles=frozenset(roles))


def ask(who: Actor, action: str, **attributes: object) -> Answer:
    return DEFAULT.ask(Question(who, action, Subject(type="record", id="it", attributes=attributes), reason_given=True))


def approval(developers: list[str], requester: str) -> dict[str, object]:
    return {"developers": developers, "requester": requester, "tier": "high", "stage": "production"}


def test_the_shipped_policies_pass_their_own_examination() -> None:
    require_sound(DEFAULT)


def test_every_action_of_the_platform_is_given_to_somebody() -> None:
    everybody = [actor(role) for role in ROLES] + [SYSTEM]
    others = {"developers": ["d"], "requester": "r", "proposer": "p", "owner": "o", "task_roles": list(ROLES)}
    for action in known_actions() - {"read"}:
        assert any(ask(who, action, **others).allowed for who in everybody), action


def test_the_schema_has_the_commands_that_exist_and_no_others() -> None:
    source = Path(__file__).parents[2] / "src" / "modelyard"
    declared = re.compile(r'^    action: ClassVar\[str\] = "([^"]+)"', re.MULTILINE)
    found = {name for path in source.rglob("*.py") for name in declared.findall(path.read_text())}
    assert found == known_actions() - {"read"}


APPROVERS = {"validator", "business_owner", "risk_officer"}
TABLE: list[tuple[str, set[str]]] = [
    ("catalog.register_model", {"developer"}),
    ("catalog.register_version", {"developer"}),
    ("catalog.register_use_case", {"developer", "business_owner"}),
    ("governance.record_evidence", {"developer", "validator", "risk_officer"}),
    ("governance.request_approval", set(ROLES)),
    ("governance.decide_approval", APPROVERS),
    ("governance.withdraw_approval", {"risk_officer"}),
    ("governance.adopt_gate", {"risk_officer"}),
    ("governance.assess_risk", {"developer", "validator", "business_owner", "risk_officer"}),
    ("governance.propose_policies", {"risk_officer"}),
    ("governance.activate_policies", {"risk_officer"}),
    ("governance.issue_release", {"operator", "business_owner", "risk_officer"}),
    ("governance.revoke_release", {"risk_officer"}),
    ("governance.create_identity", {"administrator"}),
    ("governance.grant_role", {"administrator"}),
    ("governance.issue_token", {"administrator"}),
    ("governance.register_key", {"administrator"}),
    ("governance.record_refusals", {"operator"}),
    ("delivery.create_endpoint", {"operator"}),
    ("delivery.deploy", {"operator"}),
    ("delivery.set_shares", {"operator"}),
    ("delivery.promote", {"business_owner"}),
    ("delivery.rollback", {"operator", "business_owner", "risk_officer"}),
    ("delivery.publish_routes", {"operator"}),
    ("jobs.retry_job", {"operator", "administrator"}),
    ("jobs.define_schedule", {"operator"}),
    ("monitoring.record_run", set()),
    ("value.record_value", {"business_owner"}),
    ("governance.bootstrap_administrator", set()),
    ("catalog.no_such_thing", set()),
]


@pytest.mark.parametrize(("action", "able"), TABLE)
def test_each_role_may_do_what_is_its_own(action: str, able: set[str]) -> None:
    others = approval(["d"], "r") | {"proposer": "p", "owner": "o", "task_roles": list(ROLES)}
    assert {role for role in ROLES if ask(actor(role), action, **others).allowed} == able


@pytest.mark.parametrize(
    ("who", "action", "attributes", "allowed", "policy"),
    [
        (actor("developer"), "catalog.register_model", {}, True, "role.developer"),
        (actor("validator"), "governance.decide_approval", approval(["d"], "r"), True, "role.validator"),
        (actor("validator"), "governance.decide_approval", approval(["d"], "me"), False, "separation.approver"),
        (actor("validator"), "governance.decide_approval", approval(["me", "d"], "r"), False, "separation.approver"),
        (actor("validator"), "governance.decide_approval", {}, False, "separation.approver"),
        (actor("validator"), "governance.decide_approval", {"requester": "r"}, False, "separation.approver"),
        (actor("validator"), "governance.decide_approval", {"developers": ["d"]}, False, "separation.approver"),
        (
            actor("validator", kind=ActorKind.SERVICE),
            "governance.decide_approval",
            approval(["d"], "r"),
            False,
            "separation.people-decide",
        ),
        (actor("risk_officer"), "governance.activate_policies", {"proposer": "p"}, True, "role.risk-officer"),
        (actor("risk_officer"), "governance.activate_policies", {"proposer": "me"}, False, "separation.policies"),
        (actor("risk_officer"), "governance.activate_policies", {}, False, "separation.policies"),
        (actor("developer"), "governance.withdraw_approval", approval(["d"], "me"), True, "member.withdraws-own-request"),
        (actor("developer"), "governance.issue_token", {"owner": "me"}, True, "member.own-tokens"),
        (actor(), "governance.issue_token", {"owner": "me"}, False, None),
        (actor(), "governance.request_approval", {"developers": ["d"]}, False, None),
        (actor("developer"), "governance.request_approval", {"developers": ["d"]}, True, "member.requests"),
        (actor("developer"), "governance.request_approval", {"developers": ["me"]}, False, "separation.approver"),
        (actor("developer"), "governance.request_approval", {}, False, "separation.approver"),
        (actor("administrator", name="it"), "governance.grant_role", {}, False, "separation.own-roles"),
        (actor("developer"), "catalog.update_use_case", {"tier": "", "new_tier": "low"}, True, "role.developer"),
        (actor("developer"), "catalog.update_use_case", {"tier": "low", "new_tier": "low"}, True, "role.developer"),
        (actor("developer"), "catalog.update_use_case", {"tier": "high", "new_tier": "low"}, False, "separation.tier"),
        (actor("developer"), "catalog.update_use_case", {"tier": "high", "new_tier": ""}, False, "separation.tier"),
        (actor("risk_officer"), "catalog.update_use_case", {"tier": "high", "new_tier": "low"}, True, "role.risk-officer"),
        (SYSTEM, "governance.bootstrap_administrator", {}, True, "role.system"),
        (SYSTEM, "delivery.publish_routes", {}, True, "role.system"),
        (SYSTEM, "delivery.promote", {}, False, None),
        (SYSTEM, "governance.decide_approval", approval(["d"], "r"), False, "separation.people-decide"),
        (actor("system"), "delivery.publish_routes", {}, False, None),
    ],
)
def test_who_may_do_what_and_which_policy_says_so(
    who: Actor, action: str, attributes: dict[str, object], allowed: bool, policy: str | None
) -> None:
    answer = ask(who, action, **attributes)
    assert answer.allowed is allowed
    assert answer.policies == ((policy,) if policy else ())


@given(st.frozensets(st.sampled_from([*ROLES, "system"])), st.sampled_from(ActorKind), st.lists(st.text(max_size=5)))
def test_nobody_approves_their_own_request_whatever_their_roles(roles: frozenset[str], kind: ActorKind, built: list[str]) -> None:
    assert not ask(actor(*roles, kind=kind), "governance.decide_approval", **approval(built, "me")).allowed


@given(st.frozensets(st.sampled_from([*ROLES, "system"])), st.lists(st.text(max_size=5)), st.integers(0, 5), st.text(max_size=5))
def test_nobody_approves_what_they_built_whatever_their_roles(
    roles: frozenset[str], others: list[str], place: int, requester: str
) -> None:
    built = [*others[:place], "me", *others[place:]]
    assert not ask(actor(*roles), "governance.decide_approval", **approval(built, requester)).allowed


@given(st.frozensets(st.sampled_from(ROLES)), st.text(min_size=1, max_size=8))
def test_a_stranger_to_the_request_approves_exactly_with_an_approving_role(roles: frozenset[str], name: str) -> None:
    answer = ask(actor(*roles, name=name), "governance.decide_approval", **approval([name + "d"], name + "r"))
    assert answer.allowed is bool(roles & APPROVERS)


@pytest.mark.parametrize(
    "attributes",
    [{"developers": "me", "requester": "r"}, {"developers": [["me"]], "requester": 7}, {"developers": 1, "requester": None}],
)
def test_attributes_of_the_wrong_type_deny(attributes: dict[str, object]) -> None:
    assert not ask(actor("validator", name="r"), "governance.decide_approval", **attributes).allowed


@pytest.mark.parametrize("share", [0.25, 1, True, None, {"a": 0.5}, ["x"], "text", 'quote " and \\ backslash\n'])
def test_attributes_that_the_schema_does_not_know_do_no_harm(share: object) -> None:
    assert ask(actor("operator"), "delivery.set_shares", share=share).allowed


def test_members_read_everything_but_tokens() -> None:
    def may(role: str, table: str) -> bool:
        return DEFAULT.ask(Question(actor(role), "read", Subject(type=table, id=""))).allowed

    assert all(may(role, table) for role in ROLES for table in ("models", "audit", "policy_sets"))
    assert {role for role in ROLES if may(role, "tokens")} == {"administrator"}
    assert not DEFAULT.ask(Question(actor(), "read", Subject(type="models", id=""))).allowed
