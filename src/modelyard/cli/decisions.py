"""`modelyard decisions`: the decision log as a list, one by one, in files, in SQL; and decisions from elsewhere put into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Group, Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import FINDING, READING, Reading
from modelyard.cli.session import Session, say, segment
from modelyard.cli.views import PLAIN, VIEWS

if TYPE_CHECKING:
    from modelyard.bootstrap import Settings

FORMS = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow", ".arrows": "arrow", ".jsonl": "jsonl", ".ndjson": "jsonl"}
FILES_TIME = 3600.0
Form = Literal["parquet", "csv", "arrow", "jsonl"]
WINDOW = Group("Window", sort_key=50)
decisions = App(name="decisions", help="The decision log: read, count, export, ask in SQL, backfill.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Windowed:
    """Which decisions."""

    endpoint: Annotated[str | None, Parameter(group=WINDOW, help="Answered by this endpoint.")] = None
    use_case: Annotated[str | None, Parameter(group=WINDOW, help="Of this use case.")] = None
    model: Annotated[str | None, Parameter(group=WINDOW, help="By any version of this model.")] = None
    version: Annotated[str | None, Parameter(group=WINDOW, help="By this one: model@3, an id or a digest.")] = None
    arm: Annotated[str | None, Parameter(group=WINDOW, help="Answered by this arm.")] = None
    role: Annotated[str | None, Parameter(group=WINDOW, help="champion, challenger, shadow, fallback.")] = None
    since: Annotated[str | None, Parameter(group=WINDOW, help="From then on (ISO 8601, with a zone).")] = None
    until: Annotated[str | None, Parameter(group=WINDOW, help="Before then.")] = None
    by: Annotated[Literal["decision", "event"] | None, Parameter(group=WINDOW, help="Which time the window is about.")] = None
    as_of: Annotated[str | None, Parameter(group=WINDOW, help="As it was known then.")] = None
    shadows: Annotated[bool, Parameter(group=WINDOW, negative=(), show_default=False, help="With shadows' answers.")] = False
    key: Annotated[str | None, Parameter(group=WINDOW, help="Routing key, as callers give it.")] = None
    subject: Annotated[str | None, Parameter(group=WINDOW, help="Person, as callers name them.")] = None

    def asked(self) -> dict[str, Any]:
        """What the server is asked, without what is not given."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        given["by"] = None if self.by is None else f"{self.by}_time"
        return {name: value for name, value in given.items() if value not in (None, False)}


EVERYTHING = Windowed()


@decisions.default
def read(
    id: Annotated[str | None, Parameter(help="Show this one in full, with its outcome.")] = None,  # noqa: A002 -- the option's name
    /,
    *,
    which: Windowed = EVERYTHING,
    limit: Annotated[int, Parameter(group=FINDING, help="At most so many, up to 10000.")] = 100,
    how: Reading = READING,
) -> int:
    """Read the decision log."""
    return list_decisions(which=which, limit=limit, how=how) if id is None else show(id, how=how)


@decisions.command(name="list")
def list_decisions(
    *,
    which: Windowed = EVERYTHING,
    limit: Annotated[int, Parameter(group=FINDING, help="At most so many, up to 10000.")] = 100,
    how: Reading = READING,
) -> int:
    """Show decisions of a window, with their outcomes."""
    session = Session(how)
    body = which.asked() | {"limit": limit}
    told = session.knowing_names(session.http.request("POST", "/decisions/search", json=body, key=_again()).json())
    rows, view = told["items"], VIEWS["decision"]
    if rows or how.output in ("json", "yaml"):
        render.print_rows(rows, view.columns, how.output, name=view.name)
    if not rows:
        say("no decisions in this window")
        say(f"next: {view.empty}")
    elif told["more"]:
        say(f"the first {len(rows)}; narrow the window, raise --limit, or modelyard decisions export")
    return DONE


@decisions.command(name="show")
def show(
    id: str,  # noqa: A002 -- what it is called
    /,
    *,
    reveal: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Protected fields in clear; wants --reason, and is kept.")
    ] = False,
    as_of: Annotated[str | None, Parameter(help="With the outcome as it was known then.")] = None,
    reason: Annotated[str, Parameter(name=("--reason", "-m"), show_default=False, help="Why; kept in the audit log.")] = "",
    how: Reading = READING,
) -> int:
    """Show one decision in full, with its outcome."""
    if reveal and not reason.strip():
        raise Usage("seeing protected fields needs a reason", field="--reason", hint="it is kept in the audit log")
    session = Session(how)
    params = {"reveal": "true" if reveal else None, "reason": reason, "as_of": as_of}
    render.print_one(session.get(f"/decisions/{segment(id)}", **params), how.output)
    return DONE


@decisions.command(name="summary")
def summary(*, which: Windowed = EVERYTHING, how: Reading = READING) -> int:
    """Count decisions by day, arm, version and role, how many have an outcome, and which outcomes came late."""
    asked = which.asked()
    if which.key or which.subject:
        raise Usage("a summary is of everybody", field="--subject", hint="modelyard decisions list counts one person's")
    told = Session(how).get("/decisions/summary", **{k: "true" if v is True else v for k, v in asked.items()})
    if how.output in ("json", "yaml"):
        render.print_one(told, how.output)
        return DONE
    render.print_rows(told["groups"], PLAIN["decision-group"], how.output, name="arm")
    share = "" if told["coverage"] is None else f" ({told['coverage']:.1%})"
    say(f"{told['decisions']:,} decisions, {told['outcomes']:,} with an outcome{share}")
    late = told["late"]
    say(f"of {late['outcomes']:,} outcomes that say when they are final, {late['late']:,} came later than that")
    return DONE


@decisions.command(name="export")
def export(
    *,
    out: Annotated[Path, Parameter(help="The file; it appears whole or not at all.")],
    form: Annotated[Form | None, Parameter(name="--format", help="By the file's ending when left out.")] = None,
    outcomes: Annotated[bool, Parameter(negative=(), show_default=False, help="With what came of each decision.")] = False,
    limit: Annotated[int | None, Parameter(group=FINDING, help="At most so many.")] = None,
    reason: Annotated[str, Parameter(name=("--reason", "-m"), show_default=False, help="Why; kept in the audit log.")] = "",
    which: Windowed = EVERYTHING,
    how: Reading = READING,
) -> int:
    """Write decisions to a file. Who has the file has to erase in it what is erased here."""
    chosen = form or FORMS.get(out.suffix.lower())
    if chosen is None:
        raise Usage(f"{out.name} does not say which format", field="--format", hint=", ".join(sorted(set(FORMS.values()))))
    body = which.asked() | {"format": chosen, "outcomes": outcomes} | ({} if limit is None else {"limit": limit})
    size = _fetch(Session(how), body, out, reason)
    render.print_one({"file": str(out), "format": chosen, "bytes": size}, how.output, name="file")
    return DONE


@decisions.command(name="sql")
def sql(
    query: Annotated[str, Parameter(help='For example "select arm, count(*) from decisions group by 1".')],
    /,
    *,
    home: Annotated[Path | None, Parameter(help="The installation's folder; MODELYARD_HOME when left out.")] = None,
    which: Windowed = EVERYTHING,
    how: Reading = READING,
) -> int:
    """Ask the log in SQL, with the tables `decisions` and `outcomes`. Reads only.

    Where the log is on this machine it is read in place; else decisions are fetched from the server first.
    """
    from modelyard.bootstrap import Settings

    place = Settings.from_environment(home=home)
    with _connected(place, which, how) as connection:
        rows = _selected(connection, query)
    render.print_rows(rows, " ".join(f"{_title(name)}={name}" for name in (rows[0] if rows else {})), how.output)
    if not rows:
        say("no rows")
    return DONE


@decisions.command(name="backfill")
def backfill(
    file: Annotated[Path, Parameter(help="Arrow, Parquet or JSON lines.")],
    /,
    *,
    endpoint: Annotated[str, Parameter(help="Where they would have been asked.")],
    source: Annotated[str, Parameter(help="Where they were made; the same name every time.")],
    use_case: Annotated[str | None, Parameter(help="That of the endpoint when left out.")] = None,
    reason: Annotated[str, Parameter(name=("--reason", "-m"), show_default=False, help="Why; kept in the audit log.")] = "",
    how: Reading = READING,
) -> int:
    """Put decisions that were made elsewhere into the log. A repeat adds nothing; they stay marked as backfilled."""
    form = FORMS.get(file.suffix.lower())
    if form in (None, "csv"):
        raise Usage(f"{file.name} is neither Arrow, Parquet nor JSON lines", field="FILE", hint=".arrow, .parquet, .jsonl")
    from modelyard.client.decisions import MEDIA_TYPES

    params = {"endpoint": endpoint, "source": source, "use_case": use_case, "reason": reason}
    answer = Session(how).http.request(
        "POST",
        "/decisions/backfill",
        params=params,
        content=lambda: _pieces(file),
        headers={"Content-Type": MEDIA_TYPES[form], "Content-Length": str(_size(file))},
        timeout=FILES_TIME,
    )
    made = answer.json()
    render.print_one(made, how.output)
    say(f"{made['accepted']:,} decisions added, {made['repeated']:,} were in the log already")
    return DONE


def _fetch(session: Session, body: dict[str, Any], out: Path, reason: str) -> int:
    """Stream a file from the server; says its size."""
    from modelyard.client.decisions import fetch

    return fetch(session.http, body, out, reason=reason)


@contextmanager
def _connected(place: Settings, which: Windowed, how: Reading) -> Iterator[Any]:
    """A DuckDB connection with the two tables, that reaches nothing else. Raises Unavailable without DuckDB."""
    from modelyard.decisions.querying import check_duckdb

    check_duckdb()
    import duckdb

    root = place.runtime_folder / "decisions"
    with duckdb.connect() as connection, tempfile.TemporaryDirectory() as folder:
        if root.is_dir():
            if which != EVERYTHING:
                raise Usage("the log on this machine is asked whole", field="QUERY", hint="narrow it with WHERE")
            _local(connection, place)
            allowed = [str(root.resolve()), str((place.home / "outcomes").resolve())]
        else:
            _fetched(connection, which, how, Path(folder))
            allowed = [folder]
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET allowed_directories = " + str([f"{path}{os.sep}" for path in allowed]))
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _local(connection: Any, place: Settings) -> None:
    from modelyard.decisions import DecisionReader, OutcomeReader, Window

    reader = DecisionReader(place.runtime_folder / "decisions")
    reader.relation(connection, Window(shadows=True)).create_view("decisions")
    connection.register("outcomes", OutcomeReader(place.home / "outcomes").scan())


def _fetched(connection: Any, which: Windowed, how: Reading, folder: Path) -> None:
    session = Session(how)
    out = folder / "decisions.parquet"
    say(f"there is no log on this machine: fetching decisions from {session.target.url}")
    _fetch(session, which.asked() | {"format": "parquet", "outcomes": True, "shadows": True}, out, "decisions sql")
    connection.read_parquet(str(out)).create_view("decisions")
    columns = 'id AS decision_id, outcome_values AS "values", outcome_event_time AS event_time, outcome_source AS source'
    connection.execute(f"CREATE VIEW outcomes AS SELECT {columns} FROM decisions WHERE outcome_values IS NOT NULL")  # noqa: S608


def _selected(connection: Any, query: str) -> list[dict[str, Any]]:
    """The rows of one SELECT. Raises Usage for anything else."""
    import duckdb

    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Usage("one SELECT is asked at a time", field="QUERY", hint="the log is only read")
        found = connection.execute(statements[0])
        names = [column[0] for column in found.description]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()]
    except duckdb.Error as error:
        raise Usage(f"the query fails: {str(error).splitlines()[0]}", field="QUERY") from error


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _title(name: str) -> str:
    return name.upper().replace(" ", "-").replace("=", "-")


def _again() -> str:
    """A search changes nothing, so it may be tried again; the key says so."""
    return os.urandom(16).hex()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}", field="FILE") from error


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            yield piece
