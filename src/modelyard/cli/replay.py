"""`modelyard replay`: what an endpoint decided is asked again of a version that nobody has to serve yet, and compared."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, FAILED, INTERRUPTED, Usage
from modelyard.cli.options import READING, Reading
from modelyard.cli.placing import HERE, Placed, has_bar, json_line
from modelyard.cli.session import Session, say, segment

if TYPE_CHECKING:
    from modelyard.runtime.replay import Progress, Quantiles, Replayed

_MOST_PAIRS = 12


def replay(
    endpoint: str,
    /,
    *,
    version: Annotated[str, Parameter(help="Whom to ask: model:3, an id, or a manifest's digest.")],
    since: Annotated[str | None, Parameter(help="Decisions from then on (ISO 8601, with a zone).")] = None,
    until: Annotated[str | None, Parameter(help="Decisions before then; now when left out.")] = None,
    arm: Annotated[str | None, Parameter(help="Only what this arm answered.")] = None,
    rate: Annotated[float, Parameter(help="Rows a second, at most.")] = 2000.0,
    most: Annotated[int | None, Parameter(help="Rows, at most.")] = None,
    tolerance: Annotated[float, Parameter(help="Numbers that differ by no more are the same.")] = 1e-6,
    again: Annotated[
        str, Parameter(show_default=False, help="A new name: ask also for what this version has answered before.")
    ] = "",
    where: Placed = HERE,
    how: Reading = READING,
) -> int:
    """Ask another version what was decided, and compare. Given again, it goes on."""
    from modelyard.runtime.replay import Question, Replays

    session = Session(how)
    question = Question(
        endpoint=endpoint,
        version=_version(session, version),
        since=_moment(since, "--since"),
        until=_moment(until, "--until"),
        arm=arm,
        rate=rate,
        most=most,
        tolerance=tolerance,
        again=again,
    )
    place = where.place(session)
    with _stoppable() as stop, ExitStack() as open_until_done:
        replayed = Replays(place, _progress(how, open_until_done), stop).run(question)
    _show(replayed, how)
    if replayed.stopped:
        say(f"stopped after {replayed.read:,} of {replayed.total:,} decisions; what was answered is in the log")
        say("next: give the same command again to go on")
        return INTERRUPTED
    if not replayed.read:
        say("no decisions in this window")
        say(f"next: modelyard decisions summary --endpoint {endpoint}")
    return DONE if replayed.answered or replayed.repeated or not replayed.read else FAILED


def _version(session: Session, version: str) -> str:
    """The version's id. Whatever is no `model:3` is an id or a digest already."""
    model, mark, number = version.partition("@" if "@" in version else ":")
    if not mark or model == "sha256":
        return version
    if not (model and (number.isdigit() or number == "latest")):
        raise Usage(f"{version!r} names no version", field="--version", hint="model:3, an id, or a manifest's digest")
    if not session.target.url.startswith(("http://", "https://")):
        raise Usage("only the server knows versions by name", field="--version", hint="give an id, or a manifest's digest")
    return str(session.get(f"/versions/{segment(f'{model}@{number}')}/detail")["id"])


def _moment(text: str | None, field: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Usage(f"{text!r} is no time", field=field, hint="ISO 8601, for example 2026-01-31T08:00:00+00:00") from error
    if found.tzinfo is None:
        raise Usage(f"{text!r} has no zone", field=field, hint="for example 2026-01-31T08:00:00+00:00")
    return found


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets; the second does what it did before."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def told(number: int, frame: Any) -> None:
        stop.set()
        restore()
        say("stopping after the rows under way; what was answered stays in the log")

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, told)
    try:
        yield stop
    finally:
        restore()


def _progress(how: Reading, until_done: ExitStack) -> Callable[[Progress], None]:
    """Who tells how far it is: a bar on a terminal, else a line now and then; JSON lines where the output is JSON."""
    return _bar(until_done) if has_bar(how) else _Lines(json_line if how.output == "json" else _line)


class _Lines:
    """A line for each tenth of the way."""

    def __init__(self, put: Callable[[Progress], None]) -> None:
        self._put, self._told = put, -1

    def __call__(self, progress: Progress) -> None:
        tenth = 10 * progress.read // max(1, progress.total)
        if tenth != self._told:
            self._told = tenth
            self._put(progress)


def _line(progress: Progress) -> None:
    say(f"{_share(progress.read, progress.total)}  {progress.read:,} of {progress.total:,} decisions, {_speed(progress)}")


def _speed(progress: Progress) -> str:
    return f"{progress.read / progress.seconds:,.0f} rows/s" if progress.seconds > 0 else ""


def _bar(until_done: ExitStack) -> Callable[[Progress], None]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[speed]}"))
    bars = until_done.enter_context(Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)))
    task = bars.add_task("replaying", total=None, speed="…")

    def told(progress: Progress) -> None:
        bars.update(task, total=progress.total, completed=progress.read, speed=_speed(progress))

    return told


def _show(replayed: Replayed, how: Reading) -> None:
    """The result as data on stdout: differences as a table where a person reads, everything else as a sentence."""
    import msgspec

    if how.output != "table":
        render.print_one(msgspec.to_builtins(replayed), how.output, name="replay")
        return
    rows = [row for field in replayed.fields for row in _differences(field)]
    if rows:
        render.print_rows(rows, "OUTPUT=output THEN=then NOW=now ROWS=rows SHARE=share DIFFERENCE=difference", how.output)
    for line in _sentences(replayed):
        say(line)


def _differences(field: Any) -> Iterator[dict[str, Any]]:
    """Rows of the table for one output: one for its numbers, one for each pair of classes."""
    if field.numbers:
        told = f"mean {field.mean:.6g}, greatest {field.greatest:.6g}, {field.beyond:.1%} beyond the tolerance"
        yield _row(field, "a number", "a number", field.numbers, told)
    for pair in field.pairs[:_MOST_PAIRS]:
        yield _row(field, pair.then, pair.now, pair.rows, "same" if pair.then == pair.now else "different")
    more = field.others + sum(pair.rows for pair in field.pairs[_MOST_PAIRS:])
    if more:
        yield _row(field, "others", "", more, "all of them: -o json")


def _row(field: Any, then: str, now: str, rows: int, difference: str) -> dict[str, Any]:
    share = f"{rows / field.rows:.1%}"
    return {"output": field.name, "then": then, "now": now, "rows": rows, "share": share, "difference": difference}


def _sentences(replayed: Replayed) -> Iterator[str]:
    r = replayed
    yield f"{r.read:,} decisions of {r.endpoint}: {r.answered:,} answered now, {r.repeated:,} by an earlier run of this replay"
    yield f"{r.same:,} the same, {r.different:,} different ({_share(r.different, r.same + r.different)})"
    for counts, what in ((r.unfit, "do not fit"), (r.errors, "ended in an error")):
        if counts:
            listed = ", ".join(f"{name} {rows:,}" for name, rows in counts.items())
            yield f"{sum(counts.values()):,} {what}: {listed}"
    if r.gone:
        yield f"{r.gone:,} were erased meanwhile"
    if r.uncompared:
        yield f"{r.uncompared:,} cannot be compared: the log does not have both answers in clear"
    if r.hidden:
        yield f"{', '.join(r.hidden)} is not compared: the log may not have it in clear"
    yield f"latency then {_latency(r.latency_then)}; now {_latency(r.latency_now)}"
    yield f"in the log: role shadow, arm {r.arm}, request {r.replay}"


def _latency(seconds: Quantiles) -> str:
    if seconds.p50 is None or seconds.p99 is None:
        return "unknown"
    return f"p50 {seconds.p50 * 1000:.3g} ms, p99 {seconds.p99 * 1000:.3g} ms of {seconds.calls:,} calls"


def _share(some: int, of: int) -> str:
    return f"{some / of:.1%}" if of else "none"
