"""`python -m benchmarks.batch [rows] [rounds]`: batches of five million rows beside a plain loop.

The start of processes is counted for ours (they are started for each batch); imports of this process for neither side. The disk's
own time for as many bytes as the log has with the inputs in it stands beside them: the plain loop flushes nothing, ours all.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.batch import plain, stage
from benchmarks.rounds import Sample, Spread, interleaved, ratio, stamp
from modelyard.runtime.batch import Batches, Order
from modelyard.runtime.batch.engines import Engine, Inline, Processes
from modelyard.runtime.batch.model import SLICE

KEEP = ("customer",)
LOGGED = 148
"""Bytes of a row in the log, its 30 inputs among them."""


def measured(work: Callable[[], int]) -> Sample:
    """Processor time is that of this process and of all that it started and that have ended."""
    before, started = sum(os.times()[:4]), time.perf_counter()
    done = work()
    wall = time.perf_counter() - started
    return Sample(wall, sum(os.times()[:4]) - before, done)


def turns(folder: Path, rows: int) -> Mapping[str, Callable[[], Sample]]:
    """Both sides over the same file."""
    data, source = stage.model(), folder / "rows.parquet"
    stage.write_rows(source, rows)
    place = stage.serve(folder, data)

    def by_hand() -> Sample:
        return measured(lambda: plain.loop(data, source, folder / "plain.parquet"))

    def by_two_hands() -> Sample:
        return measured(lambda: _checked(plain.loops(data, source, folder / "plain.parquet", 2), rows))

    def ours(engine: Engine, **how: Any) -> Callable[[], Sample]:
        def turn() -> Sample:
            out = folder / "out"
            order = Order(endpoint="score", inputs=(str(source),), out=str(out), keep=KEEP, **how)
            sample = measured(lambda: _checked(Batches(place, engine).run(order).answered, rows))
            shutil.rmtree(out)
            shutil.rmtree(place.log, ignore_errors=True)
            return sample

        return turn

    def disk() -> Sample:
        return measured(lambda: _flushed(folder / "bytes", rows))

    return {
        "plain loop": by_hand,
        "plain loop, two processes": by_two_hands,
        "disk, the log's bytes": disk,
        "log off, one process": ours(Inline(), log=0.0),
        "log off, two processes": ours(Processes(2), log=0.0),
        "log refers to rows, one process": ours(Inline(), log_inputs="reference"),
        "log refers to rows, two processes": ours(Processes(2), log_inputs="reference"),
        "log repeats inputs, one process": ours(Inline()),
        "log repeats inputs, two processes": ours(Processes(2)),
    }


def _flushed(path: Path, rows: int) -> int:
    """Write and flush what a log of so many rows weighs, a slice at a time, and nothing else."""
    piece = os.urandom(LOGGED * min(rows, SLICE))
    with path.open("wb", buffering=0) as handle:
        for _ in range(0, rows, SLICE):
            handle.write(piece)
            os.fdatasync(handle.fileno())
    path.unlink()
    return rows


def _checked(done: int, wanted: int) -> int:
    assert done == wanted, f"{done} rows answered, not {wanted}"
    return done


def told(taken: Mapping[str, Sequence[Sample]]) -> str:
    """The table."""
    base = taken["plain loop"]
    lines = [
        "| | rows a second | µs of processor a row | time against the plain loop | processor against the plain loop |",
        "|---|---|---|---|---|",
    ]
    for name, samples in taken.items():
        rate = Spread.of([s.rate for s in samples])
        each = Spread.of([1e6 * s.cpu_each for s in samples])
        wall = ratio([s.wall for s in samples], [s.wall for s in base])
        cpu = ratio([s.cpu for s in samples], [s.cpu for s in base])
        lines.append(f"| {name} | {rate} | {each} | {wall} | {cpu} |")
    for mode in ("plain loop", "log off", "log refers to rows", "log repeats inputs"):
        one, two = ([s.rate for s in taken[name]] for name in (_alone(mode), f"{mode}, two processes"))
        lines.append(f"\n{mode}: two processes are {ratio(two, one)} times as fast as one")
    return "\n".join(lines)


def _alone(mode: str) -> str:
    return mode if mode == "plain loop" else f"{mode}, one process"


def main(arguments: Sequence[str]) -> None:
    rows = int(arguments[0]) if arguments else 5_000_000
    rounds = int(arguments[1]) if len(arguments) > 1 else 5
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as name:
        sides = turns(Path(name), rows)
        for turn in sides.values():
            turn()  # caches warm, libraries loaded
        begun = stamp()
        taken = interleaved(sides, rounds)
    print(f"{begun}\n{stamp()} · {rows} rows of {stage.FEATURES} features, {rounds} rounds: median (least–greatest)\n")
    print(told(taken))


if __name__ == "__main__":
    main(sys.argv[1:])
