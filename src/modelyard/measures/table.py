"""The table of measures: each is a pure function and a row that says what it needs, what its value means and when to worry.

Thresholds are defaults to start from. Where neither a paper nor a standard gives one the row says so, and where a sensible
line depends on the use case there is none.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from modelyard.core.errors import InvalidInput, NotFound
from modelyard.measures import calibration, cost, drift, from_states, performance, quality


class Family(StrEnum):
    """What question a measure answers."""

    DRIFT = "drift"
    QUALITY = "quality"
    PERFORMANCE = "performance"
    CALIBRATION = "calibration"
    VALUE = "value"


class Need(StrEnum):
    """What a measure's function is given; the names of its required arguments.

    `reference` and `current` are one field in two windows (for unseen categories, `reference` may be the allowed values).
    `label` is the ground truth, `score` rises with the chance of the positive class, `prediction` is a discrete answer,
    `estimate` a predicted number, `costs` a CostMatrix.
    """

    REFERENCE = "reference"
    CURRENT = "current"
    LABEL = "label"
    SCORE = "score"
    PREDICTION = "prediction"
    ESTIMATE = "estimate"
    COSTS = "costs"


class Data(StrEnum):
    """What sort of field a drift or quality measure can be applied to, or of answer a performance measure."""

    NUMBER = "number"
    CATEGORY = "category"


class Direction(StrEnum):
    """Which values are good: low ones, high ones, those near the measure's `target`, or neither."""

    LOWER = "lower"
    HIGHER = "higher"
    TARGET = "target"
    NONE = "none"


class Level(StrEnum):
    """How a value stands to the thresholds."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Thresholds:
    """Where worry starts. For a measure with a target they are distances from it. `source` says whose lines they are."""

    warning: float
    critical: float
    source: str


@dataclass(frozen=True)
class Measure:
    """A row of the table.

    `function` takes its needs by name, and `weight` if `weighted`; options are further keyword arguments. `from_states`
    is the same measure over states (current, or reference and current), giving a float or an Estimate; None if there is none.
    `minimum_rows` is how many rows a window should have before the value is worth reading; the function does not insist.
    """

    name: str
    title: str
    family: Family
    function: Callable[..., float]
    needs: tuple[Need, ...]
    unit: str
    direction: Direction
    reference: str
    minimum_rows: int
    thresholds: Thresholds | None = None
    takes: tuple[Data, ...] = (Data.NUMBER, Data.CATEGORY)
    target: float | None = None
    from_states: Callable[..., float | from_states.Estimate] | None = None

    @property
    def doc(self) -> str:
        """What it is, for people: the docstring of its function."""
        return inspect.getdoc(self.function) or ""

    @property
    def weighted(self) -> bool:
        """Whether rows may have weights."""
        return "weight" in inspect.signature(self.function).parameters

    def compute(self, **given: Any) -> float:
        """The value. Raises InvalidInput when a need is missing, an argument unknown, or the value undefined on these data."""
        missing = [need.value for need in self.needs if given.get(need.value) is None]
        if missing:
            raise InvalidInput(f"{self.name} needs {', '.join(missing)}", field=missing[0])
        unknown = sorted(given.keys() - inspect.signature(self.function).parameters.keys())
        if unknown:
            raise InvalidInput(f"{self.name} takes no {', '.join(unknown)}", field=unknown[0])
        value = self.function(**given)
        if not math.isfinite(value):
            raise InvalidInput(f"{self.name} is not a finite number on these data", hint="look for extreme values")
        return value

    def level(self, value: float, thresholds: Thresholds | None = None) -> Level:
        """How the value stands to the thresholds given, or else to the measure's own; without any, and for a measure
        with no good direction, all is OK. A value on a threshold has reached it."""
        lines = thresholds or self.thresholds
        if lines is None or self.direction is Direction.NONE:
            return Level.OK
        if math.isnan(value):
            raise InvalidInput(f"{self.name} has no value to judge", field="value")
        badness, sign = self._badness(value), -1 if self.direction is Direction.HIGHER else 1
        if badness >= sign * lines.critical:
            return Level.CRITICAL
        return Level.WARNING if badness >= sign * lines.warning else Level.OK

    def _badness(self, value: float) -> float:
        if self.direction is Direction.TARGET:
            return abs(value - (self.target or 0.0))
        return -value if self.direction is Direction.HIGHER else value


def measure(name: str) -> Measure:
    """The measure of that name. Raises NotFound with the known names."""
    if name not in MEASURES:
        raise NotFound(f"no measure is called {name!r}", field="measure", hint=f"known: {', '.join(sorted(MEASURES))}")
    return MEASURES[name]


_FIELD = (Need.CURRENT,)
_TWO_WINDOWS = (Need.REFERENCE, Need.CURRENT)
_ANSWERS = (Need.LABEL, Need.PREDICTION)
_SCORES = (Need.LABEL, Need.SCORE)
_NUMBERS = (Need.LABEL, Need.ESTIMATE)
_NUMBER = (Data.NUMBER,)
_CATEGORY = (Data.CATEGORY,)
_OURS = "a default of ours; no standard gives one"

_DRIFT = (
    Measure(
        name="psi",
        title="Population stability index",
        family=Family.DRIFT,
        function=drift.population_stability_index,
        from_states=from_states.state_psi,
        needs=_TWO_WINDOWS,
        unit="nats",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.1, 0.25, "Siddiqi, Credit Risk Scorecards (2006)"),
        minimum_rows=500,
        reference="Siddiqi, Credit Risk Scorecards (2006)",
    ),
    Measure(
        name="ks",
        title="Kolmogorov-Smirnov distance",
        family=Family.DRIFT,
        function=drift.kolmogorov_smirnov,
        from_states=from_states.state_ks,
        needs=_TWO_WINDOWS,
        unit="share",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.1, 0.2, _OURS),
        minimum_rows=500,
        takes=_NUMBER,
        reference="Smirnov, Table for estimating the goodness of fit of empirical distributions (1948)",
    ),
    Measure(
        name="js",
        title="Jensen-Shannon distance",
        family=Family.DRIFT,
        function=drift.jensen_shannon,
        from_states=from_states.state_js,
        needs=_TWO_WINDOWS,
        unit="square root of bits",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.1, 0.2, "0.1 is the default of Evidently and NannyML; 0.2 is ours"),
        minimum_rows=500,
        reference="Lin, Divergence measures based on the Shannon entropy (1991)",
    ),
    Measure(
        name="w1",
        title="Wasserstein distance",
        family=Family.DRIFT,
        function=drift.wasserstein_1,
        from_states=from_states.state_w1,
        needs=_TWO_WINDOWS,
        unit="unit of the field",
        direction=Direction.LOWER,
        minimum_rows=500,
        takes=_NUMBER,
        reference="Ramdas, García Trillos and Cuturi, On Wasserstein two-sample testing (2017)",
    ),
    Measure(
        name="w1_normalised",
        title="Wasserstein distance, normalised",
        family=Family.DRIFT,
        function=drift.wasserstein_1_normalised,
        from_states=from_states.state_w1_normalised,
        needs=_TWO_WINDOWS,
        unit="standard deviations of the reference",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.1, 0.25, "0.1 is the default of Evidently; 0.25 is ours"),
        minimum_rows=500,
        takes=_NUMBER,
        reference="Ramdas, García Trillos and Cuturi, On Wasserstein two-sample testing (2017)",
    ),
    Measure(
        name="silent_categories",
        title="Categories that fell silent",
        family=Family.DRIFT,
        function=drift.silent_categories,
        from_states=from_states.state_silent_categories,
        needs=_TWO_WINDOWS,
        unit="categories",
        direction=Direction.LOWER,
        thresholds=Thresholds(1, 3, _OURS),
        minimum_rows=100,
        takes=_CATEGORY,
        reference="Fisher, The Design of Experiments (1935), the exact test; Bonferroni (1936)",
    ),
)

_QUALITY = (
    Measure(
        name="row_count",
        title="Rows",
        family=Family.QUALITY,
        function=quality.row_count,
        from_states=from_states.state_row_count,
        needs=_FIELD,
        unit="rows",
        direction=Direction.HIGHER,
        minimum_rows=0,
        reference="ISO/IEC 25012 (2008), completeness",
    ),
    Measure(
        name="null_rate",
        title="Missing values",
        family=Family.QUALITY,
        function=quality.null_rate,
        from_states=from_states.state_null_rate,
        needs=_FIELD,
        unit="share",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.05, 0.2, _OURS),
        minimum_rows=100,
        reference="ISO/IEC 25012 (2008), completeness",
    ),
    Measure(
        name="unseen_category_rate",
        title="Unseen categories",
        family=Family.QUALITY,
        function=quality.unseen_category_rate,
        from_states=from_states.state_unseen_category_rate,
        needs=_TWO_WINDOWS,
        unit="share",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.01, 0.05, _OURS),
        minimum_rows=100,
        takes=_CATEGORY,
        reference="ISO/IEC 25012 (2008), consistency",
    ),
    Measure(
        name="out_of_range_rate",
        title="Values out of range",
        family=Family.QUALITY,
        function=quality.out_of_range_rate,
        from_states=from_states.state_out_of_range_rate,
        needs=_FIELD,
        unit="share",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.01, 0.05, _OURS),
        minimum_rows=100,
        takes=_NUMBER,
        reference="ISO/IEC 25012 (2008), accuracy",
    ),
)


def _performance(
    name: str,
    title: str,
    function: Callable[..., float],
    needs: tuple[Need, ...],
    reference: str,
    *,
    unit: str = "share",
    direction: Direction = Direction.HIGHER,
    thresholds: Thresholds | None = None,
    takes: tuple[Data, ...] = _CATEGORY,
) -> Measure:
    return Measure(name, title, Family.PERFORMANCE, function, needs, unit, direction, reference, 200, thresholds, takes=takes)


_PERFORMANCE = (
    _performance("accuracy", "Accuracy", performance.accuracy, _ANSWERS, "ISO/IEC TS 4213 (2022)"),
    _performance(
        "balanced_accuracy",
        "Balanced accuracy",
        performance.balanced_accuracy,
        _ANSWERS,
        "Brodersen et al., The balanced accuracy and its posterior distribution (2010)",
    ),
    _performance("precision", "Precision", performance.precision, _ANSWERS, "ISO/IEC TS 4213 (2022)"),
    _performance("recall", "Recall", performance.recall, _ANSWERS, "ISO/IEC TS 4213 (2022)"),
    _performance("f1", "F1", performance.f1, _ANSWERS, "van Rijsbergen, Information Retrieval (1979)"),
    _performance(
        "roc_auc",
        "Area under the ROC curve",
        performance.roc_auc,
        _SCORES,
        "Hanley and McNeil, The meaning and use of the area under a ROC curve (1982)",
        thresholds=Thresholds(0.7, 0.6, "Hosmer, Lemeshow and Sturdivant (2013) call 0.7 acceptable and less poor; 0.6 is ours"),
    ),
    _performance(
        "average_precision",
        "Average precision",
        performance.average_precision,
        _SCORES,
        "Davis and Goadrich, The relationship between precision-recall and ROC curves (2006)",
    ),
    _performance(
        "log_loss",
        "Log loss",
        performance.log_loss,
        _SCORES,
        "Good, Rational decisions (1952)",
        unit="nats",
        direction=Direction.LOWER,
    ),
    _performance(
        "brier",
        "Brier score",
        performance.brier,
        _SCORES,
        "Brier, Verification of forecasts expressed in terms of probability (1950)",
        unit="squared probability",
        direction=Direction.LOWER,
    ),
    _performance(
        "rmse",
        "Root mean squared error",
        performance.rmse,
        _NUMBERS,
        "Hyndman and Koehler, Another look at measures of forecast accuracy (2006)",
        unit="unit of the label",
        direction=Direction.LOWER,
        takes=_NUMBER,
    ),
    _performance(
        "mae",
        "Mean absolute error",
        performance.mae,
        _NUMBERS,
        "Hyndman and Koehler, Another look at measures of forecast accuracy (2006)",
        unit="unit of the label",
        direction=Direction.LOWER,
        takes=_NUMBER,
    ),
    _performance(
        "r2",
        "Coefficient of determination",
        performance.r2,
        _NUMBERS,
        "Kvålseth, Cautionary note about R² (1985)",
        unit="share of variance",
        thresholds=Thresholds(0.1, 0.0, "at 0 the mean of the label does as well, by definition; 0.1 is ours"),
        takes=_NUMBER,
    ),
)

_CALIBRATION = (
    Measure(
        name="ece",
        title="Expected calibration error",
        family=Family.CALIBRATION,
        function=calibration.expected_calibration_error,
        needs=_SCORES,
        unit="probability",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.05, 0.1, _OURS),
        minimum_rows=1000,
        takes=_CATEGORY,
        reference="Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning (2015)",
    ),
    Measure(
        name="ece_equal_mass",
        title="Expected calibration error, bins of equal mass",
        family=Family.CALIBRATION,
        function=calibration.expected_calibration_error_equal_mass,
        needs=_SCORES,
        unit="probability",
        direction=Direction.LOWER,
        thresholds=Thresholds(0.05, 0.1, _OURS),
        minimum_rows=1000,
        takes=_CATEGORY,
        reference="Nixon et al., Measuring calibration in deep learning (2019)",
    ),
    Measure(
        name="calibration_slope",
        title="Calibration slope",
        family=Family.CALIBRATION,
        function=calibration.calibration_slope,
        needs=_SCORES,
        unit="ratio of log odds",
        direction=Direction.TARGET,
        target=1.0,
        thresholds=Thresholds(0.2, 0.5, _OURS),
        minimum_rows=1000,
        takes=_CATEGORY,
        reference="Cox, Two further applications of a model for binary regression (1958)",
    ),
    Measure(
        name="calibration_intercept",
        title="Calibration in the large",
        family=Family.CALIBRATION,
        function=calibration.calibration_intercept,
        needs=_SCORES,
        unit="log odds",
        direction=Direction.TARGET,
        target=0.0,
        thresholds=Thresholds(0.2, 0.5, _OURS),
        minimum_rows=1000,
        takes=_CATEGORY,
        reference="Van Calster et al., Calibration: the Achilles heel of predictive analytics (2019)",
    ),
)

_VALUE = (
    Measure(
        name="expected_cost",
        title="Cost of a decision",
        family=Family.VALUE,
        function=cost.expected_cost,
        needs=(*_ANSWERS, Need.COSTS),
        unit="currency of the costs",
        direction=Direction.LOWER,
        minimum_rows=200,
        takes=_CATEGORY,
        reference="Elkan, The foundations of cost-sensitive learning (2001)",
    ),
    Measure(
        name="least_cost",
        title="Cost of a decision at the best threshold",
        family=Family.VALUE,
        function=cost.least_cost,
        needs=(*_SCORES, Need.COSTS),
        unit="currency of the costs",
        direction=Direction.LOWER,
        minimum_rows=200,
        takes=_CATEGORY,
        reference="Elkan, The foundations of cost-sensitive learning (2001)",
    ),
)

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {row.name: row for row in (*_DRIFT, *_QUALITY, *_PERFORMANCE, *_CALIBRATION, *_VALUE)}
)
"""Every measure by its name."""
