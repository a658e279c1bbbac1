"""Small real models, trained once a session, saved in every format that the kind `ml` reads."""

from __future__ import annotations

import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from modelyard.kinds import infer
from modelyard.kinds.compliance import Good
from modelyard.kinds.contract import Batch, Policy
from modelyard.kinds.signature import FieldSpec, Signature

PICKLES = Policy(allow_pickle=True)
ROWS = 120


def sample_of(rows: int = ROWS, seed: int = 7) -> Batch:
    """Flights, made up: two numbers and a text; float32 values, so that every engine sees the same thresholds."""
    random = np.random.default_rng(seed)
    return {
        "distance": random.normal(size=rows).astype(np.float32),
        "wind": random.normal(size=rows).astype(np.float32),
        "origin": random.choice(["EWR", "JFK", "LGA"], rows).astype(object),
    }


def numbers_of(batch: Batch) -> Batch:
    return {name: batch[name] for name in ("distance", "wind")}


def matrix_of(batch: Batch) -> np.ndarray:
    return np.column_stack([batch["distance"], batch["wind"]])


def table_of(batch: Batch) -> pa.Table:
    return infer.encode(batch)


class Trained:
    """Fitted models by name, with their data."""

    def __init__(self) -> None:
        from lightgbm import LGBMClassifier, LGBMRegressor
        from sklearn.compose import ColumnTransformer
        from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler
        from xgboost import XGBClassifier, XGBRegressor

        self.sample = sample_of()
        x, jfk = matrix_of(self.sample), self.sample["origin"] == "JFK"
        margin = x[:, 0] - x[:, 1] + jfk
        self.late = (margin > 0.3).astype(int)
        self.texts = np.where(margin > 0.3, "late", "on time").astype(object)
        self.three = np.digitize(margin, [-0.5, 0.8])
        self.minutes = margin * 10
        columns = ColumnTransformer(
            [("n", StandardScaler(), ["distance", "wind"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["origin"])]
        )
        self.pipeline = make_pipeline(columns, LogisticRegression()).fit(table_of(self.sample), self.texts)
        self.forest = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0, n_jobs=1).fit(x, self.late)
        self.boosting = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(x, self.minutes)
        self.xgb = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(x, self.late)
        self.xgb_three = XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(x, self.three)
        self.xgb_minutes = XGBRegressor(n_estimators=4, max_depth=3, n_jobs=1).fit(x, self.minutes)
        self.lgb = LGBMClassifier(n_estimators=4, num_leaves=7, verbose=-1, n_jobs=1).fit(x, self.late)
        self.lgb_three = LGBMClassifier(n_estimators=4, num_leaves=7, verbose=-1, n_jobs=1).fit(x, self.three)
        self.lgb_minutes = LGBMRegressor(n_estimators=4, num_leaves=7, verbose=-1, n_jobs=1).fit(x, self.minutes)


def every_format(trained: Trained, folder: Path) -> dict[str, Good]:
    """Every format, with the native prediction as the expected answer."""
    return {name: make(folder / name) for name, make in _makers(trained).items()}


def _makers(t: Trained) -> dict[str, Callable[[Path], Good]]:
    x = matrix_of(t.sample)
    two = numbers_of(t.sample)
    late = _binary(t.forest, x)
    return {
        "pipeline.skops": lambda p: _good(_skops(t.pipeline, p), t.sample, _texts(t), translates=True),
        "pipeline.joblib": lambda p: _good(_joblib(t.pipeline, p), t.sample, _texts(t), PICKLES, translates=True),
        "pipeline.pkl": lambda p: _good(_pickle(t.pipeline, p), t.sample, _texts(t), PICKLES, translates=True),
        "pipeline.onnx": lambda p: _good(_onnx_columns(t.pipeline, p), t.sample, _texts(t)),
        "forest.skops": lambda p: _good(_skops(t.forest, p), two, late, translates=True),
        "forest-zlib.joblib": lambda p: _good(_joblib(t.forest, p, ("zlib", 3)), two, late, PICKLES, translates=True),
        "forest-lzma.joblib": lambda p: _good(_joblib(t.forest, p, ("lzma", 3)), two, late, PICKLES),
        "forest.onnx": lambda p: _good(_onnx_matrix(t.forest, p, zipmap=False), two, late),
        "forest-zipmap.onnx": lambda p: _good(_onnx_matrix(t.forest, p, zipmap=True), two, late),
        "boosting.pkl": lambda p: _good(_pickle(t.boosting, p), two, _numbers(t.boosting, x), PICKLES, translates=True),
        "xgb.json": lambda p: _good(_xgboost(t.xgb, p), two, _binary(t.xgb, x), translates=True),
        "xgb.ubj": lambda p: _good(_xgboost(t.xgb, p), two, _binary(t.xgb, x), translates=True),
        "xgb-three.ubj": lambda p: _good(_xgboost(t.xgb_three, p), two, _many(t.xgb_three, x), translates=True),
        "xgb-minutes.json": lambda p: _good(_xgboost(t.xgb_minutes, p), two, _numbers(t.xgb_minutes, x), translates=True),
        "xgb.pkl": lambda p: _good(_pickle(t.xgb, p), two, _binary(t.xgb, x), PICKLES, translates=True),
        "lgb.txt": lambda p: _good(_lightgbm(t.lgb, p), two, _binary(t.lgb, x), translates=True),
        "lgb-three.txt": lambda p: _good(_lightgbm(t.lgb_three, p), two, _many(t.lgb_three, x), translates=True),
        "lgb-minutes.txt": lambda p: _good(_lightgbm(t.lgb_minutes, p), two, _numbers(t.lgb_minutes, x), translates=True),
        "lgb.pkl": lambda p: _good(_pickle(t.lgb, p), two, _binary(t.lgb, x), PICKLES, translates=True),
        "mlflow-skops": lambda p: _good(_mlflow(t.pipeline, p), t.sample, _texts(t), translates=True),
        "mlflow.zip": lambda p: _good(_zipped(_mlflow(t.pipeline, p.with_suffix(".dir")), p), t.sample, _texts(t)),
        "mlflow.tar.gz": lambda p: _good(_tarred(_mlflow(t.pipeline, p.with_suffix(".dir2")), p), t.sample, _texts(t)),
    }


def signature_for(batch: Batch) -> Signature:
    """Inputs as the sample shows them, without outputs: the kind names those."""
    fields = tuple(FieldSpec(name=f.name, type=f.type) for f in infer.infer(batch).inputs)
    return Signature(inputs=fields, outputs=())


def _good(path: Path, sample: Batch, expected: Batch, policy: Policy | None = None, *, translates: bool = False) -> Good:
    return Good(path, sample, signature_for(sample), expected, policy or Policy(), translates=translates)


def _binary(model: object, x: np.ndarray) -> Batch:
    return {"label": model.predict(x), "probability": model.predict_proba(x)[:, 1].astype(np.float32)}


def _many(model: object, x: np.ndarray) -> Batch:
    return {"label": model.predict(x), "probability": model.predict_proba(x).astype(np.float32)}


def _numbers(model: object, x: np.ndarray) -> Batch:
    return {"prediction": model.predict(x)}


def _texts(t: Trained) -> Batch:
    table = table_of(t.sample)
    return {
        "label": t.pipeline.predict(table).astype(object),
        "probability": t.pipeline.predict_proba(table)[:, 1].astype(np.float32),
    }


def _skops(model: object, path: Path) -> Path:
    import skops.io

    skops.io.dump(model, path)
    return path


def _joblib(model: object, path: Path, compress: object = 0) -> Path:
    import joblib

    joblib.dump(model, path, compress=compress)
    return path


def _pickle(model: object, path: Path) -> Path:
    path.write_bytes(pickle.dumps(model))
    return path


def _onnx_columns(model: object, path: Path) -> Path:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = [
        ("distance", FloatTensorType([None, 1])),
        ("wind", FloatTensorType([None, 1])),
        ("origin", StringTensorType([None, 1])),
    ]
    path.write_bytes(convert_sklearn(model, initial_types=types, options={id(model): {"zipmap": False}}).SerializeToString())
    return path


def _onnx_matrix(model: object, path: Path, *, zipmap: bool) -> Path:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, 2]))]
    options = None if zipmap else {id(model): {"zipmap": False}}
    path.write_bytes(convert_sklearn(model, initial_types=types, options=options).SerializeToString())
    return path


def _xgboost(model: object, path: Path) -> Path:
    model.save_model(path)
    return path


def _lightgbm(model: object, path: Path) -> Path:
    model.booster_.save_model(path)
    return path


MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.9}
  sklearn: {pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.9.1}
mlflow_version: 3.17.0
signature:
  inputs: '%s'
"""


def _mlflow(model: object, folder: Path) -> Path:
    folder.mkdir()
    _skops(model, folder / "model.skops")
    columns = [{"type": "float", "name": "distance"}, {"type": "float", "name": "wind"}, {"type": "string", "name": "origin"}]
    (folder / "MLmodel").write_text(MLMODEL % json.dumps(columns))
    (folder / "requirements.txt").write_text("scikit-learn==1.9.1\n")
    return folder


def _zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for file in folder.iterdir():
            bundle.write(file, file.name)
    return path


def _tarred(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as bundle:
        bundle.add(folder, "model")
    return path
