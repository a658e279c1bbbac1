"""Identities on every adapter: what must hold when several processes act at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from modelyard.core.bus import Bus, Request
from modelyard.core.clock import ManualClock
from modelyard.core.errors import ModelyardError, WrongState
from modelyard.core.ids import RandomIds
from modelyard.core.messages import Actor
from modelyard.core.records import every
from modelyard.governance.identity import IDENTITIES, Role, authenticate, bootstrap_administrator, handlings, mint, roles_of
from modelyard.governance.identity import TABLES as IDENTITY_TABLES
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken, RevokeRole
from modelyard.governance.policy import TABLES as POLICY_TABLES
from modelyard.governance.policy import CedarAuthorizer

TABLES = (*IDENTITY_TABLES, *POLICY_TABLES)
CLOCK = ManualClock()


@pytest.fixture
def bus(storage) -> Bus:
    bus = Bus(storage, CedarAuthorizer(), CLOCK, RandomIds())
    bus.register(*handlings())
    return bus


def test_of_several_first_starts_one_makes_the_administrator(bus: Bus, storage) -> None:
    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(lambda _: bootstrap_administrator(bus, storage, CLOCK.now()), range(4)))
    (token,) = [token for token in tokens if token]
    with storage.reading() as tx:
        assert len(every(tx, IDENTITIES)) == 1
        assert authenticate(tx, token, CLOCK.now()).roles == {"administrator"}


def test_two_administrators_cannot_remove_each_other_at_once(bus: Bus, storage) -> None:
    token = bootstrap_administrator(bus, storage, CLOCK.now())
    with storage.reading() as tx:
        first = authenticate(tx, token, CLOCK.now())
    other = bus.handle(Request(command=CreateIdentity(name="other", display_name="Other"), actor=first))
    bus.handle(Request(command=GrantRole(identity=other.id, role=Role.ADMINISTRATOR), actor=first))
    second = Actor(id=other.id, roles=frozenset({"administrator"}))

    def remove(pair: tuple[Actor, str]) -> ModelyardError | None:
        try:
            bus.handle(Request(command=RevokeRole(identity=pair[1], role=Role.ADMINISTRATOR), actor=pair[0]))
        except ModelyardError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(remove, [(first, second.id), (second, first.id)]))
    assert [type(error) for error in outcomes if error] == [WrongState]
    with storage.reading() as tx:
        assert sorted(len(roles_of(tx, who)) for who in (first.id, second.id)) == [0, 1]


def test_a_token_works_the_same_everywhere(bus: Bus, storage) -> None:
    bootstrap_administrator(bus, storage, CLOCK.now())
    with storage.reading() as tx:
        (administrator,) = every(tx, IDENTITIES)
    minted = mint()
    command = IssueToken(
        identity=administrator.id,
        name="laptop",
        key=minted.key,
        secret_digest=minted.digest,
        scopes=("read", "catalog.*"),
        expires_at=CLOCK.now() + timedelta(days=1),
    )
    actor = Actor(id=administrator.id, roles=frozenset({"administrator"}))
    bus.handle(Request(command=command, actor=actor))
    with storage.reading() as tx:
        assert authenticate(tx, minted.text, CLOCK.now()) == actor.model_copy(update={"scopes": frozenset({"read", "catalog.*"})})
