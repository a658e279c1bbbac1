"""The tables that the packages of this program declare."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import modelyard
from modelyard.core.errors import InvalidInput
from modelyard.core.records import Table


def declared_tables() -> list[Table[Any]]:
    """Every `Table` in a module called `model`, and in `core`, by name. Raises InvalidInput when two share a name."""
    found: dict[str, Table[Any]] = {}
    for name in sorted(_modules()):
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, Table) and found.setdefault(value.name, value) is not value:
                raise InvalidInput(f"two tables are named {value.name}")
    return [found[name] for name in sorted(found)]


def _modules() -> list[str]:
    walked = pkgutil.walk_packages(modelyard.__path__, "modelyard.", onerror=_give_up)
    return [module.name for module in walked if module.name.endswith(".model") or module.name.startswith("modelyard.core.")]


def _give_up(name: str) -> None:
    raise ImportError(f"{name} cannot be imported, so its tables are unknown")
