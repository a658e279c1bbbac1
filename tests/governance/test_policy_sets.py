"""Policies as records: proposed by one, checked, activated by another, in force at once, never a way to lock everybody out."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.core.bus import Bus, Request
from modelyard.core.clock import ManualClock
from modelyard.core.digests import digest
from modelyard.core.errors import Forbidden, InvalidInput, NotFound, TooLarge, Untrusted, WrongState
from modelyard.core.ids import CountedIds
from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, Actor, Command
from modelyard.core.records import every
from modelyard.governance.identity import TABLES as IDENTITY_TABLES
from modelyard.governance.identity import handlings as identity_handlings
from modelyard.governance.identity.commands import CreateIdentity
from modelyard.governance.policy import POLICY_SETS, CedarAuthorizer, PolicySet, default_text, read_policies, write_policies
from modelyard.governance.policy import TABLES as POLICY_TABLES
from modelyard.governance.policy import handlings as policy_handlings
from modelyard.governance.policy.commands import ActivatePolicies, ProposePolicies
from modelyard.storage.memory import MemoryStorage

RITA, OMAR = (Actor(id=name, roles=frozenset({"risk_officer"})) for name in ("rita", "omar"))
ANN = Actor(id="ann", roles=frozenset({"administrator"}))
DANA = Actor(id="dana", roles=frozenset({"developer"}))
FREEZE = '@id("freeze") forbid (principal, action == Action::"catalog.register_model", resource);\n'
REASONED = (
    '@id("reasons") forbid (principal, action == Action::"governance.create_identity", resource) unless { context.reason_given };'
)


class House:
    def __init__(self) -> None:
        self.storage = MemoryStorage((*IDENTITY_TABLES, *POLICY_TABLES, AUDIT, AUDIT_PENDING, OUTBOX, IDEMPOTENCY))
        self.authorizer = CedarAuthorizer()
        self.bus = Bus(self.storage, self.authorizer, ManualClock(), CountedIds())
        self.bus.register(*identity_handlings(), *policy_handlings())

    def do(self, actor: Actor, command: Command, reason: str = ""):
        return self.bus.handle(Request(command=command, actor=actor, reason=reason))

    def enforce(self, text: str) -> PolicySet:
        proposed = self.do(RITA, ProposePolicies(text=text))
        return self.do(OMAR, ActivatePolicies(policy_set=proposed.id))

    def in_force(self) -> str:
        with self.storage.reading() as tx:
            return self.authorizer.policy_set(tx)


@pytest.fixture
def house() -> House:
    return House()


def test_the_shipped_policies_are_in_force_until_others_are(house: House) -> None:
    assert house.in_force() == digest(default_text().encode())
    kept = house.enforce(default_text() + FREEZE)
    assert house.in_force() == kept.text_digest == digest((default_text() + FREEZE).encode())
    assert (kept.number, kept.state, kept.proposed_by, kept.activated_by) == (1, "active", "rita", "omar")


def test_a_change_is_recorded_under_the_policies_it_was_judged_by(house: House) -> None:
    kept = house.enforce(default_text() + FREEZE)
    house.do(ANN, CreateIdentity(name="x", display_name="X"))
    with house.storage.reading() as tx:
        records = {record.action: record for record in every(tx, AUDIT)}
    assert records["governance.activate_policies"].policy_set == digest(default_text().encode())
    assert records["governance.activate_policies"].policies == ("role.risk-officer",)
    assert records["governance.create_identity"].policy_set == kept.text_digest


def test_an_activated_policy_decides_at_once(house: House) -> None:
    house.enforce(default_text() + REASONED)
    with pytest.raises(Forbidden, match="forbidden by policy reasons"):
        house.do(ANN, CreateIdentity(name="x", display_name="X"))
    assert house.do(ANN, CreateIdentity(name="x", display_name="X"), reason="new colleague").name == "x"


def test_policies_take_two_people(house: House) -> None:
    proposed = house.do(RITA, ProposePolicies(text=default_text()))
    with pytest.raises(Forbidden, match=r"separation\.policies") as refusal:
        house.do(RITA, ActivatePolicies(policy_set=proposed.id))
    assert refusal.value.hint == "ask another person who is risk_officer"
    with pytest.raises(Forbidden) as refusal:
        house.do(DANA, ActivatePolicies(policy_set=proposed.id))
    assert "no policy permits it to developer" in refusal.value.detail
    assert refusal.value.hint == "ask somebody who is risk_officer"


def test_there_is_one_active_set_and_an_earlier_one_can_return(house: House) -> None:
    first = house.enforce(default_text() + FREEZE)
    second = house.enforce(default_text())
    assert second.number == 2
    house.do(OMAR, ActivatePolicies(policy_set=first.id))
    with house.storage.reading() as tx:
        states = {kept.number: kept.state for kept in every(tx, POLICY_SETS)}
    assert states == {1: "active", 2: "retired"}
    with pytest.raises(WrongState, match="already"):
        house.do(OMAR, ActivatePolicies(policy_set=first.id))


def without(policy_id: str) -> str:
    """The shipped policies but one."""
    kept = [part for part in default_text().split('@id("') if not part.startswith(f'{policy_id}")')]
    assert len(kept) == default_text().count('@id("')
    return '@id("'.join(kept)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not Cedar"),
        ("this is not cedar", "not Cedar policies"),
        ('permit (principal, action == Action::"catalog.fly", resource);', "do not fit the schema"),
        (default_text() + "permit (principal, action, resource) when { resource.colour == 1 };", "do not fit the schema"),
        (default_text() + "permit (principal, action, resource) when { principal.id > 1 };", "do not fit the schema"),
        ("permit (principal, action, resource);", "nobody activates their own policies"),
        (default_text() + "forbid (principal, action, resource);", "an administrator creates identities"),
        (default_text() + 'forbid (principal, action == Action::"governance.propose_policies", resource);', "proposes policies"),
        (without("role.administrator"), "an administrator issues tokens"),
        (without("role.risk-officer"), "another risk officer activates them"),
        (without("separation.approver"), "no requester approves; no developer approves"),
        (without("separation.policies"), "nobody activates their own policies"),
        (without("separation.people-decide") + 'permit(principal in Role::"system", action, resource);', "does not approve"),
        (default_text() + "permit (principal, action, resource);", "without a role nobody reads"),
    ],
)
def test_policies_that_would_end_government_are_refused_with_the_reason(house: House, text: str, complaint: str) -> None:
    before = house.in_force()
    if not text:
        with pytest.raises(ValueError, match="at least 1 character"):
            ProposePolicies(text=text)
        return
    with pytest.raises(InvalidInput, match=complaint):
        house.do(RITA, ProposePolicies(text=text))
    assert house.in_force() == before


@pytest.mark.parametrize("text", [default_text() + "permit (principal, action, resource);", "no Cedar at all"])
def test_an_edited_policy_set_is_not_obeyed_and_the_refusal_recorded(house: House, text: str) -> None:
    kept = house.enforce(default_text())
    with house.storage.transaction() as tx:
        tx.save(POLICY_SETS, tx.get(POLICY_SETS, kept.id).model_copy(update={"text": text}))
    with pytest.raises(Untrusted, match="not the one that was activated"):
        house.do(ANN, CreateIdentity(name="x", display_name="X"))
    with house.storage.reading() as tx:
        refused = [record for record in every(tx, AUDIT) if record.outcome == "refused"]
    assert [(record.error_code, record.policy_set) for record in refused] == [("untrusted", digest(text.encode()))]


def test_a_proposal_that_was_edited_is_not_activated(house: House) -> None:
    proposed = house.do(RITA, ProposePolicies(text=default_text()))
    with house.storage.transaction() as tx:
        tx.save(POLICY_SETS, proposed.model_copy(update={"text": default_text() + FREEZE}))
    with pytest.raises(Untrusted, match="not the one that was proposed"):
        house.do(OMAR, ActivatePolicies(policy_set=proposed.id))


def test_a_token_narrows_what_roles_allow(house: House) -> None:
    narrow = ANN.model_copy(update={"scopes": frozenset({"read", "catalog.*"})})
    with pytest.raises(Forbidden, match="limited to catalog"):
        house.do(narrow, CreateIdentity(name="x", display_name="X"))
    with house.storage.reading() as tx:
        assert house.authorizer.may_read(tx, narrow, "models")
        assert not house.authorizer.may_read(tx, narrow.model_copy(update={"scopes": frozenset({"catalog.*"})}), "models")
        assert not house.authorizer.may_read(tx, DANA, "tokens")
        with pytest.raises(Forbidden, match="read on tokens"):
            house.authorizer.authorise_read(tx, DANA, "tokens")
        assert house.authorizer.authorise_read(tx, ANN, "tokens").policies == ("read.tokens",)


def test_a_scope_never_adds_to_the_roles(house: House) -> None:
    with pytest.raises(Forbidden, match="no policy permits"):
        house.do(DANA.model_copy(update={"scopes": frozenset({"*"})}), CreateIdentity(name="x", display_name="X"))


def test_a_refusal_is_in_the_audit(house: House) -> None:
    with pytest.raises(Forbidden):
        house.do(DANA, CreateIdentity(name="x", display_name="X"))
    with house.storage.reading() as tx:
        (record,) = every(tx, AUDIT)
    assert (record.outcome, record.actor, record.error_code) == ("refused", "dana", "forbidden")


def test_files_go_out_and_come_back_the_same(house: House, tmp_path: Path) -> None:
    with house.storage.reading() as tx:
        written = write_policies(tx, tmp_path / "out")
    assert [path.name for path in written] == ["policies.cedar", "schema.cedarschema"]
    assert read_policies(written[0], "from files").text == default_text()
    (tmp_path / "out" / "zz.cedar").write_text(FREEZE)
    assert read_policies(tmp_path / "out").text == default_text() + "\n" + FREEZE


def test_files_that_are_not_policies_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_policies(tmp_path / "none.cedar")
    with pytest.raises(InvalidInput, match="holds no"):
        read_policies(tmp_path)
    (tmp_path / "a.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_policies(tmp_path)
    (tmp_path / "a.cedar").write_bytes(b"/" * 300_000)
    with pytest.raises(TooLarge):
        read_policies(tmp_path)
