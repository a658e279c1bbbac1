"""How a version of kind `rules` becomes a gate, or the risk tiering: judged by the gate to governance that is in force, approved
by the people that this gate names, and adopted by a risk officer. A gate's successor so goes the way of every model."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from modelyard import dmn
from modelyard.catalog.lookup import find_version
from modelyard.catalog.model import MODELS, USE_CASES, Status, Version
from modelyard.catalog.profile import Tier
from modelyard.core.blobs import Blobs
from modelyard.core.bus import Handling, Request, Work
from modelyard.core.digests import digest
from modelyard.core.errors import InvalidInput, NotApproved, TooLarge, Untrusted, WrongState
from modelyard.core.messages import Subject
from modelyard.core.records import Storage, Transaction, equals, every
from modelyard.governance.assurance import gates
from modelyard.governance.assurance.commands import AdoptGate
from modelyard.governance.assurance.decisions import LIMITS, compiled
from modelyard.governance.assurance.events import GateAdopted, GateDefined
from modelyard.governance.assurance.model import (
    APPROVALS,
    GATES,
    GOVERNANCE,
    GREATEST_SOURCE,
    PLATFORM,
    RISK_TIER,
    Approval,
    ApprovalStatus,
    Gate,
)
from modelyard.governance.assurance.service import climb, in_force, named, tier_of, what_changed
from modelyard.governance.identity.model import Role
from modelyard.governance.risk import tiering

KIND = "rules"
KINDS = ("ml", "rules", "graph", "optimization", "language", "agent", "composite")
"""What a gate is tried with. One may have no conditions for some of them: these then do not pass."""
DECIDING = frozenset({Role.VALIDATOR.value, Role.BUSINESS_OWNER.value, Role.RISK_OFFICER.value})
RISK_OFFICERS = 2
"""So many different ones a gate to governance asks for at the least."""


def artifact_of(storage: Storage, blobs: Blobs, organisation: str, reference: str) -> bytes:
    """A version's file in base64, for the command that adopts it. Raises NotFound, and TooLarge for what cannot be a gate."""
    with storage.reading() as tx:
        artifact = find_version(tx, organisation, reference).manifest.artifact
    if artifact.size > GREATEST_SOURCE:
        raise TooLarge(f"a gate's file has at most {GREATEST_SOURCE} bytes, this one has {artifact.size}", field="version")
    return b64encode(b"".join(blobs.open(artifact.digest)))


def dmn_of(artifact: bytes) -> str:
    """The one DMN file of an artifact: itself, or in a zip beside its examples. Raises InvalidInput when there is not one."""
    data = _unpacked(artifact) if artifact.startswith(b"PK") else artifact
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_gate("it is not in UTF-8") from error


def _unpacked(artifact: bytes) -> bytes:
    try:
        with ZipFile(BytesIO(artifact)) as bundle:
            found = [m for m in bundle.infolist() if m.filename.endswith(".dmn") and not m.filename.startswith("__MACOSX")]
            if len(found) != 1 or found[0].file_size > GREATEST_SOURCE:
                raise _no_gate(f"it holds {len(found)} .dmn files" if len(found) != 1 else "its .dmn file is too large")
            with bundle.open(found[0]) as file:
                return file.read(GREATEST_SOURCE)
    except (BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error) as error:
        raise _no_gate(f"it cannot be unpacked: {error}") from error


def _no_gate(why: str) -> InvalidInput:
    return InvalidInput(
        f"the artifact is no gate: {why}", field="version", hint="register one .dmn file, alone or zipped with its examples"
    )


def adopt_gate(work: Work, command: AdoptGate) -> Gate:
    """Put an approved version in force. Raises Untrusted when the file is not the version's, InvalidInput when it is no usable
    gate, NotApproved without an approval that still holds, WrongState when it is in force or its stage has another gate."""
    version = find_version(work.tx, work.organisation, command.version)
    _require_platforms(work.tx, version)
    if digest(command.artifact) != version.manifest.artifact.digest:
        raise Untrusted("the file is not the one that the version is bound to", field="artifact", hint="adopt it by its version")
    source = dmn_of(command.artifact)
    previous = named(work.tx, work.organisation, command.gate)
    _require_place(work.tx, work.organisation, command.gate, previous)
    if previous is not None and previous.version == version.id:
        raise WrongState(f"{version.name} is {command.gate} #{previous.number} already", field="version")
    gate = Gate(
        **work.new("gate"),
        name=command.gate,
        number=previous.number + 1 if previous else 1,
        to_stage=previous.to_stage if previous else command.gate,
        defined_by=version.developer,
        source=source,
        source_digest=digest(source.encode()),
        version=version.id,
        manifest=version.manifest_digest,
        adopted_by=work.actor.id,
    )
    examine(gate)
    approval = _approval_of(work.tx, work.organisation, version, command.gate, work.now)
    return _put_in_force(work, version, gate.model_copy(update={"approval": approval.id}))


def _put_in_force(work: Work, version: Version, gate: Gate) -> Gate:
    kept = work.add(GATES, gate)
    climb(work, version, Status.RELEASED, f"adopted as {kept.name} #{kept.number}", stage=GOVERNANCE)
    adopted = GateAdopted(gate=kept.id, name=kept.name, number=kept.number, version=version.id, approval=str(kept.approval))
    work.emit(adopted, f"gate:{kept.name}")
    return kept


def define_root(work: Work, name: str, source: str) -> Gate:
    """Put in force a gate that comes with the platform, as the first of its name."""
    stage = "" if name == RISK_TIER else name
    fields = {"to_stage": stage, "defined_by": work.actor.id, "source": source, "source_digest": digest(source.encode())}
    gate = Gate(**work.new("gate"), name=name, number=1, **fields)
    examine(gate)
    kept = work.add(GATES, gate)
    work.emit(GateDefined(gate=kept.id, name=kept.name, number=kept.number), f"gate:{kept.name}")
    return kept


def _require_platforms(tx: Transaction, version: Version) -> None:
    model = tx.get(MODELS, version.model_id)
    if model.use_case != PLATFORM or model.kind != KIND:
        raise InvalidInput(
            f"{version.name} is a {model.kind} model of use case {model.use_case}",
            field="version",
            hint=f"a gate is a version of a model of kind {KIND} of the use case {PLATFORM}",
        )


def _require_place(tx: Transaction, organisation: str, name: str, previous: Gate | None) -> None:
    """A stage has one gate: a second one under another name would take its place unseen."""
    holder = None if previous else in_force(tx, organisation, name)
    if holder is not None:
        raise WrongState(f"gate {holder.name} leads to stage {name!r}", field="gate", hint=f"adopt its successor: {holder.name}")


def _approval_of(tx: Transaction, organisation: str, version: Version, name: str, at: datetime) -> Approval:
    """An approval of the version for exactly this gate that still holds. Raises NotApproved, saying why the latest does not."""
    known = every(tx, APPROVALS, equals("subject_id", version.id))
    meant = [a for a in known if a.scope.stage == GOVERNANCE and name in a.scope.endpoints and a.scope.use_case == PLATFORM]
    why = f"nobody asked for approval of {version.name} as {name}"
    for approval in sorted(meant, key=lambda a: (a.created_at, a.id)):
        why = _why_not(tx, organisation, approval, at)
        if not why:
            return approval
    hint = f"modelyard approval request {version.name} --use-case {PLATFORM} --endpoint {name} --stage {GOVERNANCE}"
    raise NotApproved(f"it cannot be adopted: {why}", field="version", hint=hint)


def _why_not(tx: Transaction, organisation: str, approval: Approval, at: datetime) -> str:
    if approval.status is not ApprovalStatus.APPROVED:
        return f"approval {approval.id} is {approval.status.value}"
    if approval.expires_at <= at:
        return f"approval {approval.id} expired at {approval.expires_at:%Y-%m-%d %H:%M} UTC"
    changed = what_changed(tx, approval, organisation, at)
    return f"approval {approval.id} is void, {changed}" if changed else ""


def examine(gate: Gate) -> None:
    """Raises InvalidInput, saying what is wrong, unless the definition can be put in force: it compiles, answers for every tier,
    names people who can approve, and lets nothing pass on no evidence."""
    problems = _unusable(gate)
    if problems:
        raise InvalidInput(
            f"this file cannot be {gate.name}: " + "; ".join(problems),
            field="source",
            hint="`modelyard dmn check FILE` and docs/how-to/change-a-gate.md tell more",
        )


def _unusable(gate: Gate) -> list[str]:
    source = gates.source_of(gate)
    if len(source.encode()) > LIMITS.file_bytes:
        return [f"it has more than {LIMITS.file_bytes} bytes"]
    try:
        model = compiled(source)
    except dmn.DmnError as error:
        return [str(error)]
    if gate.name == RISK_TIER:
        return tiering.unusable(source, model)
    missing = [name for name in (gates.GATE, gates.APPROVALS) if name not in {d.name for d in model.decisions}]
    if missing:
        return [f"it has no decision {name!r}" for name in missing]
    return _strangers(model) or next((wrong for tier in Tier if (wrong := _wrong_at(gate, tier.value))), [])


def _strangers(model: dmn.Model) -> list[str]:
    known = {gates.GATE: gates.INPUTS, gates.APPROVALS: gates.INPUTS - {"evidence", "at"}}
    return [
        f"decision {decision.name!r} asks for {given.name!r}, which nobody gives it"
        for decision in model.decisions
        if decision.name in known
        for given in decision.inputs
        if given.name not in known[decision.name]
    ]


def _wrong_at(gate: Gate, tier: str) -> list[str]:
    """What is wrong at a tier; empty when nothing is. What cannot be evaluated is not tried further: it may be slow."""
    asked = False
    for kind in KINDS:
        rows = gates.judge(gate, tier, gates.facts_of_kind(kind), (), gate.created_at)
        broken = next((row for row in rows if row.category == gates.BROKEN), None)
        if broken is not None and broken.reason != gates.UNASKED:
            return [f"at tier {tier}, {broken.name}: {broken.reason}"]
        if all(row.passed for row in rows):
            return [f"at tier {tier} it lets a version of kind {kind} pass on no evidence at all"]
        asked = asked or broken is None
    if not asked:
        return [f"at tier {tier}, {gates.ITSELF}: {gates.UNASKED}"]
    try:
        return _wrong_people(gate, tier, gates.approval_rule(gate, tier, gates.facts_of_kind(KIND)).roles)
    except InvalidInput as error:
        return [error.detail]


def _wrong_people(gate: Gate, tier: str, roles: Sequence[str]) -> list[str]:
    found = [f"at tier {tier}, {role!r} is no role of somebody who decides" for role in roles if role not in DECIDING]
    if gate.to_stage == GOVERNANCE and sum(role == Role.RISK_OFFICER for role in roles) < RISK_OFFICERS:
        found.append(f"at tier {tier} fewer than two risk officers would approve a gate")
    return found


def _subject(tx: Transaction, request: Request, command: AdoptGate) -> Subject:
    version = find_version(tx, request.organisation, command.version)
    use_case = tx.get(USE_CASES, version.use_case_id)
    attributes: dict[str, Any] = {
        "developer": version.developer,
        "developers": [version.developer],
        "tier": tier_of(tx, version),
        "use_case": use_case.name,
        "stage": GOVERNANCE,
    }
    return Subject(type="gate", id=command.gate, attributes=attributes)


def handlings() -> list[Handling[Any]]:
    return [Handling(AdoptGate, adopt_gate, _subject, Gate)]
