"""Schema 0002: gates."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_records(
        "risk_assessments",
        {"use_case_id": "text", "use_case": "text", "tier": "text", "assessor": "text", "next_review": "moment"},
        append_only=True,
    )
