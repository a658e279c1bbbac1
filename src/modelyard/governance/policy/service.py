"""How policies change: proposed by one person, checked, put in force by another."""

from __future__ import annotations

from typing import Any

from modelyard.core.bus import Handling, Request, Work
from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput, Untrusted, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Query, Transaction
from modelyard.governance.policy.cedar import Policies, policies_of
from modelyard.governance.policy.commands import ActivatePolicies, ProposePolicies
from modelyard.governance.policy.events import PoliciesActivated, PoliciesProposed
from modelyard.governance.policy.lockout import broken_promises
from modelyard.governance.policy.model import POLICY_SETS, PolicySet, PolicyState, active_set

MOST_PROBLEMS = 10


def require_sound(policies: Policies) -> None:
    """Raises InvalidInput when Cedar finds the policies wrong, or when they would lock people out or end the separation of
    duties."""
    problems = policies.problems()
    if problems:
        raise InvalidInput(f"the policies do not fit the schema: {'; '.join(problems[:MOST_PROBLEMS])}", field="text")
    broken = broken_promises(policies)
    if broken:
        raise InvalidInput(
            f"under these policies this would no longer hold: {'; '.join(broken)}",
            field="text",
            hint="start from the policies in force and change less",
        )


def propose_policies(work: Work, command: ProposePolicies) -> PolicySet:
    policies = policies_of(command.text)
    require_sound(policies)
    latest = work.find(POLICY_SETS, Query(sort="number", descending=True, limit=1)).items
    proposed = PolicySet(
        **work.new("pol"),
        number=latest[0].number + 1 if latest else 1,
        text=command.text,
        text_digest=policies.digest,
        note=command.note,
        proposed_by=work.actor.id,
    )
    kept = work.add(POLICY_SETS, proposed)
    work.emit(PoliciesProposed(policy_set=kept.id, number=kept.number, text_digest=kept.text_digest), f"policy_set:{kept.id}")
    return kept


def activate_policies(work: Work, command: ActivatePolicies) -> PolicySet:
    wanted = work.get(POLICY_SETS, command.policy_set)
    if wanted.state is PolicyState.ACTIVE:
        raise WrongState(f"policy set {wanted.number} is in force already", field="policy_set")
    if digest(wanted.text.encode()) != wanted.text_digest:
        raise Untrusted(f"the text of policy set {wanted.number} is not the one that was proposed", hint="propose it again")
    require_sound(policies_of(wanted.text))
    before = active_set(work.tx)
    if before is not None:
        work.save(POLICY_SETS, before.model_copy(update={"state": PolicyState.RETIRED, "retired_at": work.now}))
    in_force = {"state": PolicyState.ACTIVE, "activated_by": work.actor.id, "activated_at": work.now, "retired_at": None}
    kept = work.save(POLICY_SETS, wanted.model_copy(update=in_force))
    work.emit(PoliciesActivated(policy_set=kept.id, number=kept.number, text_digest=kept.text_digest), f"policy_set:{kept.id}")
    return kept


def _new_set(_tx: Transaction, request: Request, _command: ProposePolicies) -> Subject:
    return Subject(type="policy_set", id="new", attributes={"proposer": request.actor.id})


def _known_set(tx: Transaction, _request: Request, command: ActivatePolicies) -> Subject:
    wanted = tx.get(POLICY_SETS, command.policy_set)
    return Subject(type="policy_set", id=wanted.id, attributes={"proposer": wanted.proposed_by})


def handlings() -> list[Handling[Any]]:
    return [
        Handling(ProposePolicies, propose_policies, _new_set, PolicySet),
        Handling(ActivatePolicies, activate_policies, _known_set, PolicySet),
    ]
