"""Schema 0001: house."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_records(
        "alerts",
        {
            "monitor_id": "text",
            "monitor": "text",
            "endpoint": "text",
            "use_case": "text",
            "measure": "text",
            "field": "text",
            "key": "text",
            "state": "text",
            "live": "boolean",
            "severity": "text",
            "version": "text?",
            "arm": "text?",
            "owner": "text",
            "first_seen": "moment",
            "last_seen": "moment",
        },
        text=True,
    )
    create_records("annotations", {"version_id": "text", "field": "text", "by": "text"}, append_only=True)
    create_records(
        "approval_decisions",
        {"approval": "text", "approver": "text"},
        unique=[("approval", "approver")],
        text=True,
        append_only=True,
    )
    create_records(
        "approvals",
        {"subject_id": "text", "status": "text", "requester": "text", "tier": "text", "expires_at": "moment"},
        text=True,
    )
    create_records(
        "audit",
        {"actor": "text", "action": "text", "outcome": "text", "subject_type": "text", "subject_id": "text"},
        text=True,
        append_only=True,
    )
    create_records("audit_head")
    create_records("audit_leaves", {"position": "integer"}, unique=[("position",)], append_only=True)
    create_records("audit_pending")
    create_records(
        "deployments",
        {"endpoint": "text", "action": "text", "epoch": "integer", "actor": "text"},
        text=True,
        append_only=True,
    )
    create_records(
        "endpoints",
        {"name": "text", "use_case": "text", "stage": "text", "tier": "text"},
        unique=[("organisation", "name")],
        text=True,
    )
    create_records(
        "events",
        {"type": "text", "aggregate_type": "text", "aggregate_id": "text", "actor": "text"},
        append_only=True,
    )
    create_records(
        "evidence",
        {"type": "text", "version": "text", "manifest": "text", "produced_by": "text"},
        text=True,
        append_only=True,
    )
    create_records(
        "gates",
        {"name": "text", "number": "integer", "to_stage": "text"},
        unique=[("organisation", "name", "number")],
        text=True,
        append_only=True,
    )
    create_records("idempotency", append_only=True)
    create_records(
        "identities",
        {"name": "text", "kind": "text", "active": "boolean"},
        unique=[("organisation", "name")],
        text=True,
    )
    create_records(
        "inbox",
        {
            "consumer": "text",
            "event_id": "text",
            "event_type": "text",
            "aggregate": "text",
            "position": "integer",
            "state": "text",
            "not_before": "moment",
            "lease_until": "moment?",
        },
        unique=[("consumer", "event_id")],
    )
    create_records(
        "jobs",
        {
            "kind": "text",
            "state": "text",
            "rank": "integer?",
            "not_before": "moment",
            "lease_until": "moment?",
            "worker": "text?",
            "enqueued_by": "text",
            "key": "text?",
            "active_key": "text?",
        },
        unique=[("organisation", "active_key")],
    )
    create_records("leases", {"until": "moment"})
    create_records("lineage", {"child": "text", "parent": "text"}, unique=[("child", "parent")], append_only=True)
    create_records("model_numbering")
    create_records(
        "models",
        {"name": "text", "use_case_id": "text", "use_case": "text", "kind": "text", "owner": "text", "state": "text"},
        unique=[("organisation", "name")],
        text=True,
    )
    create_records(
        "monitor_runs",
        {
            "monitor_id": "text",
            "monitor": "text",
            "endpoint": "text",
            "use_case": "text",
            "window_from": "moment",
            "window_to": "moment",
            "status": "text",
            "version": "text?",
            "arm": "text?",
            "restates": "text?",
            "restatement": "integer",
        },
        unique=[("monitor_id", "window_from", "restatement")],
        append_only=True,
    )
    create_records(
        "monitors",
        {
            "name": "text",
            "use_case": "text",
            "endpoint": "text",
            "version": "text?",
            "arm": "text?",
            "owner": "text",
            "status": "text",
        },
        unique=[("organisation", "name")],
        text=True,
    )
    create_records("outbox", {"type": "text", "aggregate_id": "text"})
    create_records("outbox_position")
    create_records(
        "policy_sets",
        {"number": "integer", "state": "text", "text_digest": "text"},
        unique=[("number",)],
        text=True,
    )
    create_records(
        "releases",
        {
            "version": "text",
            "model": "text",
            "use_case": "text",
            "stage": "text",
            "payload": "text",
            "approval": "text",
            "key_id": "text",
            "until": "moment",
        },
        unique=[("organisation", "payload")],
        append_only=True,
    )
    create_records("revocations", {"payload": "text"}, append_only=True)
    create_records("role_grants", {"identity": "text", "role": "text", "revoked_at": "moment?"})
    create_records("route_snapshots", {"epoch": "integer"}, unique=[("organisation", "epoch")], append_only=True)
    create_records("schedules", {"name": "text", "next_due": "moment?", "kind": "text"}, unique=[("organisation", "name")])
    create_records("signing_keys", {"status": "text"})
    create_records(
        "tokens",
        {"identity": "text", "name": "text", "key": "text", "expires_at": "moment", "revoked_at": "moment?"},
        unique=[("key",)],
    )
    create_records(
        "use_cases",
        {"name": "text", "tier": "text?", "business_owner": "text", "regulatory_class": "text?", "review_at": "moment?"},
        unique=[("organisation", "name")],
        text=True,
    )
    create_records(
        "value_entries",
        {
            "use_case": "text",
            "endpoint": "text",
            "version": "text",
            "period_from": "moment",
            "period_to": "moment",
            "currency": "text",
            "restates": "text?",
            "restatement": "integer",
        },
        unique=[("organisation", "use_case", "endpoint", "version", "period_from", "restatement")],
        append_only=True,
    )
    create_records(
        "version_states",
        {
            "model_id": "text",
            "model": "text",
            "use_case_id": "text",
            "kind": "text",
            "format": "text",
            "number": "integer",
            "manifest_digest": "text",
            "developer": "text",
            "status": "text",
            "stage": "text",
            "status_since": "moment",
        },
        unique=[("model_id", "number")],
        text=True,
    )
    create_records("version_status_changes", {"version_id": "text", "model_id": "text", "status": "text"}, append_only=True)
    create_records(
        "versions",
        {"model_id": "text", "model": "text", "number": "integer", "manifest_digest": "text", "developer": "text"},
        unique=[("model_id", "number"), ("model_id", "manifest_digest")],
        append_only=True,
    )
