"""What monitoring knows of a version, as fields of its inventory record: what is watched, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping

from modelyard.catalog.model import Provenanced, Source, Version
from modelyard.core.records import Query, Transaction, equals, every
from modelyard.monitoring.model import ALERTS, MONITORS

MOST_TOLD = 100


def contribute(tx: Transaction, version: Version) -> Mapping[str, Provenanced]:
    """Monitors of the version, and its latest alerts."""
    mine = (equals("organisation", version.organisation), equals("version", version.manifest_digest))
    monitors = every(tx, MONITORS, *mine)
    alerts = tx.find(ALERTS, Query(where=mine, sort="last_seen", descending=True, limit=MOST_TOLD)).items
    found: dict[str, Provenanced] = {}
    if monitors:
        plan = [{"name": m.name, "window": m.window.model_dump(mode="json"), "watches": len(m.watches)} for m in monitors]
        found["operation.monitoring_plan"] = Provenanced(
            value=plan, source=Source.DERIVED, by="monitoring", from_="monitors", at=monitors[-1].created_at
        )
    if alerts:
        told = [
            {"measure": a.measure, "field": a.field, "severity": a.severity.value, "state": a.state.value, "count": a.count}
            | {"first_seen": a.first_seen.isoformat(), "last_seen": a.last_seen.isoformat()}
            for a in alerts
        ]
        found["operation.incidents"] = Provenanced(
            value=told, source=Source.DERIVED, by="monitoring", from_="alerts", at=alerts[0].last_seen
        )
    return found
