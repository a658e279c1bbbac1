"""`modelyard task`: what waits for people, and for whom; taking it, handing it on, doing it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import document
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, LISTING, WATCHING, Changing, Listing, Watching
from modelyard.cli.session import Session, ask_line, interactive, pairs, say, segment, watched
from modelyard.cli.views import VIEWS

Json = dict[str, Any]
Verdict = Literal["approved", "approved_with_conditions", "rejected", "changes_requested", "done"]
MOST = 200
"""Tasks that an inbox shows at most."""
task = App(name="task", help="What waits for people: your inbox; claim, delegate, complete, comment.")


@task.command(name="list")
def list_tasks(
    *,
    mine: Annotated[bool, Parameter(negative=(), show_default=False, help="Only those that you have claimed.")] = False,
    everyones: Annotated[
        bool, Parameter(name="--all", negative=(), show_default=False, help="Everybody's, those that are done included.")
    ] = False,
    process: str | None = None,
    instance: str | None = None,
    status: Literal["open", "claimed", "completed", "withdrawn", "expired"] | None = None,
    about: Annotated[str | None, Parameter(help="version:MODEL@3, model:NAME or use_case:NAME.")] = None,
    how: Listing = LISTING,
) -> int:
    """Show what you could do, the most urgent first; with --all or a filter, what anybody could."""
    from modelyard.cli.lifecycle_look import about_id

    session = Session(how)
    if mine:
        return session.print_list("task", assignee=session.get("/me")["id"], status=status or "claimed", process=process)
    if everyones or any((process, instance, status, about, how.search, how.where)):
        about = about_id(session, about) if about else None
        return session.print_list("task", process=process, instance=instance, status=status, about=about)
    watched(how, lambda: _inbox(session, how.limit), lambda rows: _print_inbox(rows, how))
    return DONE


@task.command(name="show")
def show(task: str, /, *, how: Watching = WATCHING) -> int:
    """Show a task: what is asked, who may do it and by when, its form, what was decided and said, what completing it does."""
    from modelyard.cli.tasks_view import print_task

    session = Session(how)
    watched(how, lambda: session.get(f"/tasks/{segment(task)}/view"), lambda view: print_task(view, how))
    return DONE


@task.command(name="claim")
def claim(task: str, /, *, how: Changing = CHANGING_) -> int:
    """Take a task: nobody else can complete it until you release or delegate it."""
    made = _changed(how, "claim", {"task": task}, f"claimed {task}")
    if not how.dry_run:
        say(f"next: modelyard task complete {made['id']}")
    return DONE


@task.command(name="release")
def release(task: str, /, *, how: Changing = CHANGING_) -> int:
    """Put a task that you claimed back for the others."""
    _changed(how, "release", {"task": task}, f"released {task}")
    return DONE


@task.command(name="delegate")
def delegate(
    task: str, to: Annotated[str, Parameter(help="Name or id of who is to do it.")], /, *, how: Changing = CHANGING_
) -> int:
    """Hand a task to somebody else who may do it."""
    _changed(how, "delegate", {"task": task, "to": to}, f"{task} is with {to} now")
    return DONE


@task.command(name="complete")
def complete(
    task: str,
    /,
    *,
    verdict: Annotated[Verdict | None, Parameter(help="Your decision; `done` where none is asked for.")] = None,
    comments: Annotated[str, Parameter(show_default=False, help="What you base it on; --reason counts when left out.")] = "",
    sets: Annotated[
        tuple[str, ...],
        Parameter(name="--set", negative=(), show_default=False, help="`field=value` of the form; may be repeated."),
    ] = (),
    data: Annotated[
        Path | None,
        Parameter(allow_leading_hyphen=True, help="The form's fields as YAML or JSON; `-` is stdin. --set goes before it."),
    ] = None,
    condition: Annotated[
        tuple[str, ...], Parameter(negative=(), show_default=False, help="`2026-12-31=what must be done`; may be repeated.")
    ] = (),
    ticket: str | None = None,
    how: Changing = CHANGING_,
) -> int:
    """Do a task: its form is filled in, your decision is recorded, and the life cycle goes on."""
    from modelyard.cli.tasks_form import filled

    session = Session(how)
    record = session.one("task", task)
    due = [
        {"due": day if "T" in day else f"{day}T00:00:00Z", "text": what} for day, what in pairs(condition, "--condition").items()
    ]
    if due and verdict not in (None, "approved_with_conditions"):
        raise Usage(f"conditions go with approved_with_conditions, not with {verdict}", field="--verdict")
    form = filled(record["form"], dict(document(data)) if data is not None else {}, sets)
    fields = {
        "task": task,
        "data": form,
        "verdict": "approved_with_conditions" if due else verdict or _decided(form, how),
        "comments": comments or how.reason or None,
        "conditions": due or None,
        "ticket": ticket,
    }
    word = str(fields["verdict"] or "done").replace("_", " ")
    made = session.change("lifecycle.complete_task", fields, ask=f"{record['name']}: {word}?")
    _print(session, made)
    say(("dry run, nothing kept: " if how.dry_run else "") + _outcome(made, word))
    if not how.dry_run:
        say(f"next: modelyard lifecycle show {made['instance']}")
    return DONE


@task.command(name="comment")
def comment(task: str, text: str, /, *, how: Changing = CHANGING_) -> int:
    """Say something at a task."""
    session = Session(how)
    made = session.change("lifecycle.comment_task", {"task": task, "text": text})
    render.print_one(made, how.output)
    say("kept with the task")
    return DONE


@task.command(name="attach")
def attach(
    task: str,
    file: Annotated[str, Parameter(help="A file, uploaded and bound by its digest, or the digest of one.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="How the file is called; its own name when left out.")] = None,
    summary: str = "",
    how: Changing = CHANGING_,
) -> int:
    """Attach a document. At a task about a version it is evidence about it, too."""
    from modelyard.cli.register import blob_of

    session = Session(how)
    fields = {"task": task, "document": blob_of(session, file), "filename": name or Path(file).name, "summary": summary}
    made = session.change("lifecycle.attach_to_task", fields)
    render.print_one(made, how.output)
    say(f"attached {fields['filename']}{' as evidence ' + made['evidence'] if made.get('evidence') else ''}")
    return DONE


def _decided(form: Json, how: Changing) -> str | None:
    """A decision that was not given on the command line, asked for where somebody can be asked."""
    if "verdict" in form or how.yes or not interactive():
        return None
    given = ask_line(f"Your decision ({', '.join(get_args(Verdict))}) [done]: ").replace(" ", "_") or "done"
    if given not in get_args(Verdict):
        raise Usage(f"{given!r} is no decision", field="--verdict", hint=f"one of {', '.join(get_args(Verdict))}")
    return given


def _inbox(session: Session, limit: int) -> list[Json]:
    found: list[Json] = session.get("/tasks/inbox", limit=min(limit or MOST, MOST))
    return found


def _print_inbox(rows: list[Json], how: Listing) -> None:
    if rows or how.output in ("json", "yaml"):
        render.print_rows(rows, VIEWS["task"].columns, how.output, name="id")
    if rows:
        say(f"next: modelyard task show {rows[0]['id']}")
    else:
        say("nothing waits for you")
        say("next: modelyard task list --all")


def _changed(how: Changing, verb: str, fields: Json, sentence: str) -> Json:
    session = Session(how)
    made = session.change(f"lifecycle.{verb}_task", fields)
    _print(session, made)
    say(("dry run, nothing kept: " if how.dry_run else "") + sentence)
    return made


def _print(session: Session, made: Json) -> None:
    """A task; for people without its form and what they were shown."""
    from modelyard.cli.tasks_view import print_heading

    if session.how.output in ("table", "wide"):
        print_heading(session.knowing_names(made))
    else:
        session.show("task", made)


def _outcome(made: Json, word: str) -> str:
    if made["status"] == "completed":
        return f"{made['name']}: {word}"
    return f"{made['name']}: {made['approvals']} of {made['quorum']} have approved; others have to decide"
