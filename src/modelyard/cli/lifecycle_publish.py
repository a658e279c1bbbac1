"""`modelyard lifecycle publish | list | source`: versions of life cycles, put forward by one and put in force by another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.bodies import text_of
from modelyard.cli.errors import DONE, WAITING, Usage
from modelyard.cli.lifecycle_diff import COLUMNS, differences, process_in
from modelyard.cli.lifecycle_files import beside, forms_of, told
from modelyard.cli.options import CHANGING_, LISTING, READING, Changing, Listing, Reading
from modelyard.cli.session import Session, say, segment
from modelyard.core.errors import NotFound

if TYPE_CHECKING:
    from modelyard.bpmn import Definitions

Json = dict[str, Any]
_NOT_SHOWN = ("forms", "scenarios", "source", "words", "revision")
"""What a table leaves out of a definition; JSON and YAML have it all."""


def publish(
    file: Annotated[Path | None, Parameter(allow_leading_hyphen=True, help="The BPMN file to put forward.")] = None,
    /,
    *,
    definition: Annotated[
        str | None, Parameter(help="What is put in force: an id, or KEY@NUMBER. Not by who proposed it.")
    ] = None,
    process: Annotated[str | None, Parameter(help="Which process of the file, when it has several.")] = None,
    forms: Annotated[Path | None, Parameter(help="JSON Schemas by name; NAME.forms.yaml beside the file when left out.")] = None,
    scenarios: Annotated[Path | None, Parameter(help="NAME.scenarios.yaml beside the file when left out.")] = None,
    notes: Annotated[str, Parameter(help="What is new, and why.", show_default=False)] = "",
    how: Changing = CHANGING_,
) -> int:
    """Put a life cycle forward and exit with 8: another person puts it in force, with --definition."""
    if (file is None) == (definition is None):
        hint = "modelyard lifecycle publish review.bpmn, then somebody else: modelyard lifecycle publish --definition review@2"
        raise Usage("give a file to put forward, or --definition to put in force", field="FILE", hint=hint)
    session = Session(how)
    if definition is not None:
        return _put_in_force(session, definition)
    assert file is not None
    forms_file, scenarios_file = forms or beside(file, "forms"), scenarios or beside(file, "scenarios")
    source = text_of(file)
    before, changes = _changes(session, source, process)
    fields = {
        "source": source,
        "process": process,
        "forms": forms_of(forms_file) if forms_file is not None else None,
        "scenarios": text_of(scenarios_file) if scenarios_file is not None else None,
        "notes": notes or None,
    }
    made = session.change("lifecycle.propose_process", fields)
    _print(made, before, changes, how)
    name = f"{made['key']}@{made['number']}"
    if how.dry_run:
        say(f"dry run, nothing kept: it would be {name}, tested by {made['tested']} scenarios")
        return DONE
    say(f"waiting: {name} is put forward; somebody else puts it in force")
    say(f"next: modelyard lifecycle publish --definition {name}")
    return WAITING


def list_definitions(
    *,
    process: Annotated[str | None, Parameter(help="The id of a process.")] = None,
    status: Literal["proposed", "published", "superseded"] | None = None,
    how: Listing = LISTING,
) -> int:
    """Show the versions of life cycles."""
    return Session(how).print_list("process-definition", key=process, status=status)


def source(
    definition: Annotated[str, Parameter(help="KEY (the version in force), KEY@NUMBER or an id.")], /, *, how: Reading = READING
) -> int:
    """Print the BPMN file of a version."""
    session = Session(how)
    sys.stdout.write(_source(session, definition_of(session, definition)["id"]))
    return DONE


def definition_of(session: Session, reference: str) -> Json:
    """KEY@NUMBER, an id, or KEY for the version in force. Raises NotFound."""
    key, at, number = reference.rpartition("@")
    if at and number.isdecimal():
        found = session.find("process-definition", limit=1, key=key, number=number)
    elif reference.startswith("prc_"):
        return session.one("process-definition", reference)
    else:
        found = session.find("process-definition", limit=1, key=reference, status="published")
    if not found:
        detail = f"there is no version {number} of {key}" if at else f"no version of {reference!r} is in force"
        raise NotFound(detail, hint="modelyard lifecycle list")
    return found[0]


def _put_in_force(session: Session, reference: str) -> int:
    how = session.how
    assert isinstance(how, Changing)
    proposed = definition_of(session, reference)
    name = f"{proposed['key']}@{proposed['number']}"
    before, changes = _changes(session, _source(session, proposed["id"]), proposed["key"])
    if how.output in ("table", "wide"):
        _print_changes(before, changes)
    made = session.change("lifecycle.publish_process", {"definition": proposed["id"]}, ask=f"Put {name} in force?")
    _print(made, before, [], how)
    say(("dry run, nothing kept: " if how.dry_run else "") + f"{name} is in force; new instances begin with it")
    say(f"next: modelyard lifecycle start {made['key']}")
    return DONE


def _changes(session: Session, text: str, process: str | None) -> tuple[Json | None, list[Json]]:
    """The version in force, and what the text makes other than it."""
    after = process_in(_read(text), process)
    if after is None:
        return None, []  # the server says what is wrong with it
    in_force = session.find("process-definition", limit=1, key=after.id, status="published")
    if not in_force:
        return None, []
    before = process_in(_read(_source(session, in_force[0]["id"])), after.id)
    return in_force[0], differences(before, after)


def _read(text: str) -> Definitions:
    from modelyard.bpmn import BpmnError, read

    try:
        return read(text.encode())
    except BpmnError as error:
        raise told(error) from error


def _source(session: Session, definition: str) -> str:
    return session.http.request("GET", f"/process-definitions/{segment(definition)}/source").text


def _print(made: Json, before: Json | None, changes: list[Json], how: Changing) -> None:
    if how.output in ("table", "wide"):
        render.print_one({name: value for name, value in made.items() if name not in _NOT_SHOWN}, how.output)
        if made["status"] == "proposed":
            _print_changes(before, changes)
    elif how.output == "name":
        sys.stdout.write(render.safe(f"{made['key']}@{made['number']}") + "\n")
    else:
        render.print_one(made | {"changes": changes, "compared_with": before["number"] if before else None}, how.output)


def _print_changes(before: Json | None, changes: list[Json]) -> None:
    if before is None:
        say("no version of it is in force yet")
        return
    say(f"against {before['key']}@{before['number']}, which is in force:{'' if changes else ' no step or flow is other'}")
    if changes:
        render.print_rows(changes, COLUMNS, "wide", stream=sys.stderr)
