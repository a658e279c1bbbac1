"""Small floats as the decimals that people wrote.

A number of 32 bits, widened to 64, has a tail: 0.1 becomes 0.10000000149011612. Who sends it as JSON has 0.1 in the log; who
sends it as bytes should have the same, and not three times the text. So such a number is told by its nearest decimal of few
digits, as long as that is the same number again in its own type. What the model gets does not change.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_DIGITS = {np.dtype(np.float16): (4, 5), np.dtype(np.float32): (7, 9)}
"""Digits that mostly do (a decimal as people write them), and digits that always do (IEEE 754-2019, 5.12.2)."""
_FARTHEST = 13
"""Numbers of 1e14 and more, or less than 1e-13, stay as they are: beyond, a power of ten is not exact in 64 bits, and dividing by
it would not give the number nearest to the decimal."""
_POWERS = np.array([10.0**power for power in range(23)])
_FEW = 12
"""So few are quicker one by one."""


def short(values: Array) -> list[float]:
    """The numbers in 64 bits, flat: each has few digits and is the same in its own type. `values` are finite floats of any
    shape; those of 64 bits come as they are."""
    flat = values.reshape(-1)
    digits = _DIGITS.get(flat.dtype.newbyteorder("="))
    if digits is None:
        plain: list[float] = flat.tolist()
        return plain
    if len(flat) < _FEW:
        return [_one(number, wide, *digits) for number, wide in zip(flat, flat.tolist(), strict=True)]
    found: list[float] = _many(flat, *digits).tolist()
    return found


def _many(flat: Array, few: int, enough: int) -> Array:
    wide = flat.astype(np.float64)
    size = np.abs(wide)
    size[size == 0] = 1.0
    places = np.floor(np.log10(size)).astype(np.int64)
    far = np.flatnonzero(np.abs(places) > _FARTHEST)
    places[far] = 0
    found = _rounded(wide, few - 1 - places)
    found[far] = wide[far]
    longer = np.flatnonzero(found.astype(flat.dtype) != flat)
    if len(longer):
        found[longer] = _rounded(wide[longer], enough - 1 - places[longer])
    return found


def _rounded(wide: Array, digits: Array) -> Array:
    """The nearest decimals with so many digits behind the point (before it when negative)."""
    scale = _POWERS[np.abs(digits)]
    if digits.min() >= 0:
        return np.asarray(np.rint(wide * scale) / scale)
    found: Array = np.where(digits >= 0, np.rint(wide * scale) / scale, np.rint(wide / scale) * scale)
    return found


def _one(number: Any, wide: float, few: int, enough: int) -> float:
    """As `_many`."""
    if wide and not 1e-13 <= abs(wide) < 1e14:
        return wide
    near = float(f"{wide:.{few}g}")
    return near if number.dtype.type(near) == number else float(f"{wide:.{enough}g}")
