"""`modelyard evidence | gate | approval`: what is known of a version, what is asked of it, who takes responsibility."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import FromFile, Sets, body
from modelyard.cli.errors import DONE, FAILED, Usage, Waiting
from modelyard.cli.options import CHANGING_, LISTING, READING, Changing, Listing, Reading
from modelyard.cli.session import Session, confirm, demand_terminal, pairs, pause, say, segment
from modelyard.cli.views import PLAIN

if TYPE_CHECKING:
    from modelyard.dmn.model import DecisionTable

EvidenceType = Literal["scan", "translation", "test_report", "validation", "comparison", "attestation", "document"]
Verdict = Literal["approved", "approved_with_conditions", "rejected", "changes_requested"]
ArmRole = Literal["champion", "challenger", "shadow", "fallback"]
GOVERNANCE, PLATFORM = "governance", "platform-governance"

evidence = App(name="evidence", help="Results bound to the digest of a version.")
gate = App(name="gate", help="What a version must show to pass to a stage.")
approval = App(name="approval", help="Decisions by people, bound to what they were shown.")


@evidence.command(name="add")
def add_evidence(
    version: str,
    type: EvidenceType,  # noqa: A002 -- it is the option's name
    /,
    *,
    summary: str | None = None,
    metric: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="`name=value`; may be repeated.")] = (),
    document: Annotated[str | None, Parameter(help="A file, uploaded and bound by its digest, or the digest of one.")] = None,
    valid_until: Annotated[str | None, Parameter(help="When it loses its force (ISO 8601).")] = None,
    file: FromFile = None,
    sets: Sets = (),
    how: Changing = CHANGING_,
) -> int:
    """Add evidence about a version."""
    from modelyard.cli.register import blob_of, numbers

    session = Session(how)
    fields = body(file, sets, summary=summary, metrics=numbers(metric), valid_until=valid_until)
    if document is not None:
        fields["document"] = blob_of(session, document)
    made = session.change("governance.record_evidence", fields | {"version": version, "type": type})
    return session.report("evidence", made, f"added {type} to {version}", f"modelyard gate evaluate {version}")


@evidence.command(name="list")
def list_evidence(
    version: Annotated[str | None, Parameter(help="Only that of this version.")] = None,
    /,
    *,
    type: EvidenceType | Literal["gate_result"] | None = None,  # noqa: A002 -- it is the option's name
    how: Listing = LISTING,
) -> int:
    """Show evidence."""
    session = Session(how)
    return session.print_list("evidence", version=_id_of(session, version), type=type)


@evidence.command(name="show")
def show_evidence(evidence: str, /, *, how: Reading = READING) -> int:
    """Show one piece of evidence."""
    return Session(how).print_one("evidence", evidence)


@gate.command(name="adopt")
def adopt_gate(
    name: Annotated[str, Parameter(help="The gate whose successor it becomes, the stage of a new gate, or risk-tier.")],
    version: Annotated[str, Parameter(help="Of a model of kind rules of the use case platform-governance, and approved.")],
    /,
    *,
    how: Changing = CHANGING_,
) -> int:
    """Put an approved version in force as a gate; what was approved under the earlier one must be approved anew."""
    session = Session(how)
    made = session.change(
        "governance.adopt_gate", {"gate": name, "version": version}, ask=f"Put {version} in force as {name}?", why=True
    )
    return session.report(
        "gate", _brief(made), f"{version} is {made['name']} number {made['number']}", f"modelyard gate show {name}"
    )


@gate.command(name="list")
def list_gates(*, how: Listing = LISTING) -> int:
    """Show gates."""
    return Session(how).print_list("gate")


@gate.command(name="show")
def show_gate(gate: str, /, *, how: Reading = READING) -> int:
    """Show a gate by id, or the newest of a name: its conditions, and who approves."""
    session = Session(how)
    found = _gate(session, gate)
    session.show("gate", found if how.output in ("json", "yaml") else _brief(found))
    if how.output in ("table", "wide"):
        _print_tables(found, sys.stdout)
    return DONE


@gate.command(name="export")
def export_gate(
    gate: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="A file instead of stdout.")] = None,
    how: Reading = READING,
) -> int:
    """Print a gate's DMN file, to edit it and register the successor."""
    source = _source(_gate(Session(how), gate))
    if out is None:
        sys.stdout.write(source)
        return DONE
    try:
        out.write_text(source, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{out} cannot be written: {error}", field="--out") from error
    say(f"written to {out}")
    say(f"next: edit it, then modelyard dmn check {out}")
    return DONE


def _gate(session: Session, reference: str) -> dict[str, Any]:
    """The newest of that name, or the one of that id."""
    named = session.find("gate", name=reference, sort="-number", limit=1)
    return named[0] if named else session.one("gate", reference)


def _brief(gate: dict[str, Any]) -> dict[str, Any]:
    """A gate without its file, and without the fields that it does not have."""
    return {name: value for name, value in gate.items() if name != "source" and value not in (None, [], "")}


def _source(gate: dict[str, Any]) -> str:
    if gate.get("source"):
        return str(gate["source"])
    # Defined before gates were decisions: the same translation that the server evaluates.
    from modelyard.governance.assurance.model import Gate
    from modelyard.governance.assurance.thresholds import as_dmn

    return as_dmn(Gate.model_validate(gate))


def _print_tables(gate: dict[str, Any], out: TextIO) -> None:
    for title, columns, rows in _tables(gate):
        render.put(f"\n{title}", out)
        render.print_rows(rows, columns, "wide", stream=out)


def _tables(gate: dict[str, Any]) -> list[tuple[str, str, list[dict[str, str]]]]:
    """The decision tables of a gate, each with its title, its columns and a row for each rule."""
    from modelyard.dmn import DmnError, load
    from modelyard.dmn.model import DecisionTable

    try:
        definitions = load(_source(gate).encode(), strict=False).definitions
    except DmnError as error:
        raise Usage(f"gate {gate['name']} cannot be read: {error}", hint="show it with -o yaml") from error
    decisions = [d for file in definitions for d in file.decisions if isinstance(d.expression, DecisionTable)]
    return [_table(d.name, d.expression) for d in decisions if isinstance(d.expression, DecisionTable)]


def _table(name: str, table: DecisionTable) -> tuple[str, str, list[dict[str, str]]]:
    titles = [i.label or i.expression.text or "" for i in table.inputs] + [o.label or o.name or name for o in table.outputs]
    titles += list(table.annotations)
    rows = [
        [*(e.text or "-" for e in rule.inputs), *(e.text or "" for e in rule.outputs), *rule.annotations] for rule in table.rules
    ]
    columns = " ".join(f"{re.sub(r'[^A-Za-z0-9]+', '-', title).strip('-').upper()}=c{n}" for n, title in enumerate(titles))
    shown = [{f"c{n}": cell.strip('"') if cell.count('"') == 2 else cell for n, cell in enumerate(row)} for row in rows]
    return f"{name} ({table.hit_policy.lower()})", columns, shown


@gate.command(name="evaluate")
def evaluate_gate(version: str, /, *, stage: str = "production", how: Changing = CHANGING_) -> int:
    """Judge a version by the newest gate to a stage; the result is evidence. 1 when it does not pass."""
    session = Session(how)
    made = session.change("governance.evaluate_gate", {"version": version, "stage": stage})
    passed = made.get("metrics", {}).get("passes") == 1.0
    rows = made.get("facts", {}).get("rows")
    if rows and how.output in ("table", "wide"):
        columns = (
            "CONDITION=name PASSED=passed:status VALUE=value LIMIT=limit REASON=reason CATEGORY=category | EVIDENCE=evidence"
        )
        render.print_rows(rows, columns, how.output)
    else:
        session.show("evidence", made)
    say(f"{version} {'passes' if passed else 'does not pass'} the gate to {stage}")
    if passed:
        where = (
            "--use-case NAME --endpoint NAME" if stage != GOVERNANCE else f"--use-case {PLATFORM} --endpoint GATE --stage {stage}"
        )
        say(f"next: modelyard approval request {version} {where}")
    return DONE if passed else FAILED


@approval.command(name="request")
def request_approval(
    version: str,
    /,
    *,
    use_case: Annotated[str, Parameter(help="Where it may serve.")],
    endpoint: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, help="May be repeated.")],
    stage: str = "production",
    role: Annotated[tuple[ArmRole, ...], Parameter(negative=(), show_default=False, help="May be repeated.")] = ("champion",),
    greatest_share: Annotated[float, Parameter(help="Of the traffic, from 0 to 1.")] = 1.0,
    network: Annotated[
        bool, Parameter(negative=(), show_default=False, help="The model may use the network from its own process.")
    ] = False,
    ticket: str | None = None,
    wait: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Wait for the decision: 0 approved, 1 not, 8 still waiting.")
    ] = False,
    wait_seconds: Annotated[float, Parameter(help="How long --wait waits.")] = 3600.0,
    how: Changing = CHANGING_,
) -> int:
    """Ask for approval to serve. Says who must approve."""
    session = Session(how)
    scope = {
        "use_case": use_case,
        "endpoints": list(endpoint),
        "stage": stage,
        "roles": list(role),
        "greatest_share": greatest_share,
        **({"network": True} if network else {}),
    }
    made = session.change("governance.request_approval", {"version": version, "scope": scope, "ticket": ticket})
    session.report("approval", made, f"requested: {who_must(made)}", f"modelyard approval show {made['id']}")
    return _await(session, made["id"], wait_seconds) if wait and not how.dry_run else DONE


@approval.command(name="list")
def list_approvals(
    *,
    status: Literal["pending", "approved", "rejected", "changes_requested", "withdrawn", "expired", "void"] | None = None,
    version: str | None = None,
    how: Listing = LISTING,
) -> int:
    """Show approvals."""
    session = Session(how)
    return session.print_list("approval", status=status, subject_id=_id_of(session, version))


@approval.command(name="show")
def show_approval(
    approval: str,
    /,
    *,
    wait: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Wait for the decision: 0 approved, 1 not, 8 still waiting.")
    ] = False,
    wait_seconds: Annotated[float, Parameter(help="How long --wait waits.")] = 3600.0,
    how: Reading = READING,
) -> int:
    """Show all that an approver takes responsibility for: scope, version, evidence, gate, decisions so far."""
    session = Session(how)
    _print_shown(_shown(session, approval), how.output)
    return _await(session, approval, wait_seconds) if wait else DONE


@approval.command(name="approve")
def approve(
    approval: str,
    /,
    *,
    comments: Annotated[str | None, Parameter(help="What you base it on; without it, --reason counts.")] = None,
    condition: Annotated[
        tuple[str, ...], Parameter(negative=(), show_default=False, help="`2026-12-31=what must be done`; may be repeated.")
    ] = (),
    how: Changing = CHANGING_,
) -> int:
    """Show the approval in full, then take responsibility for what was shown."""
    due = [
        {"due": day if "T" in day else f"{day}T00:00:00Z", "text": text} for day, text in pairs(condition, "--condition").items()
    ]
    verdict: Verdict = "approved_with_conditions" if due else "approved"
    return _decide(approval, verdict, comments, due, how)


@approval.command(name="reject")
def reject(
    approval: str,
    /,
    *,
    comments: Annotated[str | None, Parameter(help="Why; without it, --reason counts.")] = None,
    changes: Annotated[bool, Parameter(negative=(), show_default=False, help="Ask for changes instead of a final no.")] = False,
    how: Changing = CHANGING_,
) -> int:
    """Show the approval in full, then refuse it."""
    return _decide(approval, "changes_requested" if changes else "rejected", comments, [], how)


@approval.command(name="withdraw")
def withdraw(approval: str, /, *, how: Changing = CHANGING_) -> int:
    """Take back a request that is still pending."""
    session = Session(how)
    made = session.change("governance.withdraw_approval", {"approval": approval}, why=True)
    return session.report("approval", made, f"withdrew {approval}")


def who_must(approval: dict[str, Any], decisions: list[dict[str, Any]] | None = None) -> str:
    """`waits for risk_officer, business_owner until 2026-12-01 00:00Z (1 of 2 given)`."""
    if approval["status"] != "pending":
        return f"the approval is {approval['status']}"
    given = [d["role"] for d in decisions or () if d["verdict"].startswith("approved")]
    missing = list(approval["roles_required"])
    for role in given:
        if role in missing:
            missing.remove(role)
    count = len(approval["roles_required"])
    return f"waits for {', '.join(missing)} until {render.when(approval['expires_at'])} ({count - len(missing)} of {count} given)"


def demand_decided(session: Session, approval: str) -> None:
    """Raises Waiting (exit code 8) when people still have to decide."""
    found = session.one("approval", approval)
    if found["status"] == "pending":
        decisions = session.find("verdict", approval=approval)
        raise Waiting(
            who_must(found, decisions), field=f"approval {approval}", hint=f"they run: modelyard approval approve {approval}"
        )


def _decide(approval: str, verdict: Verdict, comments: str | None, conditions: list[dict[str, str]], how: Changing) -> int:
    """What was shown is what is decided on: its digest goes with the decision, and the server refuses another."""
    session = Session(how)
    shown = _shown(session, approval)
    _print_shown(shown, "table", stream_is_stdout=False)
    given = comments or session.reason(required=True) or "dry run"
    if not how.yes and not how.dry_run:
        demand_terminal()
        confirm(f"Take responsibility: {verdict.replace('_', ' ')}?")
    fields = {
        "approval": approval,
        "verdict": verdict,
        "comments": given,
        "conditions": conditions or None,
        "shown": shown["approval"]["bound"],
    }
    made = session.http.change(
        "governance.decide_approval",
        {k: v for k, v in fields.items() if v is not None},
        reason=how.reason or given,
        dry_run=how.dry_run,
        key=how.key,
    )
    sentence = who_must(made, [] if how.dry_run else session.find("verdict", approval=approval))
    step = (_next_step(shown["approval"]),) if made["status"] == "approved" else ()
    return session.report("approval", made, sentence, *step)


def _next_step(approval: dict[str, Any]) -> str:
    scope = approval["scope"]
    if scope["stage"] == GOVERNANCE:
        return f"modelyard gate adopt {scope['endpoints'][0]} {approval['subject_id']}"
    return f"modelyard release issue {approval['id']}"


def _shown(session: Session, approval: str) -> dict[str, Any]:
    """The approval and everything that its `bound` digest covers."""
    found = session.one("approval", approval)
    version = session.get(f"/versions/{segment(found['subject_id'])}/detail")
    return {
        "approval": found,
        "waiting": who_must(found, decisions := session.find("verdict", approval=found["id"])),
        "version": version,
        "evidence": [session.one("evidence", link["id"]) for link in found["evidence"]],
        "gate": session.one("gate", found["gate"]) if re.match(r"^[a-z]+_", found["gate"]) else {"name": found["gate"]},
        "decisions": decisions,
    }


def _print_shown(shown: dict[str, Any], output: str, *, stream_is_stdout: bool = True) -> None:
    out = sys.stdout if stream_is_stdout else sys.stderr
    if output in ("json", "yaml"):
        render.print_one(shown, output, stream=out)
        return
    if output == "name":
        render.put(shown["approval"]["id"], out)
        return
    version = shown["version"]
    request = {k: v for k, v in shown["approval"].items() if k not in ("evidence", "subject_type", "organisation", "revision")}
    names = [f["name"] for f in version["manifest"]["signature"]["inputs"]]
    render.print_one(
        {"version": f"{version['model']}@{version['number']}", "waiting": shown["waiting"]} | request, output, stream=out
    )
    render.put("\nversion", out)
    about = {k: version.get(k) for k in ("manifest_digest", "developer", "git", "data", "metrics", "notes", "limitations")}
    render.print_one(about | {"inputs": names}, output, stream=out)
    render.put("\nevidence", out)
    columns = "TYPE=type METRICS=metrics:metrics SUMMARY=summary BY=produced_by:short AGE=created_at:age ID=id"
    render.print_rows(shown["evidence"], columns, "wide", stream=out)
    render.put("\ngate", out)
    render.print_one(_brief(shown["gate"]), output, stream=out)
    _print_tables(shown["gate"], out)
    if shown["decisions"]:
        render.put("\ndecisions", out)
        render.print_rows(shown["decisions"], PLAIN["verdict"], "wide", stream=out)


def _await(session: Session, approval: str, seconds: float) -> int:
    """Look until it is decided or the time is up. Raises Waiting."""
    left = seconds
    while (found := session.one("approval", approval))["status"] == "pending" and left > 0:
        pause(min(2.0, left))
        left -= 2.0
    say(who_must(found))
    if found["status"] == "pending":
        demand_decided(session, approval)
    return DONE if found["status"] == "approved" else FAILED


def _id_of(session: Session, version: str | None) -> str | None:
    """The id of a version that is named by `model@3`."""
    if version is None or re.fullmatch(r"ver_\w+", version):
        return version
    return str(session.get(f"/versions/{segment(version)}/detail")["id"])
