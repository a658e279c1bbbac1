"""The fixtures of `cli_yard` and `cli_processes`, for all tests of the command line."""

from __future__ import annotations

from cli_processes import notes
from cli_yard import people, project, run, served, yard

__all__ = ["notes", "people", "project", "run", "served", "yard"]
