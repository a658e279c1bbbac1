"""The model that every server of a comparison answers with: a logistic regression behind a scaler, 30 inputs, real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FIELDS = tuple(f"feature_{i:02d}" for i in range(30))


def train() -> Any:
    """The fitted scikit-learn pipeline; the same in every environment with the same scikit-learn."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)


def rows(count: int) -> list[list[float]]:
    """Rows of the data, over and over."""
    from sklearn.datasets import load_breast_cancer

    x, _ = load_breast_cancer(return_X_y=True)
    return [[float(v) for v in x[i % len(x)]] for i in range(count)]


def write_onnx(folder: Path) -> Path:
    """The pipeline as ONNX: one input of 30 numbers; label and probabilities come out."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    path = folder / "model.onnx"
    options = {"zipmap": False}
    made = to_onnx(train(), initial_types=[("features", FloatTensorType([None, len(FIELDS)]))], options=options)
    path.write_bytes(made.SerializeToString())
    return path


def write_sample(path: Path, label: str | None = None) -> Path:
    """All rows as Parquet, with what came of them when `label` names a column for it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sklearn.datasets import load_breast_cancer

    values, outcomes = load_breast_cancer(return_X_y=True)
    columns = {name: values[:, i].astype(np.float32) for i, name in enumerate(FIELDS)}
    pq.write_table(pa.table(columns | ({label: outcomes} if label else {})), path)
    return path
