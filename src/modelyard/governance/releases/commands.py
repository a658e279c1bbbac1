"""What can be done about releases and keys."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.core.messages import Command


class IssueRelease(Command):
    """Sign what an approval allows. `until` may shorten what was approved, never lengthen it; `network` false leaves out the use
    of the network that was approved, and nothing grants what was not."""

    action: ClassVar[str] = "governance.issue_release"

    approval: str
    until: AwareDatetime | None = None
    network: bool | None = None


class RevokeRelease(Command):
    """End a release now: no runtime serves it from its next snapshot on."""

    action: ClassVar[str] = "governance.revoke_release"

    release: str
    cause: str = Field(min_length=1, max_length=2000)


class RegisterKey(Command):
    """Make a public key known. With `replaces`, the older key is retired; what it signed stays valid. A key for orders has a
    `holder`: the identity in whose name its orders are done."""

    action: ClassVar[str] = "governance.register_key"

    key_id: str
    purposes: tuple[str, ...] = Field(min_length=1)
    public_pem: str
    replaces: str | None = None
    holder: str | None = None


class RevokeKey(Command):
    """Declare a key lost or stolen: every release that it signed is revoked."""

    action: ClassVar[str] = "governance.revoke_key"

    key_id: str
    cause: str = Field(min_length=1, max_length=2000)


class RuntimeRefusal(BaseModel):
    """Something a runtime would not serve. `id` is the runtime's own and makes delivery idempotent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=100)
    at: datetime
    runtime: str = Field(max_length=200)
    code: str = Field(max_length=100)
    detail: str = Field(max_length=4000)
    clause: str | None = Field(default=None, max_length=200)
    epoch: int | None = None
    snapshot: str | None = Field(default=None, max_length=200)
    endpoint: str | None = Field(default=None, max_length=200)
    arm: str | None = Field(default=None, max_length=200)
    release: str | None = Field(default=None, max_length=200)
    manifest: str | None = Field(default=None, max_length=200)


class RecordRefusals(Command):
    """Take in what runtimes refused; those that are known already are passed over."""

    action: ClassVar[str] = "governance.record_refusals"

    refusals: tuple[RuntimeRefusal, ...] = Field(max_length=1000)
