"""Modelyard from Python: `Client` speaks to a server and to the runtime beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.client.client import Client, Me, OutcomesTaken
    from modelyard.client.inference import Answers

__all__ = ["Answers", "Client", "Me", "OutcomesTaken"]


def __getattr__(name: str) -> Any:
    # The command line uses `client.http` alone: the records and what they import are loaded by those who use them.
    if name not in __all__:
        raise AttributeError(name)
    from modelyard.client import client, inference

    return getattr(inference if name == "Answers" else client, name)
