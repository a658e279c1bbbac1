"""`zen-engine`, with the loader it is quickest with: a static one, whose graphs it keeps compiled."""

from __future__ import annotations

import zen

from benchmarks.dmn.cases import jdm
from benchmarks.dmn.side import Decide, Side
from benchmarks.peers import serve


class Zen(Side):
    chunk = 20

    def load(self, case: str) -> Decide:
        graph, field = jdm(case)
        engine = zen.ZenEngine({"loader": {"type": "static", "content": {case: graph}}})
        return lambda row: engine.evaluate(case, row)["result"][field]


if __name__ == "__main__":
    serve(Zen())
