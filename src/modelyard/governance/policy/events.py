"""What happened to the policies."""

from __future__ import annotations

from typing import ClassVar

from modelyard.core.messages import Event


class PoliciesProposed(Event):
    type: ClassVar[str] = "governance.policies_proposed"

    policy_set: str
    number: int
    text_digest: str


class PoliciesActivated(Event):
    type: ClassVar[str] = "governance.policies_activated"

    policy_set: str
    number: int
    text_digest: str


EVENTS: tuple[type[Event], ...] = (PoliciesProposed, PoliciesActivated)
