"""The crash campaign of the decision log.

    python -m tests.decisions.campaign --rows 1000000 --seed 7

Writers append under their names, a compactor moves, merges and removes with nothing kept for readers, and readers look all the
time. All but the readers are killed (SIGKILL) at random moments and at chosen points, and started again. At the end, and at every
look in between: rows acknowledged and not readable 0, doubled 0.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from modelyard.decisions import Compactor, DecisionReader, Window
from tests.decisions.campaign_parts import AT_ONCE, WRITER_POINTS, content_of, id_of, places_of

COMPACTOR_POINTS = (
    "decisions.compaction.files_written",
    "decisions.compaction.commit",
    "decisions.compaction.committed",
    "decisions.compaction.remembered",
    "decisions.compaction.segment_removed",
    "decisions.compaction.merged",
    "decisions.compaction.file_removed",
    "decisions.compaction.checkpoint",
)
SELDOM = ("decisions.compaction.checkpoint", "decisions.compaction.merged")
LONGEST = 150.0
PARTS = Path(__file__).with_name("campaign_parts.py")


@dataclass
class Figures:
    """What happened. `lost` are rows acknowledged and not readable, `doubled` those read more than once, at any look."""

    acknowledged: int = 0
    readable: int = 0
    lost: int = 0
    doubled: int = 0
    looks: int = 0
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.problems)

    def told(self) -> str:
        kills = ", ".join(f"{n} {where}" for where, n in self.kills.most_common())
        return (
            f"{self.acknowledged} rows acknowledged, {self.readable} readable, in {self.seconds:.0f} s; "
            f"{self.kills.total()} kills ({kills}); {self.looks} looks while it ran\n"
            f"rows acknowledged and not readable: {self.lost}; doubled: {self.doubled}; problems: {self.problems or 'none'}"
        )


class Child:
    """A process that is killed at a point (by itself), or when the campaign wants."""

    def __init__(self, arguments: list[str], point: str, nth: int) -> None:
        self.point = point
        command = [sys.executable, "-m", "tests.decisions.campaign_parts", *arguments, point or "-", str(nth)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PARTS.parents[2], text=True)
        self.acknowledged = 0
        self.ready: float | None = None
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.acknowledged = int(line)
                self.ready = self.ready or time.monotonic()

    def aged(self) -> float:
        """Seconds since it began its work; starting Python does not count."""
        return 0.0 if self.ready is None else time.monotonic() - self.ready

    def kill(self) -> None:
        self.process.kill()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> str:
        """What it said of an error, if it ended by one."""
        assert self.process.stderr is not None
        told = self.process.stderr.read()
        self.process.wait()
        self._thread.join()
        self.process.stderr.close()
        return told if self.process.returncode > 0 else ""


class Campaign:
    def __init__(self, root: Path, rows: int, seed: int, writers: int = 3, life: float = 1.5, kills: int = 0) -> None:
        self._root, self._rows, self._life, self._kills = root, rows, life, kills
        self._random = random.Random(seed)
        self._writers = writers
        self._begun = time.monotonic()
        self._due = {True: list(COMPACTOR_POINTS), False: list(WRITER_POINTS)}
        for points in self._due.values():
            self._random.shuffle(points)
        self._done: dict[tuple[int, int], Child] = {}
        self._figures = Figures()
        self._stop = threading.Event()

    def run(self) -> Figures:
        start = time.monotonic()
        reader = threading.Thread(target=self._look_again_and_again)
        reader.start()
        try:
            self._keep_running()
        finally:
            self._stop.set()
            reader.join()
        self._finish()
        self._figures.seconds = time.monotonic() - start
        return self._figures

    def _keep_running(self) -> None:
        """Everything runs, is killed, and is started again, until there are rows enough, and somebody died at every point (or,
        where a number of kills was asked for, at so many moments)."""
        running: dict[int, tuple[Child, float]] = {}
        turns: Counter[int] = Counter()
        try:
            while self._more() and not self._figures.problems:
                for place in range(self._writers + 1):
                    self._turn(place, running, turns)
                self._stop.wait(0.02)
        finally:
            for child, _ in running.values():
                self._end(child)

    def _turn(self, place: int, running: dict[int, tuple[Child, float]], turns: Counter[int]) -> None:
        if place in running:
            child, life = running[place]
            if not child.ended() and child.aged() < life:
                return
            del running[place]
            self._end(child)
        turns[place] += 1
        child = self._start(place, turns[place])
        running[place] = (child, self._life * (0.2 + self._random.random()) * (10 if child.point else 1))

    def _start(self, place: int, turn: int) -> Child:
        compacts = place == self._writers
        points = self._due[compacts] or list(COMPACTOR_POINTS if compacts else WRITER_POINTS)
        point = points[turn // 2 % len(points)] if turn % 2 else ""
        nth = self._random.randint(1, 1 if point in SELDOM else 2 if compacts else 25)
        role = ["compact", str(self._root)] if compacts else ["write", str(self._root), str(place), str(turn)]
        child = Child(role, point, nth)
        if not compacts:
            self._done[(place, turn)] = child
        return child

    def _end(self, child: Child) -> None:
        by_itself = child.ended()
        child.kill()
        told = child.wait()
        if told:
            self._figures.problems.append(told[-2000:])
        self._figures.kills[child.point.removeprefix("decisions.") if by_itself else "at random"] += 1
        for points in self._due.values() if by_itself else ():
            if child.point in points:
                points.remove(child.point)

    def _more(self) -> bool:
        deaths = self._figures.kills.total() < self._kills if self._kills else any(self._due.values())
        late = (
            time.monotonic() - self._begun > LONGEST
        )  # a slow machine may not come to every point; the figures say where it did
        return (deaths and not late) or self._rows > sum(child.acknowledged for child in self._done.values())

    def _look_again_and_again(self) -> None:
        reader = DecisionReader(self._root)
        while not self._stop.is_set():
            try:
                self._look(reader)
            except Exception as error:  # noqa: BLE001 - told at the end
                self._figures.problems.append(f"a reader: {error!r}")
                return
            self._stop.wait(0.2)

    def _look(self, reader: DecisionReader) -> None:
        """What was acknowledged before the look is in it, once; some rows are whole and found by id."""
        known = {place: child.acknowledged for place, child in list(self._done.items())}
        self._hold(reader, known)
        some = [(place, self._random.randrange(count)) for place, count in known.items() if count]
        wanted = [id_of(writer, turn, n) for (writer, turn), n in self._random.sample(some, min(20, len(some)))]
        found = reader.find(wanted, ["id", "inputs", "output"]).to_pylist()
        self._figures.lost += len(wanted) - len({row["id"] for row in found})
        self._figures.doubled += len(found) - len({row["id"] for row in found})
        for row in found:
            if (row["inputs"], row["output"]) != content_of(row["id"]):
                self._figures.problems.append(f"a row that is not whole: {row['id']}")
        self._figures.looks += 1

    def _hold(self, reader: DecisionReader, known: dict[tuple[int, int], int]) -> int:
        ids = reader.scan(Window(), ["id"])["id"]
        writers, turns, numbers = places_of(ids)
        keys = (writers * 10**3 + turns) * 10**10 + numbers
        distinct = np.unique(keys)
        self._figures.doubled += len(keys) - len(distinct)
        owners, places = distinct // 10**10, distinct % 10**10
        for (writer, turn), count in known.items():
            there = int(np.count_nonzero(places[owners == writer * 10**3 + turn] < count))
            self._figures.lost += count - there
        return len(distinct)

    def _finish(self) -> None:
        """After the last death: everything is compacted by a fresh process' hand and looked at once more, by others too."""
        from deltalake import DeltaTable

        done = Compactor(self._root, keeping=AT_ONCE).run()
        known = {place: child.acknowledged for place, child in self._done.items()}
        self._figures.acknowledged = sum(known.values())
        self._figures.readable = self._hold(DecisionReader(self._root), known)
        table = DeltaTable(self._root / "_delta")
        if done.damaged or table.count() != self._figures.readable:
            self._figures.problems.append(f"the table has {table.count()} rows, damaged segments: {done.damaged}")
        if list(self._root.rglob("*.seg")):
            self._figures.problems.append("segments are left after everything was compacted")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--writers", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = Campaign(Path(folder), given.rows, given.seed, given.writers).run()
    print(f"seed {given.seed}: {figures.told()}")
    return 0 if figures.sound() else 1


if __name__ == "__main__":
    raise SystemExit(main())
