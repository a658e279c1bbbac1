"""What releases need from outside: somebody who signs."""

from __future__ import annotations

from typing import Protocol

from modelyard.trust import Purpose, Signer


class Signing(Protocol):
    """The signers in use now; a rotation changes what the next call gives."""

    def signer(self, purpose: Purpose) -> Signer:
        """The active signer for a purpose. Raises NotFound when no key may sign it."""
        ...
