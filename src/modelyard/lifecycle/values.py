"""Values of processes as records and commands carry them: JSON, with numbers as numbers and times as ISO text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from modelyard.dmn import plain


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """FEEL's values as JSON's. A decimal becomes a whole number when it is one, else the nearest double."""
    return {name: _json(plain(value)) for name, value in values.items()}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 10**18 else float(value)
    if isinstance(value, Mapping):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A text divided by commas, or a list of texts, as texts; blanks are left out."""
    if value is None:
        return ()
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else (value,)
    return tuple(dict.fromkeys(str(part).strip() for part in parts if part is not None and str(part).strip()))
