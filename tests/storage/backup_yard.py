"""An installation with everything in it, to be backed up while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

from modelyard.bootstrap import EXPLAINED_TABLES, TABLES, Platform, Settings, assemble, build, first_start
from modelyard.catalog.commands import RegisterUseCase
from modelyard.core.clock import Clock, ManualClock
from modelyard.core.errors import Busy
from modelyard.core.ids import RandomIds
from modelyard.decisions import Compactor, DecisionIds, DecisionLog, Keeping, Limits, Outcome, Rows
from modelyard.decisions.schema import DECISION_TABLE, OUTCOME_TABLE
from modelyard.governance.audit import Sequencer, verify, verify_records
from modelyard.storage.sql import SqlStorage
from modelyard.trust import Purpose
from tests.life.conftest import DANA, START, House


def settings_at(home: Path, database: str = "") -> Settings:
    return Settings(home=home, database=database)


def house_at(home: Path, database: str = "") -> House:
    """A fresh installation on a real database, as migrations make it, on a clock that stands still."""
    settings = settings_at(home, database)
    clock = ManualClock(START)
    build(settings, clock=clock).close()
    storage = SqlStorage(settings.database_url, TABLES, durable=False)
    platform = assemble(settings, storage, clock=clock)
    first_start(platform)
    return House(platform, clock, home.parent)


def sequence(platform: Platform) -> None:
    signer = platform.keys.signer(Purpose.AUDIT)
    sequencer = Sequencer(platform.storage, platform.checkpoints, signer, platform.clock, platform.origin)
    while sequencer.sequence_once():
        pass


def decide(platform: Platform, log: DecisionLog, count: int, clock: Clock) -> list[str]:
    """Answered requests in the decision log; their ids."""
    ids = DecisionIds(clock).mint(count)
    columns = {"id": ids, "inputs": ["{}"] * count, "output": ["{}"] * count}
    fixed = {
        "organisation": platform.settings.organisation,
        "endpoint": "credit",
        "use_case": "credit",
        "decision_time": clock.now(),
        "epoch": 1,
    }
    log.append(Rows(count, columns, fixed))
    return list(ids)


def faults_of(platform: Platform) -> list[str]:
    """What `modelyard audit verify` would say is wrong."""
    log = verify(platform.storage, platform.checkpoints, platform.keys.roots(), platform.origin)
    found = [*log.findings, *verify_records(platform.storage, EXPLAINED_TABLES)]
    return [str(f) for f in found] + ([] if log.ok else [f"held against {log.against}"])


def post(platform: Platform, ids: list[str]) -> None:
    platform.outcomes.post([Outcome(decision_id=i, values={"late": True}, source="test") for i in ids])


@dataclass
class Traffic:
    """What the writers did; `acknowledged` ids were durable before they were noted."""

    acknowledged: list[str]
    commands: int = 0


@contextmanager
def traffic(settings: Settings, writer: str) -> Iterator[Traffic]:
    """Commands, audit places, decisions and outcomes, written all the time by threads with a platform of their own."""
    platform = build(settings)
    done, stop = Traffic([]), Event()
    works = (
        partial(_command, platform, done),
        partial(_log_decisions, platform, done, writer),
        partial(_compact, platform),
    )
    started = [Event() for _ in works]
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work, stop, event) for work, event in zip(works, started, strict=True)]
        try:
            assert all(event.wait(30) for event in started)
            yield done
        finally:
            stop.set()
        for future in running:
            future.result()
    platform.close()


def _command(platform: Platform, done: Traffic, stop: Event, started: Event) -> None:
    house = House(platform, ManualClock(START), platform.settings.home)
    ids = RandomIds(platform.clock)
    while not stop.is_set():
        house.do(DANA, RegisterUseCase(name=f"case-{ids.new('x')[-12:].lower()}"))
        with suppress(Busy):
            sequence(platform)
        done.commands += 1
        started.set()


def _log_decisions(platform: Platform, done: Traffic, writer: str, stop: Event, started: Event) -> None:
    limits = Limits(segment_bytes=20_000)
    with DecisionLog(platform.settings.runtime_folder / "decisions", writer, limits=limits) as log:
        while not stop.is_set():
            ids = decide(platform, log, 5, platform.clock)
            post(platform, ids)
            done.acknowledged += ids
            started.set()


def _compact(platform: Platform, stop: Event, started: Event) -> None:
    """Moves, merges and removes as soon as it may: a backup in the middle must find every row once."""
    keeping = Keeping(merge_from=2, segments_for=timedelta(0), files_for=timedelta(0))
    roots = {platform.settings.runtime_folder / "decisions": DECISION_TABLE, platform.settings.home / "outcomes": OUTCOME_TABLE}
    while not stop.is_set():
        for root, table in roots.items():
            Compactor(root, table=table, keeping=keeping).run()
        started.set()
