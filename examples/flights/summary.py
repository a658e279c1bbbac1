"""The end of the story: what is checked, and what is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from examples.flights.life import PROCESS, Life
from examples.flights.money import Books
from examples.flights.replay import Replay
from examples.flights.train import ENDPOINT, USE_CASE
from examples.life import until
from modelyard.core.messages import AUDIT
from modelyard.lifecycle.model import Instance
from modelyard.measures import Interval
from modelyard.monitoring import ALERTS, MONITOR_RUNS, MONITORS, Alert, Monitor, MonitorRun, due_windows
from modelyard.value.commands import RecordValue

SHOWN = 5
"""So many fields with alerts of a month are named, the worst first."""
GUARD = "-guard"


@dataclass
class Ending:
    """What the story found out on its way, and what the summary tells."""

    months: tuple[int, ...]
    sample: float
    began: float = 0.0
    comparison: Interval | None = None
    promoted: bool = False
    broken_alert: Alert | None = None
    rollback_seconds: float = 0.0
    lives: list[Instance] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, what: str, text: str) -> None:
        self.lines.append((what, text))

    def text(self, url: str, runtime_url: str, seconds: float) -> str:
        """The summary."""
        self.tell("wall time", f"{seconds:.0f} s")
        self.tell("control plane", f"{url} (documentation of the API: {url}/docs)")
        self.tell("runtime", f"{runtime_url}/v2/models/{ENDPOINT}")
        width = max(len(what) for what, _ in self.lines)
        head = "\nHold connecting passengers? Flights from New York, 2013\n\n"
        return head + "".join(f"  {what:<{width}}  {text}\n" for what, text in self.lines)


def finish(ending: Ending, life: Life, replay: Replay, books: Books, scores: dict[int, Any]) -> list[str]:
    """Fill the summary. Gives what is not as it should be."""
    failures = [*_decisions(ending, replay), *_outcomes(ending, replay)]
    runs = _settled(life, replay)
    failures += _alerts(ending, life, runs)
    failures += _lives(ending, life)
    failures += _story(ending, replay)
    failures += _money(ending, replay, books, scores)
    _ledger(life, replay, books)
    return [*failures, *_audit(ending, life)]


def _decisions(ending: Ending, replay: Replay) -> Iterable[str]:
    asked = replay.answered.asked
    arms = Counter(replay.answered.arm[asked].tolist())
    wanted = sum(len(day) for month in ending.months for day in replay.days(month))
    told = ", ".join(f"{arm} {count:,}" for arm, count in sorted(arms.items()))
    ending.tell("decisions", f"{int(asked.sum()):,} in {replay.requests:,} requests, none failed ({told})")
    ending.tell("registration to first decision", f"{replay.first_answer - ending.began:.1f} s")
    if int(asked.sum()) != wanted:
        yield f"{int(asked.sum())} decisions for {wanted} flights"
    if arms.get("constant"):
        yield f"{arms['constant']} decisions came from the constant fallback"


def _outcomes(ending: Ending, replay: Replay) -> Iterable[str]:
    taken = replay.taken
    ending.tell(
        "outcomes",
        f"{taken.accepted:,} a day later, {taken.corrected:,} corrected, {taken.repeated:,} repeats passed over; "
        f"{replay.cancelled:,} flights never arrived",
    )
    if taken.accepted + replay.cancelled != int(replay.answered.asked.sum()):
        yield f"{taken.accepted} outcomes and {replay.cancelled} without one are not all decisions"
    if taken.corrected != replay.provisional:
        yield f"{taken.corrected} corrections were taken, {replay.provisional} were posted"
    if taken.unknown:
        yield f"{len(taken.unknown)} outcomes are of unknown decisions"


def _settled(life: Life, replay: Replay) -> list[MonitorRun]:
    """All runs, once the monitors have judged every window that has closed by the events that their versions saw."""
    client = life.cast.guest.client
    wanted = sum(_closed(monitor, replay) for monitor in client.find(MONITORS))

    def look() -> list[MonitorRun] | None:
        found = list(client.find(MONITOR_RUNS))
        return found if len(found) >= wanted else None

    return until(f"{wanted} windows to be judged by the monitors", look)


def _closed(monitor: Monitor, replay: Replay) -> int:
    """How many windows of a monitor have closed."""
    arm = next((part for part in monitor.name.split("-") if part in ("v1", "v2", "v3")), "")
    rows = np.flatnonzero(replay.answered.arm == arm)
    if not len(rows):
        return 0
    first, last = replay.period(rows)
    micros = [int(first.timestamp() * 1_000_000)]
    return len(due_windows(monitor.window, last_end=None, high_water=last - timedelta(seconds=1), micros=micros))


def _alerts(ending: Ending, life: Life, runs: list[MonitorRun]) -> Iterable[str]:
    client = life.cast.guest.client
    alerts = [a for a in client.find(ALERTS) if not a.monitor.endswith(GUARD)]
    own = [m for m in client.find(MONITORS) if not m.name.endswith(GUARD)]
    ending.tell("monitors", f"{len(own)} made themselves from the signatures; {len(runs)} windows judged")
    by_month: dict[str, list[Alert]] = {}
    for alert in sorted(alerts, key=lambda a: (a.first_seen, bool(a.field), -a.breaches[0].value)):
        by_month.setdefault(f"{alert.first_seen:%Y-%m-%d}", []).append(alert)
    for month, found in by_month.items():
        ending.tell(f"alerts since {month}", f"{len(found)}: {', '.join(_named(found))}")
    if len(ending.months) > 1 and not runs:
        yield "no monitor has judged a window"
    if len(ending.months) > 1 and ending.sample == 1 and not alerts:
        yield "no drift was found, though the share of late flights moves from 8 to 23 %"


def _lives(ending: Ending, life: Life) -> Iterable[str]:
    """How the versions' life cycles ended, and where the time went on the way to the first decision."""
    told = [f"{instance.title.rpartition(' ')[2]} {_outcome(life, instance)}" for instance in ending.lives]
    steps = sum(instance.steps for instance in ending.lives)
    ending.tell("life cycles", f"{', '.join(told)}; {steps} steps of {PROCESS}, none broken")
    way = life.cast.guest.client.http.get(f"/use-cases/{USE_CASE}/time-to-decision")
    by_role = ", ".join(f"{each['role']} {each['waiting']['total'] + each['working']['total']:.1f} s" for each in way["by_role"])
    ending.tell("intake to first decision", f"{way['seconds']:.1f} s, of which work {way['working_s']:.1f} s; people: {by_role}")
    if any(instance.open_incidents for instance in ending.lives):
        yield "a life cycle has open incidents"
    wanted = ["released", *(["champion"] if ending.promoted else []), *(["rolled back"] if ending.broken_alert else [])]
    found = [_outcome(life, instance) for instance in ending.lives]
    if found != wanted:
        yield f"the life cycles ended as {found}, not as {wanted}"


def _outcome(life: Life, instance: Instance) -> str:
    view = life.cast.guest.client.http.get(f"/process-instances/{instance.id}/view")
    return str(view["data"]["outcome"])


def _named(alerts: list[Alert]) -> list[str]:
    """The worst alert of each field with its first value: those about the answers' quality first."""
    first: dict[str, str] = {}
    for alert in alerts:
        what = alert.field.partition(".")[2]
        first.setdefault(what or alert.measure, f"{f'{what} ' if what else ''}{alert.measure} {alert.breaches[0].value:.2f}")
    named = list(first.values())
    return [*named[:SHOWN], *([f"{len(named) - SHOWN} more"] if len(named) > SHOWN else [])]


def _story(ending: Ending, replay: Replay) -> Iterable[str]:
    if ending.comparison is not None:
        c = ending.comparison
        ending.tell(
            "canary in June",
            f"{c.estimate:+.2f} dollars a decision ({c.confidence:.0%} interval {c.low:+.2f} to {c.high:+.2f}); "
            + ("promoted" if ending.promoted else "not promoted"),
        )
        if ending.sample == 1 and not (ending.promoted and c.high < 0):
            yield "version 2 is not better beyond doubt"
    served = int((replay.answered.arm == "v3").sum())
    if served:
        alert = ending.broken_alert
        found = "no alert" if alert is None else f"{alert.measure} {alert.field} {alert.value:.1f} on {alert.first_seen:%d %B}"
        ending.tell(
            "version 3, broken", f"{served:,} decisions; {found}; rolled back in {ending.rollback_seconds:.1f} s, none dropped"
        )
        if alert is None:
            yield "the broken version was not noticed"


def _money(ending: Ending, replay: Replay, books: Books, scores: dict[int, Any]) -> Iterable[str]:
    asked, arm, score = replay.answered.asked, replay.answered.arm, replay.answered.score
    spent, never, first = books.total(score, asked), books.never(asked), books.total(scores[1], asked)
    ending.tell("cost of never holding", _dollars(never))
    ending.tell("with version 1 alone", f"{_dollars(first)} ({_dollars(never - first)} less)")
    ending.tell("as it was decided", f"{_dollars(spent)} ({_dollars(never - spent)} less)")
    second = asked & (arm == "v2")
    if second.any():
        saved = books.total(scores[1], second) - books.total(score, second)
        ending.tell(
            "saved by version 2",
            f"{_dollars(saved)} on its {int(second.sum()):,} decisions, against version 1 on the same flights",
        )
        if saved <= 0 and ending.sample == 1:
            yield f"version 2 saved {_dollars(saved)}"
    broken = asked & (arm == "v3")
    if broken.any() and 2 in scores:
        lost = books.total(score, broken) - books.total(scores[2], broken)
        ending.tell("lost by version 3", f"{_dollars(lost)} before it was rolled back")
    if spent >= never:
        yield "the model costs more than never holding"
    gap = float(np.nanmax(np.abs(score - scores[1])[asked & (arm == "v1")]))
    if gap > 1e-3:
        yield f"what served strays from what was trained by {gap:.2g}"


def _ledger(life: Life, replay: Replay, books: Books) -> None:
    """Bea enters what the year was worth."""
    asked = replay.answered.asked
    since, to = replay.period(np.flatnonzero(asked))
    figures = books.figures(replay.answered.score, asked)
    command = RecordValue(use_case=USE_CASE, endpoint=ENDPOINT, period_from=since, period_to=to, figures=figures)
    life.cast.bea.client.do(command, reason="the year is over")


def _audit(ending: Ending, life: Life) -> Iterable[str]:
    client = life.cast.vera.client

    def look() -> Any:
        told = client.http.get("/audit/verify")
        return told if not told["ok"] or told["log"]["waiting"] + told["log"]["uncovered"] == 0 else None

    told = until("the audit log to be covered", look, 60.0)
    refused = sum(1 for _ in client.find(AUDIT, where={"outcome": "refused"}))
    ending.tell("audit", f"{told['log']['covered']:,} records, {refused} of them refusals; {told['summary']}")
    if not told["ok"]:
        yield f"the audit log does not verify: {told['summary']}"
    if life.refused != 2 or refused < 2:
        yield f"{life.refused} attempts to approve against the separation of duties were refused, {refused} are recorded"


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 0 else f"-${-amount:,.0f}"
