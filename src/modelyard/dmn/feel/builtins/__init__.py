"""FEEL's built-in functions (DMN 1.5, 10.3.4). Importing this package completes `FUNCTIONS`."""

from modelyard.dmn.feel.builtins import (
    aggregates,
    contexts,
    conversions,
    dates,
    lists,
    numeric,
    ranges,
    strings,
)
from modelyard.dmn.feel.builtins.conversions import set_range_reader
from modelyard.dmn.feel.builtins.registry import FUNCTIONS, Builtin

__all__ = [
    "FUNCTIONS",
    "Builtin",
    "aggregates",
    "contexts",
    "conversions",
    "dates",
    "lists",
    "numeric",
    "ranges",
    "set_range_reader",
    "strings",
]
