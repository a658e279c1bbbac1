from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.batch_stage import Stage
from tests.conftest import skip_or_fail

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A real Ray cluster of this machine."""
    try:
        import ray
    except ImportError as error:
        skip_or_fail("ray", f"Ray is not installed: {error}")
        raise
    paths = os.pathsep.join([f"{ROOT}/src", ROOT, os.environ.get("PYTHONPATH", "")])
    environment = {"env_vars": {"PYTHONPATH": paths}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment, object_store_memory=100 << 20)
    yield ray
    ray.shutdown()
