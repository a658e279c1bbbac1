"""The fixtures of `records_yard`."""

from __future__ import annotations

from records_yard import beginning, either, own, pg_beginning, shared

__all__ = ["beginning", "either", "own", "pg_beginning", "shared"]
