"""Schema 0007: batches."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_records(
        "batches",
        {"endpoint": "text", "use_case": "text", "state": "text", "job": "text", "requested_by": "text"},
        text=True,
    )
