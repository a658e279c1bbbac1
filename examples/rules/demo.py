"""A lender's policy through its whole governed life, on applications of which it is known how the loans ended.

    python -m examples.rules.demo [--keep | --no-keep] [--home FOLDER]

It starts the platform as `modelyard up` does, on ports that are free, and takes version 1 from registration to production. Then
it replays the applications over HTTP: a better version as canary, a version with a gap and an overlap that the gate refuses, and
one with a mistake that no test sees, noticed by the rules that fire and rolled back. The summary goes to stdout, progress to
stderr. Exit code 1 when anything is not as it should be.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from examples.life import reference_of
from examples.rules.data import APPLICATIONS_A_DAY, LEARNT_FROM, ROOT, ROWS, load
from examples.rules.life import Life
from examples.rules.payoff import Payoff
from examples.rules.people import Cast, hire
from examples.rules.replay import Replay, Rows
from examples.rules.summary import Ending, finish
from examples.rules.versions import WEEK, Built, build, compiled, decide
from examples.stage import Say, alone, free_port, teller
from modelyard.bootstrap import Settings
from modelyard.catalog import Version
from modelyard.core.errors import ModelyardError, Refused, Unavailable
from modelyard.monitoring import Alert, WindowKind
from modelyard.trust.statements import ArmRole
from modelyard.worker.up import House

FIRST, CANARY, PROMOTED, MISTAKES = LEARNT_FROM // WEEK, LEARNT_FROM // WEEK + 1, LEARNT_FROM // WEEK + 5, LEARNT_FROM // WEEK + 6
"""The weeks in which version 1 goes live, version 2 enters, serves alone, and versions 3 and 4 are tried; counted from 0."""
GAP, LOST_ZERO = 3, 4
"""The versions with a mistake."""
CANARY_SHARE = 0.5
PATIENT_DAYS = 5
"""So many days the version with the mistake may serve before the demo gives up waiting for an alert."""
REFUSED_FOR = "the risk is very high"
HALF = APPLICATIONS_A_DAY // 2


@dataclass
class Stage:
    """What the acts of the story share."""

    home: Path
    rows: pa.Table
    life: Life
    cast: Cast
    replay: Replay
    payoff: Payoff
    ending: Ending
    say: Say
    built: dict[int, Built] = field(default_factory=dict)
    versions: dict[int, Version] = field(default_factory=dict)
    would: dict[int, NDArray[np.object_]] = field(default_factory=dict)

    def make(self, number: int) -> Built:
        """Write a version's files, and if it may ever serve, what it would decide on every application from then on."""
        self.built[number] = built = build(number, self.rows, self.home / "models" / f"v{number}")
        if number != GAP:
            first = MISTAKES * WEEK if number == LOST_ZERO else 0
            decided = decide(compiled(built.policy), self.rows.slice(first))[0]
            self.would[number] = np.concatenate([np.full(first, "", dtype=object), decided])
        return built


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("examples.rules.demo", description="A policy from registration to rollback.")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=sys.stdout.isatty(), help="serve until Ctrl-C")
    parser.add_argument("--home", type=Path, default=ROOT / ".modelyard" / "demo-rules", help="folder, made anew")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            stack.enter_context(alone(options.home))
            return _run(options.home, options.keep, console, stack)
    except ModelyardError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything is stopped")
        return 130


def _run(home: Path, keep: bool, console: Console, stack: ExitStack) -> int:
    started = time.monotonic()
    progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
    stack.enter_context(progress)
    say = teller(progress, started)
    say("reading the applications (fetched once, into an environment of their own: the package is under the GPL)")
    rows = load()
    say("starting API, worker and runtime")
    house = stack.enter_context(House(_settings(home)))
    if house.administrator is None:
        raise Unavailable("the installation is not fresh")
    cast = hire(house.settings.url, house.settings.runtime_url, house.administrator)
    stack.callback(cast.close)
    task = progress.add_task("before the first decision", total=ROWS - FIRST * WEEK)
    replay = Replay(rows, cast.books.again(), cast.books.client, lambda n: progress.advance(task, n))
    stage = Stage(home, rows, Life(cast, say), cast, replay, Payoff.of(rows), Ending(), say)
    _play(stage, progress, task)
    progress.stop()
    say("waiting for the monitors, verifying the audit log")
    failures = finish(stage.ending, stage.life, replay, stage.payoff, stage.would)
    sys.stdout.write(stage.ending.text(house.settings.url, house.settings.runtime_url, time.monotonic() - started))
    sys.stdout.flush()
    for failure in failures:
        console.print(f"[red]not as it should be:[/red] {escape(failure)}", soft_wrap=True)
    if keep:
        _keep(house, cast)
    return 1 if failures else 0


def _play(stage: Stage, progress: Progress, task: TaskID) -> None:
    acts: list[tuple[str, Callable[[Stage], None]]] = [
        ("version 1 alone", _first_version),
        ("canary", _canary),
        ("version 2 alone", _alone_at_last),
        ("two mistakes", _mistakes),
    ]
    for name, act in acts:
        progress.update(task, description=name)
        act(stage)
    stage.replay.settle()
    progress.update(task, description="all applications are decided")


def _first_version(stage: Stage) -> None:
    built = stage.make(1)
    stage.say(f"version 1 is written: AUC {built.metrics['roc_auc']:.3f} on three weeks of history")
    stage.ending.began = time.monotonic()
    version = stage.life.register(built)
    stage.ending.risk = stage.life.assess()
    _must_pass(stage, version, built)
    release = stage.life.release(stage.life.approve(version, tempt=True))
    stage.life.open_endpoint()
    stage.life.deploy(release, ArmRole.CHAMPION, None, "the first version goes live")
    stage.versions[1] = version
    _ordinary(stage, FIRST, CANARY)
    _explain(stage, built)


def _explain(stage: Stage, built: Built) -> None:
    """The first applicant who was refused for the risk asks why."""
    reasons = stage.replay.answered.reason
    row = int(np.flatnonzero([REFUSED_FOR in reason for reason in reasons])[0])
    stage.ending.explained = (f"application-{row + 1}", reasons[row])
    stage.ending.because = stage.life.explain(built, stage.replay.application(row), stage.home)
    stage.say(f"application-{row + 1} is refused: {reasons[row]}. The rules that fired:")
    for sentence in stage.ending.because:
        if "fired" in sentence:
            stage.say(f"    {sentence}")


def _must_pass(stage: Stage, version: Version, built: Built) -> None:
    gate = stage.life.check(version, built)
    if gate.metrics.get("passes") != 1:
        failed = "; ".join(stage.life.failed_checks(version))
        raise Refused(f"version {version.number} does not pass the gate: {gate.summary} {failed}")


def _ordinary(stage: Stage, first: int, last: int) -> None:
    for day in stage.replay.days(first, last):
        stage.replay.step(day)


def _canary(stage: Stage) -> None:
    """Version 2 takes half of the applications for four weeks; Vera compares, Bea promotes when it brings more."""
    built = stage.make(2)
    version = stage.life.register(built)
    _must_pass(stage, version, built)
    release = stage.life.release(stage.life.approve(version))
    stage.life.deploy(release, ArmRole.CHALLENGER, CANARY_SHARE, "counted on three weeks, better on the fourth")
    stage.versions[2] = version
    _ordinary(stage, CANARY, PROMOTED)
    stage.replay.settle()
    rows = np.concatenate(stage.replay.days(CANARY, PROMOTED))
    where = np.zeros(ROWS, dtype=bool)
    where[rows] = True
    found, samples = stage.payoff.compare(stage.would[1], stage.would[2], where)
    stage.life.compare(version, stage.versions[1], stage.replay.period(rows), found, samples)
    stage.ending.comparison = found
    if found.low > 0:
        stage.life.promote("v2", f"an application brings {found.estimate:.2f} more, at the least {found.low:.2f}")
        stage.ending.promoted = True


def _alone_at_last(stage: Stage) -> None:
    _ordinary(stage, PROMOTED, MISTAKES)


def _mistakes(stage: Stage) -> None:
    _gap(stage)
    _lost_zero(stage)


def _gap(stage: Stage) -> None:
    """Version 3 has a gap and an overlap. Its examples agree; the analysis of its tables does not, so the gate refuses."""
    built = stage.make(GAP)
    version = stage.life.register(built)
    gate = stage.life.check(version, built)
    stage.ending.refused = stage.life.failed_checks(version)
    stage.ending.gate_refused = gate.metrics.get("passes") != 1
    for check in stage.ending.refused:
        stage.say(f"    {check}")
    stage.life.ask_in_vain(version)


def _lost_zero(stage: Stage) -> None:
    """Version 4 passes everything and refuses nearly everybody; its guard calls; Omar rolls back while requests go on."""
    built = stage.make(LOST_ZERO)
    version = stage.life.register(built)
    _must_pass(stage, version, built)
    release = stage.life.release(stage.life.approve(version))
    reference = reference_of(stage.life.cast.omar.client, stage.versions[2])
    stage.life.deploy(release, ArmRole.CHAMPION, None, "the product's limit, looked at again")
    guard = stage.life.guard(version, reference)
    days = stage.replay.days(MISTAKES, ROWS // WEEK + 1)
    served, alerts = 0, list[Alert]()
    stage.replay.step(days[0])
    while not alerts and served < PATIENT_DAYS:
        served += 1
        stage.replay.step(days[served][:HALF])  # a day is over when something of the next one has come
        alerts = stage.life.called(guard, 30.0)
        if not alerts:
            stage.replay.step(days[served][HALF:])
    stage.ending.alerts = alerts
    for alert in alerts[:3]:
        stage.say(f"alert: {alert.measure} of {alert.field} is {alert.value:.1f}")
    reason = "no alert came" if not alerts else f"{alerts[0].measure} of {alerts[0].field} is {alerts[0].value:.1f}"
    _rolled_back(stage, days[served][HALF:] if alerts else days[served + 1], reason)
    for day in days[served + (1 if alerts else 2) :]:
        stage.replay.step(day)


def _rolled_back(stage: Stage, rows: Rows, reason: str) -> None:
    """Applications come one by one in another thread while the rollback happens. None may fail."""
    failed: list[BaseException] = []

    def ask() -> None:
        with stage.cast.books.again() as client:
            try:
                for part in np.array_split(rows, len(rows)):
                    stage.replay.decide(part, client)
                    calm.wait(0.05)
            except Exception as error:  # noqa: BLE001 -- told as a failure of the demo
                failed.append(error)

    calm = threading.Event()
    asking = threading.Thread(target=ask, name="requests during the rollback")
    asking.start()
    began = time.monotonic()
    stage.life.roll_back(reason)
    stage.ending.rollback_seconds = time.monotonic() - began
    calm.set()
    asking.join()
    if failed:
        raise Unavailable(f"a request failed during the rollback: {failed[0]}") from failed[0]


def _settings(home: Path) -> Settings:
    """An installation of its own beside whatever the environment speaks of."""
    port, runtime_port = (free_port(preferred) for preferred in (7900, 7901))
    return Settings(home=home, port=port, runtime_port=runtime_port, monitor_window=WindowKind.WEEK)


def _keep(house: House, cast: Cast) -> None:
    """Serve on until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sys.stderr.write(
        "\nEverything goes on serving; Ctrl-C stops it. In another terminal, with a token that may only look:\n"
        f"  export MODELYARD_URL={house.settings.url} MODELYARD_RUNTIME_URL={house.settings.runtime_url}"
        f" MODELYARD_TOKEN={cast.guest.token}\n"
        "  modelyard history credit-policy\n  modelyard alert list\n  modelyard audit verify\n"
    )
    while not stop.wait(0.5):
        if house.ended() is not None:
            raise Unavailable("a program has ended by itself", hint=f"see the logs in {house.settings.home}")


if __name__ == "__main__":
    sys.exit(main())
