"""The catalog on each storage adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from catalog_yard import ALL_TABLES, Yard

from modelyard.core.records import Storage
from modelyard.storage.memory import MemoryStorage


@pytest.fixture
def yard(make_storage: Callable[[Any], Storage]) -> Yard:
    """A yard on every adapter: for promises that the storage has a part in."""
    return Yard(make_storage(ALL_TABLES))


@pytest.fixture
def quick_yard() -> Yard:
    """A yard in memory: for promises that no storage could break."""
    return Yard(MemoryStorage(ALL_TABLES))
