"""The fixtures of `cli_yard`, for all tests of the command line."""

from __future__ import annotations

from cli_yard import people, run, served, yard

__all__ = ["people", "run", "served", "yard"]
