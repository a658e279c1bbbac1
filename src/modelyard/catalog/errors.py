"""Errors of the catalog.

InvalidInput
└── InvalidManifestFile    422  modelyard.yaml cannot be read; `problems` lists everything that is wrong, with line and path
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from modelyard.core.errors import InvalidInput


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file: where (line and column count from 1, `path` is dotted) and what to do about it."""

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.message}" + (
            f" ({self.suggestion})" if self.suggestion else ""
        )


class InvalidManifestFile(InvalidInput):
    code = "invalid_manifest_file"

    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """The error that tells all of them; the first leads."""
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        error = cls(f"{first}{more}", field=first.path or None, hint=first.suggestion or None)
        error.problems = tuple(problems)
        return error

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems) or super().__str__()
