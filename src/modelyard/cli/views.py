"""How each collection looks as a table: one row here instead of one renderer a command.

A column reads `TITLE=field` or `TITLE=field:form`; `render.FORMS` lists the forms. Columns after `|` are shown by `-o wide`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A collection for people. `path` is that of the HTTP API, `name` the field that `-o name` prints, `empty` what to do
    when there is nothing."""

    noun: str
    path: str
    name: str
    columns: str
    empty: str


VIEWS: dict[str, View] = {
    view.noun: view
    for view in (
        View("use-case", "use-cases", "name",
             "NAME=name TITLE=title TIER=tier OWNER=business_owner AGE=created_at:age"
             " | ID=id REVIEW=review_at:when TAGS=tags",
             "modelyard use-case register NAME --title '…' --tier medium"),
        View("model", "models", "name",
             "NAME=name USE-CASE=use_case KIND=kind STATE=state:status OWNER=owner AGE=created_at:age"
             " | ID=id TAGS=tags DESCRIPTION=description",
             "modelyard model register NAME --use-case NAME"),
        View("version", "versions", "id",
             "MODEL=model NUMBER=number STATUS=status:status STAGE=stage FORMAT=format DEVELOPER=developer:short"
             " AGE=created_at:age | ID=id DIGEST=manifest_digest:digest SINCE=status_since:age TAGS=tags",
             "modelyard register"),
        View("evidence", "evidence", "id",
             "ID=id TYPE=type METRICS=metrics:metrics SUMMARY=summary BY=produced_by:short AGE=created_at:age"
             " | VERSION=version MANIFEST=manifest:digest GATE=gate_definition:digest VALID-UNTIL=valid_until:when",
             "modelyard version checks MODEL@NUMBER"),
        View("gate", "gates", "name",
             "NAME=name NUMBER=number TO=to_stage VERSION=version BY=defined_by:short AGE=created_at:age"
             " | ID=id FILE=source_digest:digest ADOPTED-BY=adopted_by:short APPROVAL=approval",
             "modelyard gate adopt NAME MODEL@NUMBER --reason '…'"),
        View("assessment", "risk-assessments", "id",
             "USE-CASE=use_case TIER=tier INHERENT=outputs.inherent_rating RESIDUAL=outputs.residual_rating BY=assessor:short"
             " REVIEW=next_review:when AGE=created_at:age | ID=id RULE=rule_definition:digest OVERRIDE=override.rationale",
             "modelyard use-case assess NAME --file risk.yaml"),
        View("approval", "approvals", "id",
             "ID=id STATUS=status:status VERSION=subject_id ROLES=roles_required REQUESTER=requester:short EXPIRES=expires_at:age"
             " AGE=created_at:age"
             " | TIER=tier USE-CASE=scope.use_case ENDPOINTS=scope.endpoints SHARE=scope.greatest_share:share TICKET=ticket",
             "modelyard approval request MODEL@NUMBER --use-case NAME --endpoint NAME"),
        View("release", "releases", "id",
             "ID=id MODEL=model VERSION=version ENDPOINTS=endpoints STAGE=stage ROLES=roles SHARE=greatest_share:share"
             " UNTIL=until:when AGE=created_at:age | USE-CASE=use_case TIER=tier APPROVAL=approval KEY=key_id:short",
             "modelyard release issue APPROVAL"),
        View("endpoint", "endpoints", "name",
             "NAME=name USE-CASE=use_case STAGE=stage TIER=tier ARMS=arms:arms EPOCH=epoch AGE=created_at:age"
             " | ID=id STALE=stale GREATEST-AGE=greatest_age BEFORE=previous:arms",
             "modelyard endpoint create NAME --use-case NAME"),
        View("fallback-use", "fallback-uses", "id",
             "ENDPOINT=endpoint ARM=arm ANSWERED-BY=answered_by CAUSE=cause COUNT=count SINCE=since:when UNTIL=until:when"
             " | ID=id RUNTIME=runtime EPOCH=epoch",
             "modelyard endpoint fallback NAME (nobody had to stand in)"),
        View("order", "orders", "id",
             "ENDPOINT=endpoint ACTION=action OUTCOME=outcome:status BY=issued_by:short REASON=reason DETAIL=detail:brief"
             " TAKEN=taken_at:age | ID=id RUNTIME=runtime BASE=base_epoch UNTIL=until:when KEY=key_id:short",
             "modelyard rollback ENDPOINT --runtime URL --order-key FILE"),
        View("deployment", "deployments", "id",
             "ENDPOINT=endpoint ACTION=action AFTER=after:arms REASON=reason BY=actor:short EPOCH=epoch AGE=created_at:age"
             " | ID=id BEFORE=before:arms",
             "modelyard deploy ENDPOINT RELEASE --reason '…'"),
        View("identity", "identities", "name",
             "NAME=name KIND=kind DISPLAY-NAME=display_name ACTIVE=active AGE=created_at:age"
             " | ID=id EMAIL=email",
             "modelyard identity create NAME --display-name '…'"),
        View("role", "role-grants", "id",
             "IDENTITY=identity ROLE=role BY=granted_by:short AGE=created_at:age REVOKED=revoked_at:age"
             " | ID=id REVOKED-BY=revoked_by:short",
             "modelyard role grant IDENTITY ROLE --reason '…'"),
        View("token", "tokens", "id",
             "ID=id IDENTITY=identity NAME=name SCOPES=scopes EXPIRES=expires_at:when REVOKED=revoked_at:age AGE=created_at:age"
             " | KEY=key BY=issued_by:short",
             "modelyard token issue IDENTITY"),
        View("policy", "policies", "id",
             "ID=id NUMBER=number STATE=state:status NOTE=note BY=proposed_by:short AGE=created_at:age"
             " | DIGEST=text_digest:digest",
             "modelyard policy propose FILE --reason '…'"),
        View("key", "keys", "id", "ID=id STATUS=status:status PURPOSES=purposes AGE=created_at:age"
        " | REPLACED-BY=replaced_by",
             "modelyard keys rotate PURPOSE"),
        View("monitor", "monitors", "name",
             "NAME=name ENDPOINT=endpoint STATUS=status:status WATCHES=watches:count OWNER=owner:short AGE=created_at:age"
             " | ID=id USE-CASE=use_case ARM=arm VERSION=version:digest",
             "modelyard deploy ENDPOINT RELEASE (a monitor sets itself up from the signature)"),
        View("monitor-run", "monitor-runs", "id",
             "MONITOR=monitor STATUS=status:status FROM=window_from:when TO=window_to:when ROWS=rows OUTCOMES=outcomes"
             " AGE=created_at:age | ID=id ENDPOINT=endpoint ARMS=arms:metrics RESTATES=restates",
             "modelyard monitor list"),
        View("alert", "alerts", "id",
             "ID=id STATE=state:status SEVERITY=severity:status MONITOR=monitor MEASURE=measure FIELD=field VALUE=value"
             " THRESHOLD=threshold COUNT=count LAST-SEEN=last_seen:age"
             " | ENDPOINT=endpoint ARM=arm OWNER=owner:short FIRST-SEEN=first_seen:when",
             "modelyard monitor list (no alert: nothing that is watched went beyond its line)"),
        View("job", "jobs", "id",
             "ID=id KIND=kind STATE=state:status PROGRESS=progress:share ATTEMPTS=attempts NOTE=note AGE=created_at:age"
             " | RESOURCE=resource WORKER=worker ERROR=error BY=enqueued_by:short FINISHED=finished_at:age",
             "modelyard version checks MODEL@NUMBER"),
        View("resource-limit", "resource-limits", "name",
             "NAME=name LIMIT=limit AGE=created_at:age | ID=id",
             "modelyard job limit RESOURCE COUNT"),
        View("process-definition", "process-definitions", "id",
             "KEY=key NUMBER=number STATUS=status:status NAME=name SCENARIOS=tested COVERAGE=coverage:share"
             " PROPOSED-BY=proposed_by:short AGE=created_at:age"
             " | ID=id PUBLISHED-BY=published_by:short PUBLISHED=published_at:age WARNINGS=warnings:count NOTES=notes",
             "modelyard lifecycle init NAME"),
        View("process-instance", "process-instances", "id",
             "ID=id PROCESS=process VERSION=number STATUS=status:status HEALTH=health:status AT=places TITLE=title"
             " AGE=created_at:age | ABOUT=about STEPS=steps BY=started_by:short ENDED=ended_at:age INCIDENTS=open_incidents",
             "modelyard lifecycle start PROCESS --about version:MODEL@NUMBER"),
        View("process-incident", "process-incidents", "id",
             "ID=id STATUS=status:status PROCESS=process STEP=element CAUSE=cause MESSAGE=message:brief AGE=created_at:age"
             " | INSTANCE=instance HOW=how BY=resolved_by:short WHY=why",
             "modelyard lifecycle instances (no incident: nothing that runs is broken)"),
        View("task", "tasks", "id",
             "ID=id TASK=name STATUS=status ROLES=roles ASSIGNEE=assignee:short DUE=due_at:age PROCESS=process"
             " AGE=created_at:age | ABOUT=about PRIORITY=priority REQUESTER=requester:short TIER=tier INSTANCE=instance"
             " EXPIRES=expires_at:age BY=completed_by:short",
             "modelyard task list --all"),
        View("batch", "batches", "id",
             "ID=id ENDPOINT=endpoint STATE=state:status ANSWERED=answered REJECTED=rejected BY=requested_by:short"
             " AGE=created_at:age | JOB=job READ=read LOGGED=logged ARMS=by_arm EPOCH=epoch OUTPUT=output ERROR=error",
             "modelyard score ENDPOINT FILES --out FOLDER (runs here), or POST /api/v1/batches (runs on the server)"),
        View("audit", "audit", "id",
             "TIME=created_at:when ACTOR=actor:short ACTION=action SUBJECT=subject_id OUTCOME=outcome:status REASON=reason"
             " | ID=id TYPE=subject_type ERROR=error_code DETAIL=error_detail POLICIES=policies",
             "modelyard model list (every change leaves a record here)"),
        View("decision", "decisions", "id",
             "ID=id ENDPOINT=endpoint ARM=answered_arm VERSION=manifest:digest TIME=decision_time:when OUTPUT=output"
             " OUTCOME=outcome | ROLE=role INPUTS=inputs LATENCY=latency REASON=reason TRACE=trace",
             "modelyard endpoint list (call one; each answer is a decision)"),
        View("retention", "retentions", "scope",
             "SCOPE=scope USE-CASE=use_case TIER=tier DAYS=days BY=set_by:short AGE=created_at:age | ID=id REASON=reason",
             "modelyard retention set --use-case NAME --days 400 --reason '…' (without a rule everything is kept)"),
        View("retention-run", "retention-runs", "id",
             "ID=id STATE=state:status USE-CASE=use_case ROWS=rows BY=asked_by:short FINISHED=finished_at:age AGE=created_at:age"
             " | ERROR=error",
             "modelyard retention apply"),
        View("hold", "holds", "id",
             "ID=id STATE=state:status MATTER=matter USE-CASE=use_case SINCE=since:when UNTIL=until:when BY=placed_by:short"
             " AGE=created_at:age | REASON=reason LIFTED=lifted_at:age LIFTED-BY=lifted_by:short WHY=lifted_reason",
             "modelyard hold place --matter '…' --use-case NAME --reason '…'"),
        View("erasure", "erasures", "id",
             "ID=id STATE=state:status DECISIONS=decisions OUTCOMES=outcomes PENDING=pending:count LEFT=proof.left"
             " BY=requested_by:short AGE=created_at:age | REASON=reason WHY=why TROUBLE=trouble EXPORTS=exports:count",
             "modelyard erasure request --reason '…'"),
        View("annotation", "annotations", "id",
             "VERSION=version_id FIELD=field VALUE=value NOTE=note BY=by:short AGE=created_at:age | ID=id",
             "modelyard version annotate MODEL@NUMBER FIELD VALUE"),
        View("verdict", "decisions-of-approval", "id",
             "APPROVAL=approval VERDICT=verdict:status ROLE=role BY=approver:short COMMENTS=comments AGE=created_at:age"
             " | ID=id SHOWN=shown:digest",
             "modelyard approval list"),
    )
}  # fmt: skip

PLAIN: dict[str, str] = {
    "decision-group": "DAY=day ARM=arm ROLE=role VERSION=version:digest DECISIONS=decisions OUTCOMES=outcomes",
    "copy": "KIND=kind ID=id ENDPOINT=endpoint FORM=form BY=by:short AGE=made_at:age NARROWED=narrowed | PLACE=place",
    "copied": "BATCH=batch FILE=file ROWS=rows FATE=fate:status WHY=why",
    "due": "USE-CASE=use_case DAYS=days BY=source BEFORE=before:when ROWS=rows HELD=held | HOLDS=holds",
    "verdict": "VERDICT=verdict:status ROLE=role BY=approver:short COMMENTS=comments AGE=created_at:age CONDITIONS=conditions",
    "history": "TIME=at:when WHAT=what NUMBER=number BY=by:short DETAIL=detail",
    "served": "ENDPOINT=endpoint ROLE=role SHARE=share:share VERSION=version_id",
    "diff": "WHAT=what BEFORE=before AFTER=after MARK=mark",
    "signature": "SIDE=side NAME=name TYPE=type ROLE=role NULLABLE=nullable"
    " | SHAPE=shape MINIMUM=minimum MAXIMUM=maximum ALLOWED=allowed",
    "doctor": "CHECK=check STATUS=status:status FOUND=found DO=do",
    "step": "NUMBER=number TIME=created_at:when WHAT=event STEP=element BY=by:short WAY=way | DETAILS=details",
    "found": "TYPE=type NAME=name STATUS=status:status AGE=created_at:age | ID=id",
    "finding": "WHAT=what TABLE=table RECORD=record POSITION=position DETAIL=detail",
    "artifact": "NAME=name SIZE=size MEDIA-TYPE=media_type ATTEMPT=attempt AGE=created_at:age | DIGEST=digest",
    "log": "NUMBER=number ATTEMPT=attempt AT=at:when TEXT=text:brief",
    "key": "ID=id PURPOSES=purposes STATUS=status:status FROM=not_before:when TO=not_after:when ENDPOINTS=endpoints",
}
"""Tables of things that are no collections."""
