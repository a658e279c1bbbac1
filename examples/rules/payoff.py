"""What decisions about loans are worth, counted from what was decided and how the loan ended.

Assumptions of this example, not figures of a lender; all amounts are in the data's own unit, which they do not name:

- a loan that is repaid earns its interest at the policy's annual rate, less what the money itself costs (`FUNDING`);
- a loan that goes bad loses `LOSS_GIVEN_DEFAULT` of its amount, and its interest is not counted. 45 % is what the Basel
  framework long set for unsecured claims where a bank has no estimate of its own;
- a refusal earns and costs nothing;
- a referral costs a credit officer's time (`REVIEW`). The officer recognises half of the loans that would go bad, and refuses one
  in ten of those that would not.

Every application of the data was granted, so it is known for all of them how they ended, whatever is decided here. A lender who
refuses never learns it, and has to grant some at random to know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from examples.rules.data import LABEL
from modelyard.catalog.profile import CostMatrix
from modelyard.measures import Interval, Moments
from modelyard.measures.compare import student_t_quantile
from modelyard.value.model import ValueFigures, realised

ANNUAL_RATE = 0.12
"""As in credit-terms.dmn; a test holds the two together."""
FUNDING = 0.04
LOSS_GIVEN_DEFAULT = 0.45
REVIEW = 15.0
OFFICER_SEES, OFFICER_ERRS = 0.5, 0.1
ACCEPT, REFER, DECLINE = "ACCEPT", "REFER", "DECLINE"

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Decided = NDArray[Any]
"""A decision each, as text."""


@dataclass(frozen=True)
class Payoff:
    """Of every application: what granting it earns when it is repaid, what it loses when it goes bad, and whether it went bad."""

    gain: Floats
    loss: Floats
    bad: Mask

    @classmethod
    def of(cls, rows: pa.Table) -> Payoff:
        amount, months = (np.asarray(rows[name].to_numpy(), dtype=np.float64) for name in ("Loan.Amount", "Loan.Term"))
        bad = np.asarray(rows[LABEL].to_numpy(zero_copy_only=False), dtype=bool)
        return cls(interest(amount, months) * (1 - FUNDING / ANNUAL_RATE), LOSS_GIVEN_DEFAULT * amount, bad)

    def granted(self) -> Floats:
        """The value of granting every application."""
        return np.where(self.bad, -self.loss, self.gain)

    def referred(self) -> Floats:
        """The value of referring every application."""
        return np.where(self.bad, -(1 - OFFICER_SEES) * self.loss, (1 - OFFICER_ERRS) * self.gain) - REVIEW

    def value(self, decided: Decided) -> Floats:
        """The value of each decision. Raises KeyError for one that is none of the three."""
        ways = {ACCEPT: self.granted(), REFER: self.referred(), DECLINE: np.zeros(len(self.bad))}
        found = np.zeros(len(self.bad))
        for way in np.unique(decided.astype(str)):
            found = np.where(decided == way, ways[way], found)
        return found

    def compare(self, champion: Decided, challenger: Decided, where: Mask) -> tuple[Interval, tuple[Moments, Moments]]:
        """The challenger's mean value of a decision less the champion's over the applications of `where`, with its 95 % interval
        (Student's t over the pairs), and both samples' moments.

        A policy is a function of the application alone, so it is known what either would have decided on each of them, whoever
        was drawn to answer; and how the loan ended does not depend on that. Pairs say more than two samples do.
        """
        before, after = self.value(champion)[where], self.value(challenger)[where]
        pairs = Moments.of(after - before)
        half = student_t_quantile(0.975, pairs.count - 1) * math.sqrt(pairs.variance / pairs.count)
        found = Interval(pairs.mean, pairs.mean - half, pairs.mean + half, 0.95, "Student's t over pairs")
        return found, (Moments.of(before), Moments.of(after))

    def figures(self, decided: Decided, where: Mask, costs: CostMatrix) -> ValueFigures:
        """The entry of the value ledger, where acting is refusing and each way to turn out has one price: the use case's. The
        officer refuses every second referral that would go bad, and every tenth of the others."""
        refused = decided == DECLINE
        for truth, every in ((self.bad, round(1 / OFFICER_SEES)), (~self.bad, round(1 / OFFICER_ERRS))):
            refused[np.flatnonzero(where & truth & (decided == REFER))[::every]] = True
        return realised(refused[where], self.bad[where], costs, decisions=int(where.sum()))


def interest(amount: Floats, months: Floats) -> Floats:
    """All interest of an annuity loan at the annual rate."""
    monthly = ANNUAL_RATE / 12
    return np.asarray(amount * (monthly * months / (1 - (1 + monthly) ** -months) - 1))
