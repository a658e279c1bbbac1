"""Life cycles on every adapter, with people who are known to the platform."""

from __future__ import annotations

import pytest

from tests.life.conftest import House, beginning, house  # noqa: F401 -- fixtures
from tests.lifecycle.lifecycle_yard import Yard


@pytest.fixture
def yard(house: House) -> Yard:  # noqa: F811 -- the fixture, not the import
    return Yard(house)
