"""`modelyard retention | hold | erasure`: how long decisions are kept, what holds them, who was erased."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import CHANGING_, LISTING, READING, WATCHING, Changing, Listing, Reading, Watching
from modelyard.cli.session import Session, interactive, say, segment
from modelyard.cli.views import PLAIN

FOR_EVER = "for-ever"
retention = App(name="retention", help="How long decisions are kept, by use case or tier.")
hold = App(name="hold", help="Legal holds: what must not go while a matter is open.")
erasure = App(name="erasure", help="Erasure of people's decisions: request, follow, verify.")
Subject = Annotated[
    str | None,
    Parameter(
        help="The person, as callers name them; `-` reads the name from stdin. Asked for when left out.",
        allow_leading_hyphen=True,
    ),
]


@retention.command(name="set")
def set_retention(
    *,
    use_case: Annotated[str | None, Parameter(help="Name or id.")] = None,
    tier: Annotated[Literal["low", "medium", "high"] | None, Parameter(help="For all use cases of a tier.")] = None,
    days: Annotated[str | None, Parameter(help=f"A number, or `{FOR_EVER}`.")] = None,
    by_tier: Annotated[bool, Parameter(negative=(), show_default=False, help="Take a use case's own rule back.")] = False,
    how: Changing = CHANGING_,
) -> int:
    """Say how long decisions are kept. Nothing goes before the next application."""
    session = Session(how)
    fields: dict[str, Any] = {"use_case": use_case, "tier": tier, "by_tier": by_tier or None}
    if not by_tier:
        fields["days"] = _days(days)
    made = session.change("governance.set_retention", fields, why=True)
    kept = "for ever" if made["days"] is None else f"{made['days']} days"
    sentence = f"{use_case} follows its tier" if by_tier else f"decisions of {use_case or f'tier {tier}'} are kept {kept}"
    return session.report("retention", made, sentence, "modelyard retention due")


@retention.command(name="list")
def list_retentions(*, how: Listing = LISTING) -> int:
    """Show the rules."""
    return Session(how).print_list("retention")


@retention.command(name="due")
def due(use_case: str | None = None, /, *, how: Reading = READING) -> int:
    """Count what applying retention now would remove, and what holds keep."""
    found = Session(how).get("/retention/due", use_case=use_case)["items"]
    render.print_rows(found, PLAIN["due"], how.output, name="use_case")
    say(f"{sum(row['rows'] for row in found):,} decisions would go, {sum(row['held'] for row in found):,} stay for holds")
    return DONE


@retention.command(name="apply")
def apply(use_case: str | None = None, /, *, how: Changing = CHANGING_) -> int:
    """Have a worker remove what is no longer kept. It does so every day by itself."""
    if how.dry_run:
        return due(use_case, how=Reading(output=how.output, url=how.url, timeout=how.timeout))
    session = Session(how)
    made = session.change("governance.apply_retention", {"use_case": use_case}, ask="Remove what is no longer kept?")
    return session.report("retention-run", made, f"asked for {made['id']}", f"modelyard retention run {made['id']}")


@retention.command(name="runs")
def list_runs(*, state: Literal["asked", "done", "failed"] | None = None, how: Listing = LISTING) -> int:
    """Show applications of retention, with what went."""
    return Session(how).print_list("retention-run", state=state)


@retention.command(name="run")
def show_run(run: str, /, *, how: Watching = WATCHING) -> int:
    """Show one application of retention."""
    return Session(how).print_one("retention-run", run)


@hold.command(name="place")
def place(
    *,
    matter: Annotated[str, Parameter(help="What it is about: a case number. No names.")],
    use_case: Annotated[str | None, Parameter(help="Decisions of this use case only.")] = None,
    since: Annotated[str | None, Parameter(help="Decided from then on (ISO 8601).")] = None,
    until: Annotated[str | None, Parameter(help="Decided before then.")] = None,
    subject: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="About this person; `-` reads the name from stdin.")
    ] = None,
    how: Changing = CHANGING_,
) -> int:
    """Keep decisions while a matter is open, whatever retention or an erasure says."""
    session = Session(how)
    who = None if subject is None else _named(subject)
    fields = {"matter": matter, "use_case": use_case, "since": since, "until": until, "subject": who}
    made = session.change("governance.place_hold", fields, why=True)
    for late in made["too_late_for"]:
        say(f"erasure {late} was under way already: what it had removed is gone")
    return session.report("hold", made, f"placed {made['id']}", f"modelyard hold lift {made['id']} --reason '…'  (in the end)")


@hold.command(name="lift")
def lift(hold: str, /, *, how: Changing = CHANGING_) -> int:
    """End a hold. Erasures that it kept back go on."""
    session = Session(how)
    made = session.change("governance.lift_hold", {"hold": hold}, ask=f"Lift {hold}?", why=True)
    return session.report("hold", made, f"lifted {hold}", "modelyard erasure list --state deferred")


@hold.command(name="list")
def list_holds(*, state: Literal["active", "lifted"] | None = None, use_case: str | None = None, how: Listing = LISTING) -> int:
    """Show holds."""
    return Session(how).print_list("hold", state=state, use_case=use_case)


@hold.command(name="show")
def show_hold(hold: str, /, *, how: Watching = WATCHING) -> int:
    """Show a hold."""
    return Session(how).print_one("hold", hold)


@erasure.command(name="request")
def request(subject: Subject = None, /, *, how: Changing = CHANGING_) -> int:
    """Erase a person's decisions and outcomes. Readers show none of them from then on; files follow."""
    session = Session(how)
    who = _named(subject)
    made = session.change("governance.request_erasure", {"subject": who}, ask="Erase this person?", must_ask=True, why=True)
    said = {"deferred": f"deferred: {made['why']}", "hidden": "readers show nothing of them any more"}
    sentence = said.get(made["state"], f"the erasure is {made['state']}")
    return session.report("erasure", made, sentence, f"modelyard erasure show {made['id']} --watch")


@erasure.command(name="list")
def list_erasures(*, state: Literal["requested", "deferred", "hidden", "done"] | None = None, how: Listing = LISTING) -> int:
    """Show erasures with how far they are."""
    return Session(how).print_list("erasure", state=state)


@erasure.command(name="show")
def show_erasure(erasure: str, /, *, how: Watching = WATCHING) -> int:
    """Show an erasure: its state, what was removed, the proof, and exports that may hold copies."""
    return Session(how).print_one("erasure", erasure)


@erasure.command(name="copies")
def copies(erasure: str, /, *, how: Reading = READING) -> int:
    """Show files with decisions that were made before: exports, in which their receivers erase, and what batches wrote, file by
    file, with what the erasure did to it."""
    found = Session(how).get(f"/erasures/{segment(erasure)}/copies")["items"]
    render.print_rows(found, PLAIN["copy"], how.output)
    files = [file for copy in found for file in copy["files"]]
    if files and how.output in ("table", "wide"):
        render.print_rows(files, PLAIN["copied"], "wide")
    if not found:
        say("no file was made before")
    return DONE


@erasure.command(name="verify")
def verify(erasure: str, /, *, how: Reading = READING) -> int:
    """Count again what any file still has of the person. 1 when something is left."""
    told = Session(how).get(f"/erasures/{segment(erasure)}/verification")
    render.print_one(told, how.output, name="left")
    say("nothing is left" if told["complete"] else f"{told['left']} traces are left")
    return DONE if told["complete"] else FAILED


@erasure.command(name="export")
def export(
    *,
    out: Annotated[Path | None, Parameter(help="A file that only you can read, instead of stdout.")] = None,
    how: Reading = READING,
) -> int:
    """Print the list of the erased (pseudonyms): keep it apart from backups, for the day one is restored."""
    told = Session(how).get("/erasures/export")
    text = json.dumps(told, indent=1) + "\n"
    if out is None:
        sys.stdout.write(text)
        return DONE
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Usage(f"{out} cannot be written: {error.strerror}", field="--out") from error
    say(f"{len(told['erasures'])} erasures written to {out}")
    return DONE


@erasure.command(name="import")
def import_list(
    file: Annotated[Path, Parameter(help="What `modelyard erasure export` wrote.")], /, *, how: Changing = CHANGING_
) -> int:
    """Apply erasures that were made after the backup that was restored here. Known ones change nothing."""
    session = Session(how)
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Usage(f"{file} cannot be read: {error}", field="FILE") from error
    if not isinstance(listed, dict):
        raise Usage(f"{file} is no list of erasures", field="FILE", hint="modelyard erasure export writes one")
    told = session.change("governance.import_erasures", listed, why=True)
    render.print_one(told, how.output)
    say(f"{len(told['added'])} erasures go on from here, {told['known']} were applied already")
    return DONE


def _days(text: str | None) -> int | None:
    if text is None:
        raise Usage("how long is not said", field="--days", hint=f"--days 400, or --days {FOR_EVER}")
    if text == FOR_EVER:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise Usage(f"{text!r} is no number of days", field="--days", hint=f"--days 400, or --days {FOR_EVER}") from error


def _named(subject: str | None) -> str:
    """The person's identifier: from the terminal or stdin, where no history of commands keeps it."""
    if subject not in (None, "-"):
        return str(subject)
    if interactive():
        import getpass

        found = getpass.getpass("Person (not shown): ", stream=sys.stderr).strip()
    else:
        found = sys.stdin.readline(10_000).rstrip("\r\n")
    if not found:
        raise Usage("nobody is named", field="SUBJECT", hint="as callers of the endpoint name the person")
    return found
