"""In whatever order people are held, released and erased: nothing held goes, and nobody erased comes back."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.clock import ManualClock
from modelyard.decisions import Backfill, Compactor, DecisionLog, DecisionReader, Erasures, Hold, Keeper, Rows, Window
from tests.conftest import examples

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE = ("a" * 32, "b" * 32, "c" * 32)
CASES = ("credit", "claims")


class House:
    """The log with what was asked of it, and beside it what must be so. An erasure waits for holds as a custodian has it."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock = root, ManualClock(START)
        self.keeper = Keeper(root, clock=self.clock)
        self.log = DecisionLog(root, "w", clock=self.clock)
        self.made: dict[str, tuple[str, str, datetime]] = {}
        self.holds: list[Hold] = []
        self.waiting: list[tuple[str, datetime]] = []
        self.gone: set[str] = set()

    def decide(self, person: str, case: str) -> None:
        name = f"dec_{len(self.made):03}"
        self._log(name, person, case, self.clock.now())
        self.made[name] = person, case, self.clock.now()
        self.clock.advance(DAY)

    def again(self, number: int) -> None:
        """A decision that was made before is logged once more, as a backfill or a replay has it: what was its, is its again."""
        if not self.made:
            return
        name = sorted(self.made)[number % len(self.made)]
        person, case, at = self.made[name]
        copy = f"{name}-copy-{len(self.made)}"
        self._log(copy, person, case, at)
        self.made[copy] = person, case, at
        if at <= self.erased().get(person, START - DAY):
            self.gone.add(copy)

    def backfill(self, person: str, case: str) -> None:
        """The same decision from elsewhere, each time under the same id: of the first day."""
        with Backfill(self.root, "old", clock=self.clock) as backfill:
            whole = {"id": f"{person}-{case}", "decision_time": START, "organisation": "default", "use_case": case,
                     "endpoint": case, "inputs": "{}", "subject": person}  # fmt: skip
            backfill.add(pa.Table.from_pylist([whole]).cast(pa.schema([
                pa.field(n, pa.timestamp("us", "UTC") if n == "decision_time" else pa.string()) for n in whole])))  # fmt: skip

    def hold(self, person: str | None, case: str) -> None:
        self.holds.append(Hold(case, subject=person))

    def release(self, number: int) -> None:
        if self.holds:
            del self.holds[number % len(self.holds)]
        self.erase_waiting()

    def erase(self, person: str) -> None:
        self.waiting.append((person, self.clock.now()))
        self.clock.advance(DAY)
        self.erase_waiting()

    def erase_waiting(self) -> None:
        for person, until in list(self.waiting):
            if not any(self._has(hold, person, until) for hold in self.holds):
                self.waiting.remove((person, until))
                self.gone |= {n for n, (who, _, at) in self.made.items() if who == person and at <= until}
                self.keeper.erase([person], until)

    def retain(self, case: str, days: int) -> None:
        before = self.clock.now() - days * DAY
        held = {n for n in self.made if self._held(n)}
        pending = self.keeper.expire(case, before, self.holds).pending
        due = {n for n, (_, where, at) in self.made.items() if where == case and at < before}
        self.gone |= due - held - (set(self.shown()) if pending else set())

    def compact(self) -> None:
        Compactor(self.root, clock=self.clock).run()

    def seal(self) -> None:
        self.log.seal_if_due()

    def erased(self) -> dict[str, datetime]:
        until = Erasures(self.root).until()
        return {who: datetime.fromtimestamp(micros / 1e6, UTC) for who, micros in until.items()}

    def shown(self) -> dict[str, str]:
        found = DecisionReader(self.root).scan(Window()).to_pylist()
        assert len({row["id"] for row in found}) == len(found), "no row is there twice"
        until = self.erased()
        for row in found:
            assert row["decision_time"] > until.get(row["subject"], START - DAY), "whoever is erased is shown nowhere"
        return {row["id"]: row["subject"] for row in found if row["role"] != "backfill"}

    def held(self) -> set[str]:
        """What is there and must stay."""
        return {name for name in self.shown() if self._held(name)}

    def end(self) -> None:
        """The writer ends, what was pending is done: nothing is left of whom is erased."""
        self.log.close()
        until = self.erased()
        for person, at in until.items():
            assert self.keeper.erase([person], at).pending == ()
        assert self.keeper.verify_erased(list(until)) == 0
        assert self.shown().keys() == self.made.keys() - self.gone

    def _held(self, name: str) -> bool:
        person, case, _ = self.made[name]
        return any(h.use_case == case and h.subject in (None, person) for h in self.holds)

    def _has(self, hold: Hold, person: str, until: datetime) -> bool:
        window = Window(use_case=hold.use_case, subject=person, until=until + timedelta(microseconds=1))
        return hold.subject in (None, person) and bool(DecisionReader(self.root).scan(window, ["id"]).num_rows)

    def _log(self, name: str, person: str, case: str, at: datetime) -> None:
        shared = {"organisation": "default", "use_case": case, "endpoint": case, "requested_arm": "v1", "answered_arm": "v1",
                  "role": "champion", "manifest": "m", "epoch": 1, "subject": person, "decision_time": at,
                  "inputs": json.dumps({"who": person}), "output": "{}"}  # fmt: skip
        self.log.append(Rows(1, {"id": [name]}, shared))


people, cases, numbers = st.sampled_from(PEOPLE), st.sampled_from(CASES), st.integers(0, 20)
STEPS = st.one_of(
    st.tuples(st.just("decide"), people, cases),
    st.tuples(st.just("decide"), people, cases),
    st.tuples(st.just("again"), numbers),
    st.tuples(st.just("backfill"), people, cases),
    st.tuples(st.just("hold"), st.one_of(st.none(), people), cases),
    st.tuples(st.just("release"), numbers),
    st.tuples(st.just("erase"), people),
    st.tuples(st.just("retain"), cases, st.integers(0, 6)),
    st.tuples(st.just("compact")),
    st.tuples(st.just("seal")),
)


@settings(max_examples=examples(8, hunt=300))
@given(st.lists(STEPS, min_size=4, max_size=16))
def test_nothing_held_goes_and_nobody_erased_comes_back(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "log")
        for name, *words in [("decide", PEOPLE[0], CASES[0]), ("decide", PEOPLE[1], CASES[0]), *steps]:
            held = house.held()
            getattr(house, name)(*words)
            shown = house.shown().keys()
            assert shown == house.made.keys() - house.gone, name
            assert name == "release" or held <= shown, f"{name} took what a hold keeps"
        house.end()


def test_a_person_who_is_held_in_one_case_is_erased_when_that_ends(tmp_path: Path) -> None:
    house = House(tmp_path / "log")
    for case in CASES:
        house.decide(PEOPLE[0], case)
    house.hold(PEOPLE[0], "credit")
    house.erase(PEOPLE[0])
    house.retain("credit", 0)
    house.retain("claims", 0)
    assert house.gone <= {"dec_001"}, "the other case has no hold; what is open there goes the next time"
    house.again(0)
    house.backfill(PEOPLE[0], "credit")
    house.release(0)
    assert house.shown() == {}
    house.backfill(PEOPLE[0], "claims")
    house.again(0)
    house.compact()
    assert house.shown() == {}
    house.end()
