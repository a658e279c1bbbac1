"""`make demo`: one real model through its whole governed life, on the flights from New York in 2013.

    python -m examples.flights.demo [--months 2,3,…] [--sample 0.05] [--keep | --no-keep] [--home FOLDER]

It starts the platform as `modelyard up` does, on ports that are free, and takes version 1 from registration to production. Then
it replays the year: real requests over HTTP, outcomes a day later, a better version as canary in June, a broken one in September.
The summary goes to stdout, progress to stderr. Exit code 1 when anything is not as it should be.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.flights.data import FEATURES, LABEL, ROOT, load
from examples.flights.life import Life, folder_of
from examples.flights.money import Books
from examples.flights.people import Cast, hire
from examples.flights.replay import Replay
from examples.flights.summary import Ending, finish
from examples.flights.train import Trained, costs, train
from examples.life import reference_of
from examples.stage import alone, free_port, teller
from modelyard.bootstrap import Settings
from modelyard.catalog import Version
from modelyard.core.errors import ModelyardError, Unavailable
from modelyard.lifecycle.model import Instance
from modelyard.monitoring import Alert, WindowKind
from modelyard.trust.statements import ArmRole
from modelyard.worker.up import House

MONTHS = tuple(range(2, 13))
CANARY, BROKEN = 6, 9
"""The months in which version 2 enters and version 3 is rolled out."""
CANARY_SHARE = 0.2
PATIENT_DAYS = 5
"""So many days the broken version may serve before the demo gives up waiting for an alert."""
SMALL = 50
"""Rows of the requests that are sent while the rollback happens."""


@dataclass(frozen=True)
class Options:
    months: tuple[int, ...]
    sample: float
    keep: bool
    home: Path


@dataclass
class Stage:
    """What the acts of the story share."""

    options: Options
    life: Life
    cast: Cast
    replay: Replay
    books: Books
    training: dict[int, Future[Trained]]
    ending: Ending
    versions: dict[int, Version] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    console = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            stack.enter_context(alone(options.home))
            return _run(options, console, stack)
    except ModelyardError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything is stopped")
        return 130


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser("examples.flights.demo", description="One real model from registration to rollback.")
    parser.add_argument("--months", default=",".join(map(str, MONTHS)), help="months of 2013 to replay, 2 to 12")
    parser.add_argument("--sample", type=float, default=1.0, help="share of the flights that take part")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=sys.stdout.isatty(), help="serve until Ctrl-C")
    parser.add_argument("--home", type=Path, default=ROOT / ".modelyard" / "demo", help="folder of the installation, made anew")
    found = parser.parse_args(arguments)
    months = tuple(sorted({int(text) for text in found.months.split(",")}))
    if not months or not set(months) <= set(MONTHS):
        parser.error("months are numbers from 2 to 12, separated by commas")
    if not 0 < found.sample <= 1:
        parser.error("the sample is a share: more than 0, at most 1")
    return Options(months, found.sample, found.keep, found.home)


def _run(options: Options, console: Console, stack: ExitStack) -> int:
    started = time.monotonic()
    progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
    stack.enter_context(progress)
    say = teller(progress, started)
    say("reading the flights of 2013 (fetched once, CC0)")
    rows = load()
    pool = stack.enter_context(_training_process())
    training = {number: pool.submit(_trained, number, options.home) for number in _needed(options)}
    scores = {number: pool.submit(_scores, number, options.home) for number in training if number < 3}
    say("starting API, worker and runtime")
    house = stack.enter_context(House(_settings(options.home)))
    if house.administrator is None:
        raise Unavailable("the installation is not fresh")
    cast = hire(house.settings.url, house.settings.runtime_url, house.administrator)
    stack.callback(cast.close)
    stage = _stage(options, cast, rows, training, progress, say)
    _first_version(stage, say)
    for month in options.months:
        progress.update(_only_task(progress), description=f"2013-{month:02}")
        _ACTS.get(month, _ordinary)(stage, month)
    stage.replay.settle()
    progress.update(_only_task(progress), description="the year is over")
    progress.stop()
    say("waiting for the monitors, verifying the audit log")
    failures = finish(stage.ending, stage.life, stage.replay, stage.books, {n: s.result() for n, s in scores.items()})
    sys.stdout.write(stage.ending.text(house.settings.url, house.settings.runtime_url, time.monotonic() - started))
    sys.stdout.flush()
    for failure in failures:
        console.print(f"[red]not as it should be:[/red] {escape(failure)}", soft_wrap=True)
    if options.keep:
        _keep(house, cast)
    return 1 if failures else 0


def _stage(
    options: Options, cast: Cast, rows: pa.Table, training: dict[int, Future[Trained]], progress: Progress, say: Any
) -> Stage:
    task = progress.add_task("before the first decision", total=None)
    replay = Replay(rows, cast.arrivals.again(), cast.arrivals.client, options.sample, lambda n: progress.advance(task, n))
    progress.update(task, total=sum(len(day) for month in options.months for day in replay.days(month)))
    label = np.asarray(rows[LABEL].cast(pa.float64()).to_numpy())
    ending = Ending(options.months, options.sample)
    return Stage(options, Life(cast, say), cast, replay, Books(label, costs()), training, ending)


def _first_version(stage: Stage, say: Any) -> None:
    trained = stage.training[1].result()
    say(f"version 1 is trained on January: AUC {trained.metrics['roc_auc']:.3f} on days held out")
    stage.ending.began = time.monotonic()
    stage.versions[1] = stage.life.register(trained)
    stage.life.open_endpoint()
    instance = _approved(stage, trained, stage.versions[1], tempt=True)
    stage.life.roll_out(instance, ArmRole.CHAMPION, None, 0, "the first version goes live")
    stage.ending.lives.append(stage.life.ended(instance))


def _approved(stage: Stage, trained: Trained, version: Version, *, tempt: bool = False) -> Instance:
    """A version on its life cycle: tested, judged, asked for and approved."""
    instance = stage.life.begin(version, trained)
    stage.life.ask(instance)
    stage.life.review(instance, tempt=tempt)
    return instance


def _ordinary(stage: Stage, month: int) -> None:
    for batch in stage.replay.batches(month):
        stage.replay.step(batch)


def _canary(stage: Stage, month: int) -> None:
    """Version 2 takes a fifth of the traffic for a month; Vera compares, Bea promotes if it is cheaper."""
    trained = stage.training[2].result()
    version = stage.life.register(trained)
    instance = _approved(stage, trained, version)
    stage.life.roll_out(instance, ArmRole.CHALLENGER, CANARY_SHARE, 30, "newer months, better on days held out")
    _ordinary(stage, month)
    stage.replay.settle()
    rows = np.concatenate(stage.replay.days(month))
    there = np.zeros(len(stage.books.label), dtype=bool)
    there[rows] = True
    arm, score = stage.replay.answered.arm, stage.replay.answered.score
    found, samples = stage.books.compare(score, there & (arm == "v1"), there & (arm == "v2"))
    stage.life.compare(version, stage.versions[1], stage.replay.period(rows), found, samples)
    stage.ending.comparison = found
    if found.estimate < 0:
        stage.life.promote(instance, f"a decision costs {-found.estimate:.2f} dollars less")
        stage.ending.lives.append(stage.life.ended(instance))
        stage.ending.promoted = True
    stage.versions[2] = version


def _broken(stage: Stage, month: int) -> None:
    """Version 3 passes its tests and is rolled out; its guard calls; Omar rolls back while requests go on."""
    trained = stage.training[3].result()
    version = stage.life.register(trained)
    instance = _approved(stage, trained, version)
    stage.life.roll_out(instance, ArmRole.CHAMPION, None, 7, "retrained on the summer")
    guard = stage.life.guard(version, reference_of(stage.cast.omar.client, version))
    days = stage.replay.days(month)
    alert: Alert | None = None
    for number, day in enumerate(days[:PATIENT_DAYS]):
        stage.replay.step(day)
        alert = stage.life.called(guard, 20.0 if number else 30.0)
        if alert is not None:
            break
    served = number + 1
    stage.ending.broken_alert = alert
    reason = (
        "no alert came"
        if alert is None
        else f"{alert.measure} of {alert.field} is {alert.value:.1f} since {alert.first_seen:%d %B}"
    )
    stage.life.say(f"alert: {reason}")
    _rolled_back(stage, instance, days[served], reason)
    stage.ending.lives.append(stage.life.ended(instance))
    for day in days[served + 1 :]:
        stage.replay.step(day)


def _rolled_back(stage: Stage, instance: Instance, rows: Any, reason: str) -> None:
    """Small requests go on in another thread while the rollback happens. None may fail."""
    failed: list[BaseException] = []

    def ask() -> None:
        with stage.cast.arrivals.again() as client:
            try:
                for part in np.array_split(rows, max(1, len(rows) // SMALL)):
                    stage.replay.decide(part, client)
                    calm.wait(0.05)
            except Exception as error:  # noqa: BLE001 -- told as a failure of the demo
                failed.append(error)

    calm = threading.Event()
    asking = threading.Thread(target=ask, name="requests during the rollback")
    asking.start()
    began = time.monotonic()
    stage.life.roll_back(instance, reason)
    stage.ending.rollback_seconds = time.monotonic() - began
    calm.set()
    asking.join()
    if failed:
        raise Unavailable(f"a request failed during the rollback: {failed[0]}") from failed[0]


_ACTS: dict[int, Any] = {CANARY: _canary, BROKEN: _broken}


def _needed(options: Options) -> list[int]:
    return [1, *([2] if CANARY in options.months else []), *([3] if BROKEN in options.months else [])]


def _training_process() -> ProcessPoolExecutor:
    """One process for what is heavy, so that the platform answers meanwhile. Ctrl-C is this process's business."""
    return ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))


def _trained(number: int, home: Path) -> Trained:
    return train(number, load(), folder_of(home, number))


def _scores(number: int, home: Path) -> Any:
    """What the version would have answered for every flight of the year."""
    import skops.io

    path = folder_of(home, number) / "build" / "model.skops"
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    return model.predict_proba(load().select(FEATURES))[:, 1]


def _settings(home: Path) -> Settings:
    """An installation of its own beside whatever the environment speaks of."""
    port, runtime_port = (free_port(preferred) for preferred in (7900, 7901))
    return Settings(home=home, port=port, runtime_port=runtime_port, monitor_window=WindowKind.MONTH)


def _only_task(progress: Progress) -> Any:
    return progress.task_ids[0]


def _keep(house: House, cast: Cast) -> None:
    """Serve on until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sys.stderr.write(
        "\nEverything goes on serving; Ctrl-C stops it. In another terminal, with a token that may only look:\n"
        f"  export MODELYARD_URL={house.settings.url} MODELYARD_RUNTIME_URL={house.settings.runtime_url}"
        f" MODELYARD_TOKEN={cast.guest.token}\n"
        "  modelyard history flight-delay\n  modelyard alert list\n  modelyard audit verify\n"
    )
    while not stop.wait(0.5):
        if house.ended() is not None:
            raise Unavailable("a program has ended by itself", hint=f"see the logs in {house.settings.home}")


if __name__ == "__main__":
    sys.exit(main())
