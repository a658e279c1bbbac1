"""The fixtures of `records_yard`."""

from __future__ import annotations

from records_yard import own, shared

__all__ = ["own", "shared"]
