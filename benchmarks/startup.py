"""`modelyard --help` against an empty Python and against a bare argparse: what a person waits for at every command.

python -m benchmarks startup
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.rounds import Sample, Turn, interleaved, ratio, stamp

ROUNDS = 7
TIMES = 3
ARGPARSE = "import argparse; p = argparse.ArgumentParser(); p.add_argument('--x'); p.print_help()"
PROGRAMS = {
    "modelyard --help": [str(Path(sys.executable).with_name("modelyard")), "--help"],
    "python -c pass": [sys.executable, "-c", "pass"],
    "argparse --help": [sys.executable, "-c", ARGPARSE],
}


def turn(arguments: list[str]) -> Turn:
    """Start the program a few times, one after another; processor time is that of the programs."""

    def run() -> Sample:
        before, started = _children(), time.perf_counter()
        for _ in range(TIMES):
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        return Sample(time.perf_counter() - started, _children() - before, TIMES)

    return run


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    print(stamp())
    taken = interleaved({name: turn(arguments) for name, arguments in PROGRAMS.items()}, ROUNDS)
    for name, samples in taken.items():
        cpu, wall = (
            sorted(values)[ROUNDS // 2] for values in ([s.cpu_each for s in samples], [s.wall / s.done for s in samples])
        )
        print(f"  {name:18} {cpu * 1e3:6.0f} ms processor, {wall * 1e3:6.0f} ms clock (medians)")
    ours, *peers = taken
    for peer in peers:
        cpu = ratio([s.cpu_each for s in taken[ours]], [s.cpu_each for s in taken[peer]])
        wall = ratio([s.wall for s in taken[ours]], [s.wall for s in taken[peer]])
        print(f"  {ours} / {peer}: processor {cpu}, clock {wall}")


if __name__ == "__main__":
    main()
