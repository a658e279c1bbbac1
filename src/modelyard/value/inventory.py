"""What the value ledger knows of a version, as a field of its inventory record."""

from __future__ import annotations

from collections.abc import Mapping

from modelyard.catalog.model import Provenanced, Source, Version
from modelyard.core.records import Transaction, equals, every
from modelyard.value.model import VALUE_ENTRIES, in_force


def contribute(tx: Transaction, version: Version) -> Mapping[str, Provenanced]:
    """What the version's decisions brought, by currency, over all entries that are in force."""
    entries = in_force(
        every(tx, VALUE_ENTRIES, equals("organisation", version.organisation), equals("version", version.manifest_digest))
    )
    if not entries:
        return {}
    sums: dict[str, float] = {}
    for entry in entries:
        sums[entry.currency] = sums.get(entry.currency, 0.0) + entry.realised
    latest = max(entry.created_at for entry in entries)
    return {"value.realised": Provenanced(value=sums, source=Source.DERIVED, by="value", from_="value ledger", at=latest)}
