"""Releases: signed statements of what may serve where; their revocations; and the keys that sign."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import DIGEST, canonical, digest
from modelyard.core.records import Record, Table


class IssuedRelease(Record):
    """A release as it was signed. `payload` is the digest of the signed bytes, `envelope` the whole DSSE envelope (JSON)."""

    version: str
    model: str
    manifest: str = Field(pattern=DIGEST.pattern)
    serving: str = Field(pattern=DIGEST.pattern)
    use_case: str
    endpoints: tuple[str, ...]
    stage: str
    roles: tuple[str, ...]
    greatest_share: float
    tier: str
    approval: str
    payload: str = Field(pattern=DIGEST.pattern)
    envelope: str
    key_id: str
    until: datetime
    issued_by: str


RELEASES: Table[IssuedRelease] = Table(
    "releases",
    IssuedRelease,
    indexed=("version", "model", "use_case", "stage", "payload", "approval", "key_id", "until"),
    unique=(("organisation", "payload"),),
    append_only=True,
)


class Revocation(Record):
    """The end of a release before its time. The record's id is the release's."""

    payload: str
    cause: str
    revoked_by: str


REVOCATIONS: Table[Revocation] = Table("revocations", Revocation, indexed=("payload",), append_only=True)


class KeyStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


class SigningKey(Record):
    """A public key that the platform signs with, or with which a `holder` signs orders. The record's id is the key id; the
    private part is never kept here."""

    purposes: tuple[str, ...]
    public_pem: str
    status: KeyStatus
    replaced_by: str | None = None
    holder: str | None = None

    def digest(self) -> str:
        """As of every record; a key without a holder has the digest that it had before keys had holders."""
        absent = {"holder"} if self.holder is None else set()
        return digest(canonical(self.model_dump(mode="json", exclude=absent)))


KEYS: Table[SigningKey] = Table("signing_keys", SigningKey, indexed=("status",))


class RefusalsTaken(BaseModel):
    """What became of refusals that a runtime delivered: the ids taken in now, and how many were known."""

    model_config = ConfigDict(frozen=True)

    taken: tuple[str, ...]
    known: int


TABLES: tuple[Table[Any], ...] = (RELEASES, REVOCATIONS, KEYS)
