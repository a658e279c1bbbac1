"""Schema 0006: orders."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_records(
        "fallback_uses",
        {"endpoint": "text", "arm": "text", "answered_by": "text", "cause": "text", "runtime": "text", "since": "moment"},
        append_only=True,
    )
    create_records(
        "orders",
        {"payload": "text", "endpoint": "text", "outcome": "text", "issued_by": "text", "until": "moment"},
        unique=[("organisation", "payload")],
        text=True,
        append_only=True,
    )
