"""Stores that fail as real ones do, and machines whose disks can be lost."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from shutil import rmtree
from time import time

from decision_rows import consistent, rows

from modelyard.core.errors import NotFound, Unavailable
from modelyard.core.faults import Faults
from modelyard.decisions import DecisionReader, Window
from modelyard.decisions.shipping_collector import Collected, Collector
from modelyard.decisions.shipping_log import Acknowledge, ShippedLog, Shipping
from modelyard.decisions.shipping_stores import SegmentStore, Stored

NO_PATIENCE = timedelta(0)


class MemorySegments:
    """Objects in memory. `failing` says how the next creations fail: `before` nothing is kept, `after` it is and nobody hears."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.made: dict[str, float] = {}
        self.failing: list[str] = []
        self.down = False

    def create(self, name: str, data: bytes) -> bool:
        how = self.failing.pop(0) if self.failing else ""
        self._answer(how == "before")
        fresh = name not in self.objects
        self.objects.setdefault(name, bytes(data))
        self.made.setdefault(name, time())
        self._answer(how == "after")
        return fresh

    def get(self, name: str) -> bytes:
        self._answer()
        if name not in self.objects:
            raise NotFound(f"the store has no {name}")
        return self.objects[name]

    def list(self, prefix: str, after: str = "") -> list[Stored]:
        self._answer()
        under = prefix.rstrip("/") + "/"
        return sorted(
            Stored(n, len(d), self.made.get(n, 0.0)) for n, d in self.objects.items() if n.startswith(under) and n > after
        )

    def remove(self, name: str) -> None:
        self._answer()
        self.objects.pop(name, None)

    def _answer(self, fails: bool = False) -> None:
        if self.down or fails:
            raise Unavailable("the store does not answer")


class Machine:
    """A writer on a disk of its own. Remembers what was acknowledged."""

    def __init__(self, disk: Path, store: SegmentStore, mode: Acknowledge, name: str = "r", **how: object) -> None:
        self.name, self.disk, self.store, self.mode, self.how = name, disk, store, mode, how
        self.acknowledged: list[str] = []
        self.asked: list[str] = []
        self.log: ShippedLog | None = None

    def start(self, faults: Faults | None = None) -> ShippedLog:
        given = {"acknowledge": self.mode, "keep": timedelta(0)} | self.how
        self.log = ShippedLog(self.disk, self.name, self.store, Shipping(**given), faults=faults, background=False)  # type: ignore[arg-type]
        return self.log

    def commit(self, *ids: str) -> bool:
        """Whether the rows were acknowledged."""
        assert self.log is not None
        self.asked += ids
        error = self.log.commit([rows(list(ids))])[0]
        if error is None:
            self.acknowledged += ids
        return error is None

    def crash(self) -> None:
        """What kill -9 leaves: the lock is free, the segment is open."""
        assert self.log is not None
        journal = self.log._log._journal
        journal._lock.close()
        if journal._open is not None:
            os.close(journal._open.descriptor)
            journal._open = None
        self.log = None

    def lose_disk(self) -> None:
        self.crash()
        rmtree(self.disk)


class Centre:
    """The control plane's side: a collector and a reader."""

    def __init__(self, folder: Path, store: SegmentStore, settle: timedelta = NO_PATIENCE) -> None:
        self.folder, self.store, self.settle = folder, store, settle
        self.collector = self.started()

    def started(self, faults: Faults | None = None) -> Collector:
        root, state = self.folder / "decisions", self.folder / "collected"
        self.collector = Collector(self.store, root, state, settle=self.settle, faults=faults)
        return self.collector

    def collect(self) -> Collected:
        return self.collector.collect()

    def ids(self) -> list[str]:
        return consistent(DecisionReader(self.folder / "decisions").scan(Window()))

    def check(self, machines: list[Machine]) -> None:
        """Every acknowledged row is there once; nothing is there that was never asked to be logged."""
        seen = Counter(self.ids())
        acknowledged = {i for m in machines for i in m.acknowledged}
        assert acknowledged - seen.keys() == set(), "acknowledged and not readable"
        assert [i for i, times in seen.items() if times > 1] == [], "doubled"
        assert seen.keys() <= {i for m in machines for i in m.asked}
