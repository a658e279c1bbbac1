"""One runtime for the tests of all wire forms: starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from forms_stage import LARGEST_BODY, Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("forms"), "--largest-body", str(LARGEST_BODY))
    yield made
    assert made.runtime.stop() == 0
