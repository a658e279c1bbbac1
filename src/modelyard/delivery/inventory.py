"""What delivery knows of a version, as fields of its inventory record: where it answers, and where a rollback would lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard.catalog.model import Provenanced, Source, Version
from modelyard.core.records import Transaction, equals, every
from modelyard.delivery.model import ENDPOINTS, Endpoint
from modelyard.trust.statements import ArmRole


def contribute(tx: Transaction, version: Version) -> Mapping[str, Provenanced]:
    """Fields that follow from the endpoints where the version is an arm."""
    endpoints = [e for e in every(tx, ENDPOINTS, equals("organisation", version.organisation)) if _arms(e, version)]
    if not endpoints:
        return {}
    consumers = [{"endpoint": e.name, "arms": _arms(e, version)} for e in endpoints]
    targets = {e.name: _target(e) for e in endpoints}
    return {
        "dependencies.downstream_consumers": _told(consumers, endpoints),
        "operation.rollback_target": _told(targets, endpoints),
    }


def _arms(endpoint: Endpoint, version: Version) -> list[dict[str, Any]]:
    return [{"role": a.role.value, "share": a.share} for a in endpoint.arms if a.version == version.id]


def _target(endpoint: Endpoint) -> str | None:
    """The version that a rollback would bring back, or None."""
    return next((a.version for a in endpoint.previous if a.role is ArmRole.CHAMPION), None)


def _told(value: Any, endpoints: list[Endpoint]) -> Provenanced:
    names = ", ".join(e.name for e in endpoints)
    return Provenanced(value=value, source=Source.DERIVED, by="delivery", from_=f"endpoints {names}", at=endpoints[0].created_at)
