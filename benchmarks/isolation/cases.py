"""What is measured: a scikit-learn pipeline of 30 numbers and a small LightGBM model, on one row; a lock for their engines."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

LOCK = Path(__file__).parents[2] / "locks" / "dev.txt"
ENGINES = ("scikit-learn", "lightgbm", "numpy", "scipy", "joblib", "threadpoolctl", "narwhals", "cloudpickle")
FIELDS = 30


@dataclass(frozen=True)
class Case:
    """A saved model, its format, its signature and one row for it."""

    name: str
    format: str
    path: Path
    signature: Signature
    row: Batch


def cases(folder: Path) -> list[Case]:
    """Both models, trained on made-up numbers."""
    from lightgbm import LGBMClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(7)
    x = random.normal(size=(1000, FIELDS)).astype(np.float32)
    y = (x[:, 0] - x[:, 1] > 0).astype(int)
    (linear := folder / "linear.pkl").write_bytes(pickle.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)))
    (folder / "lgb.txt").write_text(LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1).fit(x, y).booster_.model_to_string())
    return [
        Case("scikit-learn pipeline", "pickle", linear, _signature("f"), _row(x, "f")),
        Case("LightGBM, 20 trees", "lightgbm-text", folder / "lgb.txt", _signature("Column_"), _row(x, "Column_")),
    ]


def _signature(prefix: str) -> Signature:
    return Signature(
        inputs=tuple(FieldSpec(name=f"{prefix}{n}", type=DataType.FP32) for n in range(FIELDS)),
        outputs=(
            FieldSpec(name="label", type=DataType.INT64, role=Role.LABEL),
            FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE),
        ),
    )


def _row(x: np.ndarray[Any, Any], prefix: str) -> Batch:
    return {f"{prefix}{n}": x[:1, n].copy() for n in range(FIELDS)}


def lock() -> bytes:
    """The engines' part of the project's own lock, so that their wheels are in uv's cache already."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", LOCK.read_text())
    return "".join(block for block in blocks if block.partition("==")[0] in ENGINES).encode()
