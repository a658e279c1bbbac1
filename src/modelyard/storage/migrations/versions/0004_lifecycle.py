"""Schema 0004: lifecycle."""

from __future__ import annotations

from modelyard.storage.migrations.steps import create_records

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_records(
        "process_definitions",
        {"key": "text", "number": "integer", "status": "text", "source": "text", "bundle": "text", "proposed_by": "text"},
        unique=[("organisation", "key", "number")],
        text=True,
    )
    create_records(
        "process_incidents",
        {"instance": "text", "process": "text", "element": "text", "cause": "text", "status": "text"},
        text=True,
    )
    create_records(
        "process_instances",
        {
            "process": "text",
            "number": "integer",
            "definition": "text",
            "about": "text?",
            "use_case": "text?",
            "status": "text",
            "health": "text",
            "started_by": "text",
            "parent": "text?",
        },
        text=True,
    )
    create_records("process_messages", {"name": "text", "key": "text?", "expires_at": "moment"})
    create_records(
        "process_sources",
        {"digest_of_source": "text"},
        unique=[("organisation", "digest_of_source")],
        append_only=True,
    )
    create_records(
        "process_stays",
        {
            "instance": "text",
            "process": "text",
            "element": "text",
            "role": "text",
            "use_case": "text?",
            "entered_at": "moment",
            "left_at": "moment?",
        },
    )
    create_records("process_steps", {"instance": "text", "number": "integer", "event": "text", "by": "text"}, append_only=True)
    create_records(
        "process_subscriptions",
        {"instance": "text?", "definition": "text?", "name": "text", "key": "text?", "signal": "boolean"},
    )
    create_records("process_timers", {"instance": "text?", "definition": "text?", "due": "moment"})
    create_records(
        "process_work",
        {"instance": "text", "not_before": "moment?", "job": "text?", "child": "text?", "operation": "text"},
    )
    create_records("task_candidacies", {"task": "text", "who": "text", "urgency": "text"})
    create_records(
        "task_decisions",
        {
            "task": "text",
            "instance": "text",
            "process": "text",
            "step": "text",
            "sequence": "integer",
            "approver": "text",
            "verdict": "text",
            "subject_id": "text",
            "approval": "text?",
        },
        unique=[("task", "approver"), ("instance", "sequence")],
        text=True,
        append_only=True,
    )
    create_records("task_notes", {"task": "text", "instance": "text", "author": "text"}, text=True, append_only=True)
    create_records(
        "tasks",
        {
            "instance": "text",
            "process": "text",
            "element": "text",
            "status": "text",
            "assignee": "text?",
            "priority": "integer",
            "about": "text?",
            "use_case": "text?",
            "due_at": "moment?",
            "next_at": "moment?",
            "completed_by": "text?",
        },
        text=True,
    )
