"""Governance: who may do what, what is known of a version, who took responsibility, and what may serve.

`identity` people, roles and tokens · `policy` Cedar · `assurance` evidence, gates and approvals · `risk` the tiers of use cases ·
`adoption` how a version becomes a gate · `releases` what is signed · `custody` how long decisions are kept, and who was erased ·
`audit` the log that shows whether anything was altered.
"""

from __future__ import annotations

from typing import Any

from modelyard.core.bus import Handling
from modelyard.core.messages import Event
from modelyard.core.records import Table
from modelyard.governance import adoption, bootstrap
from modelyard.governance.assurance import events as assurance_events
from modelyard.governance.assurance import model as assurance_model
from modelyard.governance.assurance import service as assurance_service
from modelyard.governance.audit import model as audit_model
from modelyard.governance.bootstrap import RUNTIME_SCOPES, bootstrap_gates, bootstrap_keys, bootstrap_runtime
from modelyard.governance.custody import events as custody_events
from modelyard.governance.custody import model as custody_model
from modelyard.governance.custody import service as custody_service
from modelyard.governance.identity import events as identity_events
from modelyard.governance.identity import model as identity_model
from modelyard.governance.identity import service as identity_service
from modelyard.governance.identity.service import authenticate, bootstrap_administrator
from modelyard.governance.policy import events as policy_events
from modelyard.governance.policy import model as policy_model
from modelyard.governance.policy import service as policy_service
from modelyard.governance.policy.authorizer import CedarAuthorizer
from modelyard.governance.releases import events as releases_events
from modelyard.governance.releases import model as releases_model
from modelyard.governance.releases import service as releases_service
from modelyard.governance.releases.ports import Signing
from modelyard.governance.risk import events as risk_events
from modelyard.governance.risk import model as risk_model
from modelyard.governance.risk import service as risk_service

EXPLAINED_TABLES: tuple[Table[Any], ...] = (
    *identity_model.TABLES,
    *policy_model.TABLES,
    *assurance_model.TABLES,
    *risk_model.TABLES,
    *releases_model.TABLES,
    *custody_model.EXPLAINED_TABLES,
)
"""Tables whose every row is explained by the audit log."""

TABLES: tuple[Table[Any], ...] = (*EXPLAINED_TABLES, custody_model.NAMED_SUBJECTS, *audit_model.TABLES)

EVENTS: tuple[type[Event], ...] = (
    *identity_events.EVENTS,
    *policy_events.EVENTS,
    *assurance_events.EVENTS,
    *risk_events.EVENTS,
    *releases_events.EVENTS,
    *custody_events.EVENTS,
)


def handlings(signing: Signing) -> list[Handling[Any]]:
    """Every command of governance."""
    return [
        *identity_service.handlings(),
        *policy_service.handlings(),
        *assurance_service.handlings(),
        *adoption.handlings(),
        *risk_service.handlings(),
        *releases_service.handlings(signing),
        *custody_service.handlings(),
        *bootstrap.handlings(),
    ]


__all__ = [
    "EVENTS",
    "EXPLAINED_TABLES",
    "RUNTIME_SCOPES",
    "TABLES",
    "CedarAuthorizer",
    "Signing",
    "authenticate",
    "bootstrap_administrator",
    "bootstrap_gates",
    "bootstrap_keys",
    "bootstrap_runtime",
    "handlings",
]
