"""What a side does when it is asked, in a process of its own."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.lifecycle.cases import ANSWERS

Taken = tuple[float, float, int]
"""Wall seconds, processor seconds, how many things were done."""


@dataclass
class Row:
    text: str


class Rows:
    """States of instances in a SQLite file, as leanly as they can be kept; flushed at each commit, as ours are."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE instances (number INTEGER PRIMARY KEY, state TEXT NOT NULL)")
        self._done, self._last, self.greatest = 0, 0, 0

    def add(self, text: str) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._last = self._database.execute("INSERT INTO instances (state) VALUES (?)", (text,)).lastrowid or 0
        self._database.execute("COMMIT")

    def begun(self) -> list[int]:
        """The instances added since this was last asked."""
        numbers = list(range(self._done + 1, self._last + 1))
        self._done, self.greatest = self._last, 0
        return numbers

    @contextmanager
    def changing(self, number: int) -> Iterator[Row]:
        self._database.execute("BEGIN IMMEDIATE")
        row = Row(*self._database.execute("SELECT state FROM instances WHERE number = ?", (number,)).fetchone())
        self.greatest = max(self.greatest, len(row.text.encode()))
        yield row
        self._database.execute("UPDATE instances SET state = ? WHERE number = ?", (row.text, number))
        self._database.execute("COMMIT")


class Side:
    """An engine. `Instance` is whatever it keeps of a running one."""

    def compile(self, source: str, case: str) -> Any:
        raise NotImplementedError

    def start(self, process: Any, data: dict[str, Any] | None = None) -> Any:
        """A new instance, at its first wait."""
        raise NotImplementedError

    def waiting(self, instance: Any) -> list[str]:
        """The names of the tasks that are to be done."""
        raise NotImplementedError

    def complete(self, process: Any, instance: Any, task: str, result: dict[str, Any]) -> Any:
        """The instance after that task, at its next wait."""
        raise NotImplementedError

    def save(self, instance: Any) -> str:
        raise NotImplementedError

    def load(self, process: Any, text: str) -> Any:
        raise NotImplementedError

    def bare(self, text: str) -> int:
        """The size of what was saved, less the definition if that is saved with it."""
        return len(text.encode())

    def ended(self, instance: Any) -> bool:
        """Whether an end event was reached."""
        raise NotImplementedError

    # --- orders

    def __init__(self) -> None:
        self._ready: dict[str, Any] = {}
        self._rows: Rows | None = None

    def opening(self, path: str) -> None:
        """Instances are kept from now on in a database of their own."""
        self._rows = Rows(path)

    def begun(self, case: str, count: int, data: dict[str, Any]) -> Taken:
        """New instances, each kept in a transaction of its own."""
        process, rows = self._ready[case], self._open
        return timed(lambda: [rows.add(self.save(self.start(process, data))) for _ in range(count)], count)

    def kept(self, case: str, tasks: list[str]) -> Taken:
        """Every instance that was begun does these tasks: in one transaction it is loaded, steps, and is saved."""
        process, rows = self._ready[case], self._open
        begun = rows.begun()

        def step(number: int, task: str) -> None:
            with rows.changing(number) as row:
                row.text = self.save(self.complete(process, self.load(process, row.text), task, _result(task, 1)))

        return timed(lambda: [step(number, task) for task in tasks for number in begun], len(begun) * len(tasks))

    def row_sizes(self) -> int:
        """Bytes of the greatest state of those last done."""
        return self._open.greatest

    @property
    def _open(self) -> Rows:
        assert self._rows is not None
        return self._rows

    def reading(self, case: str, source: str) -> Taken:
        """From the file's content to a process that can be started."""
        return timed(lambda: self._ready.__setitem__(case, self.compile(source, case)))

    def trace(self, case: str, data: dict[str, Any] | None = None) -> list[str]:
        """The tasks that are done from start to end."""
        return [task for task, _ in self._play(case, data)]

    def starting(self, case: str, count: int) -> Taken:
        process = self._ready[case]
        return timed(lambda: [self.start(process) for _ in range(count)], count)

    def stepping(self, case: str, count: int) -> Taken:
        """Whole instances in memory; only the steps are timed and counted."""
        return self._steps(case, count, self.complete)

    def persisting(self, case: str, count: int) -> Taken:
        """As `stepping`, each step with loading before it and saving after it."""
        process = self._ready[case]
        wall = cpu = 0.0
        done = 0
        for _ in range(count):
            text, number = self.save(self.start(process)), 0
            while tasks := self.waiting(self.load(process, text)):
                number += 1
                begun = time.perf_counter(), time.process_time()
                text = self.save(self.complete(process, self.load(process, text), tasks[0], _result(tasks[0], number)))
                wall, cpu, done = wall + time.perf_counter() - begun[0], cpu + time.process_time() - begun[1], done + 1
        return wall, cpu, done

    def saving(self, case: str, count: int) -> Taken:
        instance = self._half(case)
        return timed(lambda: [self.save(instance) for _ in range(count)], count)

    def loading(self, case: str, count: int) -> Taken:
        process, text = self._ready[case], self.save(self._half(case))
        return timed(lambda: [self.load(process, text) for _ in range(count)], count)

    def sizes(self, case: str) -> tuple[int, int]:
        """Bytes at the greatest: as saved, and less the definition."""
        texts = [self.save(instance) for _, instance in self._play(case)]
        return max(len(text.encode()) for text in texts), max(map(self.bare, texts))

    def growing(self, case: str, most: int) -> tuple[list[float], str]:
        """Processor seconds of each step of one instance, until it ends, `most` steps or it breaks; and why it broke."""
        taken: list[float] = []
        process = self._ready[case]
        try:
            instance = self.start(process)
            while len(taken) < most and (tasks := self.waiting(instance)):
                begun = time.process_time()
                instance = self.complete(process, instance, tasks[0], _result(tasks[0], len(taken) + 1))
                taken.append(time.process_time() - begun)
        except Exception as error:  # noqa: BLE001 # what a peer breaks by is what is to be told
            return taken, f"{type(error).__name__}: {error}"[:120]
        stopped = len(taken) < most and not self.ended(instance)
        return taken, "nothing waits any more, and its end was not reached" if stopped else ""

    def _steps(self, case: str, count: int, do: Callable[..., Any]) -> Taken:
        process = self._ready[case]
        wall = cpu = 0.0
        done = 0
        for _ in range(count):
            instance, number = self.start(process), 0
            while tasks := self.waiting(instance):
                number += 1
                begun = time.perf_counter(), time.process_time()
                instance = do(process, instance, tasks[0], _result(tasks[0], number))
                wall, cpu, done = wall + time.perf_counter() - begun[0], cpu + time.process_time() - begun[1], done + 1
        return wall, cpu, done

    def _play(self, case: str, data: dict[str, Any] | None = None) -> list[tuple[str, Any]]:
        process = self._ready[case]
        instance = self.start(process, data)
        played: list[tuple[str, Any]] = []
        while tasks := self.waiting(instance):
            instance = self.complete(process, instance, tasks[0], _result(tasks[0], len(played) + 1))
            played.append((tasks[0], instance))
        return played

    def _half(self, case: str) -> Any:
        """An instance in the middle of its life."""
        process = self._ready[case]
        instance = self.start(process)
        for number in range(1, len(self._play(case)) // 2 + 1):
            task = self.waiting(instance)[0]
            instance = self.complete(process, instance, task, _result(task, number))
        return instance


def _result(task: str, number: int) -> dict[str, Any]:
    return ANSWERS.get(task, {"n": number})


def timed(work: Callable[[], Any], count: int = 1) -> Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu, count
