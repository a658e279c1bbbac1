"""The fixtures of `records_yard`."""

from __future__ import annotations

from records_yard import beginning, own, shared

__all__ = ["beginning", "own", "shared"]
