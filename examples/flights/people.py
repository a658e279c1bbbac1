"""Who takes part."""

from __future__ import annotations

from dataclasses import dataclass

from examples import people
from examples.people import Part, Person
from modelyard.governance.identity.model import IdentityKind, Role


@dataclass(frozen=True)
class Cast:
    """Dana builds, Omar operates, Bea answers for the money, Vera validates; `arrivals` is the feed of what came of flights and
    `guest` may only look. Omar also holds the role of a business owner, so that it is the separation of duties, and not a
    missing role, that keeps him from approving what he asked for."""

    dana: Person
    omar: Person
    bea: Person
    vera: Person
    arrivals: Person
    guest: Person

    def close(self) -> None:
        people.dismiss(vars(self))


_PARTS = {
    "dana": Part("Dana, data scientist", IdentityKind.PERSON, (Role.DEVELOPER,)),
    "omar": Part("Omar, operator", IdentityKind.PERSON, (Role.OPERATOR, Role.BUSINESS_OWNER)),
    "bea": Part("Bea, head of network control", IdentityKind.PERSON, (Role.BUSINESS_OWNER,)),
    "vera": Part("Vera, validator", IdentityKind.PERSON, (Role.VALIDATOR,)),
    "arrivals": Part("Feed of arrivals", IdentityKind.SERVICE, (Role.OPERATOR,)),
    "guest": Part("Guest", IdentityKind.PERSON, (Role.VIEWER,)),
}


def hire(url: str, runtime_url: str, administrator: str) -> Cast:
    """Make everybody known, with the administrator's token."""
    return Cast(**people.hire(url, runtime_url, administrator, _PARTS))
