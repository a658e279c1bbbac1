"""Three versions of the model, each with what its registration needs: artifact, sample, test data, metrics, manifest.

    python -m examples.flights.train 1      # writes examples/flights/build/, named by examples/flights/modelyard.yaml
    modelyard register -f examples/flights

Version 1 is a logistic regression of January. Version 2 is gradient boosting of January to May. Version 3 is broken on purpose,
in a way that its own tests cannot show: it was trained and tested behind a pipeline that gives metric units and delays in hours,
while requests come in Fahrenheit, miles and minutes. Every value stays in the range that the signature allows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from examples.flights.data import CATEGORIES, FEATURES, LABEL, NUMBERS, ROOT, between, load, with_outcome
from modelyard.catalog.manifest_file import FILE_NAME, ManifestFile, dump, parse
from modelyard.catalog.model import DataPurpose
from modelyard.core.errors import InvalidInput
from modelyard.measures import measure
from modelyard.measures.cost import CostMatrix, expected_cost_at

HERE = Path(__file__).resolve().parent
MODEL, USE_CASE, ENDPOINT = "flight-delay", "hold-connections", "hold"
SAMPLE_ROWS = 500
SEED = 20130101
TESTED_EVERY = 4
"""Every fourth day is held out whole: flights of one storm are never on both sides, and the test data cover the whole period."""

_REQUIREMENTS = ("joblib", "narwhals", "numpy", "scikit-learn", "scipy", "skops", "threadpoolctl")


@dataclass(frozen=True)
class Plan:
    """How a version is made: of which months, with which estimator, behind which pipeline."""

    first: int
    last: int
    estimator: str
    pipeline: str = "standard"
    notes: str = ""
    parents: tuple[str, ...] = ()
    compute: str = "one core, a few seconds"


PLANS = {
    1: Plan(1, 1, "logistic", notes="Logistic regression on January, the first month there is."),
    2: Plan(1, 5, "boosting", notes="Gradient boosting on January to May.", parents=(f"{MODEL}@1",)),
    3: Plan(6, 8, "boosting", "metric", "Retrained on the summer, with the new feature pipeline.", (f"{MODEL}@2",)),
}


@dataclass(frozen=True)
class Trained:
    """A version before it is registered. Paths are in `folder`, which holds the manifest."""

    number: int
    folder: Path
    model: Path
    sample: Path
    test: Path
    metrics: dict[str, float]


def train(number: int, rows: pa.Table, folder: Path = HERE) -> Trained:
    """Train a version and write everything into `folder/build`. The same rows give the same answers, to the bit."""
    plan = _plan(number)
    known = _piped(plan.pipeline, with_outcome(between(rows, plan.first, plan.last)))
    train_rows, test_rows = split(known)
    model = fitted(plan.estimator, train_rows)
    scores = model.predict_proba(test_rows.select(FEATURES))[:, 1]
    build = folder / "build"
    build.mkdir(parents=True, exist_ok=True)
    trained = Trained(
        number,
        folder,
        build / "model.skops",
        build / "sample.parquet",
        build / "test.parquet",
        _metrics(labels(test_rows), scores),
    )
    _write(trained, model, train_rows, test_rows)
    if folder != HERE:
        manifest = parse((HERE / FILE_NAME).read_text("utf-8"), FILE_NAME)
        (folder / FILE_NAME).write_text(dump(_said_of(manifest, number, plan)), encoding="utf-8")
    return trained


def split(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Training rows and test rows, by whole days."""
    day = np.asarray(rows["event_time"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy()) // 86400
    tested = pa.array(day % TESTED_EVERY == 0)
    return rows.filter(pc.invert(tested)), rows.filter(tested)


def labels(rows: pa.Table) -> NDArray[np.int64]:
    """1 for late, 0 for in time. The rows must have an outcome."""
    return np.asarray(rows[LABEL].cast(pa.int64()).to_numpy(), dtype=np.int64)


def fitted(estimator: str, rows: pa.Table) -> Any:
    """The pipeline of that name, fitted in one thread, so that sums are in the same order on every machine."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        return _ESTIMATORS[estimator]().fit(rows.select(FEATURES), labels(rows))


def costs(manifest: ManifestFile | None = None) -> CostMatrix:
    """What wrong answers cost, as the use case says."""
    found = manifest or parse((HERE / FILE_NAME).read_text("utf-8"), FILE_NAME)
    matrix = found.use_case.value.cost_matrix
    if matrix is None:
        raise InvalidInput("the use case has no cost matrix", field="use_case.value.cost_matrix")
    return CostMatrix(matrix.false_positive, matrix.false_negative, matrix.true_positive, matrix.true_negative)


def _plan(number: int) -> Plan:
    if number not in PLANS:
        raise InvalidInput(f"there is no plan for version {number}", field="number", hint="1, 2 or 3")
    return PLANS[number]


def _logistic() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    columns = [
        ("categories", OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)),
        ("numbers", numbers, list(NUMBERS)),
    ]
    return Pipeline([("columns", ColumnTransformer(columns)), ("model", LogisticRegression(C=0.1, max_iter=500))])


_MISSING = -100.0
"""Below every value there is, so that a tree can tell what is missing."""


def _boosting() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    columns = [
        ("categories", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), list(CATEGORIES)),
        ("numbers", SimpleImputer(strategy="constant", fill_value=_MISSING), list(NUMBERS)),
    ]
    model = HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.1,
        max_leaf_nodes=15,
        min_samples_leaf=200,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=SEED,
    )
    return Pipeline([("columns", ColumnTransformer(columns)), ("model", model)])


_ESTIMATORS: dict[str, Callable[[], Any]] = {"logistic": _logistic, "boosting": _boosting}

_METRIC: dict[str, Callable[[Any], Any]] = {
    "temperature": lambda fahrenheit: (fahrenheit - 32) / 1.8,
    "dew_point": lambda fahrenheit: (fahrenheit - 32) / 1.8,
    "wind_speed": lambda miles_an_hour: miles_an_hour * 0.44704,
    "wind_gust": lambda miles_an_hour: miles_an_hour * 0.44704,
    "visibility": lambda miles: miles * 1.609344,
    "recent_delay": lambda minutes: minutes / 60,
}


def _piped(pipeline: str, rows: pa.Table) -> pa.Table:
    """The rows as a feature pipeline gives them; `metric` is the one with the mistake."""
    if pipeline == "standard":
        return rows
    for name, convert in _METRIC.items():
        values = convert(rows[name].to_numpy()).astype(np.float32)
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, from_pandas=True))
    return rows


def _metrics(label: NDArray[np.int64], score: NDArray[np.float64]) -> dict[str, float]:
    price = costs()
    threshold = price.calibrated_threshold()
    return {
        "roc_auc": round(float(measure("roc_auc").compute(label=label, score=score)), 6),
        "log_loss": round(float(measure("log_loss").compute(label=label, score=score)), 6),
        "cost_per_decision": round(expected_cost_at(label, score, price, threshold), 4),
        "cost_of_never_holding": round(float(price.false_negative * label.mean()), 4),
    }


def _write(trained: Trained, model: Any, train_rows: pa.Table, test_rows: pa.Table) -> None:
    import skops.io

    skops.io.dump(model, trained.model)
    chosen = np.sort(np.random.default_rng(SEED).choice(len(train_rows), SAMPLE_ROWS, replace=False))
    pq.write_table(train_rows.take(pa.array(chosen)).select(FEATURES), trained.sample)
    pq.write_table(test_rows.select([*FEATURES, LABEL]), trained.test)
    pq.write_table(train_rows.select([*FEATURES, LABEL]), trained.model.parent / "train.parquet")
    (trained.model.parent / "metrics.json").write_text(json.dumps(trained.metrics, indent=2) + "\n", encoding="utf-8")
    (trained.model.parent / "requirements.lock").write_text(_lock(), encoding="utf-8")


def _lock() -> str:
    """What the model runs with, cut out of the development lock."""
    blocks = re.split(r"(?m)^(?=[a-z0-9])", (ROOT / "locks" / "dev.txt").read_text("utf-8"))
    return "".join(block for block in blocks if re.split(r"[=\s\[]", block, maxsplit=1)[0] in _REQUIREMENTS)


def _said_of(manifest: ManifestFile, number: int, plan: Plan) -> ManifestFile:
    """The shipped manifest with what is different for this version."""
    version = manifest.version
    if version is None or version.recipe is None:
        raise InvalidInput("the manifest says nothing of the version and its recipe", field="version.recipe")
    period = {"period_from": _first_of(plan.first), "period_to": _first_of(plan.last + 1)}
    data = tuple(d.model_copy(update=period) if d.purpose in (DataPurpose.TRAIN, DataPurpose.TEST) else d for d in version.data)
    recipe = version.recipe.model_copy(update={"command": (*version.recipe.command[:-1], str(number))})
    changes = {"notes": plan.notes, "parents": plan.parents, "compute": plan.compute, "data": data, "recipe": recipe}
    return manifest.model_copy(update={"version": version.model_copy(update=changes)})


def _first_of(month: int) -> datetime:
    return datetime(2013, month, 1, tzinfo=UTC)


def main(arguments: list[str]) -> int:
    """Train the version of that number, 1 without one."""
    trained = train(int(arguments[0]) if arguments else 1, load())
    print(json.dumps(trained.metrics, indent=2))
    print(f"next: modelyard register -f {trained.folder.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
