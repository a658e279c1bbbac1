"""Errors on their way from one process to another."""

from __future__ import annotations

from importlib import import_module

import msgspec

from modelyard.core.errors import ModelyardError, Unavailable

MOST_ATTEMPTS = 3


class PartLost(Unavailable):
    """A part ended the process that worked on it, as often as it is tried."""

    code = "part_lost"


class CarriedError(msgspec.Struct, frozen=True, tag="error"):
    """One of the family's errors as data; others become Unavailable."""

    module: str
    name: str
    detail: str
    field: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: Exception) -> CarriedError:
        """The error as data."""
        if isinstance(error, ModelyardError):
            return cls(type(error).__module__, type(error).__qualname__, error.detail, error.field, error.hint)
        return cls(Unavailable.__module__, Unavailable.__qualname__, f"{type(error).__name__}: {error}")

    def error(self) -> ModelyardError:
        """The error again."""
        kind = getattr(import_module(self.module), self.name, None) if self.module.startswith("modelyard.") else None
        known = isinstance(kind, type) and issubclass(kind, ModelyardError)
        made: ModelyardError = (kind if known else Unavailable)(self.detail, field=self.field, hint=self.hint)  # type: ignore[misc]
        return made
