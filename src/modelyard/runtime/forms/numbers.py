"""Numbers that JSON cannot carry but bytes can.

Not-a-number is a missing value, fine where the field may be null, and logged as null. Infinity is an error: the decision log
holds JSON, and what a model was given must be what the log says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput


def finite(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | list[Any]:
    """The values, first axis the rows: untouched when all are finite, else with None for what is missing. Raises InvalidInput
    naming field and row."""
    if values.dtype.kind != "f" or bool(np.isfinite(values).all()):
        return values
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argwhere(infinite)[0][0])
        raise InvalidInput(f"input {name!r:.80} is infinite in row {row}", field=name, hint="send finite numbers")
    holed = values.astype(object)
    holed[np.isnan(values)] = None
    plain: list[Any] = (holed if holed.ndim == 1 else holed.reshape(len(holed), -1)).tolist()
    return plain
