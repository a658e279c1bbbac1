"""The catalog on each storage adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_yard import ALL_TABLES, HAS_SQL, Yard, sql

from modelyard.storage.memory import MemoryStorage


@pytest.fixture(params=["memory", "sqlite"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    if request.param == "memory":
        yield Yard(MemoryStorage(ALL_TABLES))
    elif HAS_SQL:
        yield Yard(sql(tmp_path))
    else:
        pytest.skip("no SQL adapter yet")
