"""Registering and searching 10,000 versions, against an MLflow tracking server.

    python -m benchmarks catalog            (BENCH_VERSIONS, BENCH_ROUNDS and BENCH_BLOCK make it shorter)

Each side is driven by its own Python client in a process of its own, one request after another. Ours is a whole installation
(API, worker, runtime): every registration is authorised, its artifact verified, audited and durable. MLflow runs at its
leanest (SQLite, one server process, no job runner) and is measured twice: `tracked` records what ours records (parameters,
metrics, tags, then the version), `registry` the version with tags alone. Searches at 1,000 and 10,000 go to two installations
of ours side by side.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.model import write_onnx
from benchmarks.peers import Caller, environment, program
from benchmarks.rounds import Sample, Spread, cheaper, faster, interleaved, measured, ratio, settle, stamp
from benchmarks.versions import MODELS, model_name
from benchmarks.yard import free_port, yard

VERSIONS = int(os.environ.get("BENCH_VERSIONS", "10000"))
SMALL = max(VERSIONS // 10, MODELS)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
BLOCK = int(os.environ.get("BENCH_BLOCK", "100"))
PAGE = 10
SEARCHES: dict[str, list[str]] = {
    "name": [model_name(n) for n in range(0, MODELS, 5)],
    "sorted": [model_name(n) for n in range(2, MODELS, 5)],
    "text": ["fraud", "harbour", "boosting", "airport", "churn logistic"] * 4,
    "field": ["registered"] * 20,
}
"""By name, newest first; by name, sorted by another field; by words of the text; by a field that all share, sorted by time."""
ALSO_MLFLOW = {"name": SEARCHES["name"], "sorted": SEARCHES["sorted"], "text": ["fraud", "boosting", "churn"] * 7}
"""MLflow's words are parts of the name: it has no text search."""


class Side:
    """A client, the processes it keeps busy, and the number of the next version."""

    def __init__(self, caller: Caller, processes: list[int], database: str = "") -> None:
        self.caller, self.processes, self.database = caller, [caller.pid, *processes], database
        self._next = count(0, BLOCK)

    def register(self, order: str) -> Sample:
        first = next(self._next)
        return measured(lambda: self.caller.do(order, first=first, count=BLOCK), self.processes)

    def search(self, kind: str, words: list[str]) -> Sample:
        def work() -> int:
            found = self.caller.do("search", kind=kind, words=words, limit=PAGE)
            if not all(found):
                raise SystemExit(f"a search by {kind} found nothing")
            return len(words)

        return measured(work, self.processes)


@contextmanager
def ours(artifact: Path) -> Iterator[Side]:
    with (
        yard() as house,
        Caller(
            Path(sys.executable), "benchmarks.clients.modelyard_catalog", house.url, house.tokens["dana"], str(artifact)
        ) as caller,
    ):
        caller.do("models")
        yield Side(caller, list(house.processes.values()))


@contextmanager
def mlflow(folder: Path) -> Iterator[Side]:
    programs, port = environment("mlflow"), free_port()
    url, database = f"http://127.0.0.1:{port}", f"sqlite:///{folder}/mlflow.db"
    where = ["--backend-store-uri", database, "--artifacts-destination", folder / "artifacts", "--port", str(port)]
    command = [programs / "mlflow", "server", *where, "--host", "127.0.0.1", "--workers", "1"]
    lean = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        program(command, folder / "mlflow.log", f"{url}/health", **lean) as pid,
        Caller(programs / "python", "benchmarks.clients.mlflow_catalog", url) as caller,
    ):
        caller.do("models")
        yield Side(caller, [pid], database)


def main() -> None:
    print(stamp())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        artifact = write_onnx(folder)
        small, large, peer = (stack.enter_context(side) for side in (ours(artifact), ours(artifact), mlflow(folder)))
        settle([*small.processes, *large.processes, *peer.processes])
        turns = {
            "modelyard": partial(large.register, "versions"),
            "mlflow, tracked": partial(peer.register, "tracked"),
            "mlflow, registry": partial(peer.register, "registry"),
        }
        for turn in turns.values():
            turn()  # once to warm up, not counted
        print(f"registering into an empty catalog, {BLOCK} versions a turn, {ROUNDS} rounds")
        told(interleaved(turns, ROUNDS), "versions")
        fill(small, large, peer)
        print(f"registering into a catalog of {VERSIONS}")
        told(interleaved(turns, ROUNDS), "versions")
        for kind, words in SEARCHES.items():
            search(kind, words, small, large, peer)


def fill(small: Side, large: Side, peer: Side) -> None:
    """Up to the sizes that searches are measured at; the three at once, not measured."""
    there = (ROUNDS + 1) * BLOCK
    works: list[Callable[[], object]] = [
        lambda: small.caller.do("versions", first=0, count=SMALL),
        lambda: large.caller.do("versions", first=VERSIONS, count=VERSIONS - there),
        lambda: peer.caller.do("fill", database=peer.database, first=VERSIONS, count=VERSIONS - 2 * there),
    ]
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
    settle([*small.processes, *large.processes, *peer.processes])


def search(kind: str, words: list[str], small: Side, large: Side, peer: Side) -> None:
    turns = {"at a tenth": partial(small.search, kind, words), "modelyard": partial(large.search, kind, words)}
    if kind in ALSO_MLFLOW:
        turns["mlflow"] = partial(peer.search, kind, ALSO_MLFLOW[kind])
    for turn in turns.values():
        turn()
    taken = interleaved(turns, ROUNDS)
    print(f"searching by {kind}, pages of {PAGE}")
    tenth = taken.pop("at a tenth")
    told(taken, "searches")
    slower = ratio([s.wall / s.done for s in taken["modelyard"]], [s.wall / s.done for s in tenth])
    print(f"  at {VERSIONS} against {SMALL}: {slower} times the time, {cheaper(tenth, taken['modelyard'])} times the processor")


def told(taken: dict[str, list[Sample]], what: str) -> None:
    for name, samples in taken.items():
        each, cpu = Spread.of([s.wall / s.done * 1e3 for s in samples]), Spread.of([s.cpu_each * 1e3 for s in samples])
        print(f"  {name:17} {each} ms each, {cpu} ms processor; {Spread.of([s.rate for s in samples])} {what} a second")
    for name in list(taken)[1:]:
        ours, theirs = taken["modelyard"], taken[name]
        print(f"  modelyard / {name}: {faster(ours, theirs)} by the clock, {cheaper(ours, theirs)} by the processor", flush=True)


if __name__ == "__main__":
    main()
