"""`modelyard doctor`: looks at every part, says what is wrong and what to do about it.

A check gives rows of (what was looked at, ok / warning / wrong / unknown, what was found, what to do). It never raises: an
error of the family becomes a row, so that one broken part does not hide the others.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from modelyard import __version__
from modelyard.cli import render, settings
from modelyard.cli.errors import DONE, FAILED
from modelyard.cli.options import READING, Reading
from modelyard.cli.session import Session, say
from modelyard.cli.views import PLAIN
from modelyard.core.errors import ModelyardError, Unauthenticated

LEAST_SPACE = 2 << 30
GREATEST_SKEW = 5.0
CHECK_TIME = 5.0


class Found(NamedTuple):
    """One row."""

    check: str
    status: str
    found: str
    do: str = ""


def doctor(
    *,
    home: Annotated[Path | None, Parameter(help="The installation's folder, if it is on this machine.")] = None,
    how: Reading = READING,
) -> int:
    """Look for what is wrong and say what to do. 1 when anything is."""
    from dataclasses import replace

    session = Session(replace(how, timeout=min(how.timeout, CHECK_TIME)))
    rows = [found._asdict() for check in CHECKS for found in _safely(check, session, home)]
    render.print_rows(rows, PLAIN["doctor"], "wide" if how.output == "table" else how.output, name="check")
    wrong = [row for row in rows if row["status"] == "wrong"]
    say("all is well" if not wrong else f"{len(wrong)} of {len(rows)} checks found something wrong")
    return FAILED if wrong else DONE


def _safely(check: Callable[[Session, Path | None], Iterator[Found]], session: Session, home: Path | None) -> Iterator[Found]:
    name = (check.__name__).strip("_").replace("_", " ")
    try:
        yield from check(session, home)
    except ModelyardError as error:
        yield Found(name, "wrong", error.detail, error.hint or "")


def server(session: Session, home: Path | None) -> Iterator[Found]:
    target = session.target
    answer = session.http.request("GET", "//health/live")
    told = answer.json()
    yield Found("server", "ok", f"{target.url} answers (address from {target.source})")
    theirs = str(told.get("version", "unknown"))
    same = theirs == __version__
    yield Found(
        "versions",
        "ok" if same else "warning",
        f"server {theirs}, client {__version__}",
        "" if same else "install the same version on both sides",
    )
    yield _clock(answer.headers.get("date"))


def database(session: Session, home: Path | None) -> Iterator[Found]:
    session.http.request("GET", "//health/ready")
    yield Found("database", "ok", "answers")


def token(session: Session, home: Path | None) -> Iterator[Found]:
    if session.target.token is None:
        yield Found("token", "wrong", "there is none", "modelyard login, or set MODELYARD_TOKEN")
        return
    try:
        me = session.get("/me")
    except Unauthenticated as error:
        yield Found("token", "wrong", error.detail, error.hint or "modelyard login")
        return
    roles = ", ".join(me["roles"])
    yield Found("token", "ok" if roles else "warning", f"{me['name']}: {roles or 'no role'}", "" if roles else "ask for a role")


def config(session: Session, home: Path | None) -> Iterator[Found]:
    path = settings.config_file()
    if not path.exists():
        yield Found("config", "ok", "no stored login; the environment decides")
    elif path.stat().st_mode & 0o077:
        yield Found("config", "wrong", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield Found("config", "ok", str(path))


def runtime(session: Session, home: Path | None) -> Iterator[Found]:
    from modelyard.client.http import Connection

    url = session.target.runtime_url
    with Connection(url, timeout=CHECK_TIME, attempts=1) as http:
        try:
            http.request("GET", "//v2/health/live")
        except ModelyardError:
            yield Found("runtime", "wrong", f"nothing answers at {url}", "modelyard up, or set MODELYARD_RUNTIME_URL")
            return
        yield Found("runtime", "ok", f"{url} answers")
        try:
            http.request("GET", "//v2/health/ready")
            yield Found("routes", "ok", "the runtime is ready")
        except ModelyardError as error:
            yield Found("routes", "warning", error.detail, "deploy a release; without one there is nothing to serve")


def snapshot(session: Session, home: Path | None) -> Iterator[Found]:
    """How old the newest signed routes are, against the age that the endpoints permit."""
    newest = next(iter(session.http.pages("routes", limit=1, sort="-epoch")), None)
    endpoints = list(session.http.pages("endpoints", limit=200))
    if newest is None or not endpoints:
        yield Found("snapshot", "ok", "no routes yet")
        return
    made = render.moment(newest["created_at"]) or datetime.now(UTC)
    seconds = (datetime.now(UTC) - made).total_seconds()
    strictest = min(float(e["greatest_age"]) for e in endpoints)
    fresh = seconds < strictest
    yield Found(
        "snapshot",
        "ok" if fresh else "wrong",
        f"epoch {newest['epoch']}, {render.age(newest['created_at'])} old, {strictest:g} s permitted",
        "" if fresh else "is a worker running? modelyard up",
    )


def installation(session: Session, home: Path | None) -> Iterator[Found]:
    """Disk and keys of an installation on this machine."""
    folder = home or Path(os.environ.get("MODELYARD_HOME", ".modelyard"))
    if not folder.is_dir():
        yield Found("installation", "unknown", f"none in {folder}", "set MODELYARD_HOME if it is on this machine")
        return
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_SPACE
    yield Found(
        "disk", "ok" if enough else "wrong", f"{free >> 20:,} MiB free at {folder}", "" if enough else "make room, or move blobs"
    )
    writable = os.access(folder, os.W_OK)
    yield Found("folder", "ok" if writable else "wrong", str(folder), "" if writable else "make it writable for the service")
    loose = [p for p in (folder / "keys").glob("*.pem") if p.stat().st_mode & 0o077]
    for path in loose:
        yield Found("keys", "wrong", f"{path.name} can be read by others", f"chmod 600 {path}, then modelyard keys rotate")


def kinds(session: Session, home: Path | None) -> Iterator[Found]:
    """Kinds by their entry points; nothing of them is imported."""
    from importlib.metadata import entry_points

    names = sorted(point.name for point in entry_points(group="modelyard.kinds"))
    yield Found(
        "kinds", "ok" if names else "wrong", ", ".join(names) or "none installed", "" if names else "pip install modelyard"
    )


CHECKS: tuple[Callable[[Session, Path | None], Iterator[Found]], ...] = (
    server,
    database,
    token,
    config,
    runtime,
    snapshot,
    installation,
    kinds,
)


def _clock(date: str | None) -> Found:
    """The server's clock against this machine's: tokens, approvals and snapshots all live by time."""
    from email.utils import parsedate_to_datetime

    if not date:
        return Found("clock", "unknown", "the server does not tell its time")
    skew = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    near = abs(skew) <= GREATEST_SKEW
    return Found(
        "clock", "ok" if near else "warning", f"{abs(skew):.0f} s apart", "" if near else "set both machines' clocks (NTP)"
    )
