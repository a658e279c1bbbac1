"""Handlers of releases and keys. Signing here is arithmetic with a key in memory; a remote signer signs before the bus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from modelyard.catalog.model import VERSIONS, Status
from modelyard.core.bus import Handling, Request, Work, record_audit
from modelyard.core.digests import digest_of
from modelyard.core.errors import AlreadyExists, InvalidInput, ModelyardError, NotApproved, WrongState
from modelyard.core.messages import AUDIT, AuditOutcome, AuditRecord, Subject
from modelyard.core.records import R, Table, Transaction, equals, every, first
from modelyard.governance.assurance.model import (
    APPROVAL_DECISIONS,
    APPROVALS,
    EVIDENCE,
    Approval,
    ApprovalDecision,
    ApprovalStatus,
)
from modelyard.governance.assurance.service import climb, what_changed
from modelyard.governance.identity.model import IDENTITIES
from modelyard.governance.releases.commands import (
    IssueRelease,
    RecordRefusals,
    RegisterKey,
    RevokeKey,
    RevokeRelease,
    RuntimeRefusal,
)
from modelyard.governance.releases.events import KeyRegistered, KeyRevoked, ReleaseIssued, ReleaseRevoked, RuntimeRefused
from modelyard.governance.releases.model import (
    KEYS,
    RELEASES,
    REVOCATIONS,
    IssuedRelease,
    KeyStatus,
    RefusalsTaken,
    Revocation,
    SigningKey,
)
from modelyard.governance.releases.ports import Signing
from modelyard.trust import (
    PublicKey,
    Purpose,
    TrustRoots,
    sign_release,
    verify_release,
)
from modelyard.trust.statements import ApprovalRef, EvidenceRef, Release


def issue_release(work: Work, command: IssueRelease, signing: Signing) -> IssuedRelease:
    """Sign what was approved, when everything that was approved still is as it was."""
    approval = work.get(APPROVALS, command.approval)
    decisions = _require_approved(work, approval)
    version = work.get(VERSIONS, approval.subject_id)
    until = command.until or approval.release_until
    if not work.now < until <= approval.release_until:
        raise InvalidInput(
            f"the release must end after now and by {approval.release_until:%Y-%m-%d}",
            field="until",
            hint="a longer one needs another approval",
        )
    if command.network and not approval.scope.network:
        raise NotApproved("the use of the network was not approved", field="network", hint="request approval with --network")
    release = Release(
        id=work.ids.new("rel"),
        organisation=work.organisation,
        use_case=approval.scope.use_case,
        model=version.model,
        version=version.id,
        manifest=approval.manifest,
        serving=version.manifest.serving.digest,
        endpoints=approval.scope.endpoints,
        stage=approval.scope.stage,
        roles=approval.scope.roles,
        greatest_share=approval.scope.greatest_share,
        network=approval.scope.network and command.network is not False,
        tier=approval.tier,
        evidence=tuple(EvidenceRef(id=e.id, type=e.type, digest=e.digest) for e in approval.evidence),
        approvals=tuple(ApprovalRef(id=d.id, approver=d.approver, digest=d.digest()) for d in decisions),
        policy=approval.gate_digest,
        issued_by=work.actor.id,
        issued_at=work.now,
        not_before=work.now,
        until=until,
    )
    return _keep(work, release, approval, signing)


def _require_approved(work: Work, approval: Approval) -> Sequence[ApprovalDecision]:
    if approval.status is not ApprovalStatus.APPROVED:
        raise NotApproved(f"the approval is {approval.status.value}", field="approval", hint="ask those whose role is missing")
    if approval.expires_at <= work.now:
        raise NotApproved(
            f"the approval expired at {approval.expires_at:%Y-%m-%d %H:%M} UTC", field="approval", hint="request a new one"
        )
    changed = what_changed(work.tx, approval, work.organisation, work.now)
    if changed:
        raise NotApproved(f"the approval is void: {changed}", field="approval", hint="request approval again")
    decisions = every(work.tx, APPROVAL_DECISIONS, equals("approval", approval.id))
    _require_quorum(approval, decisions)
    return decisions


def _require_quorum(approval: Approval, decisions: Sequence[ApprovalDecision]) -> None:
    """The record says approved; this asks the decisions themselves, in case the record was edited."""
    previous: str | None = None
    for decision in decisions:
        involved = {approval.requester, *approval.developers}
        sound = decision.shown == approval.bound and decision.previous == previous and decision.approver not in involved
        if not sound or not decision.verdict.startswith("approved"):
            raise NotApproved(f"decision {decision.id} does not carry this approval", field="approval", hint="request a new one")
        previous = decision.digest()
    if sorted(d.role for d in decisions) != sorted(approval.roles_required):
        raise NotApproved("the quorum is not met", field="approval", hint=f"asked: {', '.join(approval.roles_required)}")


def _keep(work: Work, release: Release, approval: Approval, signing: Signing) -> IssuedRelease:
    signer = signing.signer(Purpose.RELEASE)
    signed = sign_release(release, signer)
    fields = work.new("rel") | {"id": release.id}
    issued = work.add(
        RELEASES,
        IssuedRelease(
            **fields,
            **release.model_dump(
                include={"version", "model", "manifest", "serving", "use_case", "endpoints", "stage", "roles"}
                | {"greatest_share", "tier", "until", "issued_by"}
            ),
            approval=approval.id,
            payload=signed.digest,
            # What a dry run signed would be valid and in no log: it does not leave.
            envelope="" if work.request.dry_run else signed.envelope.decode(),
            key_id=signer.key_id,
        ),
    )
    version = work.get(VERSIONS, release.version)
    climb(work, version, Status.RELEASED, f"release {release.id}", stage=release.stage)
    work.emit(ReleaseIssued(release=issued.id, version=issued.version, payload=issued.payload), f"version:{issued.version}")
    return issued


def revoke_release(work: Work, command: RevokeRelease) -> Revocation:
    """End a release. Doing it twice is an error that says when it was done."""
    release = work.get(RELEASES, command.release)
    known = first(work.tx, REVOCATIONS, equals("id", release.id))
    if known is not None:
        raise WrongState(f"the release was revoked at {known.created_at:%Y-%m-%d %H:%M} UTC", field="release")
    return _revoke(work, release, command.cause)


def _revoke(work: Work, release: IssuedRelease, cause: str) -> Revocation:
    fields = work.new("rel") | {"id": release.id}
    revocation = work.add(REVOCATIONS, Revocation(**fields, payload=release.payload, cause=cause, revoked_by=work.actor.id))
    work.emit(
        ReleaseRevoked(release=release.id, version=release.version, payload=release.payload, cause=cause),
        f"version:{release.version}",
    )
    return revocation


def register_key(work: Work, command: RegisterKey) -> SigningKey:
    """Make a key known; the one that it replaces signs no more."""
    if PublicKey.from_pem(command.public_pem).key_id != command.key_id:
        raise InvalidInput("the key id is not that of the public key", field="key_id")
    _require_holder(work, command)
    if first(work.tx, KEYS, equals("id", command.key_id)) is not None:
        raise AlreadyExists(f"key {command.key_id[:16]} is known already", field="key_id")
    if command.replaces is not None:
        older = work.get(KEYS, command.replaces)
        status = KeyStatus.REVOKED if older.status is KeyStatus.REVOKED else KeyStatus.RETIRED
        work.save(KEYS, older.model_copy(update={"status": status, "replaced_by": command.key_id}))
    fields = work.new("key") | {"id": command.key_id}
    kept = work.add(
        KEYS,
        SigningKey(
            **fields,
            purposes=command.purposes,
            public_pem=command.public_pem,
            status=KeyStatus.ACTIVE,
            holder=command.holder,
        ),
    )
    work.emit(KeyRegistered(key_id=kept.id, replaces=command.replaces), f"key:{kept.id}")
    return kept


def _require_holder(work: Work, command: RegisterKey) -> None:
    """A key for orders signs nothing else and is somebody's; no other key is anybody's."""
    for_orders = Purpose.ORDER.value in command.purposes
    if for_orders and (len(command.purposes) > 1 or command.holder is None):
        raise InvalidInput("a key for orders is one person's, and signs nothing else", field="purposes", hint="name its holder")
    if not for_orders and command.holder is not None:
        raise InvalidInput("only keys for orders have a holder", field="holder")
    if command.holder is not None:
        work.get(IDENTITIES, command.holder)


def revoke_key(work: Work, command: RevokeKey) -> SigningKey:
    """Declare a key lost; what it signed is revoked in the same transaction."""
    key = work.get(KEYS, command.key_id)
    if key.status is KeyStatus.REVOKED:
        raise WrongState(f"key {key.id[:16]} is revoked already", field="key_id")
    kept = work.save(KEYS, key.model_copy(update={"status": KeyStatus.REVOKED}))
    ended = [r for r in live_releases(work.tx, work.organisation) if r.key_id == key.id]
    for release in ended:
        _revoke(work, release, f"key {key.id[:16]} was revoked: {command.cause}")
    work.emit(KeyRevoked(key_id=kept.id, releases=tuple(r.id for r in ended)), f"key:{kept.id}")
    return kept


def record_refusals(work: Work, command: RecordRefusals) -> RefusalsTaken:
    """One audit record for each refusal that is not known yet."""
    taken: list[str] = []
    for refusal in command.refusals:
        record_id = f"aud_{digest_of([work.organisation, refusal.runtime, refusal.id])[7:39]}"
        if first(work.tx, AUDIT, equals("id", record_id)) is None:
            record_audit(work.tx, _refusal_record(work, refusal, record_id))
            about = refusal.endpoint or "unknown"  # a whole snapshot was refused
            event = RuntimeRefused(runtime=refusal.runtime, endpoint=about, code=refusal.code, detail=refusal.detail)
            work.emit(event, f"runtime:{refusal.runtime}")
            taken.append(refusal.id)
    return RefusalsTaken(taken=tuple(taken), known=len(command.refusals) - len(taken))


def _refusal_record(work: Work, refusal: RuntimeRefusal, record_id: str) -> AuditRecord:
    return AuditRecord(
        id=record_id,
        organisation=work.organisation,
        created_at=work.now,
        actor=work.actor.id,  # who is known; the runtime's name is only what it calls itself
        actor_kind=work.actor.kind,
        action="runtime.serve",
        outcome=AuditOutcome.REFUSED,
        subject_type="endpoint",
        subject_id=refusal.endpoint or "unknown",
        command_digest=digest_of(refusal.model_dump(mode="json")),
        policy_set=refusal.release or "none",
        error_code=refusal.code,
        error_detail=f"arm {refusal.arm or '?'} at {refusal.at.isoformat()}: {refusal.detail}",
        refused_elsewhere=refusal.runtime,
    )


def live_releases(tx: Transaction, organisation: str) -> list[IssuedRelease]:
    """Releases that were not revoked, ended ones included."""
    revoked = {r.id for r in every(tx, REVOCATIONS, equals("organisation", organisation))}
    return [r for r in every(tx, RELEASES, equals("organisation", organisation)) if r.id not in revoked]


def sweep(tx: Transaction, organisation: str, roots: TrustRoots, at: datetime) -> list[tuple[IssuedRelease, str]]:
    """Live releases whose signature, evidence or approvals are no longer what was signed, each with the reason."""
    found = []
    for release in live_releases(tx, organisation):
        if release.until > at:
            reason = _unsound(tx, release, roots, at)
            if reason:
                found.append((release, reason))
    return found


def _unsound(tx: Transaction, issued: IssuedRelease, roots: TrustRoots, at: datetime) -> str:
    try:
        verified = verify_release(issued.envelope.encode(), roots, at)
    except ModelyardError as error:
        return str(error)
    signed = verified.release
    if verified.digest != issued.payload or signed.version != issued.version or signed.id != issued.id:
        return "the kept release is not the signed one"
    version = first(tx, VERSIONS, equals("id", signed.version))
    if version is None or version.manifest.digest() != signed.manifest:
        return f"version {signed.version} is not what was signed"
    for evidence in signed.evidence:
        if _kept_digest(tx, EVIDENCE, evidence.id) != evidence.digest:
            return f"evidence {evidence.id} is not what was signed"
    for approval in signed.approvals:
        if _kept_digest(tx, APPROVAL_DECISIONS, approval.id) != approval.digest:
            return f"decision {approval.id} is not what was signed"
    return ""


def _kept_digest(tx: Transaction, table: Table[R], record_id: str) -> str | None:
    kept = first(tx, table, equals("id", record_id))
    return kept.digest() if kept is not None else None


def _subject_of_issue(tx: Transaction, request: Request, command: IssueRelease) -> Subject:
    approval = tx.get(APPROVALS, command.approval)
    attributes = {"requester": approval.requester, "developers": list(approval.developers)}
    return Subject(type="release", id=approval.id, attributes=attributes | {"tier": approval.tier, "stage": approval.scope.stage})


def _subject_of_release(tx: Transaction, request: Request, command: RevokeRelease) -> Subject:
    release = tx.get(RELEASES, command.release)
    return Subject(type="release", id=release.id, attributes={"tier": release.tier, "stage": release.stage})


def _subject_of_key(tx: Transaction, request: Request, command: RegisterKey | RevokeKey) -> Subject:
    holder = getattr(command, "holder", None)
    return Subject(type="key", id=command.key_id, attributes={"holder": holder} if holder is not None else {})


def _subject_of_refusals(tx: Transaction, request: Request, command: RecordRefusals) -> Subject:
    return Subject(type="runtime", id=request.actor.id)


def handlings(signing: Signing) -> list[Handling[Any]]:
    return [
        Handling(IssueRelease, partial(issue_release, signing=signing), _subject_of_issue, IssuedRelease),
        Handling(RevokeRelease, revoke_release, _subject_of_release, Revocation),
        Handling(RegisterKey, register_key, _subject_of_key, SigningKey),
        Handling(RevokeKey, revoke_key, _subject_of_key, SigningKey),
        Handling(RecordRefusals, record_refusals, _subject_of_refusals, RefusalsTaken),
    ]
