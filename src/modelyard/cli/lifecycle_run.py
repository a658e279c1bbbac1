"""`modelyard lifecycle start | message | signal | set | cancel | migrate | retry | skip`: what is done to running life cycles."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.bodies import document, value
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, Changing
from modelyard.cli.session import Session, confirm, demand_terminal, pairs, say

Json = dict[str, Any]
Data = Annotated[
    tuple[str, ...],
    Parameter(name="--data", negative=(), show_default=False, help="`name=value` (the value is YAML); may be repeated."),
]
DataFile = Annotated[
    Path | None,
    Parameter(allow_leading_hyphen=True, help="YAML or JSON with names and values; `-` is stdin. --data goes before it."),
]
Why = Annotated[str, Parameter(show_default=False, help="Kept in the history; --reason counts when it is left out.")]


def start(
    process: Annotated[str, Parameter(help="The id of the process.")],
    /,
    *,
    about: Annotated[str | None, Parameter(help="What it is about: version:MODEL@3, model:NAME or use_case:NAME.")] = None,
    data: Data = (),
    data_file: DataFile = None,
    title: str | None = None,
    at: Annotated[str | None, Parameter(help="Which of its start events, when it has several.")] = None,
    how: Changing = CHANGING_,
) -> int:
    """Begin an instance of the version in force."""
    session = Session(how)
    given = variables(data_file, data)
    fields = {"process": process, "about": about, "data": given or None, "title": title, "start": at}
    made = session.change("lifecycle.start_process", fields)
    print_instance(session, made)
    say(f"{_dry(how)}started {made['id']} of {made['process']}@{made['number']}")
    if not how.dry_run:
        say(f"next: modelyard lifecycle show {made['id']} --watch")
    return DONE


def message(
    name: str,
    /,
    *,
    key: Annotated[str | None, Parameter(name="--to", help="The key that tells one instance from another.")] = None,
    data: Data = (),
    data_file: DataFile = None,
    keep: Annotated[float, Parameter(help="Seconds for which it is kept when nobody waits for it yet.")] = 0.0,
    how: Changing = CHANGING_,
) -> int:
    """Tell those who wait for a message of this name."""
    session = Session(how)
    fields = {"name": name, "key": key, "payload": variables(data_file, data), "keep_s": keep}
    made = session.change("lifecycle.send_message", fields)
    render.print_one(made, how.output, name="instances")
    told = len(made["instances"]) + len(made["started"])
    say(f"{_dry(how)}{'nobody waits for it yet; it is kept' if made['held'] else f'told: {told}'}")
    return DONE


def signal(name: str, /, *, data: Data = (), data_file: DataFile = None, how: Changing = CHANGING_) -> int:
    """Tell everybody who waits for a signal of this name at this moment."""
    session = Session(how)
    made = session.change("lifecycle.send_signal", {"name": name, "payload": variables(data_file, data)})
    render.print_one(made, how.output, name="instances")
    say(f"{_dry(how)}sent {name}")
    return DONE


def set_data(
    instance: str,
    /,
    *given: Annotated[str, Parameter(help="`name=value`, the value is YAML.")],
    how: Changing = CHANGING_,
) -> int:
    """Set variables of a running instance."""
    session = Session(how)
    data = variables(None, given, "NAME=VALUE")
    if not data:
        raise Usage("no variables are given", field="NAME=VALUE", hint=f"modelyard lifecycle set {instance} limit=3")
    made = session.change("lifecycle.change_data", {"instance": instance, "data": data}, ask=f"Set {', '.join(data)}?")
    print_instance(session, made)
    say(f"{_dry(how)}set {', '.join(data)} of {instance}")
    return DONE


def cancel(instance: str, /, *, why: Why = "", how: Changing = CHANGING_) -> int:
    """End a running instance and those that it called."""
    session, cause = _because(how, why)
    made = session.change("lifecycle.cancel_instance", {"instance": instance, "why": cause}, ask=f"Cancel {instance}?")
    print_instance(session, made)
    say(f"{_dry(how)}cancelled {instance}")
    return DONE


def retry(incident: str, /, *, data: Data = (), data_file: DataFile = None, how: Changing = CHANGING_) -> int:
    """Do the step that failed again; --data is written first."""
    session = Session(how)
    fields = {"incident": incident, "data": variables(data_file, data)}
    made = session.change("lifecycle.retry_incident", fields)
    print_instance(session, made)
    say(f"{_dry(how)}it was tried again{'; something is still broken' if made['health'] == 'broken' else ''}")
    say(f"next: modelyard lifecycle show {made['id']}")
    return DONE


def skip(incident: str, /, *, why: Why = "", data: Data = (), data_file: DataFile = None, how: Changing = CHANGING_) -> int:
    """Go on as if the step that failed had ended, with --data as its result."""
    session, cause = _because(how, why)
    fields = {"incident": incident, "why": cause, "data": variables(data_file, data)}
    made = session.change("lifecycle.skip_incident", fields, ask="Go on without that step?")
    print_instance(session, made)
    say(f"{_dry(how)}the step was skipped")
    say(f"next: modelyard lifecycle show {made['id']}")
    return DONE


def migrate(
    *instances: str,
    to: Annotated[int, Parameter(help="The number of the version.")],
    move: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, help="`OLD=NEW` for a step that is gone or renamed; may be repeated."),
    ] = (),
    how: Changing = CHANGING_,
) -> int:
    """Move running instances to another version of their life cycle. The plan is shown first; one refusal, and none is moved."""
    if not instances:
        raise Usage("no instance is given", field="INSTANCES", hint="modelyard lifecycle instances --process KEY")
    session, moves = Session(how), pairs(move, "--move")
    plans = [_migrated(session, instance, to, moves, dry_run=True) for instance in instances]
    if not how.dry_run:
        if how.output in ("table", "wide"):
            _print_plans(plans, to, sys.stderr)
        if not how.yes:
            demand_terminal()
            confirm(f"Move {instances[0] if len(instances) == 1 else f'{len(instances)} instances'} to version {to}?")
        plans = [_migrated(session, instance, to, moves, dry_run=False) for instance in instances]
    if how.output in ("table", "wide"):
        _print_plans(plans, to, sys.stdout)
    else:
        render.print_rows([plan | {"id": plan["instance"]["id"]} for plan in plans], "ID=id PLAN=plan", how.output)
    say(f"{_dry(how)}moved {len(plans)} to version {to}")
    return DONE


def _migrated(session: Session, instance: str, to: int, moves: Mapping[str, str], *, dry_run: bool) -> Json:
    how = session.how
    assert isinstance(how, Changing)
    fields = {"instance": instance, "number": to, "moves": dict(moves)}
    return session.http.change("lifecycle.migrate_instance", fields, reason=how.reason, dry_run=dry_run)


def _print_plans(plans: Sequence[Json], to: int, out: Any) -> None:
    for plan in plans:
        print(render.safe(f"{plan['instance']['id']} → {plan['instance']['process']}@{to}"), file=out)
        for line in plan["plan"]:
            print(f"  {render.safe(line)}", file=out)


def print_instance(session: Session, made: Json) -> None:
    """An instance without the state of the engine, which is for programs."""
    how = session.how
    if how.output in ("table", "wide"):
        made = {name: value for name, value in made.items() if name not in ("state", "source", "words", "revision", "standing")}
    session.show("process-instance", made)


def variables(file: Path | None, given: Sequence[str], option: str = "--data") -> Json:
    """Names and values from a file and from the command line, which goes before it. Raises Usage."""
    found = dict(document(file)) if file is not None else {}
    return found | {name: value(text, f"{option} {name}") for name, text in pairs(given, option).items()}


def _because(how: Changing, why: str) -> tuple[Session, str]:
    """A conversation of which the reason is also that of the audit log, and that reason."""
    session = Session(replace(how, reason=how.reason or why))
    return session, why or session.reason(required=True) or "dry run"


def _dry(how: Changing) -> str:
    return "dry run, nothing kept: " if how.dry_run else ""
