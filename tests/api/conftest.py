"""The fixtures of `api_yard`."""

from __future__ import annotations

from api_yard import server, victim

__all__ = ["server", "victim"]
