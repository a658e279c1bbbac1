"""Identities, roles and tokens: what they promise to those who hold them and to those who do not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from modelyard.core.bus import Bus, Request
from modelyard.core.clock import ManualClock
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, NotFound, Unauthenticated, WrongState
from modelyard.core.ids import CountedIds
from modelyard.core.messages import AUDIT, AUDIT_PENDING, IDEMPOTENCY, OUTBOX, Actor, Command
from modelyard.core.records import every
from modelyard.governance.identity import (
    IDENTITIES,
    ROLE_GRANTS,
    TOKENS,
    IdentityKind,
    Minted,
    Role,
    authenticate,
    bootstrap_administrator,
    mint,
)
from modelyard.governance.identity import TABLES as IDENTITY_TABLES
from modelyard.governance.identity import handlings as identity_handlings
from modelyard.governance.identity.commands import (
    CreateIdentity,
    DeactivateIdentity,
    GrantRole,
    IssueToken,
    RevokeRole,
    RevokeToken,
)
from modelyard.governance.identity.model import covers, within
from modelyard.governance.policy import TABLES as POLICY_TABLES
from modelyard.governance.policy import CedarAuthorizer
from modelyard.governance.policy import handlings as policy_handlings
from modelyard.storage.memory import MemoryStorage

DAY = timedelta(days=1)
ISSUE = {
    "identity": "i",
    "name": "n",
    "key": "0" * 16,
    "secret_digest": "sha256:" + "0" * 64,
    "expires_at": "2026-02-01T00:00:00Z",
}


class House:
    """A bus over memory with identities and policies, and the first administrator."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = MemoryStorage((*IDENTITY_TABLES, *POLICY_TABLES, AUDIT, AUDIT_PENDING, OUTBOX, IDEMPOTENCY))
        self.bus = Bus(self.storage, CedarAuthorizer(), self.clock, CountedIds())
        self.bus.register(*identity_handlings(), *policy_handlings())
        token = bootstrap_administrator(self.bus, self.storage, self.clock.now())
        assert token is not None
        self.administrator_token = token
        self.administrator = self.who(token)

    def who(self, token: str) -> Actor:
        with self.storage.reading() as tx:
            return authenticate(tx, token, self.clock.now())

    def do(self, command: Command, actor: Actor | None = None, key: str | None = None):
        return self.bus.handle(Request(command=command, actor=actor or self.administrator, idempotency_key=key))

    def member(self, name: str, *roles: Role, scopes: tuple[str, ...] = (), kind: IdentityKind = IdentityKind.PERSON) -> str:
        """A new member's token."""
        person = self.do(CreateIdentity(name=name, display_name=name.title(), kind=kind))
        for role in roles:
            self.do(GrantRole(identity=person.id, role=role))
        return self.token(person.id, scopes)

    def token(self, identity_id: str, scopes: tuple[str, ...] = (), actor: Actor | None = None) -> str:
        minted = mint()
        self.do(self.issue(identity_id, minted, scopes), actor)
        return minted.text

    def issue(self, identity_id: str, minted: Minted, scopes: tuple[str, ...] = ()) -> IssueToken:
        return IssueToken(
            identity=identity_id,
            name="test",
            key=minted.key,
            secret_digest=minted.digest,
            scopes=scopes,
            expires_at=self.clock.now() + 30 * DAY,
        )


@pytest.fixture
def house() -> House:
    return House()


def test_the_first_start_makes_one_administrator_and_later_starts_none(house: House) -> None:
    assert house.administrator.roles == {"administrator"}
    assert bootstrap_administrator(house.bus, house.storage, house.clock.now()) is None
    with house.storage.reading() as tx:
        assert [record.action for record in every(tx, AUDIT)] == ["governance.bootstrap_administrator"]
        assert len(every(tx, IDENTITIES)) == 1


def test_a_member_is_known_by_the_token_with_the_roles_of_now(house: House) -> None:
    token = house.member("dana", Role.DEVELOPER)
    dana = house.who(token)
    assert (dana.kind, dana.roles) == ("person", {"developer"})
    house.do(GrantRole(identity=dana.id, role=Role.VALIDATOR))
    house.do(RevokeRole(identity=dana.id, role=Role.DEVELOPER))
    assert house.who(token).roles == {"validator"}


def test_a_service_account_acts_as_a_service(house: House) -> None:
    assert house.who(house.member("ci", Role.DEVELOPER, kind=IdentityKind.SERVICE)).kind == "service"


def test_nothing_that_is_kept_contains_the_secret(house: House) -> None:
    minted = mint()
    dana = house.do(CreateIdentity(name="dana", display_name="Dana"))
    house.do(house.issue(dana.id, minted), key="once")
    assert house.do(house.issue(dana.id, minted), key="once").key == minted.key
    secret = minted.text.rsplit("_", 1)[1]
    with house.storage.reading() as tx:
        tables = (*IDENTITY_TABLES, AUDIT, AUDIT_PENDING, OUTBOX, IDEMPOTENCY)
        kept = "".join(record.model_dump_json() for table in tables for record in every(tx, table))
    assert minted.key in kept
    assert secret not in kept
    assert secret not in repr(minted)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: "",
        lambda t: t[:-1],
        lambda t: t + "0",
        lambda t: t + "\n",
        lambda t: t.upper(),
        lambda t: t[:-1] + ("0" if t[-1] != "0" else "1"),
        lambda t: t.replace("myd_", "abc_"),
        lambda t: "myd_" + "0" * 16 + t[20:],
        lambda t: t.replace("_", "_é", 1),
        lambda t: "\x00" * 85,
    ],
)
def test_what_is_not_quite_the_token_is_unknown(house: House, spoil) -> None:
    with pytest.raises(Unauthenticated, match="not known"):
        house.who(spoil(house.administrator_token))


@given(st.text(max_size=120))
def test_no_text_at_all_breaks_authentication(text: str) -> None:
    with HOUSE.storage.reading() as tx, pytest.raises(Unauthenticated):
        authenticate(tx, text, HOUSE.clock.now())


HOUSE = House()


def test_a_token_ends_exactly_when_it_says(house: House) -> None:
    token = house.member("dana", Role.DEVELOPER)
    house.clock.advance(30 * DAY - timedelta(microseconds=1))
    assert house.who(token).roles == {"developer"}
    house.clock.advance(timedelta(microseconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        house.who(token)


def test_a_revoked_token_is_dead_and_others_live(house: House) -> None:
    token = house.member("dana", Role.DEVELOPER)
    other = house.token(house.who(token).id)
    with house.storage.reading() as tx:
        kept = next(t for t in every(tx, TOKENS) if t.key in token)
    house.do(RevokeToken(token=kept.id))
    with pytest.raises(Unauthenticated, match="revoked"):
        house.who(token)
    assert house.who(other).roles == {"developer"}
    with pytest.raises(WrongState):
        house.do(RevokeToken(token=kept.id))


def test_a_deactivated_identity_is_out_at_once_and_stays_known(house: House) -> None:
    token = house.member("dana", Role.DEVELOPER)
    dana = house.who(token)
    house.do(DeactivateIdentity(identity=dana.id))
    with pytest.raises(Unauthenticated, match="deactivated"):
        house.who(token)
    for command in (
        GrantRole(identity=dana.id, role=Role.VIEWER),
        house.issue(dana.id, mint()),
        DeactivateIdentity(identity=dana.id),
    ):
        with pytest.raises(WrongState):
            house.do(command)
    with pytest.raises(AlreadyExists):
        house.do(CreateIdentity(name="dana", display_name="Another Dana"))


def test_the_last_administrator_cannot_leave(house: House) -> None:
    me = house.administrator.id
    house.member("robot", Role.ADMINISTRATOR, kind=IdentityKind.SERVICE)
    for command in (DeactivateIdentity(identity=me), RevokeRole(identity=me, role=Role.ADMINISTRATOR)):
        with pytest.raises(WrongState, match="last administrator"):
            house.do(command)
    house.member("ann", Role.ADMINISTRATOR)
    house.do(DeactivateIdentity(identity=me))
    with pytest.raises(Unauthenticated):
        house.who(house.administrator_token)


def test_nobody_gives_themselves_a_role(house: House) -> None:
    with pytest.raises(Forbidden, match=r"separation\.own-roles"):
        house.do(GrantRole(identity=house.administrator.id, role=Role.RISK_OFFICER))


def test_a_role_is_granted_once_and_revoked_once(house: House) -> None:
    dana = house.who(house.member("dana", Role.DEVELOPER))
    with pytest.raises(AlreadyExists):
        house.do(GrantRole(identity=dana.id, role=Role.DEVELOPER))
    house.do(RevokeRole(identity=dana.id, role=Role.DEVELOPER))
    with pytest.raises(WrongState):
        house.do(RevokeRole(identity=dana.id, role=Role.DEVELOPER))
    house.do(GrantRole(identity=dana.id, role=Role.DEVELOPER))
    with house.storage.reading() as tx:
        history = [grant for grant in every(tx, ROLE_GRANTS) if grant.identity == dana.id]
    assert [grant.revoked_by for grant in history] == [house.administrator.id, None]


def test_people_manage_their_own_tokens_and_no_others(house: House) -> None:
    dana, eve = house.who(house.member("dana", Role.DEVELOPER)), house.who(house.member("eve", Role.DEVELOPER))
    token = house.token(dana.id, actor=dana)
    assert house.who(token).id == dana.id
    with pytest.raises(Forbidden):
        house.token(dana.id, actor=eve)


def test_a_narrowed_token_does_not_make_a_wider_one(house: House) -> None:
    narrow = house.who(house.member("dana", Role.DEVELOPER, scopes=("governance.issue_token", "catalog.*")))
    for wider in ((), ("*",), ("delivery.*",), ("catalog.register_model", "read")):
        with pytest.raises(Forbidden):
            house.token(narrow.id, wider, actor=narrow)
    narrower = house.who(house.token(narrow.id, ("catalog.register_model",), actor=narrow))
    assert narrower.scopes == {"catalog.register_model"}


def test_a_token_key_is_used_once(house: House) -> None:
    minted = mint()
    house.do(house.issue(house.administrator.id, minted))
    with pytest.raises(AlreadyExists):
        house.do(house.issue(house.administrator.id, minted))


@pytest.mark.parametrize("days", [0, -1, 367, 100_000])
def test_a_token_neither_starts_dead_nor_lives_for_ever(house: House, days: int) -> None:
    command = house.issue(house.administrator.id, mint())
    with pytest.raises(InvalidInput, match="within 366 days"):
        house.do(command.model_copy(update={"expires_at": house.clock.now() + days * DAY}))


def test_unknown_identities_are_not_found(house: House) -> None:
    for command in (
        GrantRole(identity="idn_x", role=Role.VIEWER),
        DeactivateIdentity(identity="idn_x"),
        RevokeToken(token="tok_x"),
    ):
        with pytest.raises(NotFound):
            house.do(command)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (CreateIdentity, {"name": "Dana Scully", "display_name": "Dana"}),
        (CreateIdentity, {"name": "", "display_name": "Dana"}),
        (CreateIdentity, {"name": "a" * 65, "display_name": "Dana"}),
        (CreateIdentity, {"name": "dana", "display_name": "Dana", "email": "not an address"}),
        (CreateIdentity, {"name": "dana", "display_name": "Dana", "kind": "system"}),
        (GrantRole, {"identity": "i", "role": "system"}),
        (GrantRole, {"identity": "i", "role": "god"}),
        (IssueToken, ISSUE | {"secret_digest": "hunter2"}),
        (IssueToken, ISSUE | {"key": "short"}),
        (IssueToken, ISSUE | {"expires_at": "2026-02-01T00:00:00"}),
        (IssueToken, ISSUE | {"scopes": ["Catalog.*"]}),
        (IssueToken, ISSUE | {"scopes": ["read"] * 51}),
        (IssueToken, ISSUE | {"colour": "blue"}),
    ],
)
def test_bad_input_is_told_before_anything_happens(kind: type[Command], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(fields)


SCOPES = st.sampled_from(["*", "read", "catalog.*", "catalog.register_model", "delivery.*", "delivery.rollback"])
ACTIONS = st.sampled_from(["read", "catalog.register_model", "delivery.rollback", "catalogue.register_model"])


@given(st.frozensets(SCOPES, min_size=1), SCOPES, ACTIONS)
def test_a_scope_within_others_allows_nothing_that_they_do_not(outer: frozenset[str], inner: str, action: str) -> None:
    if within(outer, inner) and covers(inner, action):
        assert within(outer, action)


def test_reading_is_not_within_a_package_and_packages_do_not_share_beginnings() -> None:
    assert not covers("catalog.*", "read")
    assert not covers("catalog.*", "catalogue.register_model")
    assert within(frozenset(), "anything.at_all")
