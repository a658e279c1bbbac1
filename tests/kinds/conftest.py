"""The models of `kinds_models`, trained and saved once a session."""

import pytest
from kinds_models import Trained, every_format

from modelyard.kinds.compliance import Good


@pytest.fixture(scope="session")
def trained() -> Trained:
    return Trained()


@pytest.fixture(scope="session")
def artifacts(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Good]:
    return every_format(trained, tmp_path_factory.mktemp("artifacts"))
