"""The shapes of values: what may be laid flat for a field, and what would be read askew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import Any

_DEEPEST = 32


def fits_shape(given: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether values of the shape `given` can be taken for one of `shape`: axes of length one do not matter, and what is flat is
    taken row by row. A transposed matrix does not fit, though it has as many values."""
    axes = [size for size in given if size != 1]
    return prod(given) == prod(shape) and (len(axes) < 2 or axes == [size for size in shape if size != 1])


def flattened(value: Any, shape: Sequence[int] | None = None) -> Any:
    """Nested lists as one, row by row; as they are when they are ragged or do not fit `shape`: who checks the values then says
    so."""
    flat, axes = value, list[int]()
    while isinstance(flat, list) and flat and len(axes) < _DEEPEST and all(isinstance(part, list) for part in flat):
        axes.append(len(flat) // prod(axes))
        if any(len(part) != len(flat[0]) for part in flat):
            return value
        flat = list(chain.from_iterable(flat))
    if not axes or shape is None or not flat:
        return flat
    return flat if fits_shape([*axes, len(flat) // prod(axes)], shape) else value
