"""What runs a model: one small face over onnxruntime, scikit-learn, XGBoost and LightGBM, each imported when it is used.

An engine takes columns that already fit the signature, and answers under conventional names (see `columns`); probabilities
are always a matrix with one column a class.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol, runtime_checkable

import numpy as np

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds.contract import Batch
from modelyard.kinds.ml.columns import Array, classifier_outputs, matrix, only_numbers, prediction_output, taken
from modelyard.kinds.signature import DataType, FieldSpec, Scalar, Signature


class Engine(Protocol):
    """A model in memory. `fields` are the inputs it takes, `natural` the outputs it gives by convention."""

    fields: tuple[FieldSpec, ...]
    natural: tuple[FieldSpec, ...]
    classes: tuple[Scalar, ...]

    def answer(self, columns: Batch) -> Batch:
        """Raw answers under conventional names."""
        ...


@runtime_checkable
class Attributing(Protocol):
    """An engine that knows exact attributions of its own."""

    method: str

    def attributions(self, columns: Batch) -> tuple[Array, Array]:
        """Rows × columns of contributions to the margin of the answer, and the base of each row."""
        ...


@runtime_checkable
class Additive(Protocol):
    """An engine whose margin may be a sum of one term a field."""

    additive: bool

    def margin(self, columns: Batch) -> Array:
        """The margin of each row: log odds or the prediction."""
        ...


class Sklearn:
    """A fitted scikit-learn estimator or pipeline."""

    def __init__(self, estimator: Any, signature: Signature) -> None:
        from sklearn.base import is_classifier, is_regressor

        if not hasattr(estimator, "predict"):
            raise InvalidArtifact(f"a {type(estimator).__name__} does not predict", field="artifact")
        self._estimator = estimator
        names = getattr(estimator, "feature_names_in_", None)
        self._named = names is not None
        count = getattr(estimator, "n_features_in_", None)
        self.fields = taken(signature, None if names is None else [str(n) for n in names], count)
        classes = getattr(estimator, "classes_", None)
        if isinstance(classes, list):
            raise InvalidArtifact("models with several labels at once are not supported", field="artifact")
        self._classifies = bool(is_classifier(estimator))
        self._probable = self._classifies and hasattr(estimator, "predict_proba")
        self.classes: tuple[Scalar, ...] = () if classes is None else tuple(np.asarray(classes).tolist())
        if self._classifies:
            label = DataType.of(np.asarray(classes).dtype)
            self.natural = classifier_outputs(label, len(self.classes) if self._probable else None)
        elif is_regressor(estimator):
            self.natural = prediction_output()
        else:
            self.natural = classifier_outputs(DataType.INT64, None)
        self.additive = is_additive(estimator) and len(self.classes) in {0, 2}

    def answer(self, columns: Batch) -> Batch:
        rows = self._rows(columns)
        if self._probable:
            return {"label": self._estimator.predict(rows), "probability": self._estimator.predict_proba(rows)}
        return {self.natural[0].name: np.asarray(self._estimator.predict(rows))}

    def margin(self, columns: Batch) -> Array:
        rows = self._rows(columns)
        found = self._estimator.decision_function(rows) if self._classifies else self._estimator.predict(rows)
        return np.asarray(found, dtype=np.float64).reshape(len(found))

    def _rows(self, columns: Batch) -> Any:
        if self._named:
            return frame(columns, self.fields)
        text = any(field.type is DataType.BYTES for field in self.fields)
        return matrix(columns, self.fields, "object" if text else "float64")


def frame(columns: Batch, fields: Sequence[FieldSpec]) -> Any:
    """A table with named columns: pandas where it is installed, else Arrow, which scikit-learn 1.8 and newer takes too."""
    named = {field.name: columns[field.name] for field in fields}
    if importlib.util.find_spec("pandas") is not None:
        return importlib.import_module("pandas").DataFrame(named)
    import pyarrow as pa

    return pa.table({name: pa.array(column) for name, column in named.items()})


_COLUMNWISE = frozenset(
    [
        "StandardScaler",
        "MinMaxScaler",
        "MaxAbsScaler",
        "RobustScaler",
        "OneHotEncoder",
        "OrdinalEncoder",
        "SimpleImputer",
        "KBinsDiscretizer",
        "SplineTransformer",
        "QuantileTransformer",
        "PowerTransformer",
        "TargetEncoder",
    ]
)
_LINEAR = frozenset(
    [
        "LogisticRegression",
        "LogisticRegressionCV",
        "LinearRegression",
        "Ridge",
        "RidgeCV",
        "RidgeClassifier",
        "Lasso",
        "LassoCV",
        "ElasticNet",
        "ElasticNetCV",
        "LinearSVC",
        "LinearSVR",
        "SGDClassifier",
        "SGDRegressor",
        "HuberRegressor",
    ]
)


def is_additive(estimator: Any) -> bool:
    """Whether the margin is a sum of one term a field: a linear model behind steps that keep columns apart."""
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    return type(steps[-1]).__name__ in _LINEAR and all(_columnwise(step) for step in steps[:-1])


def _columnwise(step: Any) -> bool:
    if step is None or isinstance(step, str):
        return True
    if type(step).__name__ == "ColumnTransformer":
        return all(_columnwise(inner) for _, inner, _ in step.transformers_)
    if type(step).__name__ == "Pipeline":
        return all(_columnwise(inner) for _, inner in step.steps)
    return type(step).__name__ in _COLUMNWISE


class XGBoost:
    """An XGBoost booster. Class names come from the wrapper it was saved with, if any; else classes are 0, 1, 2, …"""

    method = "TreeSHAP (XGBoost, exact)"

    def __init__(self, booster: Any, signature: Signature, objective: str, classes: Sequence[Any] | None = None) -> None:
        self._booster, self._lock = booster, Lock()
        names = [str(n) for n in booster.feature_names] if booster.feature_names else None
        self._names = booster.feature_names
        self.fields = taken(signature, names, booster.num_features())
        only_numbers(self.fields)
        booster.set_param({"nthread": 1})
        self._objective = objective
        best = booster.attr("best_iteration")
        self._range = (0, int(best) + 1) if best else (0, 0)
        self._shape(classes, signature)

    def _shape(self, classes: Sequence[Any] | None, signature: Signature) -> None:
        self._binary = self._objective == "binary:logistic"
        self._multi = self._objective.startswith("multi:")
        if self._multi:
            self._booster.set_param({"objective": "multi:softprob"})
        probe = np.zeros((1, width_of(self.fields)), dtype=np.float32)
        size = int(np.size(self._predict(probe)))
        count = 2 if self._binary else size
        self.classes = _classes(classes, count if self._binary or self._multi else 0)
        if self._binary or self._multi:
            self.natural = classifier_outputs(_label_type(self.classes), count)
        elif self._objective == "binary:hinge":
            self.classes = _classes(classes, 2)
            self.natural = classifier_outputs(_label_type(self.classes), None)
        else:
            self.natural = prediction_output(size, DataType.FP32)

    def answer(self, columns: Batch) -> Batch:
        scores = self._predict(matrix(columns, self.fields, "float32"))
        if self._binary or self._multi:
            return _classified(scores, self.classes)
        if self.natural[0].name == "label":
            return {"label": _named(scores.astype(np.int64), self.classes)}
        return {"prediction": scores}

    def attributions(self, columns: Batch) -> tuple[Array, Array]:
        found = self._predict(matrix(columns, self.fields, "float32"), pred_contribs=True)
        if found.ndim == 3:
            chosen = found[..., :].sum(axis=2).argmax(axis=1)
            found = found[np.arange(len(found)), chosen]
        return found[:, :-1], found[:, -1]

    def _predict(self, rows: Array, **options: Any) -> Array:
        import xgboost

        with self._lock:
            data = xgboost.DMatrix(rows, feature_names=self._names, nthread=1)
            return np.asarray(self._booster.predict(data, iteration_range=self._range, validate_features=False, **options))


class LightGBM:
    """A LightGBM booster."""

    method = "TreeSHAP (LightGBM, exact)"

    def __init__(self, booster: Any, signature: Signature, objective: str, classes: Sequence[Any] | None = None) -> None:
        self._booster, self._lock = booster, Lock()
        self.fields = taken(signature, list(booster.feature_name()), booster.num_feature())
        only_numbers(self.fields)
        name = objective.partition(" ")[0]
        self._binary = name in {"binary", "cross_entropy", "xentropy"}
        self._count = int(booster.num_model_per_iteration())
        self._multi = name in {"multiclass", "multiclassova", "softmax"} and self._count > 1
        if self._binary or self._multi:
            self.classes = _classes(classes, 2 if self._binary else self._count)
            self.natural = classifier_outputs(_label_type(self.classes), len(self.classes))
        else:
            self.classes = ()
            self.natural = prediction_output(self._count)

    def answer(self, columns: Batch) -> Batch:
        scores = self._predict(matrix(columns, self.fields, "float64"))
        return _classified(scores, self.classes) if self.classes else {"prediction": scores}

    def attributions(self, columns: Batch) -> tuple[Array, Array]:
        found = self._predict(matrix(columns, self.fields, "float64"), pred_contrib=True)
        if self._count > 1:
            found = found.reshape(len(found), self._count, -1)
            found = found[np.arange(len(found)), found.sum(axis=2).argmax(axis=1)]
        return found[:, :-1], found[:, -1]

    def _predict(self, rows: Array, **options: Any) -> Array:
        with self._lock:
            return np.asarray(self._booster.predict(rows, num_threads=1, **options))


def width_of(fields: Sequence[FieldSpec]) -> int:
    """How many columns of numbers the fields make."""
    return sum(int(np.prod(field.shape, dtype=np.int64)) for field in fields)


def _classes(given: Sequence[Any] | None, count: int) -> tuple[Scalar, ...]:
    return tuple(np.asarray(given).tolist()) if given is not None else tuple(range(count))


def _label_type(classes: tuple[Scalar, ...]) -> DataType:
    return DataType.of(np.asarray(classes).dtype)


def _classified(scores: Array, classes: tuple[Scalar, ...]) -> Batch:
    if scores.ndim == 1:
        chosen, scores = (scores > 0.5).astype(np.int64), np.stack([1 - scores, scores], axis=1)
    else:
        chosen = scores.argmax(axis=1)
    return {"label": _named(chosen, classes), "probability": scores}


def _named(chosen: Array, classes: tuple[Scalar, ...]) -> Array:
    values = np.asarray(classes)
    return values.astype(object)[chosen] if values.dtype.kind in "US" else values[chosen]
