"""The models of the comparison as every side's own format wants them. Runs in any environment with scikit-learn.

    python -m benchmarks.against.models KIND FOLDER      # KIND: logistic, forest; FOLDER gets model.joblib

All take one tensor `x` of 30 numbers; our side and the ONNX peers get `model.onnx` from `onnx_bytes`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.model import FIELDS, train

TREES = 100


def fitted(kind: str) -> Any:
    """The fitted pipeline: the same in every environment with the same scikit-learn."""
    if kind == "logistic":
        return train()
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_breast_cancer(return_X_y=True)
    return RandomForestClassifier(TREES, random_state=0).fit(x, y)


def onnx_bytes(kind: str) -> bytes:
    """The pipeline as ONNX: input `x`, outputs `label` and `probabilities`."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    made = to_onnx(fitted(kind), initial_types=[("x", FloatTensorType([None, len(FIELDS)]))], options={"zipmap": False})
    return bytes(made.SerializeToString())


if __name__ == "__main__":
    import joblib

    joblib.dump(fitted(sys.argv[1]), Path(sys.argv[2]) / "model.joblib")
