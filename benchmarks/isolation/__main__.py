"""`python -m benchmarks.isolation [ROUNDS]`: what a process, and an environment, of one's own costs, side by side in one run.

Each round asks every side in turn for one row, some hundred times, and takes the median; the overhead is the difference within
the round. Then the cold starts: process started, engine imported, model loaded, first answer given.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.isolation.cases import Case, cases, lock
from benchmarks.rounds import Spread, stamp
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy
from modelyard.kinds.environments import Environments
from modelyard.kinds.sandbox import ForeignPredictor, NativePredictor

POLICY = Policy(allow_pickle=True)
CALLS = 400
SIDES = ("in process", "own process", "own process and environment")


def main(arguments: list[str]) -> int:
    rounds = int(arguments[0]) if arguments else 15
    print(stamp())
    with tempfile.TemporaryDirectory(prefix="modelyard-isolation-") as folder:
        environments = Environments(Path(folder) / "environments")
        for case in cases(Path(folder)):
            _overhead(case, environments, rounds)
        _cold(cases(Path(folder))[0], environments)
    return 0


def _overhead(case: Case, environments: Environments, rounds: int) -> None:
    """Median milliseconds of one answer on each side, and what the sides take more than the first."""
    kind = registry.kind("ml")
    with ExitStack() as stack:
        here = kind.load(case.path, kind.inspect(case.path, POLICY), case.signature, POLICY)
        native = stack.enter_context(NativePredictor(case.path, case.signature, POLICY, kind="ml"))
        foreign = stack.enter_context(_foreign(case, environments))
        asks = [getattr(one, "answer", one.predict) for one in (here, native, foreign)]
        expected = asks[0](case.row)
        for ask in asks[1:]:
            assert list(ask(case.row)["label"]) == list(expected["label"])
        taken: list[list[float]] = [[], [], []]
        for number in range(rounds):
            for place in (0, 1, 2) if number % 2 == 0 else (2, 1, 0):
                taken[place].append(_median(asks[place], case))
    print(f"\n{case.name}, one row of {len(case.row)} numbers, median of {CALLS} calls in each of {rounds} rounds\n")
    print("| side | ms | more than in process, ms |\n|---|---|---|")
    for name, times in zip(SIDES, taken, strict=True):
        more = Spread.of([a - b for a, b in zip(times, taken[0], strict=True)])
        print(f"| {name} | {Spread.of(times)} | {more if name != SIDES[0] else ''} |")


def _foreign(case: Case, environments: Environments) -> ForeignPredictor:
    found = ForeignPredictor(case.path, case.signature, environments, lock(), format_=case.format, policy=POLICY)
    found.wait(600)
    return found


def _median(ask: Callable[..., object], case: Case) -> float:
    times = []
    for _ in range(CALLS):
        started = perf_counter()
        ask(case.row)
        times.append(perf_counter() - started)
    return statistics.median(times) * 1e3


def _cold(case: Case, environments: Environments, times: int = 5) -> None:
    """Seconds to the first answer: with the environment there, and made anew from warm caches of wheels and compiled modules."""
    held = environments.get(lock())
    print("\ncompiling the modules of the environment, so that the caches are warm …")
    environments.compile(held)
    kept = held.folder
    held.close()
    there: list[tuple[float, float]] = []
    anew: list[tuple[float, float]] = []
    for _ in range(times):
        there.append(_first_answer(case, environments))
        shutil.rmtree(kept)
        anew.append(_first_answer(case, environments))
    print("\n| cold start to the first answer | s | processor s |\n|---|---|---|")
    for name, taken in (("the environment is there", there), ("it is made anew, caches of wheels and modules warm", anew)):
        print(f"| {name} | {Spread.of([wall for wall, _ in taken])} | {Spread.of([cpu for _, cpu in taken])} |")


def _first_answer(case: Case, environments: Environments) -> tuple[float, float]:
    """Seconds on the clock, and of processor time of this process and of those that it started and that have ended."""
    started, before = perf_counter(), sum(os.times()[:4])
    with _foreign(case, environments) as predictor:
        predictor.answer(case.row)
        wall = perf_counter() - started
    return wall, sum(os.times()[:4]) - before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
