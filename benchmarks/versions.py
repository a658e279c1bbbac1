"""The same versions for every catalog that is compared: 100 models, version after version. Plain Python, for any environment."""

from __future__ import annotations

from typing import Any

MODELS = 100
_SUBJECTS = ("flight-delay", "card-fraud", "churn", "credit-risk", "demand", "claims", "routing", "pricing", "lead", "stock")
_METHODS = ("logistic", "forest", "boosting", "scorecard", "network", "survival", "bayes", "kernel", "linear", "ensemble")
_PLACES = ("north", "south", "east", "west", "coast", "inland", "city", "rural", "harbour", "border", "airport")


def model_name(number: int) -> str:
    return f"{_SUBJECTS[number % 10]}-{_METHODS[number // 10 % 10]}"


def version(number: int) -> dict[str, Any]:
    """The version of that number, from 0: its model, notes, tags, parameters and metrics."""
    return {
        "model": model_name(number % MODELS),
        "notes": f"trained for the {_PLACES[number % 11]} branch, candidate{number:05d} of the season",
        "tags": {"team": f"team{number % 7}", "region": _PLACES[number % 11]},
        "parameters": {"seed": number, "depth": number % 12, "rate": 0.01 * (number % 30), "rows": 10_000 + number},
        "metrics": {"auc": 0.6 + (number % 400) / 1000, "log_loss": 0.7 - (number % 500) / 1000},
    }
