"""Schema 0005: custody."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_records(
        "backfills",
        {"source": "text", "endpoint": "text", "use_case": "text", "content": "text", "by": "text"},
        append_only=True,
    )
    create_records("decision_exports", {"by": "text", "endpoint": "text?", "use_case": "text?"}, append_only=True)
    create_records("disclosures", {"by": "text"}, append_only=True)
    create_records("erasures", {"state": "text", "requested_by": "text", "subject_digest": "text"})
    create_records("legal_holds", {"use_case": "text?", "state": "text", "matter": "text"}, text=True)
    create_records("named_subjects")
    create_records("retention_runs", {"state": "text", "use_case": "text?", "asked_by": "text"})
    create_records("retentions", {"scope": "text", "use_case": "text?", "tier": "text?"}, unique=[("organisation", "scope")])
