"""What a side does when it is asked, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.dmn.cases import requests

Decide = Callable[[dict[str, Any]], Any]


class Side:
    """`load` makes the function that decides; `chunk` is how many decisions are made between two looks at the clock."""

    chunk = 200

    def __init__(self) -> None:
        self._ready: dict[str, Decide] = {}

    def load(self, case: str) -> Decide:
        raise NotImplementedError

    def loading(self, case: str) -> tuple[float, float, int]:
        """Wall and processor seconds from the file's content to the first answer."""
        wall, cpu = time.perf_counter(), time.process_time()
        decide = self.load(case)
        decide(requests(case, 1)[0])
        taken = time.perf_counter() - wall, time.process_time() - cpu, 1
        self._ready[case] = decide
        return taken

    def answers(self, case: str, count: int) -> list[Any]:
        decide = self._ready[case]
        return [_plain(decide(row)) for row in requests(case, count)]

    def deciding(self, case: str, seconds: float) -> tuple[float, float, int]:
        """Wall and processor seconds, and the number of decisions made, one after another."""
        decide, rows = self._ready[case], cycle(requests(case))
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall < seconds:
            for row in islice(rows, self.chunk):
                decide(row)
            done += self.chunk
        return time.perf_counter() - wall, time.process_time() - cpu, done


def _plain(answer: Any) -> Any:
    return answer if isinstance(answer, str) else float(answer)
