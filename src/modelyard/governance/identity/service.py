"""How identities, roles and tokens change, and how a presented token becomes an actor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from modelyard.core.bus import Bus, Handling, Request, Work
from modelyard.core.errors import AlreadyExists, Forbidden, InvalidInput, Unauthenticated, WrongState
from modelyard.core.messages import SYSTEM, Actor, ActorKind, Subject
from modelyard.core.records import Query, Storage, Transaction, equals, every, first
from modelyard.governance.identity import commands, events, secrets
from modelyard.governance.identity.model import (
    IDENTITIES,
    LONGEST_TOKEN_LIFE,
    ROLE_GRANTS,
    TOKENS,
    Identity,
    IdentityKind,
    Role,
    RoleGrant,
    Token,
    within,
)

FIRST_TOKEN_LIFE = timedelta(days=30)
_NO_DIGEST = "sha256:" + "0" * 64


def authenticate(tx: Transaction, presented: str, now: datetime) -> Actor:
    """The actor that a token stands for, with the roles in force now and the token's scopes. Raises Unauthenticated; why a
    token no longer works is told only to who holds its secret."""
    key = secrets.key_of(presented)
    token = first(tx, TOKENS, equals("key", key)) if key else None
    genuine = secrets.same(presented, token.secret_digest if token else _NO_DIGEST)
    if token is None or not genuine:
        raise Unauthenticated("this token is not known", hint="check that it was copied whole, or ask for a new one")
    identity = tx.get(IDENTITIES, token.identity)
    _require_valid(token, identity, now)
    return Actor(
        id=identity.id,
        kind=ActorKind(identity.kind.value),
        roles=roles_of(tx, identity.id),
        scopes=frozenset(token.scopes),
    )


def _require_valid(token: Token, identity: Identity, now: datetime) -> None:
    if token.revoked_at is not None:
        raise Unauthenticated("this token has been revoked", hint="ask an administrator for a new one")
    if token.expires_at <= now:
        raise Unauthenticated(f"this token expired at {token.expires_at.isoformat()}", hint="ask for a new one")
    if not identity.active:
        raise Unauthenticated("this identity has been deactivated", hint="ask an administrator")


def roles_of(tx: Transaction, identity: str) -> frozenset[str]:
    """The roles that an identity holds now."""
    grants = every(tx, ROLE_GRANTS, equals("identity", identity), equals("revoked_at", None))
    return frozenset(grant.role.value for grant in grants)


def bootstrap_administrator(bus: Bus, storage: Storage, now: datetime) -> str | None:
    """On the first start, make one administrator and return their token (its only copy); None when anybody is known already.
    Safe to call from several processes at once: one of them gets the token."""
    with storage.reading() as tx:
        if tx.find(IDENTITIES, Query(limit=1)).items:
            return None
    minted = secrets.mint()
    command = commands.BootstrapAdministrator(key=minted.key, secret_digest=minted.digest, expires_at=now + FIRST_TOKEN_LIFE)
    try:
        bus.handle(Request(command=command, actor=SYSTEM, reason="first start"))
    except (WrongState, AlreadyExists):
        return None
    return minted.text


def first_administrator(work: Work, command: commands.BootstrapAdministrator) -> Token:
    if work.find(IDENTITIES, Query(limit=1)).items:
        raise WrongState("this installation already has identities", hint="ask an administrator for an identity")
    identity = create_identity(work, commands.CreateIdentity(name=command.name, display_name="Administrator"))
    grant_role(work, commands.GrantRole(identity=identity.id, role=Role.ADMINISTRATOR))
    token = commands.IssueToken(identity=identity.id, name="first start", **command.model_dump(exclude={"name"}))
    return issue_token(work, token)


def create_identity(work: Work, command: commands.CreateIdentity) -> Identity:
    identity = work.add(IDENTITIES, Identity(**work.new("idn"), **command.model_dump()))
    work.emit(events.IdentityCreated(identity=identity.id, kind=identity.kind), f"identity:{identity.id}")
    return identity


def deactivate_identity(work: Work, command: commands.DeactivateIdentity) -> Identity:
    identity = _active(work, command.identity)
    _require_another_administrator(work, identity.id)
    closed = identity.model_copy(update={"active": False, "deactivated_at": work.now, "deactivated_by": work.actor.id})
    kept = work.save(IDENTITIES, closed)
    work.emit(events.IdentityDeactivated(identity=kept.id), f"identity:{kept.id}")
    return kept


def grant_role(work: Work, command: commands.GrantRole) -> RoleGrant:
    identity = _active(work, command.identity)
    if command.role.value in roles_of(work.tx, identity.id):
        raise AlreadyExists(f"{identity.name} is {command.role} already", field="role")
    grant = work.add(
        ROLE_GRANTS, RoleGrant(**work.new("grant"), identity=identity.id, role=command.role, granted_by=work.actor.id)
    )
    work.emit(events.RoleGranted(identity=identity.id, role=command.role), f"identity:{identity.id}")
    return grant


def revoke_role(work: Work, command: commands.RevokeRole) -> RoleGrant:
    in_force = (equals("identity", command.identity), equals("role", command.role), equals("revoked_at", None))
    grant = first(work.tx, ROLE_GRANTS, *in_force)
    if grant is None:
        raise WrongState(f"the identity is not {command.role}", field="role")
    if command.role is Role.ADMINISTRATOR:
        _require_another_administrator(work, command.identity)
    kept = work.save(ROLE_GRANTS, grant.model_copy(update={"revoked_at": work.now, "revoked_by": work.actor.id}))
    work.emit(events.RoleRevoked(identity=kept.identity, role=kept.role), f"identity:{kept.identity}")
    return kept


def issue_token(work: Work, command: commands.IssueToken) -> Token:
    identity = _active(work, command.identity)
    _require_sensible_end(command.expires_at, work.now)
    _require_no_wider(work.actor, command.scopes)
    token = work.add(TOKENS, Token(**work.new("tok"), **command.model_dump(), issued_by=work.actor.id))
    work.emit(events.TokenIssued(token=token.id, identity=identity.id, expires_at=token.expires_at), f"identity:{identity.id}")
    return token


def revoke_token(work: Work, command: commands.RevokeToken) -> Token:
    token = work.get(TOKENS, command.token)
    if token.revoked_at is not None:
        raise WrongState("the token has been revoked already", field="token")
    kept = work.save(TOKENS, token.model_copy(update={"revoked_at": work.now, "revoked_by": work.actor.id}))
    work.emit(events.TokenRevoked(token=kept.id, identity=kept.identity), f"identity:{kept.identity}")
    return kept


def _active(work: Work, identity_id: str) -> Identity:
    identity = work.get(IDENTITIES, identity_id)
    if not identity.active:
        raise WrongState(f"{identity.name} is deactivated", field="identity")
    return identity


def _require_another_administrator(work: Work, leaving: str) -> None:
    """Locks nobody out: somebody who is active must remain administrator."""
    grants = every(work.tx, ROLE_GRANTS, equals("role", Role.ADMINISTRATOR), equals("revoked_at", None))
    administrators = {grant.identity for grant in grants}
    if leaving not in administrators:
        return
    people = [work.get(IDENTITIES, identity) for identity in sorted(administrators - {leaving})]
    if not any(person.active and person.kind is IdentityKind.PERSON for person in people):
        raise WrongState("this is the last administrator", hint="make another person administrator first")


def _require_sensible_end(expires_at: datetime, now: datetime) -> None:
    if not now < expires_at <= now + LONGEST_TOKEN_LIFE:
        raise InvalidInput(
            f"a token ends in the future and within {LONGEST_TOKEN_LIFE.days} days",
            field="expires_at",
            hint="choose a nearer date",
        )


def _require_no_wider(actor: Actor, scopes: tuple[str, ...]) -> None:
    """A token that is narrowed never makes a wider one."""
    if actor.scopes and not (scopes and all(within(actor.scopes, scope) for scope in scopes)):
        raise Forbidden(
            "the new token would be allowed more than the one presented",
            field="scopes",
            hint=f"choose scopes within {', '.join(sorted(actor.scopes))}",
        )


def _new_identity(_tx: Transaction, _request: Request, command: commands.CreateIdentity) -> Subject:
    return Subject(type="identity", id=command.name, attributes={"kind": command.kind.value})


def _installation(_tx: Transaction, request: Request, _command: commands.BootstrapAdministrator) -> Subject:
    return Subject(type="installation", id=request.organisation)


def _known_identity(
    tx: Transaction,
    _request: Request,
    command: commands.DeactivateIdentity | commands.GrantRole | commands.RevokeRole | commands.IssueToken,
) -> Subject:
    identity = tx.get(IDENTITIES, command.identity)
    attributes = {"owner": identity.id, "kind": identity.kind.value}
    if isinstance(command, commands.GrantRole | commands.RevokeRole):
        attributes["role"] = command.role.value
    return Subject(type="identity", id=identity.id, attributes=attributes)


def _known_token(tx: Transaction, _request: Request, command: commands.RevokeToken) -> Subject:
    token = tx.get(TOKENS, command.token)
    return Subject(type="token", id=token.id, attributes={"owner": token.identity})


def handlings() -> list[Handling[Any]]:
    return [
        Handling(commands.BootstrapAdministrator, first_administrator, _installation, Token),
        Handling(commands.CreateIdentity, create_identity, _new_identity, Identity),
        Handling(commands.DeactivateIdentity, deactivate_identity, _known_identity, Identity),
        Handling(commands.GrantRole, grant_role, _known_identity, RoleGrant),
        Handling(commands.RevokeRole, revoke_role, _known_identity, RoleGrant),
        Handling(commands.IssueToken, issue_token, _known_identity, Token),
        Handling(commands.RevokeToken, revoke_token, _known_token, Token),
    ]
