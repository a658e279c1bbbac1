"""Judging a window: from an Arrow table of decisions with their outcomes to figures. No I/O.

evaluate(monitor, profile, join(reader.scan(window, COLUMNS), outcomes.find(ids)))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.measures import MEASURES, Direction, Estimate, Family, Level, Measure, Need, State, Thresholds
from modelyard.monitoring.chance import drift_margin, performance_margin, rate_margin
from modelyard.monitoring.columns import Column, Vector, column_of, numbers, objects, some, texts_of
from modelyard.monitoring.model import PERFORMANCE, Answers, Figure, FigureLevel, Monitor, RunFigures, Watch, WatchedField
from modelyard.monitoring.reference import ReferenceProfile, state_of

COLUMNS = ("id", "inputs", "output", "manifest", "answered_arm", "event_time", "decision_time")
"""What `evaluate` needs of the decision log; and for fields that are observed, a column `observed` of JSON objects."""
EXAMPLES = 5
GREATEST_SEGMENTS = 20
_ALL_ROWS = slice(None)
Rows = slice | Column


class Sample:
    """A window's rows, decoded as they are asked for and once only."""

    def __init__(self, monitor: Monitor, table: Any) -> None:
        self._monitor, self._table = monitor, table
        self._columns: dict[str, Column] = {}
        self._objects: dict[str, tuple[list[dict[str, Any]], int]] = {}
        self._states: dict[str, State] = {}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def unreadable(self) -> int:
        return sum(bad for _, bad in self._objects.values())

    def column(self, field: WatchedField) -> Column:
        """The field in every row it can be asked of: all but inputs only where a version answered."""
        if field.path not in self._columns:
            side = field.path.partition(".")[0]
            column = column_of(field, self.rows(side))
            self._columns[field.path] = column if side == "inputs" else column[self.answered]
        return self._columns[field.path]

    def state(self, field: WatchedField, centre: float = 0.0) -> State:
        if field.path not in self._states:
            self._states[field.path] = state_of(field, self.column(field), centre)
        return self._states[field.path]

    def ids(self, path: str) -> Column:
        """The decision of each row of a field's column."""
        found = self._table["id"].to_numpy(zero_copy_only=False)
        return np.asarray(found[self.answered] if path.startswith(("output.", "observed.")) else found)

    def rows(self, side: str) -> list[dict[str, Any]]:
        if side not in self._objects:
            if side not in self._table.column_names:
                raise InvalidInput("nobody saw these decisions happen again", field=side)
            self._objects[side] = objects(self._table[side].to_pylist())
        return self._objects[side][0]

    @cached_property
    def answered(self) -> Column:
        """Rows that a version answered; an endpoint's constant is nobody's answer."""
        return np.asarray(self._table["answered_arm"].is_valid().to_numpy())

    @cached_property
    def known(self) -> Column:
        """Rows whose outcome is known."""
        if "outcome_values" not in self._table.column_names:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self._table["outcome_values"].is_valid().to_numpy())

    @cached_property
    def outcomes(self) -> list[dict[str, Any]]:
        if "outcome_values" not in self._table.column_names:
            return [{}] * len(self)
        return objects(self._table["outcome_values"].to_pylist())[0]

    @property
    def corrections(self) -> int:
        if "outcome_correction" not in self._table.column_names or not len(self):
            return 0
        return int(np.nansum(self._table["outcome_correction"].to_numpy().astype(np.float64)))

    def counted(self, name: str) -> dict[str, int]:
        found = Counter(self._table[name].to_pylist())
        return {str(key): count for key, count in sorted(found.items(), key=lambda kv: str(kv[0])) if key is not None}


def evaluate(monitor: Monitor, reference: ReferenceProfile | None, table: Any) -> RunFigures:
    """All figures of a window. `table` has `COLUMNS` and, where outcomes are known, what `decisions.join` adds.

    A figure that cannot be had (too few rows, undefined on them, a field the profile lacks) says so and is `insufficient`.
    """
    sample = Sample(monitor, table)
    figures: list[Figure] = []
    for watch in monitor.watches:
        if MEASURES[watch.measure].family in PERFORMANCE:
            figures.extend(_performance(monitor, watch, sample))
        else:
            figures.append(_attempt(watch, "", lambda w=watch: _of_field(monitor, w, reference, sample)))
    return RunFigures(
        rows=len(sample),
        outcomes=int(sample.known.sum()),
        corrections=sample.corrections,
        unreadable=sample.unreadable,
        versions=sample.counted("manifest"),
        arms=sample.counted("answered_arm"),
        figures=tuple(figures),
    )


def _attempt(watch: Watch, segment: str, figure: Any) -> Figure:
    try:
        return figure()  # type: ignore[no-any-return]
    except InvalidInput as error:
        return _insufficient(watch, segment, 0, str(error))


def _of_field(monitor: Monitor, watch: Watch, reference: ReferenceProfile | None, sample: Sample) -> Figure:
    measure, field = MEASURES[watch.measure], monitor.field(watch.field)
    column = sample.column(field)
    rows = len(column)
    if rows < watch.minimum_rows:
        return _too_few(watch, "", rows)
    if measure.family is Family.DRIFT:
        return _drift(watch, measure, field, reference, sample)
    value, wrong = _quality(watch, field, column, reference, sample)
    margin = rate_margin(watch.warning, rows) if watch.warning is not None and measure.name != "row_count" else 0.0
    return _judged(watch, measure, "", value, rows, margin, lambda: _take(sample.ids(field.path)[wrong]))


def _drift(watch: Watch, measure: Measure, field: WatchedField, reference: ReferenceProfile | None, sample: Sample) -> Figure:
    before = _state_before(reference, field)
    current = sample.state(field, getattr(before, "centre", 0.0))
    if current.present < watch.minimum_rows:
        return _too_few(watch, "", current.present)
    assert measure.from_states is not None, "every drift measure can be had from states"
    value = measure.from_states(before, current)
    margin = 0.0 if watch.warning is None else drift_margin(measure.name, before, current, watch.warning)
    return _judged(watch, measure, "", value, current.present, margin, lambda: _drifted(field, before, current, sample))


def _quality(
    watch: Watch, field: WatchedField, column: Column, reference: ReferenceProfile | None, sample: Sample
) -> tuple[float, Column]:
    """The value, and which rows are at fault."""
    measure = MEASURES[watch.measure]
    missing = column == None if field.category else np.isnan(column)  # noqa: E711 -- elementwise on purpose
    if measure.name == "unseen_category_rate":
        known = _known_categories(field, reference)
        unseen = np.array([v is not None and v not in known for v in column], dtype=bool)
        there = len(column) - int(missing.sum())
        if not there:
            raise InvalidInput("the window holds no value", field=field.path)
        return float(unseen.sum()) / there, unseen
    if measure.name == "out_of_range_rate":
        low, high = field.minimum, field.maximum
        bad = (column < (-np.inf if low is None else low)) | (column > (np.inf if high is None else high))
        return measure.compute(current=some(column), minimum=low, maximum=high), bad
    return measure.compute(current=column), missing


def _known_categories(field: WatchedField, reference: ReferenceProfile | None) -> set[str]:
    if field.allowed is not None:
        return set(texts_of(field.allowed, field.type))
    state = _state_before(reference, field)
    counts = getattr(state, "counts", {})
    if getattr(state, "other", 0):
        raise InvalidInput("the reference has more categories than were kept", field=field.path, hint="list the allowed ones")
    return set(counts)


def _state_before(reference: ReferenceProfile | None, field: WatchedField) -> State:
    if reference is None:
        raise InvalidInput("there is no reference profile", field="reference")
    return reference.state(field.path)


def _performance(monitor: Monitor, watch: Watch, sample: Sample) -> Iterator[Figure]:
    """The measure over all rows with an outcome, then over each segment."""
    usable = sample.known & sample.answered
    answered = int(sample.answered.sum())
    share = usable.sum() / answered if answered else 0.0
    if share < monitor.minimum_outcomes or not usable.any():
        detail = f"{share:.0%} of the decisions have an outcome, {monitor.minimum_outcomes:.0%} are needed"
        yield _insufficient(watch, "", int(usable.sum()), detail)
        return
    yield _attempt(watch, "", lambda: _answers_figure(monitor, watch, sample, usable, ""))
    for segment, mask in _segments(monitor, sample, usable):
        yield _attempt(watch, segment, lambda s=segment, m=mask: _answers_figure(monitor, watch, sample, m, s))


def _segments(monitor: Monitor, sample: Sample, usable: Column) -> Iterator[tuple[str, Column]]:
    """The commonest categories of each segment field, by name, with their rows."""
    for path in monitor.segments:
        side, _, name = path.partition(".")
        column = texts_of([row.get(name) for row in sample.rows(side)], monitor.field(path).type)
        for category, _count in Counter(v for v in column[usable] if v is not None).most_common(GREATEST_SEGMENTS):
            yield f"{path}={category}", usable & (column == category)


def _answers_figure(monitor: Monitor, watch: Watch, sample: Sample, mask: Column, segment: str) -> Figure:
    measure = MEASURES[watch.measure]
    given, places = answers_and_outcomes(monitor, measure, sample, mask)
    if len(places) < watch.minimum_rows:
        return _too_few(watch, segment, len(places))
    value = measure.compute(**given)
    margin = performance_margin(measure.name, value, given) if watch.warning is not None else 0.0
    return _judged(watch, measure, segment, value, len(places), margin, lambda: _worst(given, sample, places))


def answers_and_outcomes(monitor: Monitor, measure: Measure, sample: Sample, mask: Column) -> tuple[dict[str, Any], Column]:
    """The measure's arguments over the rows of the mask: the label, and the score, prediction or estimate that it needs; and
    which rows these are. A row whose answer or outcome lacks the value is left out: one bad row does not blind the monitor.

    Raises InvalidInput when no row is left, or when a value is neither yes nor no and no positive one is named.
    """
    answers = monitor.answers
    if answers is None:
        raise InvalidInput("the monitor does not say what the answers are", field="answers")
    path = _answer_path(answers, measure)
    name, discrete = _name(path), path == answers.prediction
    outputs = sample.rows("output")
    answer = _answer_column(outputs, name, discrete)
    truth = [row.get(answers.outcome) for row in sample.outcomes]
    there = answer != None if discrete else ~np.isnan(answer)  # noqa: E711 -- elementwise on purpose
    places = np.flatnonzero(mask & there & np.array([value is not None for value in truth], dtype=bool))
    if not len(places):
        raise InvalidInput(f"no row has both {name!r} and the outcome {answers.outcome!r}", field="answers")
    kept, truths = answer[places], [truth[place] for place in places]
    if Need.ESTIMATE in measure.needs:
        return {"label": numbers([{"label": value} for value in truths], "label"), "estimate": kept}, places
    given: dict[str, Any] = {"label": truth_of(truths, answers.outcome_positive)}
    if Need.SCORE in measure.needs:
        given["score"] = kept
    if Need.PREDICTION in measure.needs:
        given["prediction"] = truth_of(kept.tolist(), answers.positive) if discrete else kept >= answers.threshold
    return given, places


def _answer_column(rows: list[dict[str, Any]], name: str, discrete: bool) -> Column:
    """The answer of every row: as it stands where it is discrete, else as a number."""
    if not discrete:
        return numbers(rows, name)
    column = np.empty(len(rows), dtype=object)
    column[:] = [row.get(name) for row in rows]
    return column


def _answer_path(answers: Answers, measure: Measure) -> str | None:
    """Which field of the output the measure is about; a measure of predictions takes the score where there is no label."""
    if Need.ESTIMATE in measure.needs:
        return answers.estimate
    if Need.PREDICTION in measure.needs and answers.prediction is not None:
        return answers.prediction
    return answers.score


def truth_of(values: list[Any], positive: Any) -> Column:
    """Which values are positive. Raises InvalidInput when they are not yes-or-no and no positive one is named."""
    if positive is not None:
        return np.array([value == positive for value in values], dtype=bool)
    strange = next((value for value in values if value not in (0, 1)), None)
    if strange is not None:
        raise InvalidInput(f"{strange!r} is neither yes nor no", field="answers", hint="name the positive value")
    return np.array(values, dtype=bool)


def _judged(
    watch: Watch, measure: Measure, segment: str, value: float | Estimate, rows: int, margin: float, examples: Any
) -> Figure:
    """The figure against the watch's lines, moved by the margin to the side of tolerance."""
    estimate = value if isinstance(value, Estimate) else Estimate.exact(float(value))
    level, lines = Level.OK, None
    if watch.warning is not None and watch.critical is not None:
        sign = -1 if measure.direction is Direction.HIGHER else 1
        lines = Thresholds(watch.warning + sign * margin, watch.critical + sign * margin, "")
        level = measure.level(estimate.value, lines)
    bounded = estimate.low != estimate.high
    return Figure(
        measure=watch.measure,
        field=watch.field,
        segment=segment,
        level=FigureLevel(level.value),
        value=estimate.value,
        low=estimate.low if bounded else None,
        high=estimate.high if bounded else None,
        rows=rows,
        warning=lines.warning if lines else None,
        critical=lines.critical if lines else None,
        margin=margin,
        examples=() if level is Level.OK else examples(),
    )


def _too_few(watch: Watch, segment: str, rows: int) -> Figure:
    return _insufficient(watch, segment, rows, f"{rows} rows, {watch.minimum_rows} are needed")


def _insufficient(watch: Watch, segment: str, rows: int, detail: str) -> Figure:
    return Figure(
        measure=watch.measure,
        field=watch.field,
        segment=segment,
        level=FigureLevel.INSUFFICIENT,
        rows=rows,
        detail=detail[:10_000],
    )


def _drifted(field: WatchedField, before: State, current: State, sample: Sample) -> tuple[str, ...]:
    """Decisions from where the window has most more than the reference: the category, or the tenth of the reference's mass."""
    column, ids = sample.column(field), sample.ids(field.path)
    if field.category:
        old = getattr(before, "counts", {})
        new = getattr(current, "counts", {})
        risen = max(new, key=lambda name: new[name] / current.present - old.get(name, 0) / before.present, default=None)
        return _take(ids[column == risen])
    middles = before.distribution()  # type: ignore[union-attr]
    edges = np.unique(middles.quantile(np.arange(1, 10) / 10))
    there = ~np.isnan(column)
    bucket = np.searchsorted(edges, column[there])
    old_bucket = np.searchsorted(edges, middles.values)
    new_share = np.bincount(bucket, minlength=len(edges) + 1) / len(bucket)
    old_share = np.bincount(old_bucket, weights=middles.counts, minlength=len(edges) + 1) / before.present
    return _take(ids[there][bucket == int(np.argmax(new_share - old_share))])


def _worst(given: dict[str, Any], sample: Sample, places: Column) -> tuple[str, ...]:
    """The decisions that were furthest from what came of them."""
    answer = next(np.asarray(given[n], dtype=np.float64) for n in ("estimate", "score", "prediction") if n in given)
    gap: Vector = np.abs(answer - np.asarray(given["label"], dtype=np.float64))
    order = np.argsort(-gap, kind="stable")[:EXAMPLES]
    return _take(sample.ids("")[places][order])


def _take(ids: Column) -> tuple[str, ...]:
    return tuple(str(i) for i in ids[:EXAMPLES])


def _name(path: str | None) -> str:
    return (path or "").partition(".")[2]
