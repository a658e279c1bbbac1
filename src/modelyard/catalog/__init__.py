"""The catalog: which models exist, why, in which versions, made of what.

`model` holds the records and `TABLES`; `commands`, `events` and `service.handlings` are the ways to change them; `lookup`,
`search`, `history`, `diff` and `inventory` are the ways to read them; `manifest_file` reads `modelyard.yaml`.
"""

from __future__ import annotations

from modelyard.catalog.events import EVENTS
from modelyard.catalog.lookup import find_model, find_use_case, find_version
from modelyard.catalog.model import TABLES, Model, ModelState, Status, UseCase, Version, VersionState
from modelyard.catalog.profile import Tier
from modelyard.catalog.service import change_status, handlings

__all__ = [
    "EVENTS",
    "TABLES",
    "Model",
    "ModelState",
    "Status",
    "Tier",
    "UseCase",
    "Version",
    "VersionState",
    "change_status",
    "find_model",
    "find_use_case",
    "find_version",
    "handlings",
]
