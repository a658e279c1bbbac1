"""Where commands and records are found over HTTP. Plain data: the command line reads it without loading any domain package.

A test compares both tables with the server's own, so they cannot drift apart.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PREFIX = "/api/v1"


class Route(NamedTuple):
    """A method and a path; each `{parameter}` of the path takes the command's field of that name."""

    method: str
    path: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


COMMANDS: dict[str, Route] = {
    "catalog.register_use_case": Route("POST", "/use-cases"),
    "catalog.update_use_case": Route("PATCH", "/use-cases/{use_case}"),
    "governance.assess_risk": Route("POST", "/use-cases/{use_case}/assess"),
    "catalog.register_model": Route("POST", "/models"),
    "catalog.update_model": Route("PATCH", "/models/{model}"),
    "catalog.retire_model": Route("POST", "/models/{model}/retire"),
    "catalog.retire_version": Route("POST", "/versions/{version}/retire"),
    "catalog.annotate_version": Route("POST", "/versions/{version}/annotations"),
    "governance.record_evidence": Route("POST", "/versions/{version}/evidence"),
    "evaluation.run_checks": Route("POST", "/versions/{version}/checks"),
    "governance.evaluate_gate": Route("POST", "/versions/{version}/gate"),
    "evaluation.record_comparison": Route("POST", "/versions/{version}/comparisons"),
    "governance.adopt_gate": Route("POST", "/gates/{gate}/adopt"),
    "governance.request_approval": Route("POST", "/approvals"),
    "governance.decide_approval": Route("POST", "/approvals/{approval}/decisions"),
    "governance.withdraw_approval": Route("POST", "/approvals/{approval}/withdraw"),
    "governance.issue_release": Route("POST", "/releases"),
    "governance.revoke_release": Route("POST", "/releases/{release}/revoke"),
    "governance.register_key": Route("POST", "/keys"),
    "governance.revoke_key": Route("POST", "/keys/{key_id}/revoke"),
    "delivery.create_endpoint": Route("POST", "/endpoints"),
    "delivery.update_endpoint": Route("PATCH", "/endpoints/{endpoint}"),
    "delivery.set_fallbacks": Route("POST", "/endpoints/{endpoint}/fallbacks"),
    "delivery.deploy": Route("POST", "/endpoints/{endpoint}/deploy"),
    "delivery.set_shares": Route("POST", "/endpoints/{endpoint}/shares"),
    "delivery.promote": Route("POST", "/endpoints/{endpoint}/promote"),
    "delivery.rollback": Route("POST", "/endpoints/{endpoint}/rollback"),
    "delivery.stop_arm": Route("POST", "/endpoints/{endpoint}/stop"),
    "delivery.publish_routes": Route("POST", "/routes"),
    "delivery.start_batch": Route("POST", "/batches"),
    "delivery.cancel_batch": Route("POST", "/batches/{batch}/cancel"),
    "governance.set_retention": Route("POST", "/retentions"),
    "governance.apply_retention": Route("POST", "/retention-runs"),
    "governance.place_hold": Route("POST", "/holds"),
    "governance.lift_hold": Route("POST", "/holds/{hold}/lift"),
    "governance.request_erasure": Route("POST", "/erasures"),
    "governance.import_erasures": Route("POST", "/erasures/import"),
    "governance.create_identity": Route("POST", "/identities"),
    "governance.deactivate_identity": Route("POST", "/identities/{identity}/deactivate"),
    "governance.grant_role": Route("POST", "/identities/{identity}/roles"),
    "governance.revoke_role": Route("POST", "/identities/{identity}/roles/revoke"),
    "governance.issue_token": Route("POST", "/identities/{identity}/tokens"),
    "governance.revoke_token": Route("POST", "/tokens/{token}/revoke"),
    "governance.propose_policies": Route("POST", "/policies"),
    "governance.activate_policies": Route("POST", "/policies/{policy_set}/activate"),
    "jobs.cancel_job": Route("POST", "/jobs/{job}/cancel"),
    "jobs.retry_job": Route("POST", "/jobs/{job}/retry"),
    "jobs.define_schedule": Route("POST", "/schedules"),
    "jobs.pause_schedule": Route("POST", "/schedules/{schedule}/pause"),
    "jobs.resume_schedule": Route("POST", "/schedules/{schedule}/resume"),
    "jobs.set_limit": Route("POST", "/resource-limits"),
    "monitoring.create_monitor": Route("POST", "/monitors"),
    "monitoring.update_monitor": Route("PATCH", "/monitors/{monitor}"),
    "monitoring.acknowledge_alert": Route("POST", "/alerts/{alert}/acknowledge"),
    "monitoring.resolve_alert": Route("POST", "/alerts/{alert}/resolve"),
    "value.record_value": Route("POST", "/value"),
    "lifecycle.propose_process": Route("POST", "/process-definitions"),
    "lifecycle.publish_process": Route("POST", "/process-definitions/{definition}/publish"),
    "lifecycle.start_process": Route("POST", "/processes/{process}/instances"),
    "lifecycle.cancel_instance": Route("POST", "/process-instances/{instance}/cancel"),
    "lifecycle.change_data": Route("POST", "/process-instances/{instance}/data"),
    "lifecycle.migrate_instance": Route("POST", "/process-instances/{instance}/migrate"),
    "lifecycle.retry_incident": Route("POST", "/process-incidents/{incident}/retry"),
    "lifecycle.skip_incident": Route("POST", "/process-incidents/{incident}/skip"),
    "lifecycle.send_message": Route("POST", "/messages"),
    "lifecycle.send_signal": Route("POST", "/signals"),
    "lifecycle.claim_task": Route("POST", "/tasks/{task}/claim"),
    "lifecycle.release_task": Route("POST", "/tasks/{task}/release"),
    "lifecycle.delegate_task": Route("POST", "/tasks/{task}/delegate"),
    "lifecycle.complete_task": Route("POST", "/tasks/{task}/complete"),
    "lifecycle.comment_task": Route("POST", "/tasks/{task}/comments"),
    "lifecycle.attach_to_task": Route("POST", "/tasks/{task}/attachments"),
}
"""Commands by their action."""

COLLECTIONS: dict[str, str] = {
    "use_cases": "use-cases",
    "models": "models",
    "version_states": "versions",
    "annotations": "annotations",
    "lineage": "lineage",
    "version_status_changes": "status-changes",
    "evidence": "evidence",
    "gates": "gates",
    "risk_assessments": "risk-assessments",
    "approvals": "approvals",
    "approval_decisions": "decisions-of-approval",
    "releases": "releases",
    "revocations": "revocations",
    "signing_keys": "keys",
    "retentions": "retentions",
    "retention_runs": "retention-runs",
    "legal_holds": "holds",
    "erasures": "erasures",
    "decision_exports": "decision-exports",
    "disclosures": "disclosures",
    "backfills": "backfills",
    "endpoints": "endpoints",
    "deployments": "deployments",
    "route_snapshots": "routes",
    "batches": "batches",
    "fallback_uses": "fallback-uses",
    "orders": "orders",
    "identities": "identities",
    "role_grants": "role-grants",
    "tokens": "tokens",
    "policy_sets": "policies",
    "jobs": "jobs",
    "schedules": "schedules",
    "resource_limits": "resource-limits",
    "monitors": "monitors",
    "monitor_runs": "monitor-runs",
    "alerts": "alerts",
    "value_entries": "value",
    "process_definitions": "process-definitions",
    "process_instances": "process-instances",
    "process_incidents": "process-incidents",
    "process_steps": "process-steps",
    "process_stays": "process-stays",
    "process_timers": "process-timers",
    "process_subscriptions": "process-subscriptions",
    "process_work": "process-work",
    "tasks": "tasks",
    "task_decisions": "task-decisions",
    "task_notes": "task-notes",
    "audit": "audit",
    "events": "events",
    "inbox": "deliveries",
}
"""Collections by the name of their table."""
