"""What MLflow and cloudpickle really write, made and served in an environment built from a lock of the real packages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kinds_foreign import foreign, limits

from modelyard.core.errors import Untrusted
from modelyard.kinds.contract import Policy
from modelyard.kinds.environments import Environments
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from tests.conftest import skip_or_fail

pytestmark = pytest.mark.slow

LOCK = (Path(__file__).parents[2] / "locks" / "bench-mlflow.txt").read_bytes()
SIGNATURE = Signature(
    inputs=(FieldSpec(name="amount", type=DataType.FP64), FieldSpec(name="country", type=DataType.BYTES)),
    outputs=(FieldSpec(name="tax", type=DataType.FP64),),
)
ROWS = {"amount": np.array([10.0, 25.0, 40.0]), "country": np.array(["NL", "DE", "NL"], dtype=object)}
TAXES = [2.1, 4.75, 8.4]
MAKING = """
import sys
from pathlib import Path

import cloudpickle
import pandas
from mlflow import pyfunc
from sklearn.linear_model import LinearRegression

folder = Path(sys.argv[1])
rates = {"NL": 0.21, "DE": 0.19}

class Taxes(pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return pandas.DataFrame({"tax": model_input["amount"] * model_input["country"].map(rates)})

class Line:
    # defined here, where no module of the serving process has it: only cloudpickle carries such a class
    def __init__(self):
        self.inner = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
        self.n_features_in_ = 1
    def predict(self, rows):
        return self.inner.predict(rows)

pyfunc.save_model(str(folder / "taxes"), python_model=Taxes())
(folder / "line.pkl").write_bytes(cloudpickle.dumps(Line()))
"""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"))


@pytest.fixture(scope="module")
def made(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the models, written by MLflow and cloudpickle themselves."""
    try:
        environment = environments.get(LOCK, "3.11")
    except Exception as error:  # noqa: BLE001  whatever keeps it from being built is told
        skip_or_fail("mlflow", f"MLflow cannot be installed: {error}")
    folder = tmp_path_factory.mktemp("made")
    (script := folder / "making.py").write_text(MAKING)
    said = subprocess.run([environment.python, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    yield folder
    environment.close()


def test_an_mlflow_python_function_is_served_by_mlflow_in_its_own_environment(environments: Environments, made: Path) -> None:
    roomy = limits(memory_bytes=4 << 30, wall_seconds=120.0)
    settings = {"format_": "mlflow", "lock": LOCK, "signature": SIGNATURE, "limits": roomy, "python": "3.11"}
    with foreign(environments, made / "taxes", **settings) as predictor:
        assert predictor.wait(120), predictor.progress
        assert predictor.failure is None, predictor.failure
        np.testing.assert_allclose(predictor.predict(ROWS)["tax"], TAXES)
    with foreign(environments, made / "taxes", **settings, policy=Policy()) as predictor, pytest.raises(Untrusted):
        predictor.predict(ROWS)


def test_a_class_that_only_cloudpickle_carries_is_served(environments: Environments, made: Path) -> None:
    roomy = limits(memory_bytes=4 << 30, wall_seconds=120.0)
    with foreign(environments, made / "line.pkl", format_="cloudpickle", lock=LOCK, limits=roomy, python="3.11") as predictor:
        assert predictor.wait(120), predictor.progress
        assert predictor.failure is None, predictor.failure
        np.testing.assert_allclose(predictor.predict({"a": np.array([3.0, 4.0])})["prediction"], [7.0, 9.0])
