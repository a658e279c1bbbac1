"""Rows, a logistic regression of 30 features, and an endpoint that serves it: what both sides work on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.runtime.batch import Place
from modelyard.trust.statements import Arm, ArmRole
from tests.runtime.runtime_stage import ControlPlane

FEATURES = 30
GROUP = 1 << 17
NAMES = [f"f{n:02d}" for n in range(FEATURES)]
SIGNATURE = Signature(
    inputs=tuple(FieldSpec(name=name, type=DataType.FP32) for name in NAMES),
    outputs=(
        FieldSpec(name="label", type=DataType.INT64, role=Role.LABEL),
        FieldSpec(name="probability", type=DataType.FP32, role=Role.SCORE),
    ),
)


def model() -> bytes:
    """A scaler and a logistic regression, as skl2onnx gives them."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(1)
    x = random.normal(size=(5000, FEATURES)).astype(np.float32)
    y = (x[:, :3].sum(axis=1) + random.normal(size=5000) > 0).astype(np.int64)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    return bytes(to_onnx(fitted, x[:1], options={"zipmap": False}).SerializeToString())


def write_rows(path: Path, count: int) -> None:
    """A Parquet file: a key that tells rows apart, and the features as 32-bit floats."""
    random = np.random.default_rng(2)
    schema = pa.schema([("customer", pa.string()), *((name, pa.float32()) for name in NAMES)])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, count, GROUP):
            rows = min(GROUP, count - first)
            columns: list[Any] = [pa.array([f"c{n:09d}" for n in range(first, first + rows)])]
            columns += [pa.array(column) for column in random.normal(size=(FEATURES, rows)).astype(np.float32)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=GROUP)


def serve(folder: Path, data: bytes) -> Place:
    """Release the model and route an endpoint `score` to it; where a batch of it runs."""
    plane = ControlPlane(folder)
    manifest = plane.version(data, SIGNATURE)
    release = plane.release(manifest, "ver_1", endpoints=("score",))
    arm = Arm(name="v1", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
    plane.publish(plane.endpoint(arm, name="score"))
    return Place(home=folder / "home", source=str(plane.published), trust_roots=plane.roots, log=folder / "log")
