"""`modelyard.dmn`: the whole public call with a plain dict, and whole Arrow tables."""

from __future__ import annotations

import time

from benchmarks.dmn.cases import dmn, requests
from benchmarks.dmn.side import Decide, Side
from benchmarks.peers import serve
from modelyard.dmn import load


class Ours(Side):
    def load(self, case: str) -> Decide:
        source, name = dmn(case)
        model = load(source)
        return lambda row: model.evaluate(name, row).value

    def batch(self, case: str, rows: int, seconds: float) -> tuple[float, float, int]:
        """`evaluate_many` over so many rows, again and again."""
        import pyarrow as pa

        source, name = dmn(case)
        model, table = load(source), pa.Table.from_pylist(requests(case, rows))
        model.evaluate_many(name, table)
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall < seconds:
            model.evaluate_many(name, table)
            done += rows
        return time.perf_counter() - wall, time.process_time() - cpu, done


if __name__ == "__main__":
    serve(Ours())
