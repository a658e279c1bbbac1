"""Why a row got its answer: attributions to fields, exact where the model allows it, sampled otherwise.

- Gradient boosting: the engine's own TreeSHAP (Lundberg et al., 2020), in the unit of the margin (log odds).
- Additive models (a linear model behind steps that keep columns apart): a field's term minus its mean over the background,
  which is its Shapley value without any sampling.
- All others: Shapley values by sampling permutations, each with its reverse, against rows of the background (Štrumbelj and
  Kononenko, 2014). Sampling is seeded, so that the same question has the same answer. For probabilities of two classes the
  unit is log odds, so that the method is exact for logistic models; for more classes it is the probability of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from modelyard.core.errors import InvalidInput, TooLarge
from modelyard.kinds.batches import row_count, take
from modelyard.kinds.contract import Attribution, Batch, Explanation
from modelyard.kinds.ml.columns import Array
from modelyard.kinds.ml.engines import Additive, Attributing, Engine
from modelyard.kinds.signature import FieldSpec, Role, Signature


class Answering(Protocol):
    """What can be explained: a loaded model that answers rows already held against its signature."""

    engine: Engine
    signature: Signature

    def answer(self, batch: Batch) -> Batch: ...


_PERMUTATIONS = 16
_BACKGROUND = 64
_MAX_ROWS = 1000
_MAX_PLAYERS = 2000
_TINY = 1e-7

Score = Callable[[Batch], Array]


@dataclass(frozen=True)
class Player:
    """One thing that an answer is attributed to: a scalar field, or one component of a vector."""

    field: str
    index: int | None = None

    @property
    def name(self) -> str:
        return self.field if self.index is None else f"{self.field}[{self.index}]"

    def value(self, row: Batch) -> Any:
        """Its plain value in a batch of one row."""
        cell = row[self.field][0] if self.index is None else row[self.field][0].reshape(-1)[self.index]
        return cell.item() if isinstance(cell, np.generic) else cell


def explain(predictor: Answering, rows: Batch, background: Batch, *, given: bool) -> Sequence[Explanation]:
    """One explanation a row. Raises InvalidInput when there is nothing to compare with, TooLarge beyond 1000 rows."""
    count = row_count(rows)
    if count > _MAX_ROWS:
        raise TooLarge(f"{count} rows to explain, at most {_MAX_ROWS} at once")
    engine = predictor.engine
    players = _players(engine.fields)
    odds = _in_log_odds(predictor)
    if isinstance(engine, Attributing):
        matrix, base = engine.attributions(rows)
        singles = [take(rows, slice(i, i + 1)) for i in range(count)]
        return [_told(engine.method, players, one, matrix[i], float(base[i]), odds=odds) for i, one in enumerate(singles)]
    if not given and count < 2:
        raise InvalidInput("explaining one row of this model needs rows to compare it with", field="background")
    usual = take(background, _spread(row_count(background)))
    if isinstance(engine, Additive) and engine.additive:
        return [_additive(engine.margin, players, take(rows, slice(i, i + 1)), usual, odds=odds) for i in range(count)]
    return [_sampled(predictor, players, take(rows, slice(i, i + 1)), usual) for i in range(count)]


def _players(fields: Sequence[FieldSpec]) -> list[Player]:
    found: list[Player] = []
    for field in fields:
        size = int(np.prod(field.shape, dtype=np.int64))
        found.extend([Player(field.name)] if field.shape == () else [Player(field.name, i) for i in range(size)])
    if len(found) > _MAX_PLAYERS:
        raise TooLarge(f"{len(found)} inputs to attribute to, at most {_MAX_PLAYERS}")
    return found


def _spread(rows: int) -> Array:
    return np.unique(np.linspace(0, rows - 1, min(rows, _BACKGROUND)).astype(int))


def _additive(margin: Score, players: list[Player], row: Batch, usual: Batch, *, odds: bool) -> Explanation:
    size = row_count(usual)
    whole = float(margin(row)[0])
    shares = np.empty(len(players))
    for i, player in enumerate(players):
        mixed = {name: np.repeat(column, size, axis=0) for name, column in row.items()}
        _set(mixed, player, slice(None), usual, slice(None))
        shares[i] = whole - float(margin(mixed).mean())
    return _told("linear (exact)", players, row, shares, whole - float(shares.sum()), odds=odds)


def _sampled(predictor: Answering, players: list[Player], row: Batch, usual: Batch) -> Explanation:
    """Walk from a background row to the explained row one player at a time, in random orders; average each one's steps."""
    random = np.random.default_rng(0)
    orders = [random.permutation(len(players)) for _ in range(_PERMUTATIONS // 2)]
    orders = [order for pair in orders for order in (pair, pair[::-1])]
    starts = random.integers(0, row_count(usual), len(orders))
    walks = [_walk(players, order, row, take(usual, slice(s, s + 1))) for order, s in zip(orders, starts, strict=True)]
    joined = {name: np.concatenate([walk[name] for walk in walks]) for name in walks[0]}
    scores = _score(predictor, row)(joined).reshape(len(orders), len(players) + 1)
    shares = np.zeros(len(players))
    for order, steps in zip(orders, np.diff(scores, axis=1), strict=True):
        shares[order] += steps
    base, odds = float(scores[:, 0].mean()), _in_log_odds(predictor)
    return _told("sampled Shapley", players, row, shares / len(orders), base, odds=odds)


def _walk(players: list[Player], order: Array, row: Batch, start: Batch) -> Batch:
    steps = len(order) + 1
    walk = {p.field: np.repeat(start[p.field], steps, axis=0) for p in players}
    for step, which in enumerate(order, start=1):
        _set(walk, players[which], slice(step, None), row, slice(None))
    return walk


def _set(target: Batch, player: Player, where: slice, source: Batch, rows: slice) -> None:
    if player.index is None:
        target[player.field][where] = source[player.field][rows]
    else:
        flat = target[player.field].reshape(len(target[player.field]), -1)
        flat[where, player.index] = source[player.field].reshape(len(source[player.field]), -1)[rows, player.index]


def _score(predictor: Answering, row: Batch) -> Score:
    """The number that is explained, of which the row itself decides the class."""
    answer = predictor.answer(row)
    field = _explained(predictor)
    if field is None:
        label = predictor.signature.outputs[0].name
        return lambda batch: np.asarray(predictor.answer(batch)[label] == answer[label][0], dtype=np.float64)
    if field.shape:
        best = int(np.argmax(answer[field.name].reshape(-1)))
        return lambda batch: predictor.answer(batch)[field.name].reshape(row_count(batch), -1)[:, best].astype(np.float64)
    if _in_log_odds(predictor):
        return lambda batch: _log_odds(predictor.answer(batch)[field.name].astype(np.float64))
    return lambda batch: predictor.answer(batch)[field.name].astype(np.float64)


def _explained(predictor: Answering) -> FieldSpec | None:
    """The output whose value is explained: the first score, or none for models that only give labels."""
    found = (f for f in predictor.signature.outputs if f.role is Role.SCORE or f.type.numpy.kind == "f")
    return next(found, None)


def _in_log_odds(predictor: Answering) -> bool:
    """Whether the explained number is the logarithm of the odds of a probability of two classes."""
    field = _explained(predictor)
    if field is None or field.shape:
        return False
    natural = {output.name: output.shape for output in predictor.engine.natural}
    return natural.get("probability") == ()


def _log_odds(probability: Array) -> Array:
    bounded = np.clip(probability, _TINY, 1 - _TINY)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _told(method: str, players: list[Player], row: Batch, shares: Array, base: float, *, odds: bool) -> Explanation:
    order = np.argsort(-np.abs(shares), kind="stable")
    found = tuple(
        Attribution(field=players[i].name, value=_plain(players[i].value(row)), contribution=float(shares[i])) for i in order
    )
    return Explanation(method=method, text=_sentence(found, base, odds=odds), attributions=found)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _sentence(found: tuple[Attribution, ...], base: float, *, odds: bool) -> str:
    """Plain words for a business owner: where it started, what raised it and what lowered it most."""
    score = base + sum(a.contribution for a in found)
    parts = [f"The score is {_number(score, odds=odds)}, where {_number(base, odds=odds)} is usual"]
    raised = [_named(a) for a in found if a.contribution > 0][:2]
    lowered = [_named(a) for a in found if a.contribution < 0][:2]
    if raised:
        parts.append(f"{' and '.join(raised)} raised it most")
    if lowered:
        parts.append(f"{' and '.join(lowered)} lowered it most")
    return "; ".join(parts) + "."


def _number(value: float, *, odds: bool) -> str:
    if not odds:
        return f"{value:.3g}"
    return f"{value:.3g} (a probability of {1 / (1 + math.exp(-max(-700.0, value))):.3g})"


def _named(attribution: Attribution) -> str:
    value = attribution.value
    if value is None:
        return f"{attribution.field} being empty"
    return f"{attribution.field} = {value:.4g}" if isinstance(value, float) else f"{attribution.field} = {value}"
