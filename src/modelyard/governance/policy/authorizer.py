"""Every change and every read is asked of Cedar. Deny by default; a refusal says which policy denied and who could.

The policy set is read within the transaction of the change, so that a change is judged by what is in force as it happens.
"""

from __future__ import annotations

from modelyard.core.bus import Permit, Request
from modelyard.core.digests import digest
from modelyard.core.errors import Forbidden, Untrusted
from modelyard.core.messages import Actor, ActorKind, Subject
from modelyard.core.records import Transaction
from modelyard.governance.identity.model import Role, within
from modelyard.governance.policy.cedar import READ, Answer, Policies, Question, default_text, policies_of
from modelyard.governance.policy.model import active_set


class CedarAuthorizer:
    """The bus's Authorizer. Holds no state: the parsed policies are kept by their text."""

    def authorise(self, tx: Transaction, request: Request, subject: Subject) -> Permit:
        question = Question(
            request.actor, request.command.action, subject, reason_given=bool(request.reason.strip()), dry_run=request.dry_run
        )
        return _permit(policies_in_force(tx), question)

    def policy_set(self, tx: Transaction) -> str:
        """The digest of the text that is in force, even when it was edited: the record of that refusal needs one."""
        active = active_set(tx)
        return _digest(default_text() if active is None else active.text)

    def authorise_read(self, tx: Transaction, actor: Actor, resource_type: str) -> Permit:
        """Permit reading records of a type (the name of their table), or raise Forbidden."""
        return _permit(policies_in_force(tx), Question(actor, READ, Subject(type=resource_type, id="")))

    def may_read(self, tx: Transaction, actor: Actor, resource_type: str) -> bool:
        """Whether `authorise_read` permits: for leaving out what somebody would not be shown."""
        question = Question(actor, READ, Subject(type=resource_type, id=""))
        return within(actor.scopes, READ) and policies_in_force(tx).ask(question).allowed


def policies_in_force(tx: Transaction) -> Policies:
    """The active policies, or the shipped ones when none are active. Raises Untrusted when the active set's text is not the
    one that was activated."""
    active = active_set(tx)
    if active is None:
        return policies_of(default_text())
    if _digest(active.text) != active.text_digest:
        raise Untrusted(f"the text of policy set {active.number} is not the one that was activated", hint="run `audit verify`")
    return policies_of(active.text)


def _digest(text: str) -> str:
    return digest(text.encode())


def _permit(policies: Policies, question: Question) -> Permit:
    if not within(question.actor.scopes, question.action):
        raise Forbidden(
            f"this token may not do {question.action}; it is limited to {', '.join(sorted(question.actor.scopes))}",
            hint="present a token with that scope",
        )
    answer = policies.ask(question)
    if answer.allowed:
        return Permit(policies.digest, answer.policies)
    raise Forbidden(_why(question, answer), hint=_who_could(policies, question))


def _why(question: Question, answer: Answer) -> str:
    what = f"{question.action} on {question.subject.type}" + (f" {question.subject.id}" if question.subject.id else "")
    if answer.errors:
        return f"{what} is denied: a policy could not be evaluated ({'; '.join(answer.errors)})"
    if answer.policies:
        return f"{what} is forbidden by policy {', '.join(answer.policies)}"
    held = ", ".join(sorted(question.actor.roles)) or "no role"
    return f"{what} is denied: no policy permits it to {held}"


def _who_could(policies: Policies, question: Question) -> str:
    strangers = [Actor(id=f"another {role}", kind=ActorKind.PERSON, roles=frozenset({role})) for role in Role]
    answers = policies.ask_all([question.asked_by(stranger) for stranger in strangers])
    able = [role.value for role, answer in zip(Role, answers, strict=True) if answer.allowed]
    if not able:
        return "no role may do this by itself"
    others = "another person" if question.actor.roles.intersection(able) else "somebody"
    return f"ask {others} who is {' or '.join(able)}"
