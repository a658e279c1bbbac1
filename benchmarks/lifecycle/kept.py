"""A life cycle with everything that is kept of it, each step in a transaction that is flushed, against SpiffWorkflow's JSON in a
row.

    a row       our engine used as the peer's is: load the state from its row, step, save, commit
    service     the handlers: also history, tasks and whose they are, timers, stays, the person's decision record
    governed    the command on the bus: also policies, audit log, outbox"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.lifecycle.approval import APPROVAL, GIVEN, STEPS
from benchmarks.peers import Caller
from benchmarks.rounds import Sample, Spread, ratio

COUNT = 40
"""Instances in a turn."""
PEER, ROW, SERVICE, GOVERNED = "peer", "a row", "service", "governed"

Turn = Callable[[], tuple[Sample, Sample]]
"""Instances begun, and their steps."""


def race(spiff: Caller, ours: Caller, house: Caller, rounds: int) -> None:
    turns: dict[str, Turn] = {
        PEER: lambda: _in_a_row(spiff),
        ROW: lambda: _in_a_row(ours),
        SERVICE: lambda: _in_the_house(house, governed=False),
        GOVERNED: lambda: _in_the_house(house, governed=True),
    }
    for turn in turns.values():
        turn()
    house.do("tidied")
    taken: dict[str, list[tuple[Sample, Sample]]] = {name: [] for name in turns}
    after: list[float] = []
    for number in range(rounds):
        for name in turns if number % 2 == 0 else reversed(turns):
            taken[name].append(turns[name]())
        after.append(house.do("tidied")[1] / (COUNT * (1 + len(STEPS))) * 1e3)
    for place, what in enumerate(("starting", "a step")):
        _tell(what, {name: [sample[place] for sample in samples] for name, samples in taken.items()})
    print(f"  what the worker does afterwards for a governed command: {Spread.of(after)} ms")
    size, theirs = house.do("row_sizes"), spiff.do("row_sizes")
    print(f"  size       ours {size:,} bytes, peer {theirs:,}: {theirs / size:.3g} times")


def _tell(what: str, taken: Mapping[str, list[Sample]]) -> None:
    print(f"  {what:10} peer {_each(taken[PEER])}")
    for name in (ROW, SERVICE, GOVERNED):
        less = ratio([s.cpu_each for s in taken[PEER]], [s.cpu_each for s in taken[name]])
        by_clock = ratio([1 / s.rate for s in taken[PEER]], [1 / s.rate for s in taken[name]])
        print(f"    {name:10} {_each(taken[name])}: {less} times less (by the clock {by_clock})", flush=True)


def _each(samples: list[Sample]) -> Spread:
    return Spread.of([sample.cpu_each * 1e3 for sample in samples])


def _in_a_row(side: Caller) -> tuple[Sample, Sample]:
    given: dict[str, Any] = {"case": APPROVAL}
    begun = Sample(*side.do("begun", count=COUNT, data=GIVEN, **given))
    return begun, Sample(*side.do("kept", tasks=STEPS, **given))


def _in_the_house(house: Caller, *, governed: bool) -> tuple[Sample, Sample]:
    begun = Sample(*house.do("begun", governed=governed, count=COUNT))
    return begun, Sample(*house.do("kept", governed=governed, tasks=STEPS))
