"""`modelyard outcomes | monitor | alert`: what came of decisions, what is out of line."""

from __future__ import annotations

import csv
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from modelyard.cli import render
from modelyard.cli.bodies import value
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import CHANGING_, LISTING, READING, WATCHING, Changing, Listing, Reading, Watching
from modelyard.cli.session import Session, say

PART = 10_000
outcomes = App(name="outcomes", help="What came of decisions.")
monitor = App(name="monitor", help="Measures over decisions and outcomes, taken on schedule.")
alert = App(name="alert", help="Measures that went beyond their line.")


@outcomes.command(name="post")
def post(
    file: Annotated[
        Path,
        Parameter(
            allow_leading_hyphen=True, help="JSON lines, a JSON list or CSV with a column `decision`; `-` is stdin (JSON lines)."
        ),
    ],
    /,
    *,
    source: Annotated[str, Parameter(help="Who says so.")] = "cli",
    how: Reading = READING,
) -> int:
    """Post what came of decisions. Repeats change nothing; other values are a correction."""
    session = Session(how)
    total: dict[str, Any] = {"accepted": 0, "repeated": 0, "corrected": 0, "unknown": []}
    for part in _parts(_outcomes(file)):
        body = {"source": source, "outcomes": part}
        told = session.http.request("POST", "/outcomes", json=body, key=uuid.uuid4().hex).json()
        for name in ("accepted", "repeated", "corrected"):
            total[name] += told[name]
        total["unknown"] += told["unknown"]
        say(f"{total['accepted']:,} accepted, {total['repeated']:,} repeated, {total['corrected']:,} corrected")
    render.print_one(total | {"unknown_count": len(total["unknown"])}, how.output, name="accepted")
    if total["unknown"]:
        say(f"{len(total['unknown'])} are of decisions that are not in the log; they are kept all the same")
    return DONE


@monitor.command(name="list")
def list_monitors(*, endpoint: str | None = None, status: str | None = None, how: Listing = LISTING) -> int:
    """Show monitors."""
    return Session(how).print_list("monitor", endpoint=endpoint, status=status)


@monitor.command(name="show")
def show_monitor(monitor: str, /, *, how: Watching = WATCHING) -> int:
    """Show a monitor."""
    return Session(how).print_one("monitor", monitor)


@monitor.command(name="runs")
def runs(
    monitor: str | None = None,
    /,
    *,
    status: Literal["ok", "breach", "insufficient"] | None = None,
    how: Listing = LISTING,
) -> int:
    """Show the windows that a monitor judged."""
    return Session(how).print_list("monitor-run", monitor=monitor, status=status)


@alert.command(name="list")
def list_alerts(
    *,
    state: Literal["open", "acknowledged", "recovered", "resolved"] | None = None,
    endpoint: str | None = None,
    monitor: str | None = None,
    how: Listing = LISTING,
) -> int:
    """Show alerts."""
    return Session(how).print_list("alert", state=state, endpoint=endpoint, monitor=monitor)


@alert.command(name="show")
def show_alert(alert: str, /, *, how: Watching = WATCHING) -> int:
    """Show an alert."""
    return Session(how).print_one("alert", alert)


@alert.command(name="acknowledge")
def acknowledge(
    alert: str, /, *, owner: str | None = None, cause: str | None = None, action: str | None = None, how: Changing = CHANGING_
) -> int:
    """Say that somebody is on it."""
    session = Session(how)
    fields = {"alert": alert, "owner": owner, "cause": cause, "action_taken": action}
    made = session.change("monitoring.acknowledge_alert", fields)
    return session.report("alert", made, f"acknowledged {alert}", f"modelyard alert resolve {alert} --resolution '…'")


@alert.command(name="resolve")
def resolve(
    alert: str,
    /,
    *,
    resolution: Annotated[str, Parameter(help="What ended it.")],
    cause: str | None = None,
    action: str | None = None,
    how: Changing = CHANGING_,
) -> int:
    """Close an alert and say what ended it."""
    session = Session(how)
    fields = {"alert": alert, "resolution": resolution, "cause": cause, "action_taken": action}
    return session.report("alert", session.change("monitoring.resolve_alert", fields), f"resolved {alert}")


def _outcomes(file: Path) -> Iterator[dict[str, Any]]:
    """Outcomes as the server takes them. In CSV, columns other than decision, event_time and time_known are values."""
    try:
        if str(file) == "-":
            yield from _lines(sys.stdin, "stdin")
            return
        with file.open(encoding="utf-8", newline="") as text:
            if file.suffix.lower() == ".csv":
                yield from _csv(text, str(file))
            elif file.suffix.lower() == ".json":
                yield from _listed(text.read(), str(file))
            else:
                yield from _lines(text, str(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Usage(f"{file} cannot be read: {error}", field=str(file)) from error


def _lines(text: Any, name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text, 1):
        if line.strip():
            yield _outcome(_parsed(line, f"{name}:{number}"), f"{name}:{number}")


def _listed(text: str, name: str) -> Iterator[dict[str, Any]]:
    found = _parsed(text, name)
    for number, item in enumerate(found if isinstance(found, list) else [found], 1):
        yield _outcome(item, f"{name}:{number}")


def _csv(text: Any, name: str) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(csv.DictReader(text), 2):
        known = {k: row[k] for k in ("decision", "event_time", "time_known") if row.get(k)}
        values = {
            k: value(v, f"{name}:{number}") for k, v in row.items() if k not in ("decision", "event_time", "time_known") and v
        }
        yield _outcome(known | {"values": values}, f"{name}:{number}")


def _outcome(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict) or not item.get("decision") or not isinstance(item.get("values"), dict):
        raise Usage("an outcome needs `decision` and `values`", field=where, hint='{"decision": "…", "values": {"late": true}}')
    return item


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Usage(f"not JSON: {error}", field=where) from error


def _parts(items: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for item in items:
        part.append(item)
        if len(part) == PART:
            yield part
            part = []
    if part:
        yield part
