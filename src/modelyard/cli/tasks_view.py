"""A task for people: what is asked of whom, by when, on which facts, and what comes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from modelyard.cli import render
from modelyard.cli.options import Reading
from modelyard.cli.tasks_form import described, missing, properties

Json = dict[str, Any]
FORM = "FIELD=field REQUIRED=required IS=is DEFAULT=default TITLE=title"
FILLED = "FIELD=field VALUE=value TITLE=title"
DECISIONS = "VERDICT=verdict:status ROLE=role BY=approver:short COMMENTS=comments AGE=created_at:age CONDITIONS=conditions"
STATUS = {
    "open": "○ open", "claimed": "◐ claimed", "completed": "● completed", "withdrawn": "○ withdrawn", "expired": "✕ expired",
}  # fmt: skip
"""An open task is nothing bad, unlike an open alert."""
_LIVE = ("open", "claimed")


def print_task(view: Json, how: Reading) -> None:
    if how.output in ("json", "yaml"):
        render.print_one(view, how.output)
        return
    task = view["task"]
    if how.output == "name":
        _put(task["id"])
        return
    render.NAMES.update(view["people"])
    print_heading(task)
    if task["data"]:
        _put("shown:")
        for name, value in task["data"].items():
            _put(f"  {name}: {render.text(value)}")
    _print_form(task["form"], task["result"])
    if view["decisions"]:
        _put("")
        render.print_rows(view["decisions"], DECISIONS, how.output)
    for note in view["notes"]:
        _put(_note(note))
    if task["status"] in _LIVE:
        _put("")
        for line in _completing(task):
            _put(line)


def print_heading(task: Json) -> None:
    """What it is, how it stands, whose it is and by when."""
    for line in _heading(task):
        _put(line)


def _heading(task: Json) -> Iterator[str]:
    yield f"{task['name']}  ({task['id']})"
    asked = f"{STATUS[task['status']]}, asked {render.ago(task['created_at'])}"
    by = f" by {render.short(task['requester'])}" if task["requester"] else ""
    yield f"{asked}{by}; step {task['element']} of {task['process']}@{task['number']}, {task['instance']}"
    if task["about"]:
        yield f"about {task['about']}{', tier ' + task['tier'] if task['tier'] else ''}"
    yield from _whose(task)
    for name, word in (("due_at", "due"), ("remind_at", "reminds"), ("expires_at", "expires")):
        if task[name] and task["status"] in _LIVE:
            yield f"{word} {render.age(task[name])} ({render.when(task[name])})"
    if task["escalate_to"] and task["due_at"] and not task["escalated"] and task["status"] in _LIVE:
        yield f"once it is overdue, {', '.join(task['escalate_to'])} may do it too"
    if task["completed_by"]:
        yield f"completed by {render.short(task['completed_by'])}, {render.ago(task['ended_at'])}"


def _whose(task: Json) -> Iterator[str]:
    may = ", ".join((*task["roles"], *map(render.short, task["candidates"])))
    kept_out = f"; not {', '.join(map(render.short, task['excluded']))}" if task["excluded"] else ""
    yield f"for {may or 'nobody yet'}{kept_out}"
    if task["assignee"]:
        handed = f", handed on by {render.short(task['delegated_by'])}" if task["delegated_by"] else ""
        yield f"claimed by {render.short(task['assignee'])}{handed}"


def _print_form(form: Json | None, result: Json | None) -> None:
    """What is to be filled in, or what was."""
    if form is None:
        return
    required = form.get("required", ())
    rows = [
        {
            "field": name,
            "required": "yes" if name in required else "",
            "is": described(field),
            "default": field.get("default"),
            "value": (result or {}).get(name),
            "title": field.get("title") or field.get("description"),
        }
        for name, field in properties(form).items()
    ]
    _put("")
    render.print_rows(rows, FORM if result is None else FILLED, "table")


def _note(note: Json) -> str:
    said = f"{render.short(note['author'])}, {render.ago(note['created_at'])}: {note['text']}".rstrip()
    return f"{said}  [{note['filename']} {render.digest(note['document'])}]" if note["document"] else said


def _completing(task: Json) -> Iterator[str]:
    """What completing it does, and how it is done."""
    if task["operation"]:
        yield f"completing it gives the command {task['operation']} in your name"
    if task["quorum"] > 1:
        each = f", one of each of {', '.join(task['each'])}" if task["each"] else ""
        yield f"{task['approvals']} of {task['quorum']} have approved{each}; one rejection ends it"
    sets = "".join(f" --set {name}=…" for name in missing(task["form"], {}))
    yield f"do: modelyard task complete {task['id']}{sets} --verdict approved --comments '…'"


def _put(line: str) -> None:
    sys.stdout.write(render.safe(line) + "\n")
