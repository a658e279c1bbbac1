"""Is the challenger better than the champion, and how sure is that?

Fixed-sample intervals answer once, at a sample size chosen beforehand. A confidence sequence may be looked at after every
row and stopped whenever one likes: it holds at all sample sizes at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from modelyard.core.errors import InvalidInput
from modelyard.measures.arrays import numbers


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence bounds; `method` names the formula."""

    estimate: float
    low: float
    high: float
    confidence: float
    method: str


@dataclass(frozen=True)
class Moments:
    """What Welch's interval needs of a sample: its size, mean and unbiased variance."""

    count: int
    mean: float
    variance: float

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        vector = numbers(values, "values", least=2)
        return cls(len(vector), float(vector.mean()), float(vector.var(ddof=1)))


def proportion(successes: int, rows: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927)."""
    _counts(successes, rows)
    z, p = _normal_quantile(confidence), successes / rows
    middle = (p + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    low = 0.0 if successes == 0 else middle - half
    high = 1.0 if successes == rows else middle + half
    return Interval(p, low, high, confidence, "Wilson 1927")


def proportion_difference(
    champion_successes: int,
    champion_rows: int,
    challenger_successes: int,
    challenger_rows: int,
    *,
    confidence: float = 0.95,
) -> Interval:
    """The challenger's proportion less the champion's: Newcombe's hybrid score interval (Newcombe 1998, method 10)."""
    a = proportion(challenger_successes, challenger_rows, confidence=confidence)
    b = proportion(champion_successes, champion_rows, confidence=confidence)
    difference = a.estimate - b.estimate
    low = difference - math.hypot(a.estimate - a.low, b.high - b.estimate)
    high = difference + math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Interval(difference, low, high, confidence, "Newcombe 1998, method 10")


def mean_difference(champion: Moments, challenger: Moments, *, confidence: float = 0.95) -> Interval:
    """The challenger's mean less the champion's, with unequal variances (Welch 1947)."""
    _confidence(confidence)
    for name, m in (("champion", champion), ("challenger", challenger)):
        if m.count < 2 or not (m.variance >= 0 and math.isfinite(m.mean) and math.isfinite(m.variance)):
            raise InvalidInput("needs two rows or more, a finite mean and a finite variance", field=name)
    a, b = challenger.variance / challenger.count, champion.variance / champion.count
    difference = challenger.mean - champion.mean
    if a + b == 0:
        raise InvalidInput("both samples are constant: no interval", hint="use mean_difference_sequence on bounded values")
    freedom = (a + b) ** 2 / (a * a / (challenger.count - 1) + b * b / (champion.count - 1))
    half = student_t_quantile(0.5 + confidence / 2, freedom) * math.sqrt(a + b)
    return Interval(difference, difference - half, difference + half, confidence, "Welch 1947")


@dataclass(frozen=True)
class ConfidenceSequence:
    """Anytime-valid bounds for the mean of values between `minimum` and `maximum`: the predictable plug-in empirical
    Bernstein sequence (Waudby-Smith and Ramdas 2023, Theorem 2), intersected over time.

    With probability `confidence` the mean lies within the bounds after every row at once, so one may look after each batch
    and stop at will. Values must come in the order of time, from a process with one conditional mean. Start with
    `ConfidenceSequence.start`; `update` gives a new one. The record is the whole state: keep it and go on later.
    """

    minimum: float
    maximum: float
    confidence: float
    rows: int = 0
    low: float = 0.0
    high: float = 1.0
    total: float = 0.0
    deviations: float = 0.0
    bets: float = 0.0
    weighted: float = 0.0
    penalty: float = 0.0

    @classmethod
    def start(cls, minimum: float, maximum: float, *, confidence: float = 0.95) -> ConfidenceSequence:
        _confidence(confidence)
        if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
            raise InvalidInput("needs finite bounds, the minimum below the maximum", field="minimum")
        return cls(minimum, maximum, confidence)

    def update(self, values: ArrayLike) -> ConfidenceSequence:
        """This sequence after the values. Raises InvalidInput when a value lies outside the bounds."""
        vector = numbers(values, "values", least=0)
        if not len(vector):
            return self
        if vector.min() < self.minimum or vector.max() > self.maximum:
            raise InvalidInput(f"values must lie between {self.minimum} and {self.maximum}", field="values")
        return self._after((vector - self.minimum) / (self.maximum - self.minimum))

    @property
    def interval(self) -> Interval:
        """The bounds now, in the unit of the values. The estimate is the sample mean, or the nearer bound if it lies outside."""
        scale, mean = self.maximum - self.minimum, self.total / self.rows if self.rows else 0.5
        low, middle, high = (self.minimum + scale * x for x in (self.low, min(max(mean, self.low), self.high), self.high))
        return Interval(middle, low, high, self.confidence, "Waudby-Smith and Ramdas 2023, Theorem 2")

    def _after(self, x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> ConfidenceSequence:
        log_term = math.log(2 / (1 - self.confidence))
        t = self.rows + np.arange(1, len(x) + 1)
        sums = self.total + np.cumsum(x)
        means = (0.5 + sums) / (t + 1)
        # All that bets on row t may use only rows before t: that is what makes the sequence valid.
        before = np.append((0.5 + self.total) / (self.rows + 1), means[:-1])
        deviations = self.deviations + np.cumsum((x - means) ** 2)
        variance = (0.25 + np.append(self.deviations, deviations[:-1])) / t
        bet = np.minimum(np.sqrt(2 * log_term / (variance * t * np.log1p(t))), 0.5)
        bets = self.bets + np.cumsum(bet)
        weighted = self.weighted + np.cumsum(bet * x)
        penalty = self.penalty + np.cumsum((x - before) ** 2 * (-np.log1p(-bet) - bet))
        margin, centre = (log_term + penalty) / bets, weighted / bets
        low, high = max(self.low, float((centre - margin).max())), min(self.high, float((centre + margin).min()))
        if low > high:  # the values contradict one constant mean; the latest bounds are the honest ones
            low, high = max(0.0, float(centre[-1] - margin[-1])), min(1.0, float(centre[-1] + margin[-1]))
        return replace(
            self,
            rows=self.rows + len(x),
            low=low,
            high=high,
            total=float(sums[-1]),
            deviations=float(deviations[-1]),
            bets=float(bets[-1]),
            weighted=float(weighted[-1]),
            penalty=float(penalty[-1]),
        )


def mean_difference_sequence(champion: ConfidenceSequence, challenger: ConfidenceSequence) -> Interval:
    """The challenger's mean less the champion's, valid at all times and for any two sizes.

    By the union bound: two sequences of confidence 1 - a/2 give a difference of confidence 1 - a. The two streams need
    not be independent or equally long.
    """
    a, b = challenger.interval, champion.interval
    confidence = 1 - (1 - a.confidence) - (1 - b.confidence)
    if confidence <= 0:
        raise InvalidInput("the two sequences are too unsure to say anything together", field="confidence")
    method = "Waudby-Smith and Ramdas 2023, Theorem 2, with the union bound"
    return Interval(a.estimate - b.estimate, a.low - b.high, a.high - b.low, confidence, method)


def student_t_quantile(share: float, freedom: float) -> float:
    """The quantile of Student's t distribution, for shares from 0.5 up to below 1, by bisection on its distribution function."""
    if not 0.5 <= share < 1 or not freedom > 0:
        raise InvalidInput("needs a share from 0.5 up to below 1 and positive degrees of freedom", field="share")
    low, high = 0.0, 1.0
    while _t_cdf(high, freedom) < share:
        low, high = high, high * 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _t_cdf(middle, freedom) < share else (low, middle)
    return high


def _t_cdf(t: float, freedom: float) -> float:
    # Two forms of the same function: each keeps its digits where the other subtracts nearly equal numbers.
    if t * t < freedom:
        return 0.5 + _incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t)) / 2
    return 1 - _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / a / _beta_fraction(a, b, x)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Lentz's method, as modified by Thompson and Barnett."""
    tiny = 1e-300
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, 10_000):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + term * d) or tiny)
        c = (1 + term / c) or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _normal_quantile(confidence: float) -> float:
    _confidence(confidence)
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InvalidInput("a confidence lies between 0 and 1", field="confidence")


def _counts(successes: int, rows: int) -> None:
    if rows < 1 or not 0 <= successes <= rows:
        raise InvalidInput(f"{successes} successes of {rows} rows is not a proportion", field="successes")
