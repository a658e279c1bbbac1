"""Can the installation still be governed under these policies? Asked before a set is activated.

What must remain: an administrator who can let people in, two risk officers who can change the policies again, somebody who
can approve, and the separation of duties itself. A handful of questions with known answers; the policies are asked them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from modelyard.core.messages import SYSTEM, Actor, Subject
from modelyard.governance.identity.model import Role
from modelyard.governance.policy.cedar import Policies, Question

ADMINISTRATOR = Actor(id="probe administrator", roles=frozenset({Role.ADMINISTRATOR.value}))
FIRST_OFFICER = Actor(id="probe first officer", roles=frozenset({Role.RISK_OFFICER.value}))
SECOND_OFFICER = Actor(id="probe second officer", roles=frozenset({Role.RISK_OFFICER.value}))
EVERYTHING = Actor(id="probe of all roles", roles=frozenset(role.value for role in Role))
STRANGER = Actor(id="probe without a role")

_SOMEBODY = Subject(type="identity", id="probe somebody", attributes={"owner": "probe somebody", "kind": "person"})
_ROLE = Subject(type="identity", id="probe somebody", attributes={"owner": "probe somebody", "kind": "person", "role": "viewer"})
_NEW = Subject(type="policy_set", id="probe set", attributes={"proposer": FIRST_OFFICER.id})
_OWN = Subject(type="policy_set", id="probe set", attributes={"proposer": EVERYTHING.id})


@dataclass(frozen=True)
class Probe:
    """A question with the answer that it must have."""

    name: str
    question: Question
    allowed: bool


def _approval(developer: str, requester: str) -> Subject:
    told = {"developers": [developer], "requester": requester, "tier": "high", "stage": "production"}
    return Subject(type="approval", id="probe approval", attributes=told)


def _probes() -> list[Probe]:
    asks = partial(Question, reason_given=True)
    return [
        Probe("an administrator creates identities", asks(ADMINISTRATOR, "governance.create_identity", _SOMEBODY), True),
        Probe("an administrator grants roles", asks(ADMINISTRATOR, "governance.grant_role", _ROLE), True),
        Probe("an administrator issues tokens", asks(ADMINISTRATOR, "governance.issue_token", _SOMEBODY), True),
        Probe("a risk officer proposes policies", asks(FIRST_OFFICER, "governance.propose_policies", _NEW), True),
        Probe("another risk officer activates them", asks(SECOND_OFFICER, "governance.activate_policies", _NEW), True),
        Probe("nobody activates their own policies", asks(EVERYTHING, "governance.activate_policies", _OWN), False),
        Probe("a risk officer decides approvals", asks(FIRST_OFFICER, "governance.decide_approval", _approval("d", "r")), True),
        Probe(
            "no requester approves",
            asks(EVERYTHING, "governance.decide_approval", _approval("d", EVERYTHING.id)),
            False,
        ),
        Probe(
            "no developer approves",
            asks(EVERYTHING, "governance.decide_approval", _approval(EVERYTHING.id, "r")),
            False,
        ),
        Probe("the platform itself does not approve", asks(SYSTEM, "governance.decide_approval", _approval("d", "r")), False),
        Probe("without a role nobody reads", asks(STRANGER, "read", Subject(type="models", id="")), False),
    ]


def broken_promises(policies: Policies) -> list[str]:
    """What would no longer hold under these policies; empty when they may be activated."""
    return [probe.name for probe in _probes() if policies.ask(probe.question).allowed is not probe.allowed]
