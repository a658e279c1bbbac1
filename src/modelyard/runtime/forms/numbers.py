"""Numbers that JSON cannot carry but bytes can: not-a-number and infinity, judged by the field they are given to.

Not-a-number in a field that may be null is a missing value, and is logged as one. In any other field it is an error. Infinity is
always one: the decision log holds JSON, and what a model was given must be what the log says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import FieldSpec


def finite(name: str, values: np.ndarray[Any, Any], spec: FieldSpec | None) -> np.ndarray[Any, Any] | list[Any]:
    """The values, first axis the rows: untouched when all are finite, else with None for what is missing. Raises InvalidInput
    naming field and row."""
    if values.dtype.kind != "f" or bool(np.isfinite(values).all()):
        return values
    infinite = np.isinf(values)
    if infinite.any():
        raise InvalidInput(f"input {name!r} is infinite in row {_row(infinite)}", field=name, hint="send finite numbers")
    missing = np.isnan(values)
    if spec is not None and not spec.nullable:
        raise InvalidInput(f"input {name!r} is not a number in row {_row(missing)}, and may not be missing", field=name)
    holed = values.astype(object)
    holed[missing] = None
    plain: list[Any] = (holed if holed.ndim == 1 else holed.reshape(len(holed), -1)).tolist()
    return plain


def _row(found: np.ndarray[Any, Any]) -> int:
    return int(np.argwhere(found)[0][0])
