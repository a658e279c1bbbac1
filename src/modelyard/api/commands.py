"""Every command has its place under /api/v1: one row each. A path parameter fills the command's field of that name.

    POST /api/v1/endpoints/hold/promote?reason=better%20since%20May     {"arm": "v2"}

All of them take `reason`, `dry_run` and an `Idempotency-Key`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Path, Query
from pydantic import BaseModel, ConfigDict, create_model

from modelyard.api.access import Asker, PlatformHere
from modelyard.api.problems import Problem
from modelyard.api.subjects import ErasureBody, ErasuresBody, HoldBody, hidden_at_once, let_go, of_this_key, pseudonymised
from modelyard.bootstrap import Platform
from modelyard.catalog import commands as catalog
from modelyard.core.bus import Request
from modelyard.core.messages import Command
from modelyard.delivery import commands as delivery
from modelyard.delivery.batches import commands as batches
from modelyard.evaluation import commands as evaluation
from modelyard.evaluation.registration import require_blob
from modelyard.governance.adoption import artifact_of
from modelyard.governance.assurance import commands as assurance
from modelyard.governance.custody import commands as custody
from modelyard.governance.identity import commands as identity
from modelyard.governance.policy import commands as policy
from modelyard.governance.releases import commands as releases
from modelyard.governance.risk import commands as risk
from modelyard.jobs import commands as jobs
from modelyard.lifecycle import commands as lifecycle
from modelyard.lifecycle.tasks import commands as tasks
from modelyard.monitoring import commands as monitoring
from modelyard.value import commands as value

Prepared = Mapping[str, Any]
"""Fields of a command that the platform finds by itself before the command is given: it reads what a transaction must not."""


def _artifact_of(here: Platform, given: Mapping[str, Any]) -> Prepared:
    return {"artifact": artifact_of(here.storage, here.blobs, here.settings.organisation, given["version"])}


def _uploaded(here: Platform, given: Mapping[str, Any]) -> Prepared:
    """Nothing to add: a document is attached that was uploaded before. Raises NotFound."""
    require_blob(here.blobs, given["document"])
    return {}


@dataclass(frozen=True)
class Row:
    """A command's method and path, and the tag it stands under in the documentation. `prepared` finds the fields `PREPARED`, or
    makes what the command holds of what a `body` of another form does. `after` is what has to happen at once when it is done, and
    is safe to repeat."""

    method: str
    path: str
    command: type[Command]
    tag: str
    prepared: Callable[[Platform, Mapping[str, Any]], Prepared] | None = None
    body: type[BaseModel] | None = None
    after: Callable[[Platform, BaseModel], BaseModel] | None = None

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


ROWS: tuple[Row, ...] = (
    Row("POST", "/use-cases", catalog.RegisterUseCase, "catalog"),
    Row("PATCH", "/use-cases/{use_case}", catalog.UpdateUseCase, "catalog"),
    Row("POST", "/use-cases/{use_case}/assess", risk.AssessRisk, "risk"),
    Row("POST", "/models", catalog.RegisterModel, "catalog"),
    Row("PATCH", "/models/{model}", catalog.UpdateModel, "catalog"),
    Row("POST", "/models/{model}/retire", catalog.RetireModel, "catalog"),
    Row("POST", "/versions/{version}/retire", catalog.RetireVersion, "catalog"),
    Row("POST", "/versions/{version}/annotations", catalog.AnnotateVersion, "catalog"),
    Row("POST", "/versions/{version}/evidence", assurance.RecordEvidence, "assurance"),
    Row("POST", "/versions/{version}/checks", evaluation.RunChecks, "evaluation"),
    Row("POST", "/versions/{version}/gate", assurance.EvaluateGate, "assurance"),
    Row("POST", "/versions/{version}/comparisons", evaluation.RecordComparison, "evaluation"),
    Row("POST", "/gates/{gate}/adopt", assurance.AdoptGate, "assurance", prepared=_artifact_of),
    Row("POST", "/approvals", assurance.RequestApproval, "assurance"),
    Row("POST", "/approvals/{approval}/decisions", assurance.DecideApproval, "assurance"),
    Row("POST", "/approvals/{approval}/withdraw", assurance.WithdrawApproval, "assurance"),
    Row("POST", "/releases", releases.IssueRelease, "releases"),
    Row("POST", "/releases/{release}/revoke", releases.RevokeRelease, "releases"),
    Row("POST", "/keys", releases.RegisterKey, "releases"),
    Row("POST", "/keys/{key_id}/revoke", releases.RevokeKey, "releases"),
    Row("POST", "/endpoints", delivery.CreateEndpoint, "delivery"),
    Row("PATCH", "/endpoints/{endpoint}", delivery.UpdateEndpoint, "delivery"),
    Row("POST", "/endpoints/{endpoint}/fallbacks", delivery.SetFallbacks, "delivery"),
    Row("POST", "/endpoints/{endpoint}/deploy", delivery.Deploy, "delivery"),
    Row("POST", "/endpoints/{endpoint}/shares", delivery.SetShares, "delivery"),
    Row("POST", "/endpoints/{endpoint}/promote", delivery.Promote, "delivery"),
    Row("POST", "/endpoints/{endpoint}/rollback", delivery.Rollback, "delivery"),
    Row("POST", "/endpoints/{endpoint}/stop", delivery.StopArm, "delivery"),
    Row("POST", "/routes", delivery.PublishRoutes, "delivery"),
    Row("POST", "/batches", batches.StartBatch, "delivery"),
    Row("POST", "/batches/{batch}/cancel", batches.CancelBatch, "delivery"),
    Row("POST", "/retentions", custody.SetRetention, "custody"),
    Row("POST", "/retention-runs", custody.ApplyRetention, "custody", after=let_go),
    Row("POST", "/holds", custody.PlaceHold, "custody", prepared=pseudonymised, body=HoldBody),
    Row("POST", "/holds/{hold}/lift", custody.LiftHold, "custody", after=let_go),
    Row("POST", "/erasures", custody.RequestErasure, "custody", prepared=pseudonymised, body=ErasureBody, after=hidden_at_once),
    Row("POST", "/erasures/import", custody.ImportErasures, "custody", prepared=of_this_key, body=ErasuresBody, after=let_go),
    Row("POST", "/identities", identity.CreateIdentity, "identity"),
    Row("POST", "/identities/{identity}/deactivate", identity.DeactivateIdentity, "identity"),
    Row("POST", "/identities/{identity}/roles", identity.GrantRole, "identity"),
    Row("POST", "/identities/{identity}/roles/revoke", identity.RevokeRole, "identity"),
    Row("POST", "/identities/{identity}/tokens", identity.IssueToken, "identity"),
    Row("POST", "/tokens/{token}/revoke", identity.RevokeToken, "identity"),
    Row("POST", "/policies", policy.ProposePolicies, "policy"),
    Row("POST", "/policies/{policy_set}/activate", policy.ActivatePolicies, "policy"),
    Row("POST", "/jobs/{job}/cancel", jobs.CancelJob, "jobs"),
    Row("POST", "/jobs/{job}/retry", jobs.RetryJob, "jobs"),
    Row("POST", "/schedules", jobs.DefineSchedule, "jobs"),
    Row("POST", "/schedules/{schedule}/pause", jobs.PauseSchedule, "jobs"),
    Row("POST", "/schedules/{schedule}/resume", jobs.ResumeSchedule, "jobs"),
    Row("POST", "/resource-limits", jobs.SetLimit, "jobs"),
    Row("POST", "/monitors", monitoring.CreateMonitor, "monitoring"),
    Row("PATCH", "/monitors/{monitor}", monitoring.UpdateMonitor, "monitoring"),
    Row("POST", "/alerts/{alert}/acknowledge", monitoring.AcknowledgeAlert, "monitoring"),
    Row("POST", "/alerts/{alert}/resolve", monitoring.ResolveAlert, "monitoring"),
    Row("POST", "/value", value.RecordValue, "value"),
    Row("POST", "/process-definitions", lifecycle.ProposeProcess, "life cycles"),
    Row("POST", "/process-definitions/{definition}/publish", lifecycle.PublishProcess, "life cycles"),
    Row("POST", "/processes/{process}/instances", lifecycle.StartProcess, "life cycles"),
    Row("POST", "/process-instances/{instance}/cancel", lifecycle.CancelInstance, "life cycles"),
    Row("POST", "/process-instances/{instance}/data", lifecycle.ChangeData, "life cycles"),
    Row("POST", "/process-instances/{instance}/migrate", lifecycle.MigrateInstance, "life cycles"),
    Row("POST", "/process-incidents/{incident}/retry", lifecycle.RetryIncident, "life cycles"),
    Row("POST", "/process-incidents/{incident}/skip", lifecycle.SkipIncident, "life cycles"),
    Row("POST", "/messages", lifecycle.SendMessage, "life cycles"),
    Row("POST", "/signals", lifecycle.SendSignal, "life cycles"),
    Row("POST", "/tasks/{task}/claim", tasks.ClaimTask, "tasks"),
    Row("POST", "/tasks/{task}/release", tasks.ReleaseTask, "tasks"),
    Row("POST", "/tasks/{task}/delegate", tasks.DelegateTask, "tasks"),
    Row("POST", "/tasks/{task}/complete", tasks.CompleteTask, "tasks"),
    Row("POST", "/tasks/{task}/comments", tasks.CommentTask, "tasks"),
    Row("POST", "/tasks/{task}/attachments", tasks.AttachToTask, "tasks", prepared=_uploaded),
)
"""Commands without a row here are given by the platform itself (bootstrap, a monitor's run, a runtime's refusals)."""

PREPARED = ("artifact",)
FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": what}
    for status, what in {
        400: "The request is not HTTP or JSON",
        401: "No valid token",
        403: "Policy, gate or signature forbids it; recorded in the audit log",
        404: "No such record",
        409: "The state does not allow it",
        413: "Too large",
        422: "A value is wrong",
        503: "Busy or unavailable; try again",
        507: "The disk is full",
    }.items()
}


def add_routes(app: FastAPI, prefix: str) -> None:
    """One route for each row; added to the application itself, since an included router is built a second time."""
    here: Platform = app.state.platform
    for row in ROWS:
        _add(app, prefix, here, row)


def _add(app: FastAPI, prefix: str, here: Platform, row: Row) -> None:
    body = _body_of(row)

    def handle(
        here: PlatformHere,
        asker: Asker,
        payload: BaseModel,
        reason: Annotated[str, Query(max_length=2000, description="Why: kept in the audit log")] = "",
        dry_run: Annotated[bool, Query(description="Do everything, keep nothing")] = False,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
        **path: str,
    ) -> BaseModel:
        given = {**payload.model_dump(exclude_unset=True), **path}
        if row.prepared is not None:
            told = {"reason": reason, "idempotency_key": idempotency_key} if row.body is not None else {}
            found = row.prepared(here, given | told)
            given = {**({} if row.body is not None else given), **found, **path}
        command = row.command.model_validate(given)
        request = Request(
            command=command,
            actor=asker,
            organisation=here.settings.organisation,
            idempotency_key=idempotency_key,
            reason=reason,
            dry_run=dry_run,
        )
        result = here.bus.handle(request)
        return result if row.after is None or dry_run else row.after(here, result)

    _sign(handle, body, row)
    app.add_api_route(
        prefix + row.path,
        handle,
        methods=[row.method],
        status_code=200,
        response_model=here.bus.result_of(row.command),
        responses=FAULTS,
        tags=[row.tag],
        operation_id=row.command.action.replace(".", "_"),
        summary=(row.command.__doc__ or row.command.__name__).split("\n")[0],
    )


def _sign(handle: Any, body: type[BaseModel], row: Row) -> None:
    """Give the handler the signature that the framework documents: the body's type and one argument for each path parameter."""
    import inspect

    own = inspect.signature(handle, eval_str=True)
    fixed = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    fixed = [
        p.replace(annotation=body, default=Body() if _needs_body(body) else Body(default_factory=body))
        if p.name == "payload"
        else p
        for p in fixed
    ]
    path = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, Path(min_length=1, max_length=300)])
        for name in row.parameters
    ]
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in fixed]
    handle.__signature__ = own.replace(parameters=[*keyword, *path])
    handle.__annotations__ = {p.name: p.annotation for p in (*keyword, *path)}


def _needs_body(body: type[BaseModel]) -> bool:
    return any(field.is_required() for field in body.model_fields.values())


def _body_of(row: Row) -> type[BaseModel]:
    """The command without the fields that the path fills, and those that are found by the platform; or the row's own body."""
    if row.body is not None:
        return row.body
    fields = {
        name: (field.annotation if not field.metadata else Annotated[field.annotation, *field.metadata], field)
        for name, field in row.command.model_fields.items()
        if name not in row.parameters and not (row.prepared is not None and name in PREPARED)
    }
    body: type[BaseModel] = create_model(
        f"{row.command.__name__}Body",
        __config__=ConfigDict(extra="forbid"),
        **fields,  # type: ignore[call-overload]
    )
    body.__doc__ = row.command.__doc__
    return body
