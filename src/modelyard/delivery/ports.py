"""What delivery needs from outside: the public keys that are trusted here."""

from __future__ import annotations

from typing import Protocol

from modelyard.governance.releases.ports import Signing
from modelyard.trust import TrustRoots


class Roots(Protocol):
    """The trust roots of this place; a file, never the database."""

    def roots(self) -> TrustRoots: ...


class Keys(Signing, Roots, Protocol):
    """Both: who signs here, and who is trusted."""
