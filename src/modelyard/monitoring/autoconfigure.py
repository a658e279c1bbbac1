"""Monitors that set themselves up: what to watch follows from the signature's roles, where the lines stand from the table of
measures, the reference sample and the risk tier; each line says why it stands there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelyard.catalog.profile import Tier
from modelyard.kinds.signature import DataType, FieldSpec, Role, Scalar, Signature
from modelyard.measures import MEASURES, CategoricalState, Direction, Level, NumericState
from modelyard.monitoring.commands import CreateMonitor
from modelyard.monitoring.model import Answers, Watch, WatchedField
from modelyard.monitoring.reference import ReferenceProfile, observed_fields, watched_fields
from modelyard.monitoring.windows import WindowSpec

NUMBER_DRIFT = ("psi", "ks", "w1_normalised")
CATEGORY_DRIFT = ("psi", "js")
BINARY = ("accuracy", "roc_auc", "log_loss", "ece")
REGRESSION = ("rmse", "mae")
WORSENING = (0.1, 0.25)
"""How much worse than on the reference sample a performance may be: shares of the room it has left, or of the error it had."""

_FACTORS = {Tier.LOW: 1.5, Tier.MEDIUM: 1.0, Tier.HIGH: 0.75}
"""How far from good the lines stand, by risk tier, relative to the table's."""


@dataclass(frozen=True)
class Placement:
    """Where the monitors stand: names begin with `prefix`; `maturity` (seconds) is how long outcomes take."""

    prefix: str
    use_case: str
    endpoint: str
    version: str | None = None
    window: WindowSpec = field(default_factory=WindowSpec)
    maturity: float = 0.0
    restate_for: float = 0.0
    owner: str = ""


def autoconfigure(
    signature: Signature,
    profile: ReferenceProfile,
    tier: Tier | None,
    placement: Placement,
    *,
    outcome: str | None = None,
    outcome_positive: Scalar | None = None,
    threshold: float = 0.5,
) -> tuple[CreateMonitor, ...]:
    """Commands for up to four monitors: `…-inputs` (drift and quality of what comes in), `…-output` (drift of what goes out),
    `…-observed` (drift of what happens in between, for kinds that observe it: rules that fire more, less or not at all) and,
    when `outcome` names the value that outcomes bring, `…-performance`, judged once outcomes had time to come."""
    fields = {f.path: f for f in watched_fields(signature) if f.path in profile.states}
    inputs = [w for s in signature.inputs for w in _input_watches(s, fields.get(f"inputs.{s.name}"), profile, tier)]
    outputs = [w for s in signature.outputs for w in _drift_watches(fields.get(f"output.{s.name}"), profile, tier)]
    found = []
    for side, watches in (("inputs", inputs), ("output", outputs)):
        if watches:
            own = tuple(f for path, f in fields.items() if path.startswith(side + "."))
            found.append(_monitor(placement, side, watches, fields=own, reference=profile.digest()))
    observed = observed_fields(p.removeprefix("observed.") for p in profile.states if p.startswith("observed."))
    seen = [w for f in observed for w in _observed_watches(f, profile, tier)]
    if seen:
        found.append(_monitor(placement, "observed", seen, fields=observed, reference=profile.digest()))
    answers = answers_of(signature, outcome, outcome_positive, threshold) if outcome else None
    if answers is not None:
        performance = [_performance_watch(name, profile, tier) for name in _performance_of(signature, answers)]
        found.append(_monitor(placement, "performance", performance, answers=answers))
    return tuple(found)


def answers_of(signature: Signature, outcome: str, outcome_positive: Scalar | None, threshold: float) -> Answers | None:
    """How answers and outcomes compare, by the roles of the outputs; None when no output is a score, a label or a number."""
    score, label = _output(signature, Role.SCORE), _output(signature, Role.LABEL)
    if score is not None and _binary(score, label):
        prediction = f"output.{label.name}" if label else None
        positive = label.positive if label else None
        return Answers(
            outcome=outcome,
            outcome_positive=outcome_positive,
            score=f"output.{score.name}",
            prediction=prediction,
            positive=positive,
            threshold=threshold,
        )
    if label is not None and _binary(None, label):
        return Answers(
            outcome=outcome, outcome_positive=outcome_positive, prediction=f"output.{label.name}", positive=label.positive
        )
    number = score or _output(signature, Role.AMOUNT) or _single_number(signature)
    return Answers(outcome=outcome, estimate=f"output.{number.name}") if number else None


def _performance_of(signature: Signature, answers: Answers) -> tuple[str, ...]:
    if answers.estimate is not None:
        return REGRESSION
    return BINARY if answers.score is not None else ("accuracy",)


def _input_watches(spec: FieldSpec, field: WatchedField | None, profile: ReferenceProfile, tier: Tier | None) -> list[Watch]:
    if field is None:
        return []
    drifting = spec.role in (Role.PREDICTOR, Role.PROTECTED, Role.AMOUNT) and spec.drift
    watches = _drift_watches(field, profile, tier) if drifting else []
    before = profile.state(field.path)
    missing = before.nulls / before.rows if before.rows else 0.0
    watches.append(_rate_watch("null_rate", field, tier, missing, f"{missing:.1%} were missing in the reference"))
    if isinstance(before, CategoricalState) and (field.allowed is not None or before.complete):
        new = 0.0 if field.allowed is not None else _unseen_mass(before)
        watches.append(
            _rate_watch("unseen_category_rate", field, tier, new, f"{new:.1%} new ones are to be expected (Good and Turing)")
        )
    if field.minimum is not None or field.maximum is not None:
        watches.append(_rate_watch("out_of_range_rate", field, tier, 0.0, "the signature's range"))
    return watches


def _drift_watches(field: WatchedField | None, profile: ReferenceProfile, tier: Tier | None) -> list[Watch]:
    if field is None:
        return []
    before = profile.state(field.path)
    if not before.present:
        return []
    names = CATEGORY_DRIFT if field.category else NUMBER_DRIFT
    if isinstance(before, NumericState) and before.minimum == before.maximum:
        names = ("psi", "ks")
    return [_scaled(name, field.path, tier) for name in names]


def _observed_watches(field: WatchedField, profile: ReferenceProfile, tier: Tier | None) -> list[Watch]:
    """Whether categories come in other shares, fall silent, or were never seen in the reference."""
    before = profile.state(field.path)
    if not before.present or not isinstance(before, CategoricalState):
        return []
    watches = [_scaled(name, field.path, tier) for name in CATEGORY_DRIFT]
    silent = _plain("silent_categories")
    reason = f"one that fell silent is worth a look at any tier; {silent.reason}"
    watches.append(silent.model_copy(update={"field": field.path, "reason": reason}))
    if before.complete:
        new = _unseen_mass(before)
        why = f"{new:.1%} new ones are to be expected (Good and Turing)"
        watches.append(_rate_watch("unseen_category_rate", field, tier, new, why))
    return watches


def _scaled(name: str, path: str, tier: Tier | None) -> Watch:
    """The table's lines, nearer for a high tier and further off for a low one."""
    measure = MEASURES[name]
    lines = measure.thresholds
    assert lines is not None, f"{name} is watched by default and has lines"
    factor = _factor(tier)
    reason = f"{lines.source}; × {factor:g} for a {_tier(tier)} tier" if factor != 1 else lines.source
    warning, critical = round(lines.warning * factor, 6), round(lines.critical * factor, 6)
    return Watch(
        measure=name, field=path, warning=warning, critical=critical, reason=reason, minimum_rows=max(1, measure.minimum_rows)
    )


def _rate_watch(name: str, field: WatchedField, tier: Tier | None, usual: float, why: str) -> Watch:
    """A rate may exceed what is usual by the table's lines."""
    watch = _scaled(name, field.path, tier)
    warning, critical = (min(1.0, usual + line) for line in (watch.warning or 0.0, watch.critical or 0.0))
    return watch.model_copy(update={"warning": warning, "critical": critical, "reason": f"{why}; beyond that {watch.reason}"})


def _performance_watch(name: str, profile: ReferenceProfile, tier: Tier | None) -> Watch:
    """Lines a way off the reference's own performance; else the table's; else none, and the value is only kept."""
    measure, baseline = MEASURES[name], profile.baselines.get(name)
    rows = max(1, measure.minimum_rows)
    if baseline is not None and name != "ece":
        warning, critical = (_worse(measure.direction, name, baseline, share * _factor(tier)) for share in WORSENING)
        reason = f"it was {baseline:.4g} on the reference sample; a default of ours how much worse it may be, by tier"
        return Watch(measure=name, warning=warning, critical=critical, reason=reason, minimum_rows=rows)
    if measure.thresholds is None:
        return Watch(
            measure=name, reason="no line: it depends on the use case, and the reference has no value", minimum_rows=rows
        )
    watch = _scaled(name, "", tier) if measure.direction is Direction.LOWER else _plain(name)
    if baseline is not None and measure.level(baseline) is not Level.OK:
        reason = f"{watch.reason}; it was {baseline:.4g} on the reference sample already"
        return watch.model_copy(update={"reason": reason})
    return watch


def _plain(name: str) -> Watch:
    measure = MEASURES[name]
    lines = measure.thresholds
    assert lines is not None, "asked for by measures with lines only"
    rows = max(1, measure.minimum_rows)
    return Watch(measure=name, warning=lines.warning, critical=lines.critical, reason=lines.source, minimum_rows=rows)


def _worse(direction: Direction, name: str, baseline: float, share: float) -> float:
    """An error that grew by the share; or a score that lost the share of what it had over knowing nothing."""
    if direction is Direction.LOWER:
        return baseline * (1 + share)
    nothing = 0.5 if name in ("roc_auc", "accuracy", "balanced_accuracy") else 0.0
    return baseline - (baseline - nothing) * share if baseline > nothing else baseline


def _unseen_mass(state: CategoricalState) -> float:
    """The chance that the next value is a new one: the share of categories seen once (Good 1953, Turing's estimate)."""
    return sum(count == 1 for count in state.counts.values()) / state.present if state.present else 0.0


def _monitor(placement: Placement, what: str, watches: list[Watch], **parts: Any) -> CreateMonitor:
    late = placement.maturity if what == "performance" else 0.0
    window = placement.window.model_copy(update={"lag": placement.window.lag + late})
    return CreateMonitor(
        name=f"{placement.prefix}-{what}",
        use_case=placement.use_case,
        endpoint=placement.endpoint,
        version=placement.version,
        window=window,
        restate_for=placement.restate_for,
        owner=placement.owner,
        watches=tuple(watches),
        **parts,
    )


def _output(signature: Signature, role: Role) -> FieldSpec | None:
    return next((f for f in signature.outputs if f.role is role), None)


def _single_number(signature: Signature) -> FieldSpec | None:
    numbers = [f for f in signature.outputs if f.type.numpy.kind in "iuf" and f.role is not Role.IDENTIFIER]
    return numbers[0] if len(numbers) == 1 else None


def _binary(score: FieldSpec | None, label: FieldSpec | None) -> bool:
    for answer in (score, label):
        if answer is not None and (
            answer.positive is not None
            or answer.type is DataType.BOOL
            or (answer.allowed is not None and len(answer.allowed) == 2)
        ):
            return True
    return score is not None and (score.shape == (2,) or (score.minimum == 0 and score.maximum == 1))


def _factor(tier: Tier | None) -> float:
    return _FACTORS.get(tier, 1.0) if tier else 1.0


def _tier(tier: Tier | None) -> str:
    return tier.value if tier else "medium"
