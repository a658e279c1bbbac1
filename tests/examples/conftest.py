"""The flights are fetched once; where that cannot be, these tests are skipped unless MODELYARD_DEMAND names `data`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from examples.flights import data
from modelyard.core.errors import Unavailable
from tests.conftest import skip_or_fail


@pytest.fixture(scope="session")
def tables() -> tuple[Any, Any, Any]:
    """Flights, weather and planes as they are in the files."""
    try:
        return data.tables(data.fetch())
    except Unavailable as error:
        skip_or_fail("data", f"the flights are not to be had: {error}")
        raise


@pytest.fixture(scope="session")
def rows(tables: tuple[Any, Any, Any]) -> pa.Table:
    """The flights as decisions."""
    return data.load()
