"""The databases that campaigns run on."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def database(request: pytest.FixtureRequest) -> str:
    """The address of an empty database; empty for SQLite in the installation's home."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("pg_url"))
