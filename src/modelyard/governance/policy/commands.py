"""Wishes to change the policies."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from modelyard.core.messages import Command
from modelyard.governance.policy.model import GREATEST_TEXT


class ProposePolicies(Command):
    """Put a complete set of Cedar policies forward. Nothing changes until somebody else activates it."""

    action: ClassVar[str] = "governance.propose_policies"

    text: str = Field(min_length=1, max_length=GREATEST_TEXT)
    note: str = Field(default="", max_length=2000)


class ActivatePolicies(Command):
    """Put a proposed or an earlier set in force. It is checked against the schema and for lock-out first."""

    action: ClassVar[str] = "governance.activate_policies"

    policy_set: str = Field(min_length=1, max_length=100)
