"""One house of real processes for all tests that break into it; each test works at an endpoint of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from processes_yard import FIRST, PEOPLE, SECOND, Yard, free_port, people

from modelyard.bootstrap import Settings
from modelyard.worker.up import House


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    settings = Settings(home=folder / "home", port=free_port(), runtime_port=free_port())
    with House(settings) as house:
        assert house.administrator is not None
        yard = Yard(house, people(settings.url, house.administrator, **PEOPLE), folder)
        yard.use_case("credit")
        yield yard
    for log in ("api.log", "runtime.log", "worker.log"):
        assert "Traceback" not in (settings.home / log).read_text(), f"{log} tells of a defect"


@pytest.fixture(scope="session")
def first(yard: Yard) -> Any:
    return yard.version(FIRST)


@pytest.fixture(scope="session")
def second(yard: Yard) -> Any:
    return yard.version(SECOND)
