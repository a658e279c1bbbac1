"""Life cycles against SpiffWorkflow: the engine alone, steps with all that is kept of them; and many live instances at once.

    python -m benchmarks.lifecycle                   everything (BENCH_ROUNDS makes it shorter)
    python -m benchmarks.lifecycle kept crowd due    some of engine, kept, crowd, due
    BENCH_DATABASE=postgresql python -m benchmarks.lifecycle crowd        on a PostgreSQL server of its own

Both sides run in processes of their own, the peer in an environment of its own (`locks/`), on the same files; a round is a
turn of each, and what is told are ratios within a round. First both must do the same tasks in the same order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.lifecycle import kept
from benchmarks.lifecycle.approval import APPROVAL, GIVEN, SOURCE
from benchmarks.lifecycle.cases import GATEWAYS, LOOP, RELEASE, bpmn
from benchmarks.lifecycle.databases import databases
from benchmarks.peers import ENVS, UV, Caller
from benchmarks.rounds import Sample, Spread, interleaved, ratio, stamp

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
LOCKS = Path(__file__).parent / "locks"
OURS, SPIFF = "modelyard", "SpiffWorkflow"
MANY_TURNS = 10_000

COUNTS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    RELEASE: {
        "reading": (1, 1), "starting": (500, 20), "stepping": (100, 10), "persisting": (50, 3), "saving": (500, 20),
        "loading": (500, 20),
    },
    LOOP: {"starting": (500, 20), "stepping": (10, 1), "persisting": (10, 1), "saving": (500, 5), "loading": (500, 5)},
    GATEWAYS: {"starting": (500, 1), "stepping": (50, 1), "saving": (500, 1), "loading": (500, 1)},
}  # fmt: skip
"""How often each thing is done in a turn of ours and of the peer: so that a turn takes a moment and not long."""


def environment() -> Path:
    """The peer's Python, with what its lock says."""
    folder, lock = ENVS / "spiffworkflow", LOCKS / "spiffworkflow.txt"
    ready, python = folder / ".ready", folder / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([UV, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([UV, "pip", "sync", "-q", "--require-hashes", "--python", python, lock], check=True)
        ready.touch()
    return python


def main(parts: Sequence[str] = ()) -> None:
    print(stamp())
    known: dict[str, Callable[[], None]] = {"engine": _engine, "kept": _kept, "crowd": _crowd, "due": _due}
    for part in parts or known:
        known[part]()


def _engine() -> None:
    with ExitStack() as stack:
        sides = _sides(stack)
        for case in (RELEASE, LOOP, GATEWAYS):
            for side in sides.values():
                side.do("reading", case=case, source=bpmn(case))
            _agree(sides, case)
            _race(sides, case)
            _sizes(sides, case)
        _turns(sides)


def _sides(stack: ExitStack) -> dict[str, Caller]:
    ours = stack.enter_context(Caller(Path(sys.executable), "benchmarks.lifecycle.ours"))
    return {OURS: ours, SPIFF: stack.enter_context(Caller(environment(), "benchmarks.lifecycle.spiff"))}


def _kept() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        database = stack.enter_context(databases())
        sides = _sides(stack)
        for name, side in sides.items():
            side.do("reading", case=APPROVAL, source=SOURCE)
            side.do("opening", path=str(folder / f"{name}.db"))
        _agree(sides, APPROVAL, GIVEN)
        house = stack.enter_context(Caller(Path(sys.executable), "benchmarks.lifecycle.house"))
        house.do("opening", folder=str(folder / "house"), database=database("kept"))
        kept.race(sides[SPIFF], sides[OURS], house, ROUNDS)


def _crowd() -> None:
    from benchmarks.lifecycle import crowd  # not above: this package is read in the peer's environment too

    print("\nsteps among many live instances, milliseconds of processor time")
    with TemporaryDirectory() as folder, databases() as database:
        crowd.steps(Path(folder), ROUNDS, database)


def _due() -> None:
    from benchmarks.lifecycle import crowd

    print("\ntimers that are due among many that wait, milliseconds of processor time")
    with TemporaryDirectory() as folder, databases() as database:
        crowd.due(Path(folder), ROUNDS, database)


def _agree(sides: Mapping[str, Caller], case: str, data: dict[str, Any] | None = None) -> None:
    traces = {name: side.do("trace", case=case, data=data) for name, side in sides.items()}
    if traces[OURS] != traces[SPIFF]:
        raise SystemExit(f"{case}: {traces} differ")
    print(f"\n{case}: {len(traces[OURS])} tasks; milliseconds of processor time, and how many times less ours takes")


def _race(sides: Mapping[str, Caller], case: str) -> None:
    for order, (ours, theirs) in COUNTS[case].items():
        given: dict[str, Any] = {"source": bpmn(case)} if order == "reading" else {}
        turns = {
            OURS: _turn(sides[OURS], order, case, given or {"count": ours}),
            SPIFF: _turn(sides[SPIFF], order, case, given or {"count": theirs}),
        }
        found = interleaved(turns, ROUNDS)
        each = {name: Spread.of([sample.cpu_each * 1e3 for sample in samples]) for name, samples in found.items()}
        less = ratio([sample.cpu_each for sample in found[SPIFF]], [sample.cpu_each for sample in found[OURS]])
        by_clock = ratio([1 / sample.rate for sample in found[SPIFF]], [1 / sample.rate for sample in found[OURS]])
        print(f"  {order:10} ours {each[OURS]}, peer {each[SPIFF]}: {less} times (by the clock {by_clock})", flush=True)


def _turn(side: Caller, order: str, case: str, given: dict[str, Any]) -> Callable[[], Sample]:
    return lambda: Sample(*side.do(order, case=case, **given))


def _sizes(sides: Mapping[str, Caller], case: str) -> None:
    sizes = {name: side.do("sizes", case=case) for name, side in sides.items()}
    (ours, _), (peer, bare) = sizes[OURS], sizes[SPIFF]
    print(f"  size       ours {ours:,} bytes, peer {peer:,}: {peer / ours:.3g} times; ", end="")
    print(f"without its definition {bare:,}: {bare / ours:.3g} times")


def _turns(sides: Mapping[str, Caller]) -> None:
    """One instance that goes round for long."""
    print(f"\nloop of {MANY_TURNS:,} turns")
    source = bpmn(LOOP, MANY_TURNS + 1)
    for name, side in sides.items():
        side.do("reading", case=LOOP, source=source)
        taken, broke = side.do("growing", case=LOOP, most=MANY_TURNS)
        block = max(1, min(200, len(taken) // 4))
        first, last = median(taken[:block]), median(taken[-block:])
        told = f"; then it stopped: {broke}" if broke else ""
        print(f"  {name:14} {len(taken):,} turns; the last take {last / first:.2f} times as long as the first{told}", flush=True)
