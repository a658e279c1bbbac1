"""`modelyard score`: files scored here, by what an endpoint's releases allow."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from modelyard.cli import render
from modelyard.cli.errors import DONE, Usage
from modelyard.cli.options import READING, Reading
from modelyard.cli.placing import HERE, Placed, has_bar, json_line
from modelyard.cli.session import Session, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.runtime.batch import Progress


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Who:
    """Which arm answers a row."""

    arm: Annotated[str | None, Parameter(help="A live arm in place of the champion.")] = None
    shares: Annotated[bool, Parameter(negative=(), show_default=False, help="Draw an arm for each row by the arms' shares.")] = (
        False
    )
    key: Annotated[str | None, Parameter(help="Column whose value always draws the same arm; its pseudonym is logged.")] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Logged:
    """What the decision log has of a row."""

    subject: Annotated[str | None, Parameter(help="Column that names the person; its pseudonym is logged.")] = None
    log: Annotated[float, Parameter(help="Share of decisions to log; less than 1 only where the tier is low.")] = 1.0
    log_inputs: Annotated[
        Literal["values", "reference"], Parameter(help="What the log repeats: the inputs, or file and row.")
    ] = "values"


CHAMPION, ALL = Who(), Logged()


def score(
    endpoint: str,
    /,
    *inputs: Annotated[
        str, Parameter(help="Files, folders or patterns: Parquet, CSV, Arrow, Delta; s3:// for Parquet and Arrow.")
    ],
    out: Annotated[str, Parameter(help="Folder of the answers. The same command goes on with what it began there.")],
    format: Literal["parquet", "delta"] = "parquet",  # noqa: A002 -- the option's name
    engine: Literal["local", "ray"] = "local",
    processes: Annotated[int | None, Parameter(help="As many as cores when left out; with Ray, as the cluster has.")] = None,
    ray_address: Annotated[str | None, Parameter(help="Of the Ray cluster; without it Ray's own rules hold.")] = None,
    keep: Annotated[str | None, Parameter(help="Input columns to repeat, with commas; all when left out, `-` for none.")] = None,
    who: Who = CHAMPION,
    invalid: Annotated[
        Literal["fail", "skip", "fallback"], Parameter(help="For rows that do not fit: end, leave out, or the constant.")
    ] = "fail",
    logged: Logged = ALL,
    where: Placed = HERE,
    how: Reading = READING,
) -> int:
    """Score files with what an endpoint has released. Given again, it goes on."""
    from modelyard.runtime.batch import Batches, Invalid, Order
    from modelyard.runtime.batch.engines import engine as engine_of

    if not inputs:
        raise Usage("there is no input", field="INPUTS", hint="name files, folders or patterns")
    order = Order(
        endpoint=endpoint,
        inputs=inputs,
        out=out,
        format=format,
        keep=None if keep is None else tuple(name for name in keep.split(",") if name not in ("", "-")),
        invalid=Invalid(invalid),
        **vars(who),
        **vars(logged),
    )
    place = where.place(Session(how))
    with ExitStack() as open_until_done:
        told = _progress(how, open_until_done)
        result = Batches(place, engine_of(engine, processes, ray_address), told).run(order)
    render.print_one(_shown(result.lineage()), how.output, name="batch")
    say(f"{result.answered} of {result.read} rows answered, {result.logged} logged, {result.rejected} left out")
    if result.rejected:
        say(f"next: see {Path(result.out) / '_rejects'} for what does not fit and why")
    return DONE


def _progress(how: Reading, until_done: ExitStack) -> Callable[[Progress], None]:
    """Who tells how far it is: a bar on a terminal, else lines; JSON lines where the output is JSON."""
    if has_bar(how):
        return _bar(until_done)
    return json_line if how.output == "json" else _line


def _line(progress: Progress) -> None:
    rejected = f", {progress.rejected} left out" if progress.rejected else ""
    say(f"{progress.share:4.0%}  part {progress.parts} of {progress.of}, {progress.rows} rows{rejected}, {_speed(progress)}")


def _speed(progress: Progress) -> str:
    """Rows a second of this run."""
    return f"{progress.here / progress.seconds:,.0f} rows/s" if progress.seconds > 0 else ""


def _bar(until_done: ExitStack) -> Callable[[Progress], None]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = until_done.enter_context(
        Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]} rows, {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,  # by a thread, which would forbid copies of this process: see `Processes`
        )
    )
    task = bars.add_task("scoring", total=1.0, rows="0", speed="…")

    def told(progress: Progress) -> None:
        bars.update(task, completed=progress.share, rows=f"{progress.rows:,}", speed=_speed(progress), refresh=True)

    return told


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "type"}
