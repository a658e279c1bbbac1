"""Decisions a second, growth with the number of rules and time to load, against hand-written Python, zen-engine and pyDMNrules.

    python -m benchmarks.dmn            (BENCH_ROUNDS and BENCH_SECONDS make it shorter)

Every side runs in a process of its own, the peers in environments of their own (`locks/`), all on the same inputs; a round is a
turn of each side, and what is told are ratios within a round. First all sides must give the same answers."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.dmn.cases import CHAIN, TABLES
from benchmarks.peers import ENVS, UV, Caller
from benchmarks.rounds import Sample, Spread, interleaved, ratio, stamp

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "0.5"))
LOCKS = Path(__file__).parent / "locks"
HAND, OURS, ZEN, RULES = "handwritten", "modelyard", "zen-engine", "pyDMNrules"
LONG = "table 1000"
BATCH = dict.fromkeys(TABLES, 100000) | {CHAIN: 10_000}
CHECKED = 50

Samples = dict[str, dict[str, list[Sample]]]
"""By case, then by side."""


def environment(name: str) -> Path:
    """A peer's Python, with what its lock says."""
    folder, lock = ENVS / name, LOCKS / f"{name}.txt"
    ready, python = folder / ".ready", folder / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([UV, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([UV, "pip", "sync", "-q", "--require-hashes", "--python", python, lock], check=True)
        ready.touch()
    return python


def main() -> None:
    print(stamp())
    with ExitStack() as stack:
        programs = {
            HAND: (Path(sys.executable), "handwritten"),
            OURS: (Path(sys.executable), "ours"),
            ZEN: (environment("zen-engine"), "zen_engine"),
            RULES: (environment("pydmnrules"), "pydmnrules"),
        }
        callers = {
            name: stack.enter_context(Caller(python, f"benchmarks.dmn.{module}")) for name, (python, module) in programs.items()
        }
        _load(callers)
        _agree(callers)
        taken = _deciding(callers)
        _growth(callers)
        _batches(callers, taken)
        _loading(callers)


def _sides(case: str) -> list[str]:
    """pyDMNrules takes part in the tables alone."""
    return [HAND, OURS, ZEN] if case == CHAIN else [HAND, OURS, ZEN, RULES]


def _load(callers: dict[str, Caller]) -> None:
    for case in (*TABLES, CHAIN):
        for side in _sides(case):
            callers[side].do("loading", case=case)


def _agree(callers: dict[str, Caller]) -> None:
    for case in (*TABLES, CHAIN):
        wanted = callers[HAND].do("answers", case=case, count=CHECKED)
        for side in _sides(case):
            given = callers[side].do("answers", case=case, count=CHECKED)
            if not all(_same(*pair) for pair in zip(wanted, given, strict=True)):
                raise SystemExit(f"{side} answers {case} otherwise than hand-written Python")


def _same(wanted: Any, given: Any) -> bool:
    return wanted == given or (isinstance(wanted, float) and isinstance(given, float) and math.isclose(wanted, given))


def _turn(caller: Caller, order: str, **given: Any) -> Callable[[], Sample]:
    return lambda: Sample(*caller.do(order, **given))


def _deciding(callers: dict[str, Caller]) -> Samples:
    taken: Samples = {}
    for case in (*TABLES, CHAIN):
        turns = {side: _turn(callers[side], "deciding", case=case, seconds=SECONDS) for side in _sides(case)}
        taken[case] = interleaved(turns, ROUNDS)
        print(f"\n{case}: one decision")
        _tell(taken[case])
    return taken


def _growth(callers: dict[str, Caller]) -> None:
    print("\ngrowth: time of a decision as a multiple of that with 10 rules")
    for side in _sides(LONG):
        turns = {case: _turn(callers[side], "deciding", case=case, seconds=SECONDS) for case in TABLES}
        small, *longer = interleaved(turns, ROUNDS).items()
        grown = [f"{case} {ratio(_each(samples), _each(small[1]))}" for case, samples in longer]
        print(f"  {side:12} {', '.join(grown)}", flush=True)


def _batches(callers: dict[str, Caller], taken: Samples) -> None:
    print("\nevaluate_many over 100,000 rows (chain: 10,000): one row, and how many times quicker than one call for each")
    for case in (*TABLES, CHAIN):
        alone = _turn(callers[OURS], "deciding", case=case, seconds=SECONDS)
        many = _turn(callers[OURS], "batch", case=case, rows=BATCH[case], seconds=SECONDS)
        found = interleaved({"alone": alone, "many": many}, ROUNDS)
        print(
            f"  {case:12} {_micro(found['many'])} µs; {ratio(_each(found['alone']), _each(found['many']))} times; "
            f"hand-written Python takes {_micro(taken[case][HAND])} µs"
        )


def _loading(callers: dict[str, Caller]) -> None:
    for case in (*TABLES, CHAIN):
        sides = [side for side in _sides(case) if side != HAND]
        print(f"\n{case}: from the file's content to the first answer, milliseconds")
        found = interleaved({side: _turn(callers[side], "loading", case=case) for side in sides}, ROUNDS)
        for side, samples in found.items():
            clock, processor = Spread.of([s.wall * 1e3 for s in samples]), Spread.of([s.cpu * 1e3 for s in samples])
            print(f"  {side:12} {clock} clock, {processor} processor")


def _tell(found: dict[str, list[Sample]]) -> None:
    for side, samples in found.items():
        by_clock = ratio(_each(samples), _each(found[HAND]))
        by_processor = ratio([s.cpu_each for s in samples], [s.cpu_each for s in found[HAND]])
        line = (
            f"  {side:12} {_micro(samples)} µs; of hand-written Python's time: {by_clock}, of its processor time {by_processor}"
        )
        if side not in (HAND, OURS):
            line += f"; of ours {ratio(_each(samples), _each(found[OURS]))}"
        print(line, flush=True)


def _each(samples: Sequence[Sample]) -> list[float]:
    return [sample.wall / sample.done for sample in samples]


def _micro(samples: Sequence[Sample]) -> Spread:
    return Spread.of([each * 1e6 for each in _each(samples)])
