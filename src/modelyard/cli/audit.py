"""`modelyard audit`: who did what, why, and the proof that nobody changed the record of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import LISTING, READING, Listing, Reading
from modelyard.cli.session import Session, say, segment
from modelyard.cli.views import PLAIN

audit = App(name="audit", help="The audit log: append-only, signed, verifiable offline.")


@audit.command(name="list")
def list_audit(
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: Annotated[str | None, Parameter(help="Id of what it was about.")] = None,
    outcome: Literal["done", "refused"] | None = None,
    how: Listing = LISTING,
) -> int:
    """Show audit records, the latest first."""
    return Session(how).print_list("audit", actor=actor, action=action, subject_id=subject, outcome=outcome)


@audit.command(name="show")
def show_audit(record: str, /, *, how: Reading = READING) -> int:
    """Show one audit record."""
    return Session(how).print_one("audit", record)


@audit.command(name="verify")
def verify(*, how: Reading = READING) -> int:
    """Verify the log against its exported checkpoints and the live records against the log. 1 when anything is wrong."""
    told = Session(how).get("/audit/verify")
    if how.output in ("table", "wide"):
        findings = [*told["log"]["findings"], *told["records"]]
        if findings:
            render.print_rows(findings, PLAIN["finding"], "wide")
        sys.stdout.write(render.safe(told["summary"]) + "\n")
    else:
        render.print_one(told, how.output, name="ok")
    return DONE if told["ok"] else FAILED


@audit.command(name="proof")
def proof(
    record: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="A file instead of stdout.")] = None,
    how: Reading = READING,
) -> int:
    """Export a bundle that proves one record offline."""
    text = json.dumps(Session(how).get(f"/audit/{segment(record)}/proof"), indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
        return DONE
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{out} cannot be written: {error.strerror}", field=str(out)) from error
    say(f"written to {out}")
    return DONE


@audit.command(name="check")
def check(
    bundle: Annotated[Path, Parameter(help="What `modelyard audit proof` exported.")],
    /,
    *,
    roots: Annotated[Path, Parameter(help="Trust roots, from `modelyard keys export-roots`.")],
) -> int:
    """Check an exported proof offline, with nothing but the two files. 1 when it does not hold."""
    from modelyard.core.errors import Untrusted
    from modelyard.governance.audit import check_bundle
    from modelyard.trust import TrustRoots

    try:
        found = check_bundle(_bytes(bundle), TrustRoots.from_json(_bytes(roots)))
    except Untrusted as error:
        say(f"NOT proven: {error}")
        return FAILED
    sys.stdout.write(render.safe(f"proven: {found.id}: {found.actor} {found.action} {found.subject_id} at {found.created_at}\n"))
    return DONE


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}", field=str(file)) from error
