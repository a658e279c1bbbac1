"""Who takes part."""

from __future__ import annotations

from dataclasses import dataclass

from examples import people
from examples.people import Part, Person
from modelyard.governance.identity.model import IdentityKind, Role


@dataclass(frozen=True)
class Cast:
    """Dana writes the policy, Omar operates, Bea answers for the money, Vera validates, Rita answers for the risk; `books` is the
    feed of how loans ended and `guest` may only look. Omar also holds the role of a business owner, so that it is the separation
    of duties, and not a missing role, that keeps him from approving what he asked for."""

    dana: Person
    omar: Person
    bea: Person
    vera: Person
    rita: Person
    books: Person
    guest: Person

    def close(self) -> None:
        people.dismiss(vars(self))


_PARTS = {
    "dana": Part("Dana, credit policy", IdentityKind.PERSON, (Role.DEVELOPER,)),
    "omar": Part("Omar, operator", IdentityKind.PERSON, (Role.OPERATOR, Role.BUSINESS_OWNER)),
    "bea": Part("Bea, head of consumer lending", IdentityKind.PERSON, (Role.BUSINESS_OWNER,)),
    "vera": Part("Vera, validator", IdentityKind.PERSON, (Role.VALIDATOR,)),
    "rita": Part("Rita, risk officer", IdentityKind.PERSON, (Role.RISK_OFFICER,)),
    "books": Part("The loan accounts", IdentityKind.SERVICE, (Role.OPERATOR,)),
    "guest": Part("Guest", IdentityKind.PERSON, (Role.VIEWER,)),
}


def hire(url: str, runtime_url: str, administrator: str) -> Cast:
    """Make everybody known, with the administrator's token."""
    return Cast(**people.hire(url, runtime_url, administrator, _PARTS))
