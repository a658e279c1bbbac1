"""`modelyard lifecycle instances | show | history | times | incidents`: where life cycles stand, and how they came there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, Usage
from modelyard.cli.options import LISTING, READING, WATCHING, Listing, Reading, Watching
from modelyard.cli.session import Session, say, segment
from modelyard.cli.views import PLAIN

Json = dict[str, Any]
LONGEST_LOOK = 20.0
"""Seconds for which the server holds an answer until something happens."""
MOST_STEPS = 500
KINDS = {"version": "version", "model": "model", "use_case": "use-case"}
PLACES = "STEP=name SINCE=since:age FOR=for DUE=due:age DO=do | ELEMENT=element KIND=kind"
SPREAD = "TIMES=count WAITING=waiting WORKING=working | WAITING-90%=waiting_p90 WORKING-90%=working_p90"
TIMES = {"steps": f"STEP=name ROLE=role {SPREAD} ELEMENT=element", "roles": f"ROLE=role {SPREAD}"}
ALL_TIMES = "PROCESS=process RUNNING=running ENDED=in_words MEDIAN=median WITHIN-90%=p90 BOTTLENECK=bottleneck"
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_AGAIN = "modelyard lifecycle retry {id}"
_MEND: Mapping[str, str] = {
    "expression": _AGAIN + " --data NAME=VALUE",
    "no flow": _AGAIN + " --data NAME=VALUE",
    "work": "mend what it says, then " + _AGAIN,
    "error": "mend what it says, then " + _AGAIN,
    "loop": "modelyard lifecycle migrate to a version that ends its loop, or modelyard lifecycle cancel {instance} --why '…'",
}


def list_instances(
    *,
    process: Annotated[str | None, Parameter(help="The id of a process.")] = None,
    status: Literal["running", "completed", "terminated", "cancelled", "failed"] | None = None,
    health: Literal["ok", "broken"] | None = None,
    about: Annotated[str | None, Parameter(help="version:MODEL@3, model:NAME or use_case:NAME.")] = None,
    how: Listing = LISTING,
) -> int:
    """Show running and ended life cycles."""
    session = Session(how)
    about = about_id(session, about) if about else None
    return session.print_list("process-instance", process=process, status=status, health=health, about=about)


def show(instance: str, /, *, how: Watching = WATCHING) -> int:
    """Show where an instance stands, since when, for whom it waits, what is due and what broke.

    With --watch until it ends, 1 when it does not end well; off a terminal a line for each step.
    """
    session = Session(how)
    if not how.watch:
        _print_view(_view(session, instance), how)
        return DONE
    live = sys.stdout.isatty() or how.output in ("json", "yaml", "name")
    seen = 0
    while True:
        found = _view(session, instance)
        if live:
            sys.stdout.write("\x1b[2J\x1b[H" if sys.stdout.isatty() else "")
            _print_view(found, how)
            seen = found["instance"]["steps"]
        else:
            seen = _print_steps(list(_steps(session, instance, seen)), seen)
        sys.stdout.flush()
        status = found["instance"]["status"]
        if status != "running" and seen >= found["instance"]["steps"]:
            say(f"it has ended: {status}")
            return DONE if status in ("completed", "terminated") else FAILED
        session.http.get(f"/process-instances/{segment(instance)}/history", after=seen, wait=LONGEST_LOOK)


def history(instance: str, /, *, how: Reading = READING) -> int:
    """Show every step that an instance took: what came, who brought it, which way it went."""
    session = Session(how)
    rows = list(_steps(session, instance, 0))
    render.print_rows(rows, PLAIN["step"], how.output, name="number")
    return DONE


def times(
    process: Annotated[str | None, Parameter(help="The id of a process; an overview of all when left out.")] = None,
    /,
    *,
    how: Reading = READING,
) -> int:
    """Show how long life cycles take: lead time, waiting against working by step and by role, the bottleneck."""
    session = Session(how)
    if process is None:
        keys = sorted({row["key"] for row in session.find("process-definition", status="published")})
        rows = [session.get(f"/processes/{segment(key)}/times") for key in keys]
        if how.output in ("table", "wide"):
            rows = [_in_short(row) for row in rows]
        render.print_rows(rows, ALL_TIMES, how.output, name="process")
        return DONE
    found = session.get(f"/processes/{segment(process)}/times")
    if how.output in ("json", "yaml", "name"):
        render.print_one(found, how.output, name="bottleneck")
    else:
        _print_times(found, how)
    return DONE


def incidents(
    *,
    instance: str | None = None,
    process: str | None = None,
    closed: Annotated[bool, Parameter(negative=(), show_default=False, help="Those that are closed, instead.")] = False,
    how: Listing = LISTING,
) -> int:
    """Show steps that failed and keep their instances from going on."""
    status = "closed" if closed else "open"
    return Session(how).print_list("process-incident", instance=instance, process=process, status=status)


def about_id(session: Session, about: str) -> str:
    """What a life cycle is about, as it is kept: `type:id`. Raises Usage for what is not of that form, NotFound."""
    kind, _, name = about.partition(":")
    if kind not in KINDS or not name:
        raise Usage(f"{about!r} names nothing", field="--about", hint="version:MODEL@3, model:NAME or use_case:NAME")
    return f"{kind}:{session.one(KINDS[kind], name)['id']}"


def lasting(seconds: float | None) -> str:
    """Seconds for people, in the two greatest units."""
    if seconds is None:
        return ""
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


# --- an instance ----------------------------------------------------------------------------------------------------------------


def _view(session: Session, instance: str) -> Json:
    found: Json = session.get(f"/process-instances/{segment(instance)}/view")
    return found


def _print_view(view: Json, how: Reading) -> None:
    if how.output in ("json", "yaml"):
        render.print_one(view, how.output)
        return
    if how.output == "name":
        sys.stdout.write(render.safe(view["instance"]["id"]) + "\n")
        return
    for line in _heading(view["instance"]):
        _put(line)
    if view["places"]:
        _put("")
        render.print_rows([_place(place, view) for place in view["places"]], PLACES, how.output)
    for line in (*_due(view), *_waits(view), *_broken(view)):
        _put(line)
    _put("")
    _put(f"path: {' → '.join(view['entered']) or 'none yet'}")
    if how.output == "wide" and view["data"]:
        _put("data:")
        render.print_one(view["data"], "table")


def _heading(instance: Json) -> Iterator[str]:
    shown, _ = render.status(instance["status"])
    yield f"{instance['id']}  {instance['title']}  ({instance['process']}@{instance['number']})"
    ended = f", ended {render.ago(instance['ended_at'])}" if instance["ended_at"] else ""
    yield f"{shown}, started {render.ago(instance['created_at'])} by {render.short(instance['started_by'])}{ended}"
    if instance["health"] != "ok":
        yield f"{render.status(instance['health'])[0]}; open incidents: {instance['open_incidents']}"
    if instance["about"]:
        yield f"about {instance['about']}"


def _place(place: Json, view: Json) -> Json:
    """A step at which a token stands, with whose it is, by when, and what can be done."""
    task = next((each for each in view["tasks"] if each["id"] == place["task"]), None)
    work = next((each for each in view["work"] if each["element"] == place["element"]), None)
    row = {name: place[name] for name in ("element", "name", "kind", "since")}
    if place["incident"]:
        return row | {"for": "somebody who mends it", "do": _AGAIN.format(id=place["incident"])}
    if task is not None:
        whose = (
            render.short(task["assignee"])
            if task["assignee"]
            else ", ".join((*task["roles"], *map(render.short, task["candidates"])))
        )
        return row | {"for": whose, "due": task["due_at"], "do": f"modelyard task show {task['id']}"}
    if work is not None:
        return row | dict(zip(("for", "do"), _work(work), strict=True))
    return row | {"for": _event(place["element"], view), "do": ""}


def _work(work: Json) -> tuple[str, str]:
    if work["job"]:
        return f"job {work['job']}", f"modelyard job show {work['job']}"
    if work["child"]:
        return f"{work['operation'].removeprefix('call:')}", f"modelyard lifecycle show {work['child']}"
    tried = f", tried {work['attempts']} times" if work["attempts"] else ""
    return f"{work['operation']}{tried}", ""


def _event(element: str, view: Json) -> str:
    """What an event waits for; a join waits for other tokens."""
    found = [
        f"{'signal' if each['signal'] else 'message'} {each['name']}"
        for each in view["subscriptions"]
        if each["element"] == element
    ]
    found += ["its time" for each in view["timers"] if each["element"] == element]
    return ", ".join(found) or "others to come"


def _due(view: Json) -> Iterator[str]:
    for timer in view["timers"]:
        yield f"due: {timer['element']} {render.age(timer['due'])} ({render.when(timer['due'])})"


def _waits(view: Json) -> Iterator[str]:
    for each in view["subscriptions"]:
        key = f" with the key {each['key']}" if each["key"] is not None else ""
        yield f"waits for {'signal' if each['signal'] else 'message'} {each['name']}{key} ({each['element']})"


def _broken(view: Json) -> Iterator[str]:
    for each in view["incidents"]:
        since = render.ago(each["created_at"])
        yield f"incident {each['id']} at {each['element']}, {since} ({each['cause']}): {each['message']}"
        yield f"  do: {_MEND.get(each['cause'], _AGAIN).format(id=each['id'], instance=each['instance'])}"
        yield f"  or: modelyard lifecycle skip {each['id']} --why '…'"


# --- steps ----------------------------------------------------------------------------------------------------------------------


def _steps(session: Session, instance: str, after: int) -> Iterator[Json]:
    while True:
        part = session.get(f"/process-instances/{segment(instance)}/history", after=after)
        for step in part:
            yield step | {"way": _way(step)}
        if len(part) < MOST_STEPS:
            return
        after = part[-1]["number"]


def _way(step: Json) -> str:
    return " → ".join(element for what, element, _ in step["passages"] if what == "entered")


def _print_steps(steps: Sequence[Json], seen: int) -> int:
    for step in steps:
        way = f"  → {step['way']}" if step["way"] else ""
        at = f" {step['element']}" if step["element"] else ""
        _put(f"{render.when(step['created_at'])}  {step['event']}{at} by {render.short(step['by'])}{way}")
    return steps[-1]["number"] if steps else seen


# --- times ----------------------------------------------------------------------------------------------------------------------


def _in_short(found: Json) -> Json:
    lead = found["lead"] or {}
    ended = ", ".join(f"{number} {status}" for status, number in found["ended"].items())
    return found | {"in_words": ended, "median": lasting(lead.get("median")), "p90": lasting(lead.get("p90"))}


def _print_times(found: Json, how: Reading) -> None:
    short = _in_short(found)
    _put(f"{found['process']}: {found['running']} running; ended: {short['in_words'] or 'none yet'}")
    if found["lead"]:
        _put(f"lead time: median {short['median']}, 90% within {short['p90']}")
    if found["bottleneck"]:
        _put(f"bottleneck: {next(step['name'] for step in found['steps'] if step['element'] == found['bottleneck'])}")
    for part, columns in TIMES.items():
        if found[part]:
            _put("")
            render.print_rows([_timed(row) for row in found[part]], columns, how.output)


def _timed(row: Json) -> Json:
    """Medians, and the ninetieth percentiles; of an incident, that it was one."""
    spread = {f"{what}_p90": lasting(row[what]["p90"]) for what in ("waiting", "working")}
    name = {"name": f"{row['name']} (incident)"} if row.get("kind") == "incident" else {}
    return row | {what: lasting(row[what]["median"]) for what in ("waiting", "working")} | spread | name


def _put(line: str) -> None:
    sys.stdout.write(render.safe(line) + "\n")
