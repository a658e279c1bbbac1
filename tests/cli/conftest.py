"""The fixtures of `cli_yard`, for all tests of the command line."""

from __future__ import annotations

from cli_yard import people, project, run, served, yard

__all__ = ["people", "project", "run", "served", "yard"]
