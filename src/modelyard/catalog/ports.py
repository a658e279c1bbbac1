"""What the catalog needs from rooms above it, without knowing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from modelyard.catalog.model import Provenanced, Version
from modelyard.core.records import Transaction


class InUse(Protocol):
    def __call__(self, tx: Transaction, version_id: str) -> Sequence[str]:
        """The names of the endpoints where the version has a live arm."""
        ...


class Served(BaseModel):
    """A version that served at a moment: where, in which role, at what share."""

    model_config = ConfigDict(frozen=True)

    version_id: str
    endpoint: str
    role: str
    share: float


class ServedOn(Protocol):
    def __call__(self, tx: Transaction, model_id: str, at: datetime) -> Sequence[Served]:
        """What of a model was in production at that moment."""
        ...


class Contributor(Protocol):
    def __call__(self, tx: Transaction, version: Version) -> Mapping[str, Provenanced]:
        """Inventory fields of a version that another room knows: dotted path to value."""
        ...


def nowhere(tx: Transaction, version_id: str) -> Sequence[str]:
    """Nothing is deployed: the answer where there is no delivery."""
    return ()
