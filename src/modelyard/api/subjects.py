"""People's identifiers, at the edge: a request's clear identifier becomes the pseudonym that the log holds, and goes no further.

What is named here stands in bodies, never in addresses: those end up in the logs of every server on the way.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from modelyard.bootstrap import Platform
from modelyard.catalog.texts import Line
from modelyard.core.errors import InvalidInput
from modelyard.governance.custody.commands import MOST_IMPORTED, ErasureTold
from modelyard.governance.custody.custodian import fingerprint
from modelyard.governance.custody.model import Erasure

LONGEST = 1024
"""As long as callers of an endpoint may name a person: whoever can be logged can be erased."""
Identifier = Annotated[
    SecretStr,
    Field(min_length=1, max_length=LONGEST, description="As callers of the endpoint name this person; it is not kept"),
]
"""Not shown by anything that prints a request: neither its errors nor its logs."""


class ErasureBody(BaseModel):
    """Whom to erase."""

    model_config = ConfigDict(extra="forbid")

    subject: Identifier


class HoldBody(BaseModel):
    """What to keep while a matter is open: decisions of a use case, a time (from `since` on, before `until`), a person."""

    model_config = ConfigDict(extra="forbid")

    matter: Annotated[Line, Field(min_length=1)]
    use_case: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    subject: Identifier | None = None


class ErasuresBody(BaseModel):
    """Erasures as `GET /erasures/export` tells them. `key` is a fingerprint: pseudonyms of another key are nobody's here."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["modelyard-erasures/1"]
    key: Annotated[str | None, Field(max_length=100)] = None
    erasures: Annotated[tuple[ErasureTold, ...], Field(max_length=MOST_IMPORTED)]


def pseudonymised(here: Platform, given: Mapping[str, Any]) -> dict[str, Any]:
    """The command's fields: the pseudonym and a salt instead of the identifier. The same request under the same idempotency key
    gives the same salt, so that a repeat is known as one. Raises InvalidInput when the reason or the matter names the person."""
    fields = {name: value for name, value in given.items() if name not in ("subject", "reason", "idempotency_key")}
    if given.get("subject") is None:
        return fields
    identifier = given["subject"].get_secret_value()
    for name in ("reason", "matter"):
        if identifier.casefold() in str(given.get(name) or "").casefold():
            raise InvalidInput(f"the {name} names the person", field=name, hint="it is kept for good: refer to a ticket instead")
    subject = here.pseudonyms.of("subject", identifier)
    return fields | {"subject": subject, "salt": _salt(subject, given.get("idempotency_key"))}


def of_this_key(here: Platform, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not applied here yet. Raises InvalidInput when they were told under another pseudonym key."""
    told = [ErasureTold.model_validate(e) for e in given["erasures"]]
    if given.get("key") not in (None, fingerprint(here.pseudonyms)):
        raise InvalidInput("these erasures were told under another pseudonym key", field="key", hint="restore that key with it")
    late = [e.until for e in told if e.until > here.clock.now()]
    if late:
        raise InvalidInput(
            f"an erasure until {late[0].isoformat()}, which is to come", field="erasures", hint="is a clock wrong?"
        )
    applied = here.custodian.erased()
    fresh = [e for e in told if e.subject not in applied or applied[e.subject] < e.until]
    salt = _salt("import", given.get("idempotency_key"))
    return {"erasures": [e.model_dump() for e in fresh], "salt": salt, "known": len(told) - len(fresh)}


def hidden_at_once(here: Platform, erasure: BaseModel) -> BaseModel:
    """The erasure after it was judged: readers show nothing of the person from now on, unless a hold keeps it."""
    assert isinstance(erasure, Erasure)
    here.seal_outcomes()
    return here.custodian.judge(erasure.id)


def let_go(here: Platform, result: BaseModel) -> BaseModel:
    """What was asked for, with nothing in this process that keeps an erasure from going on."""
    here.seal_outcomes()
    return result


def pseudonym(here: Platform, domain: str, identifier: SecretStr | None) -> str | None:
    """What the log holds instead of a person (`subject`) or a routing key (`unit`)."""
    return None if identifier is None else here.pseudonyms.of(domain, identifier.get_secret_value())


def _salt(about: str, key: str | None) -> str:
    if key is None:
        return secrets.token_hex(16)
    return hmac.digest(about.encode(), key.encode(), "sha256").hex()[:32]
