"""Life cycles on every adapter, with people who are known to the platform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.life.conftest import House, beginning, house  # noqa: F401 -- fixtures
from tests.lifecycle.lifecycle_yard import Yard


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged, kept instead of written: for what breaks on purpose."""
    with capture_logs() as kept:
        yield kept


@pytest.fixture
def yard(house: House) -> Yard:  # noqa: F811 -- the fixture, not the import
    return Yard(house)
