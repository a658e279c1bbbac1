"""Who takes part in a demo: each a known identity with roles and a token of their own, made as an administrator would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelyard.client import Client
from modelyard.governance.identity.commands import CreateIdentity, GrantRole, IssueToken
from modelyard.governance.identity.model import Identity, IdentityKind, Role
from modelyard.governance.identity.secrets import mint

GOOD_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Person:
    """An identity, its token and a client that speaks as it. Not for several threads at once: `again` gives another client."""

    id: str
    name: str
    token: str
    client: Client
    url: str
    runtime_url: str

    def again(self) -> Client:
        return Client(self.url, self.token, runtime_url=self.runtime_url, timeout=120.0)


@dataclass(frozen=True)
class Part:
    """A part to be taken: the name people read, whether a person or a service takes it, and the roles it works in."""

    title: str
    kind: IdentityKind
    roles: tuple[Role, ...]


def hire(url: str, runtime_url: str, administrator: str, parts: Mapping[str, Part]) -> dict[str, Person]:
    """Make everybody known, with the administrator's token; by the names of `parts`."""
    with Client(url, administrator, runtime_url=runtime_url) as admin:
        return {name: _hired(admin, name, part, url, runtime_url) for name, part in parts.items()}


def dismiss(people: Mapping[str, Person]) -> None:
    """Close their clients."""
    for person in people.values():
        person.client.close()


def _hired(admin: Client, name: str, part: Part, url: str, runtime_url: str) -> Person:
    made = admin.do(CreateIdentity(name=name, kind=part.kind, display_name=part.title), Identity, reason="takes part in the demo")
    for role in part.roles:
        admin.do(GrantRole(identity=made.id, role=role), reason=f"{part.title} works as {role.value}")
    minted, until = mint(), datetime.now(UTC) + GOOD_FOR
    token = IssueToken(identity=made.id, name="demo", key=minted.key, secret_digest=minted.digest, expires_at=until)
    admin.do(token, reason="a token for the demo")
    client = Client(url, minted.text, runtime_url=runtime_url, timeout=120.0)
    return Person(made.id, name, minted.text, client, url, runtime_url)
