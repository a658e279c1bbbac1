"""Monitors, their runs and the alerts that runs open: records, and the pure rules of how an alert lives."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from modelyard.core.errors import InvalidInput
from modelyard.core.records import Record, Table
from modelyard.kinds.signature import DataType, Scalar
from modelyard.measures import MEASURES, Data, Family, Need
from modelyard.monitoring.windows import WindowSpec

GREATEST_FIELDS = 2_000
GREATEST_WATCHES = 10_000
KEPT_BREACHES = 100
Path = Annotated[str, Field(pattern=r"^(inputs|output|observed)\..{1,200}$")]
"""Where a value stands in a logged decision: `inputs.temperature`, `output.score`; or what its kind saw happen on the way to the
answer: `observed.Eligibility`."""
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,149}$")]
Text = Annotated[str, Field(max_length=10_000)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WatchedField(Part):
    """A field of the decisions as the monitor reads it: as a category (by its text) or as a number."""

    path: Path
    type: DataType
    category: bool
    allowed: tuple[Scalar, ...] | None = None
    minimum: FiniteFloat | None = None
    maximum: FiniteFloat | None = None


class Watch(Part):
    """One measure over one field (performance: over the answers), with its lines and why they stand where they stand.

    Without lines the value is kept and never judged. `critical` is at least as bad as `warning`.
    """

    measure: str
    field: Annotated[str, Field(max_length=210)] = ""
    warning: FiniteFloat | None = None
    critical: FiniteFloat | None = None
    reason: Text = ""
    minimum_rows: Annotated[int, Field(ge=1)] = 1


class Answers(Part):
    """How a decision's answer is compared with its outcome. `outcome` names the value in the outcome; a row counts as
    positive when it equals `outcome_positive`, or when it is true or 1 if that is not given. The answer is a `score`
    (positive from `threshold` on), a `prediction` (a discrete answer, positive when it equals `positive`), both, or an
    `estimate` of a number."""

    outcome: Annotated[str, Field(min_length=1, max_length=200)]
    outcome_positive: Scalar | None = None
    score: Path | None = None
    prediction: Path | None = None
    estimate: Path | None = None
    positive: Scalar | None = None
    threshold: FiniteFloat = 0.5


class MonitorStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class Monitor(Record):
    """A scheduled set of measures over an endpoint's decisions. `version` (a manifest digest) and `arm` narrow it.

    `reference` is the digest of the reference profile that drift is measured from. `maturity` (seconds) is how long outcomes
    take; performance is judged when at least `minimum_outcomes` (a share) of the decisions have one. `restate_for` (seconds)
    is how long after its end a window is measured again when late rows or corrected outcomes change it.
    """

    name: Name
    use_case: str
    endpoint: str
    version: Digest | None = None
    arm: str | None = None
    window: WindowSpec = WindowSpec()
    start: AwareDatetime | None = None
    fields: Annotated[tuple[WatchedField, ...], Field(max_length=GREATEST_FIELDS)] = ()
    watches: Annotated[tuple[Watch, ...], Field(max_length=GREATEST_WATCHES)]
    answers: Answers | None = None
    reference: Digest | None = None
    segments: Annotated[tuple[Path, ...], Field(max_length=20)] = ()
    minimum_outcomes: Annotated[float, Field(ge=0, le=1)] = 0.5
    restate_for: Annotated[float, Field(ge=0)] = 0.0
    owner: str
    status: MonitorStatus = MonitorStatus.ACTIVE

    def field(self, path: str) -> WatchedField:
        """The field of that path. Raises InvalidInput."""
        for field in self.fields:
            if field.path == path:
                return field
        raise InvalidInput(f"the monitor knows no field {path!r}", field="fields", hint="declare it under `fields`")

    @property
    def observes(self) -> bool:
        """Whether the decisions must be seen happening again, by the kinds of the versions that took them."""
        return any(f.path.startswith("observed.") for f in self.fields)

    @property
    def needs_outcomes(self) -> bool:
        return any(MEASURES[w.measure].family in PERFORMANCE for w in self.watches)


PERFORMANCE = (Family.PERFORMANCE, Family.CALIBRATION)


class FigureLevel(StrEnum):
    """How a figure stands; too few rows, or a measure that is undefined on them, is a state of its own."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    INSUFFICIENT = "insufficient"

    @property
    def breach(self) -> bool:
        return self in (FigureLevel.WARNING, FigureLevel.CRITICAL)


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class Figure(Part):
    """One value of a run. `low` and `high` bound it where the measure is known only within bounds. `warning` and `critical`
    are the lines it was judged by: the watch's, moved by what chance alone could do to so many rows (`margin`).
    `examples` are ids of decisions that show the breach."""

    measure: str
    field: str = ""
    segment: str = ""
    level: FigureLevel
    value: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    rows: int
    warning: FiniteFloat | None = None
    critical: FiniteFloat | None = None
    margin: FiniteFloat = 0.0
    detail: Text = ""
    examples: Annotated[tuple[str, ...], Field(max_length=20)] = ()

    @property
    def key(self) -> str:
        """What an alert is about: the same key is the same trouble."""
        return "|".join((self.measure, self.field, self.segment))


class RunStatus(StrEnum):
    """`insufficient`: nothing could be judged, because there are no data or too few."""

    OK = "ok"
    BREACH = "breach"
    INSUFFICIENT = "insufficient"


class RunFigures(Part):
    """What was found in a window. `rows` decisions, of which `outcomes` have an outcome; `corrections` counts corrected
    outcomes; `unreadable` rows held no JSON object. `versions` and `arms` count the rows by who answered."""

    rows: Annotated[int, Field(ge=0)]
    outcomes: Annotated[int, Field(ge=0)] = 0
    corrections: Annotated[int, Field(ge=0)] = 0
    unreadable: Annotated[int, Field(ge=0)] = 0
    versions: dict[str, int] = {}
    arms: dict[str, int] = {}
    figures: Annotated[tuple[Figure, ...], Field(max_length=50_000)] = ()

    @property
    def status(self) -> RunStatus:
        if any(f.level.breach for f in self.figures):
            return RunStatus.BREACH
        judged = any(f.level is FigureLevel.OK for f in self.figures)
        return RunStatus.OK if judged else RunStatus.INSUFFICIENT


class MonitorRun(Record):
    """A window as it was judged; never changed. Late or corrected data give a further run of the same window that names the
    one it `restates`; `restatement` counts from 0. `as_of` is how late it was, in the time that the window is cut by."""

    monitor_id: str
    monitor: str
    endpoint: str
    use_case: str
    window_from: datetime
    window_to: datetime
    as_of: datetime
    status: RunStatus
    rows: int
    outcomes: int
    corrections: int
    unreadable: int
    version: str | None
    arm: str | None
    versions: dict[str, int]
    arms: dict[str, int]
    figures: tuple[Figure, ...]
    restates: str | None = None
    restatement: int = 0


class AlertState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RECOVERED = "recovered"
    RESOLVED = "resolved"


class Breach(Part):
    """One window in which the alert's figure was beyond its line."""

    run: str
    window_from: datetime
    window_to: datetime
    value: FiniteFloat
    threshold: FiniteFloat | None
    severity: Severity


class Alert(Record):
    """A figure that went beyond its line, from the first window to the last. `first_seen` is the start of the first such
    window and `last_seen` the end of the latest, `count` how many there were. `value`, `threshold` and the window are those
    of the latest breach, `severity` is the worst. `live` alerts are open or acknowledged. Times to detect and to restore are
    seconds on the windows' own time scale; `decisions` are examples."""

    monitor_id: str
    monitor: str
    endpoint: str
    use_case: str
    measure: str
    field: str
    segment: str
    key: str
    state: AlertState = AlertState.OPEN
    live: bool = True
    severity: Severity
    value: FiniteFloat
    threshold: FiniteFloat | None
    window_from: datetime
    window_to: datetime
    first_seen: datetime
    last_seen: datetime
    count: int = 1
    breaches: tuple[Breach, ...]
    version: str | None
    arm: str | None
    owner: str
    cause: Text = ""
    action: Text = ""
    decisions: tuple[str, ...] = ()
    linked_change: Text = ""
    resolution: Text = ""
    value_at_stake: FiniteFloat | None = None
    time_to_detect: float
    time_to_restore: float | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    recovered_at: datetime | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None


MONITORS: Table[Monitor] = Table(
    "monitors",
    Monitor,
    indexed=("name", "use_case", "endpoint", "version", "arm", "owner", "status"),
    unique=(("organisation", "name"),),
    text=("name", "endpoint", "use_case"),
)
MONITOR_RUNS: Table[MonitorRun] = Table(
    "monitor_runs",
    MonitorRun,
    indexed=(
        "monitor_id", "monitor", "endpoint", "use_case", "window_from", "window_to", "status", "version", "arm", "restates",
        "restatement",
    ),
    unique=(("monitor_id", "window_from", "restatement"),),
    append_only=True,
)  # fmt: skip
ALERTS: Table[Alert] = Table(
    "alerts",
    Alert,
    indexed=(
        "monitor_id", "monitor", "endpoint", "use_case", "measure", "field", "key", "state", "live", "severity", "version", "arm",
        "owner", "first_seen", "last_seen",
    ),
    text=("monitor", "endpoint", "measure", "field", "cause"),
)  # fmt: skip
TABLES: tuple[Table[Any], ...] = (MONITORS, MONITOR_RUNS, ALERTS)


def check_monitor(monitor: Monitor) -> Monitor:
    """The monitor itself. Raises InvalidInput when its parts do not fit together."""
    if not monitor.watches:
        raise InvalidInput("a monitor watches at least one measure", field="watches")
    paths = [f.path for f in monitor.fields]
    if len(set(paths)) < len(paths):
        raise InvalidInput("a field is declared twice", field="fields")
    for watch in monitor.watches:
        _check_watch(monitor, watch)
    for path in monitor.segments:
        if not monitor.field(path).category:
            raise InvalidInput(f"segments are cut by categories, {path} is a number", field="segments")
    return monitor


def _check_watch(monitor: Monitor, watch: Watch) -> None:
    measure = MEASURES.get(watch.measure)
    if measure is None or measure.family is Family.VALUE:
        raise InvalidInput(f"no measure {watch.measure!r} can be watched", field="watches", hint="see the table of measures")
    if measure.family in PERFORMANCE:
        _check_answers(monitor.answers, set(measure.needs), watch.measure)
    else:
        field = monitor.field(watch.field)
        if (Data.CATEGORY if field.category else Data.NUMBER) not in measure.takes:
            raise InvalidInput(f"{watch.measure} does not fit the field {watch.field}", field="watches")
        unseen_by_list = watch.measure == "unseen_category_rate" and field.allowed is not None
        if Need.REFERENCE in measure.needs and monitor.reference is None and not unseen_by_list:
            raise InvalidInput(f"{watch.measure} needs a reference profile", field="reference")
        if watch.measure == "out_of_range_rate" and field.minimum is None and field.maximum is None:
            raise InvalidInput(f"{watch.field} has no minimum or maximum", field="fields")
    if (watch.warning is None) != (watch.critical is None):
        raise InvalidInput(f"{watch.measure}: give both lines or none", field="watches")


def _check_answers(answers: Answers | None, needs: set[Need], name: str) -> None:
    if answers is None:
        raise InvalidInput(f"{name} needs to know what the answers and the outcome are", field="answers")
    given = {
        Need.SCORE: answers.score,
        Need.PREDICTION: answers.prediction or answers.score,
        Need.ESTIMATE: answers.estimate,
    }
    missing = [need.value for need in needs if need in given and given[need] is None]
    if missing:
        raise InvalidInput(f"{name} needs a {missing[0]}", field=f"answers.{missing[0]}")


def breach_of(run: MonitorRun, figure: Figure) -> Breach:
    severity = Severity(figure.level.value)
    return Breach(
        run=run.id,
        window_from=run.window_from,
        window_to=run.window_to,
        value=0.0 if figure.value is None else figure.value,
        threshold=figure.critical if severity is Severity.CRITICAL else figure.warning,
        severity=severity,
    )


def seen_again(alert: Alert, breach: Breach, examples: tuple[str, ...] = ()) -> Alert:
    """The alert with one more window, or with a window's breach as it was restated."""
    before = [b for b in alert.breaches if b.window_from != breach.window_from]
    fresh = len(before) == len(alert.breaches)
    after = alert.model_copy(update={"count": alert.count + fresh, "decisions": examples or alert.decisions})
    return _with_breaches(after, [*before, breach])


def without(alert: Alert, window_from: datetime) -> Alert | None:
    """The alert without the breach of a window that turned out to be none; None when no breach is left."""
    left = [b for b in alert.breaches if b.window_from != window_from]
    if not left:
        return None
    return _with_breaches(alert.model_copy(update={"count": alert.count - 1}), left)


def ended(alert: Alert, state: AlertState, **fields: Any) -> Alert:
    return alert.model_copy(update={"state": state, "live": False, **fields})


def _with_breaches(alert: Alert, breaches: list[Breach]) -> Alert:
    ordered = sorted(breaches, key=lambda b: b.window_from)
    last, worst = ordered[-1], any(b.severity is Severity.CRITICAL for b in ordered)
    known_all = len(ordered) == alert.count
    return alert.model_copy(
        update={
            "breaches": tuple(ordered[-KEPT_BREACHES:]),
            "severity": Severity.CRITICAL if worst else Severity.WARNING,
            "value": last.value,
            "threshold": last.threshold,
            "window_from": last.window_from,
            "window_to": last.window_to,
            "first_seen": ordered[0].window_from if known_all else min(alert.first_seen, ordered[0].window_from),
            "last_seen": last.window_to,
        }
    )


def only(counts: dict[str, int]) -> str | None:
    """The one name there is, or None when there are several or none."""
    return next(iter(counts)) if len(counts) == 1 else None


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
