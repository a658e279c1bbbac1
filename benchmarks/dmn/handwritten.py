"""Python as a person would write it: the small table and the chain by ifs, the long tables as a loop over tuples."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.dmn.cases import CHAIN, TABLES, rules
from benchmarks.dmn.side import Decide, Side
from benchmarks.peers import serve


def rate(data: dict[str, Any]) -> int | None:  # noqa: C901, PLR0911, PLR0912 - as many branches as there are rules
    """The table of ten rules."""
    score, risk, amount = data["score"], data["risk"], data["amount"]
    if 0 <= score < 200:
        if risk in ("low", "medium") and amount <= 50000:
            return 1
        if risk == "high" and 1000 <= amount <= 40000:
            return 2
    elif 200 <= score < 400:
        if risk in ("low", "medium") and amount <= 50000:
            return 3
        if risk == "high" and 1000 <= amount <= 40000:
            return 4
    elif 400 <= score < 600:
        if risk in ("low", "medium") and amount <= 50000:
            return 5
        if risk == "high" and 1000 <= amount <= 40000:
            return 6
    elif 600 <= score < 800:
        if risk in ("low", "medium") and amount <= 50000:
            return 7
        if risk == "high" and 1000 <= amount <= 40000:
            return 8
    elif 800 <= score < 1000:
        if risk in ("low", "medium") and amount <= 50000:
            return 9
        if risk == "high" and 1000 <= amount <= 40000:
            return 10
    return None


def answer(data: dict[str, Any]) -> str:
    """The chain, in floats."""
    score, ratio = data["score"], data["debt"] / data["income"]
    if score >= 700 and ratio < 0.3:
        risk, yearly = "low", 0.05
    elif (score >= 500 and ratio < 0.4) or (score >= 300 and ratio < 0.2):
        risk, yearly = "medium", 0.08
    else:
        risk, yearly = "high", 0.12
    payment = data["amount"] * yearly / 12 / (1 - (1 + yearly / 12) ** -36)
    if risk == "high":
        return "decline"
    return "accept" if payment / data["income"] <= 0.4 else "refer"


def scan(size: int) -> Decide:
    """A loop over the rules, until one matches."""
    rows = []
    for band, risks, amounts, output in rules(size):
        low, high = map(int, re.findall(r"\d+", band))
        least, most = (1000, 40000) if amounts.startswith("[") else (float("-inf"), 50000)
        rows.append((low, high, frozenset(re.findall(r"\w+", risks)), least, most, int(output)))

    def decide(data: dict[str, Any]) -> int | None:
        score, risk, amount = data["score"], data["risk"], data["amount"]
        for low, high, risks, least, most, output in rows:
            if low <= score < high and risk in risks and least <= amount <= most:
                return output
        return None

    return decide


class Handwritten(Side):
    def load(self, case: str) -> Decide:
        if case == CHAIN:
            return answer
        return rate if TABLES[case] == 10 else scan(TABLES[case])


if __name__ == "__main__":
    serve(Handwritten())
