"""Every formula gives what scipy and scikit-learn give, on random data with ties and weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize
from scipy.spatial import distance
from sklearn import metrics
from sklearn.calibration import calibration_curve

from modelyard.core.errors import InvalidInput
from modelyard.measures import CostMatrix, best_threshold, expected_cost_at, measure, reliability

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def binary_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of both classes, scores with many ties, and weights."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(4, 200))
    label = random.integers(0, 2, rows)
    label[:2] = 0, 1
    score = np.round(np.clip(random.beta(2, 2, rows) + 0.2 * label, 0, 1), int(random.integers(1, 6)))
    return label, score, random.uniform(0.1, 3, rows)


@quick
@given(seeds, st.booleans())
def test_binary_scores_agree_with_scikit_learn(seed: int, weighted: bool) -> None:
    label, score, weight = binary_case(seed)
    w = weight if weighted else None
    theirs = {
        "roc_auc": metrics.roc_auc_score(label, score, sample_weight=w),
        "average_precision": metrics.average_precision_score(label, score, sample_weight=w),
        "log_loss": metrics.log_loss(label, score, sample_weight=w),
        "brier": metrics.brier_score_loss(label, score, sample_weight=w),
    }
    ours = {name: measure(name).compute(label=label, score=score, weight=w) for name in theirs}
    assert ours == pytest.approx(theirs, rel=1e-9)


@quick
@given(seeds, st.booleans())
def test_binary_answers_agree_with_scikit_learn(seed: int, weighted: bool) -> None:
    label, score, weight = binary_case(seed)
    prediction = score >= np.median(score)
    w = weight if weighted else None
    theirs = {
        "accuracy": metrics.accuracy_score(label, prediction, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(label, prediction, sample_weight=w),
        "precision": metrics.precision_score(label, prediction, sample_weight=w),
        "recall": metrics.recall_score(label, prediction, sample_weight=w),
    }
    ours = {name: measure(name).compute(label=label, prediction=prediction, weight=w) for name in theirs}
    assert ours == pytest.approx(theirs)
    assert measure("f1").compute(label=label, prediction=prediction, weight=w) == pytest.approx(
        metrics.f1_score(label, prediction, sample_weight=w)
    )


@quick
@given(seeds)
def test_several_classes_agree_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    label = np.append(["a", "b", "c"], random.choice(["a", "b", "c"], 50)).astype(object)
    prediction = random.choice(["a", "b", "c"], len(label)).astype(object)
    assert measure("accuracy").compute(label=label, prediction=prediction) == metrics.accuracy_score(label, prediction)
    assert measure("balanced_accuracy").compute(label=label, prediction=prediction) == pytest.approx(
        metrics.balanced_accuracy_score(label, prediction)
    )


@quick
@given(seeds, st.booleans())
def test_regression_agrees_with_scikit_learn(seed: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    label = random.normal(random.normal(), 3, 60)
    estimate = label + random.normal(0, 2, 60)
    w = random.uniform(0, 2, 60) if weighted else None
    theirs = {
        "rmse": metrics.root_mean_squared_error(label, estimate, sample_weight=w),
        "mae": metrics.mean_absolute_error(label, estimate, sample_weight=w),
        "r2": metrics.r2_score(label, estimate, sample_weight=w),
    }
    ours = {name: measure(name).compute(label=label, estimate=estimate, weight=w) for name in theirs}
    assert ours == pytest.approx(theirs)


@quick
@given(seeds)
def test_number_drift_agrees_with_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    places = int(random.integers(0, 6))
    reference = np.round(random.normal(0, 2, int(random.integers(1, 300))), places)
    current = np.round(random.normal(random.normal(), 2, int(random.integers(1, 300))), places)
    given_ = {"reference": reference, "current": current}
    assert measure("ks").compute(**given_) == pytest.approx(stats.ks_2samp(reference, current).statistic)
    assert measure("w1").compute(**given_) == pytest.approx(stats.wasserstein_distance(reference, current))


@quick
@given(seeds)
def test_bucketed_drift_agrees_with_histograms_over_the_deciles(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference, current = random.normal(0, 1, 200), random.normal(0.5, 1.5, 150)
    edges = np.quantile(reference, np.arange(1, 10) / 10, method="inverted_cdf")
    r, c = (np.bincount(np.searchsorted(edges, x, side="left"), minlength=10) / len(x) for x in (reference, current))
    assert measure("js").compute(reference=reference, current=current) == pytest.approx(distance.jensenshannon(r, c, base=2))
    r, c = np.maximum(r, 1e-4), np.maximum(c, 1e-4)
    symmetric = np.sum(r * np.log(r / c)) + np.sum(c * np.log(c / r))
    assert measure("psi").compute(reference=reference, current=current) == pytest.approx(symmetric)


@quick
@given(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=60),
    st.lists(st.sampled_from("cdefg"), min_size=1, max_size=60),
)
def test_category_drift_agrees_with_scipy(reference: list[str], current: list[str]) -> None:
    r, c = (np.array([x.count(name) / len(x) for name in "abcdefg"]) for x in (reference, current))
    assert measure("js").compute(reference=reference, current=current) == pytest.approx(
        distance.jensenshannon(r, c, base=2), abs=1e-7
    )
    r, c = np.maximum(r, 1e-4), np.maximum(c, 1e-4)
    assert measure("psi").compute(reference=reference, current=current) == pytest.approx(np.sum((c - r) * np.log(c / r)))


def test_psi_of_a_known_example() -> None:
    reference = ["low"] * 50 + ["high"] * 50
    current = ["low"] * 80 + ["high"] * 20
    # (0.8 - 0.5) ln 1.6 + (0.2 - 0.5) ln 0.4
    assert measure("psi").compute(reference=reference, current=current) == pytest.approx(0.41589, abs=1e-5)


def test_a_shift_below_a_constant_reference_is_seen() -> None:
    assert measure("psi").compute(reference=[5.0] * 20, current=[1.0] * 20) > 5
    assert measure("js").compute(reference=[5.0] * 20, current=[1.0] * 20) == 1.0


@quick
@given(seeds, st.integers(1, 20))
def test_calibration_error_is_its_definition(seed: int, bins: int) -> None:
    label, score, weight = binary_case(seed)
    expected = 0.0
    for index in range(bins):
        inside = np.minimum((score * bins).astype(int), bins - 1) == index
        if inside.any():
            w = weight[inside]
            gap = np.average(label[inside], weights=w) - np.average(score[inside], weights=w)
            expected += w.sum() * abs(gap) / weight.sum()
    assert measure("ece").compute(label=label, score=score, weight=weight, bins=bins) == pytest.approx(expected)


def test_bins_of_equal_mass_hold_equal_mass_and_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    score = random.permutation(np.linspace(0.01, 0.99, 1000) ** 2)
    label = random.random(1000) < score
    points = reliability(label, score, bins=10, equal_mass=True)
    rates, means = calibration_curve(label, score, n_bins=10, strategy="quantile")
    assert [point.weight for point in points] == [100.0] * 10
    assert [point.rate for point in points] == pytest.approx(rates)
    assert [point.score for point in points] == pytest.approx(means)


def test_equal_scores_share_a_bin_of_equal_mass_whatever_their_order() -> None:
    label = np.array([0, 1] * 50)
    score = np.full(100, 0.5)
    points = reliability(label, score, bins=10, equal_mass=True)
    assert [(p.score, p.rate, p.weight) for p in points] == [(0.5, 0.5, 100.0)]


@quick
@given(seeds)
def test_calibration_fit_is_the_maximum_of_the_likelihood(seed: int) -> None:
    label, score, weight = binary_case(seed)
    score = np.clip(score, 0.01, 0.99)
    yes, no = score[label == 1], score[label == 0]
    assume(yes.min() < no.max() and no.min() < yes.max())
    logits = np.log(score / (1 - score))

    def loss(beta: np.ndarray, offset: np.ndarray) -> float:
        z = beta[0] + (beta[1] * logits if len(beta) > 1 else offset)
        return float(np.sum(weight * (np.logaddexp(0, z) - label * z)))

    slope = measure("calibration_slope").compute(label=label, score=score, weight=weight)
    intercept = measure("calibration_intercept").compute(label=label, score=score, weight=weight)
    best = minimize(loss, [0.0, slope], args=(logits,), tol=1e-12)
    at_ours = minimize(lambda a: loss(np.array([a[0], slope]), logits), [0.0], tol=1e-12).fun
    assert at_ours <= best.fun + 1e-6
    assert loss(np.array([intercept]), logits) <= minimize(loss, [0.0], args=(logits,), tol=1e-12).fun + 1e-8


def test_well_calibrated_scores_have_slope_one_and_overconfident_ones_less() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, 50_000)
    label = random.random(50_000) < 1 / (1 + np.exp(-logits))

    def slope(of: np.ndarray) -> float:
        return measure("calibration_slope").compute(label=label, score=1 / (1 + np.exp(-of)))

    assert slope(logits) == pytest.approx(1, abs=0.04)
    assert slope(2 * logits) == pytest.approx(0.5, abs=0.02)
    shifted = measure("calibration_intercept").compute(label=label, score=1 / (1 + np.exp(-(logits - 1))))
    assert shifted == pytest.approx(1, abs=0.05)


@quick
@given(seeds, st.floats(0.1, 10), st.floats(0.1, 10), st.floats(-3, 0))
def test_no_threshold_costs_less_than_the_best(seed: int, false_alarm: float, miss: float, gain: float) -> None:
    label, score, weight = binary_case(seed)
    costs = CostMatrix(false_positive=false_alarm, false_negative=miss, true_positive=gain)
    best = best_threshold(label, score, costs, weight)
    assert expected_cost_at(label, score, costs, best.threshold, weight) == pytest.approx(best.cost)
    for threshold in [*np.unique(score), 2.0]:
        assert best.cost <= expected_cost_at(label, score, costs, threshold, weight) + 1e-9


def test_the_cost_of_a_decision_by_hand() -> None:
    costs = CostMatrix(false_positive=1, false_negative=10, true_positive=2, true_negative=0)
    given_ = {"label": [1, 1, 0, 0, 0], "prediction": [1, 0, 1, 0, 0], "costs": costs}
    assert measure("expected_cost").compute(**given_) == pytest.approx((2 + 10 + 1) / 5)
    assert costs.calibrated_threshold() == pytest.approx(1 / 9)


def test_calibrated_scores_are_best_cut_where_elkan_says() -> None:
    random = np.random.default_rng(5)
    score = random.random(200_000)
    label = random.random(200_000) < score
    costs = CostMatrix(false_positive=1, false_negative=4)
    best = best_threshold(label, score, costs)
    assert best.threshold == pytest.approx(0.2, abs=0.03)
    assert expected_cost_at(label, score, costs, costs.calibrated_threshold()) == pytest.approx(best.cost, rel=0.01)
    assert measure("least_cost").compute(label=label, score=score, costs=costs) == best.cost


def test_a_cost_matrix_that_rewards_mistakes_has_no_threshold() -> None:
    with pytest.raises(InvalidInput, match="wrong answer must cost more"):
        CostMatrix(false_positive=-1, false_negative=1).calibrated_threshold()


def test_a_named_positive_class() -> None:
    label, score = ["late", "ok", "late", "ok"], [0.9, 0.1, 0.4, 0.5]
    assert measure("roc_auc").compute(label=label, score=score, positive="late") == 0.75
    cost = expected_cost_at(label, score, CostMatrix(1, 5), 0.45, positive="late")
    assert cost == pytest.approx((5 + 1) / 4)
