"""The house of `tests.life`, in memory: what these tests ask is the same on every adapter, and asked of all of them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from modelyard.core.records import Storage, Table
from modelyard.storage.memory import MemoryStorage
from tests.life.conftest import beginning, house

__all__ = ["beginning", "house", "make_storage"]


@pytest.fixture
def make_storage() -> Callable[[Sequence[Table[Any]]], Storage]:
    return lambda tables: MemoryStorage(tuple(tables))
