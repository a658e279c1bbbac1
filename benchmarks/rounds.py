"""Runs side by side: ours, peer, ours, peer … in one session, so that what else the machine does hits both; then ratios."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """What one turn took: seconds on the clock, seconds of processor time of everybody involved, how many things were done."""

    wall: float
    cpu: float
    done: int

    @property
    def rate(self) -> float:
        return self.done / self.wall

    @property
    def cpu_each(self) -> float:
        """Processor seconds for one thing."""
        return self.cpu / self.done


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of several turns."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g}–{self.high:.3g})"


Turn = Callable[[], Sample]


def interleaved(sides: Mapping[str, Turn], rounds: int) -> dict[str, list[Sample]]:
    """Each side's turns, taken in alternation; every other round in reverse order, so that no side always goes first."""
    taken: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            taken[name].append(sides[name]())
    return taken


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """How many times more: the ratio within each round, over all rounds."""
    return Spread.of([a / b for a, b in zip(ours, theirs, strict=True)])


def faster(ours: Sequence[Sample], theirs: Sequence[Sample]) -> Spread:
    """How many times faster ours is, by the clock."""
    return ratio([s.rate for s in ours], [s.rate for s in theirs])


def cheaper(ours: Sequence[Sample], theirs: Sequence[Sample]) -> Spread:
    """How many times less processor time ours takes for one thing."""
    return ratio([s.cpu_each for s in theirs], [s.cpu_each for s in ours])


def measured(work: Callable[[], int], processes: Sequence[int] = ()) -> Sample:
    """Do it; its processor time is this process's and that of `processes` with all their children."""
    before, started = time.process_time() + cpu_of(processes), time.perf_counter()
    done = work()
    wall = time.perf_counter() - started
    return Sample(wall, time.process_time() + cpu_of(processes) - before, done)


def cpu_of(processes: Sequence[int]) -> float:
    """Processor seconds that processes and their descendants have used so far."""
    parents = {int(p.name): _stat(p) for p in Path("/proc").iterdir() if p.name.isdigit()}
    family, size = set(processes), -1
    while len(family) > size:
        size = len(family)
        family |= {pid for pid, stat in parents.items() if stat and stat[0] in family}
    return sum(stat[1] for pid, stat in parents.items() if stat and pid in family)


def settle(processes: Sequence[int], patience: float = 60.0) -> None:
    """Wait until processes that were just started have nothing left to do, so that their start is not measured."""
    end, quiet = time.monotonic() + patience, 0
    while quiet < 3 and time.monotonic() < end:
        before = cpu_of(processes)
        time.sleep(1.0)
        quiet = quiet + 1 if cpu_of(processes) - before < 0.1 else 0


def _stat(process: Path) -> tuple[int, float] | None:
    """Its parent and its processor seconds, with those of children that have ended; None when it has ended itself."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), sum(map(int, fields[11:15])) / TICK


def stamp() -> str:
    """When and on what: the first line of every report."""
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores · {memory:.0f} GB · load {load}"
