"""The end of the story: what is checked, and what is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.life import until
from examples.rules.data import LEARNT_FROM, ROWS
from examples.rules.life import Life
from examples.rules.payoff import ACCEPT, REFER, REVIEW, Payoff
from examples.rules.replay import REPEATED, Replay
from examples.rules.versions import ENDPOINT, USE_CASE, manifest
from modelyard.core.messages import AUDIT
from modelyard.governance.risk.model import RiskAssessment
from modelyard.measures import Interval
from modelyard.monitoring import ALERTS, MONITOR_RUNS, MONITORS, Alert, Monitor, MonitorRun, due_windows
from modelyard.value.commands import RecordValue

GUARD = "-guard"
SHOWN = 4
REFUSALS = 3
"""Two attempts to approve what one asked for or wrote, one to ask for what did not pass."""
Would = Mapping[int, NDArray[Any]]


@dataclass
class Ending:
    """What the story found out on its way, and what the summary tells."""

    began: float = 0.0
    risk: RiskAssessment | None = None
    explained: tuple[str, str] = ("", "")
    because: list[str] = field(default_factory=list)
    comparison: Interval | None = None
    promoted: bool = False
    refused: list[str] = field(default_factory=list)
    gate_refused: bool = False
    alerts: list[Alert] = field(default_factory=list)
    rollback_seconds: float = 0.0
    lines: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, what: str, text: str) -> None:
        self.lines.append((what, text))

    def text(self, url: str, runtime_url: str, seconds: float) -> str:
        """The summary."""
        self.tell("wall time", f"{seconds:.0f} s")
        self.tell("control plane", f"{url} (documentation of the API: {url}/docs)")
        self.tell("runtime", f"{runtime_url}/v2/models/{ENDPOINT}")
        width = max(len(what) for what, _ in self.lines)
        head = "\nGrant a loan? A policy in DMN, on 4,454 applications\n\n"
        return head + "".join(f"  {what:<{width}}  {text}\n" for what, text in self.lines)


def finish(ending: Ending, life: Life, replay: Replay, payoff: Payoff, would: Would) -> list[str]:
    """Fill the summary. Gives what is not as it should be."""
    failures = [*_decisions(ending, replay, would), *_outcomes(ending, replay)]
    runs = _settled(life, replay)
    failures += _monitors(ending, life, runs)
    failures += _story(ending, replay)
    failures += _money(ending, replay, payoff, would)
    _ledger(life, replay, payoff)
    return [*failures, *_audit(ending, life)]


def _decisions(ending: Ending, replay: Replay, would: Would) -> Iterable[str]:
    answered = replay.answered
    arms = Counter(answered.arm[answered.asked].tolist())
    told = ", ".join(f"{arm} {count:,}" for arm, count in sorted(arms.items()))
    ending.tell("decisions", f"{int(answered.asked.sum()):,} in {replay.requests:,} requests, none failed ({told})")
    ending.tell("registration to first decision", f"{replay.first_answer - ending.began:.1f} s")
    if ending.risk is not None:
        ending.tell("risk tier", f"{ending.risk.tier.value}, by the tiering in force; approvals by two people")
    ending.tell(*_explained(ending))
    if int(answered.asked.sum()) != ROWS - LEARNT_FROM:
        yield f"{int(answered.asked.sum())} decisions for {ROWS - LEARNT_FROM} applications"
    for number, decided in would.items():
        strays = int((answered.decided != decided)[answered.arm == f"v{number}"].sum())
        if strays:
            yield f"{strays} decisions of version {number} are not those of its file"
    if arms.get("constant"):
        yield f"{arms['constant']} decisions came from the constant fallback"


def _explained(ending: Ending) -> tuple[str, str]:
    application, reason = ending.explained
    return f"refused: {application}", f"{reason} ({len(ending.because)} sentences told why)"


def _outcomes(ending: Ending, replay: Replay) -> Iterable[str]:
    taken, asked = replay.taken, replay.answered.asked
    ending.tell("outcomes", f"{taken.accepted:,} a day later, {taken.repeated:,} repeats passed over")
    if taken.accepted != int(asked.sum()):
        yield f"{taken.accepted} outcomes are not all decisions"
    if taken.repeated != int((np.flatnonzero(asked) % REPEATED == 0).sum()):
        yield f"{taken.repeated} repeats were taken for repeats"
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
    arm = next((part for part in monitor.name.split("-") if part in ("v1", "v2", "v4")), "")
    rows = np.flatnonzero(replay.answered.arm == arm)
    if not len(rows):
        return 0
    first, last = replay.period(rows)
    micros = [int(first.timestamp() * 1_000_000)]
    return len(due_windows(monitor.window, last_end=None, high_water=last, micros=micros))


def _monitors(ending: Ending, life: Life, runs: list[MonitorRun]) -> Iterable[str]:
    client = life.cast.guest.client
    own = [monitor for monitor in client.find(MONITORS) if not monitor.name.endswith(GUARD)]
    alerts = [alert for alert in client.find(ALERTS) if not alert.monitor.endswith(GUARD)]
    seen = sum(len(m.fields) for m in own if m.name.endswith("-observed"))
    ending.tell(
        "monitors", f"{len(own)} made themselves from the signatures, over {seen} rules and tables; {len(runs)} windows judged"
    )
    named = [f"{alert.monitor.removeprefix(f'{ENDPOINT}-')} {alert.field or alert.measure}" for alert in alerts]
    if named:
        more = f", {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        ending.tell("their alerts", f"{len(named)}: {', '.join(named[:SHOWN])}{more}")
    if not runs:
        yield "no monitor has judged a window"
    if not seen:
        yield "no monitor watches which rules fire"


def _story(ending: Ending, replay: Replay) -> Iterable[str]:
    c = ending.comparison
    if c is not None:
        told = f"{c.estimate:+.2f} an application ({c.confidence:.0%} interval {c.low:+.2f} to {c.high:+.2f})"
        ending.tell("canary, version 2", f"{told}; {'promoted' if ending.promoted else 'not promoted'}")
    if not ending.promoted:
        yield "version 2 was not promoted"
    ending.tell("version 3, gap and overlap", f"refused by the gate: {len(ending.refused)} checks failed, it never served")
    if not ending.gate_refused or not ending.refused:
        yield "the gate let a gap and an overlap pass"
    served = replay.answered.arm == "v4"
    declined = float((replay.answered.decided[served] == "DECLINE").mean()) if served.any() else 0.0
    worst = ending.alerts[0] if ending.alerts else None
    found = "no alert" if worst is None else f"{worst.measure} of {worst.field} {worst.value:.1f}"
    ending.tell(
        "version 4, a lost zero",
        f"{int(served.sum())} decisions, {declined:.0%} refused; {found}; rolled back in {ending.rollback_seconds:.1f} s",
    )
    if worst is None:
        yield "the version with the mistake was not noticed"
    if ending.alerts and not any(alert.field.startswith("observed.") for alert in ending.alerts):
        yield "nobody noticed which rule it was"


def _money(ending: Ending, replay: Replay, payoff: Payoff, would: Would) -> Iterable[str]:
    asked, decided = replay.answered.asked, replay.answered.decided
    everybody = np.full(ROWS, ACCEPT, dtype=object)
    served = np.where(asked, decided, everybody)
    worth = {
        "value of granting all": payoff.value(everybody)[asked].sum(),
        "with version 1 alone": payoff.value(would[1])[asked].sum(),
        "as it was decided": payoff.value(served)[asked].sum(),
        "with version 2 alone": payoff.value(would[2])[asked].sum(),
    }
    for what, value in worth.items():
        ending.tell(what, f"{value:,.0f}, {value / asked.sum():.1f} an application")
    wrong = replay.answered.arm == "v4"
    if wrong.any():
        lost = (payoff.value(would[2]) - payoff.value(served))[wrong].sum()
        ending.tell("lost by version 4", f"{lost:,.0f} before it was rolled back")
    if worth["as it was decided"] <= worth["with version 1 alone"]:
        yield "the year would have been better with version 1 alone"


def _ledger(life: Life, replay: Replay, payoff: Payoff) -> None:
    """Bea enters what the decisions were worth."""
    asked, decided = replay.answered.asked, replay.answered.decided
    costs = manifest().use_case.value.cost_matrix
    assert costs is not None, "the shipped manifest has a cost matrix"
    since, to = replay.period(np.flatnonzero(asked))
    command = RecordValue(
        use_case=USE_CASE,
        endpoint=ENDPOINT,
        period_from=since,
        period_to=to,
        figures=payoff.figures(decided, asked, costs),
        cost=REVIEW * float((decided[asked] == REFER).sum()),
    )
    life.cast.bea.client.do(command, reason="all applications are decided")


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
    if life.refused != REFUSALS or refused < REFUSALS - 1:
        yield f"{life.refused} attempts were refused on purpose, {refused} refusals are recorded"
