"""How models are loaded and asked in an environment that need not hold Modelyard, by format; engines are imported when used.

A loaded model answers under conventional names (`label` and `probability`, or `prediction`, or names of its own), which
`Shaped` makes into the declared outputs.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .answers import Problem, Shaped, matrix, taken


class Host:
    """Loads what the first frame asks for: `artifact`, `format`, `inputs`, `outputs`, and `facts` of the inspection."""

    def __init__(self, missing: Sequence[str]) -> None:
        self._missing = list(missing)

    def load(self, request: Mapping[str, Any]) -> tuple[Shaped, Mapping[str, Any]]:
        """The model and what it is. Raises Problem, or whatever its engine raises."""
        format_ = request["format"]
        if format_ not in LOADERS:
            raise Problem(f"the format {format_!r} cannot be loaded here", hint="known: {}".format(", ".join(sorted(LOADERS))))
        try:
            model = LOADERS[format_](request["artifact"], request)
        except ImportError as error:
            raise Problem(
                "loading the model needs %s" % (error.name or error), hint="add it to the version's environment lock"
            ) from error
        shaped = Shaped(model, request["inputs"], request["outputs"])
        version = ".".join(map(str, sys.version_info[:3]))
        return shaped, {"outputs": shaped.outputs, "missing": self._missing, "python": version}


class Estimator:
    """Whatever has `predict`, as scikit-learn's estimators do."""

    def __init__(self, estimator: Any, request: Mapping[str, Any]) -> None:
        if not hasattr(estimator, "predict"):
            raise Problem(f"a {type(estimator).__name__} does not predict")
        self._estimator = estimator
        names = getattr(estimator, "feature_names_in_", None)
        self._named = names is not None
        count = getattr(estimator, "n_features_in_", None)
        self._fields = taken(request["inputs"], None if names is None else [str(n) for n in names], count)
        classes = getattr(estimator, "classes_", None)
        self.classes = [] if classes is None else list(getattr(classes, "tolist", lambda: classes)())
        self._probable = bool(self.classes) and hasattr(estimator, "predict_proba")

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        rows = self._frame(columns) if self._named else matrix(columns, self._fields)
        if self._probable:
            return {"label": self._estimator.predict(rows), "probability": self._estimator.predict_proba(rows)}
        return {"label" if self.classes else "prediction": self._estimator.predict(rows)}

    def _frame(self, columns: dict[str, Any]) -> Any:
        named = {field["name"]: columns[field["name"]] for field in self._fields}
        for library, make in (("pandas", "DataFrame"), ("pyarrow", "table")):
            try:
                return getattr(importlib.import_module(library), make)(named)
            except ImportError:
                continue
        return matrix(columns, self._fields)


class Booster:
    """An XGBoost or LightGBM booster; both attribute exactly."""

    def __init__(self, booster: Any, request: Mapping[str, Any], objective: str, library: str) -> None:
        self._booster, self._library, self._objective = booster, library, objective
        names = booster.feature_names if library == "xgboost" else booster.feature_name()
        count = booster.num_features() if library == "xgboost" else booster.num_feature()
        self._names = names
        self._fields = taken(request["inputs"], [str(n) for n in names] if names else None, count)
        binary = ("binary:logistic",) if library == "xgboost" else ("binary", "cross_entropy", "xentropy")
        several = ("multi:softprob", "multi:softmax") if library == "xgboost" else ("multiclass", "multiclassova", "softmax")
        self._binary, self._several = objective in binary, objective in several
        if library == "xgboost":
            booster.set_param({"nthread": 1})
            if self._several:
                booster.set_param({"objective": "multi:softprob"})
        self.classes: list[Any] = []

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        scores = self._ask(matrix(columns, self._fields), contributions=False)
        if self._binary:
            both = np.stack([1 - scores, scores], axis=1)
            return {"label": (scores > 0.5).astype(np.int64), "probability": both}
        if self._several:
            return {"label": scores.argmax(axis=1), "probability": scores}
        return {"prediction": scores}

    def explain(self, columns: dict[str, Any], background: dict[str, Any] | None) -> list[Any]:
        """TreeSHAP of the engine, in the unit of its margin; of several classes, that of the one with the largest margin."""
        import numpy as np

        found = np.asarray(self._ask(matrix(columns, self._fields), contributions=True))
        rows, width = len(found), len(self._fields) + 1
        if found.size != rows * width:
            found = found.reshape(rows, -1, width)
            found = found[np.arange(rows), found.sum(axis=2).argmax(axis=1)]
        method = "TreeSHAP ({}, exact)".format({"xgboost": "XGBoost", "lightgbm": "LightGBM"}[self._library])
        return [_explanation(method, self._fields, columns, row, line[:-1]) for row, line in enumerate(found)]

    def _ask(self, rows: Any, *, contributions: bool) -> Any:
        if self._library == "lightgbm":
            return self._booster.predict(rows, num_threads=1, pred_contrib=contributions)
        import xgboost

        data = xgboost.DMatrix(rows.astype("float32"), feature_names=self._names, nthread=1)
        best = self._booster.attr("best_iteration")
        spread = (0, int(best) + 1) if best else (0, 0)
        return self._booster.predict(data, iteration_range=spread, validate_features=False, pred_contribs=contributions)


def _explanation(method: str, fields: Sequence[Any], columns: dict[str, Any], row: int, shares: Any) -> dict[str, Any]:
    found = []
    for field, share in zip(fields, shares):  # noqa: B905  3.9 has no `strict`
        value = columns[field["name"]][row]
        found.append(
            {"field": field["name"], "value": getattr(value, "tolist", lambda v=value: v)(), "contribution": float(share)}
        )
    first = sorted(found, key=lambda one: -abs(one["contribution"]))[:3]
    text = ", ".join("{} {:+.3g}".format(one["field"], one["contribution"]) for one in first)
    return {"method": method, "text": "most of it: " + text, "attributions": found}


class Onnx:
    """An ONNX model: one matrix, or one input a field."""

    classes: Sequence[Any] = ()

    def __init__(self, path: str, request: Mapping[str, Any]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._takes = self._session.get_inputs()
        self._gives = [output.name for output in self._session.get_outputs()]
        names = [found.name for found in self._takes]
        self._fields = taken(request["inputs"], names if len(names) > 1 else None, None)
        self._by_name = set(names) <= {field["name"] for field in self._fields}

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        if self._by_name:
            given = {t.name: _typed(columns[t.name].reshape(len(columns[t.name]), -1), t.type) for t in self._takes}
        else:
            given = {self._takes[0].name: _typed(matrix(columns, self._fields), self._takes[0].type)}
        found = self._session.run(None, given)
        named = dict(zip(self._gives, found))  # noqa: B905
        return _conventional(named)


def _typed(column: Any, declared: str) -> Any:
    kinds = {"float": "float32", "double": "float64", "int64": "int64", "int32": "int32", "bool": "bool", "float16": "float16"}
    kind = declared.partition("(")[2].rstrip(")")
    return column.astype(kinds[kind]) if kind in kinds else column


def _conventional(named: dict[str, Any]) -> dict[str, Any]:
    """Converters call the outputs of classifiers `label` and `probabilities`, more or less; probabilities may be dicts."""
    import numpy as np

    found: dict[str, Any] = {}
    for name, value in named.items():
        dicts = isinstance(value, list) and value and isinstance(value[0], dict)
        known = "label" if "label" in name.lower() else "probability" if "prob" in name.lower() else name
        found[known if known not in found else name] = np.array([list(one.values()) for one in value]) if dicts else value
    return found


class TorchScript:
    """A TorchScript module: a float matrix in, a matrix out."""

    classes: Sequence[Any] = ()

    def __init__(self, path: str, request: Mapping[str, Any]) -> None:
        _leave(request, "code")
        import torch  # type: ignore[import-not-found, unused-ignore]  # in the model's environment

        self._torch, self._module = torch, torch.jit.load(path, map_location="cpu").eval()
        self._fields = taken(request["inputs"], None, None)

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        with self._torch.no_grad():
            return {"prediction": self._module(self._torch.from_numpy(matrix(columns, self._fields).astype("float32"))).numpy()}


class PythonModel:
    """A folder, archive or file with a module `model`: `load(path)`, `predict(model, batch)`, and perhaps `explain`."""

    classes: Sequence[Any] = ()

    def __init__(self, path: str, request: Mapping[str, Any]) -> None:
        _leave(request, "code")
        root = str(_root_of(unpacked(Path(path)), "model.py"))
        sys.path.insert(0, root)
        self._module = importlib.import_module("model")
        for name in ("load", "predict"):
            if not callable(getattr(self._module, name, None)):
                raise Problem(f"model.py has no function {name}", hint="see docs/how-to/isolate-a-model.md")
        self._model = self._module.load(root)

    def answer(self, columns: dict[str, Any]) -> Any:
        found = self._module.predict(self._model, columns)
        return found if isinstance(found, Mapping) else {"prediction": found}

    def explain(self, columns: dict[str, Any], background: dict[str, Any] | None) -> list[Any]:
        if not hasattr(self._module, "explain"):
            raise Problem("model.py has no function explain", code="invalid_input")
        return list(self._module.explain(self._model, columns))


class PyFunc:
    """An MLflow model, by MLflow itself."""

    classes: Sequence[Any] = ()

    def __init__(self, root: str, request: Mapping[str, Any]) -> None:
        from mlflow import pyfunc  # type: ignore[import-not-found, unused-ignore]  # in the model's environment

        self._model = pyfunc.load_model(root)
        self._fields = [field["name"] for field in request["inputs"]]

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        import pandas

        found = self._model.predict(pandas.DataFrame({name: list(columns[name]) for name in self._fields if name in columns}))
        if hasattr(found, "columns"):
            return {str(name): found[name].to_numpy() for name in found.columns}
        return {"prediction": found.to_numpy() if hasattr(found, "to_numpy") else found}


# Loading by format


def _pickled(path: str, request: Mapping[str, Any]) -> Any:
    _leave(request, "pickle")
    return _wrapped(_unpickled(path), request)


def _leave(request: Mapping[str, Any], what: str) -> None:
    if not request.get(what):
        raise Problem(
            "policy forbids to load this artifact: it runs its author's code",
            code="untrusted",
            hint="save the model as ONNX or skops, or change the policy",
        )


def _unpickled(path: str) -> Any:
    try:
        import joblib
    except ImportError:
        import pickle

        with Path(path).open("rb") as file:
            return pickle.load(file)  # noqa: S301  the parent asks for it where the policy allows code; rights were given up
    return joblib.load(path)


def _wrapped(model: Any, request: Mapping[str, Any]) -> Any:
    """Boosters have no scikit-learn face; their wrappers do."""
    library = type(model).__module__.partition(".")[0]
    if type(model).__name__ == "Booster" and library in {"xgboost", "lightgbm"}:
        objective = _xgboost_objective(model) if library == "xgboost" else str(model.params.get("objective", ""))
        return Booster(model, request, objective, library)
    return Estimator(model, request)


def _skops(path: str, request: Mapping[str, Any]) -> Any:
    import skops.io

    unknown = skops.io.get_untrusted_types(file=path)
    trusted = [n for n in unknown if n in request.get("trusted", ()) or n.partition(".")[0] in {"sklearn", "numpy", "scipy"}]
    refused = sorted(set(unknown) - set(trusted))
    if refused and not request.get("code"):
        raise Problem("the skops file makes types that are not trusted: {}".format(", ".join(refused)), code="untrusted")
    return _wrapped(skops.io.load(path, trusted=unknown), request)


def _xgboost(path: str, request: Mapping[str, Any]) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(Path(path).read_bytes()))
    return Booster(booster, request, _xgboost_objective(booster), "xgboost")


def _xgboost_objective(booster: Any) -> str:
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def _lightgbm(path: str, request: Mapping[str, Any]) -> Any:
    import lightgbm

    text = Path(path).read_text()
    found = re.search(r"^objective=(\S+)", text, re.MULTILINE)
    return Booster(lightgbm.Booster(model_str=text), request, found.group(1) if found else "", "lightgbm")


_FLAVORS = ("onnx", "xgboost", "lightgbm", "sklearn")
_KEYS = {"sklearn": ("pickled_model", "model.pkl"), "onnx": ("data", "model.onnx"), "xgboost": ("data", "model.xgb"),
         "lightgbm": ("data", "model.lgb")}  # fmt: skip


def _mlflow(path: str, request: Mapping[str, Any]) -> Any:
    """By a flavour that gives probabilities too where there is one, else by MLflow's own Python function."""
    root = _root_of(unpacked(Path(path)), "MLmodel")
    flavors = flavors_of((root / "MLmodel").read_text())
    for flavor in _FLAVORS:
        if flavor in flavors:
            key, usual = _KEYS[flavor]
            inner = (root / (flavors[flavor].get(key) or usual)).resolve()
            if root.resolve() not in inner.parents:
                raise Problem("the MLmodel file names a file outside the folder")
            return _BY_FLAVOR[flavor](str(inner), request)
    _leave(request, "code")
    return PyFunc(str(root), request)


def flavors_of(text: str) -> dict[str, dict[str, str]]:
    """Flavours and their plain settings in an `MLmodel` file: the little of YAML that MLflow writes there."""
    found: dict[str, dict[str, str]] = {}
    inside, flavor = False, ""
    for line in text.splitlines():
        depth, words = len(line) - len(line.lstrip()), line.strip()
        if not words or words.startswith("#"):
            continue
        if depth == 0:
            inside = words == "flavors:"
        elif inside and depth == 2:
            flavor = words.rstrip(":")
            found[flavor] = {}
        elif inside and depth == 4 and flavor:
            key, _, value = words.partition(":")
            found[flavor][key] = value.strip().strip("'\"")
    return found


def unpacked(path: Path) -> Path:
    """The folder itself; or a file's archive in a folder of this process's own; or a module alone in one."""
    if path.is_dir():
        return path
    into = Path(os.environ["TMPDIR"]) / "artifact"
    into.mkdir()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            bundle.extractall(into)  # noqa: S202  names are made safe by zipfile, and Landlock keeps to the folder
    elif tarfile.is_tarfile(path):
        _untar(path, into)
    else:
        (into / "model.py").write_bytes(path.read_bytes())
    return into


def _untar(path: Path, into: Path) -> None:
    """Plain files and folders alone; older Pythons have no filters of their own."""
    with tarfile.open(path) as bundle:
        for member in bundle:
            parts = member.name.split("/")
            if member.name.startswith("/") or ".." in parts or not (member.isreg() or member.isdir()):
                raise Problem(f"{member.name!r} in the archive is a link, a device or outside of it")
            target = into.joinpath(*parts)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            source = bundle.extractfile(member)
            if source is not None:
                with target.open("xb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)


def _root_of(folder: Path, name: str) -> Path:
    found = [path for path in (folder, *sorted(folder.iterdir())) if (path / name).is_file()]
    if not found:
        raise Problem(f"the artifact holds no {name}")
    return found[0]


_BY_FLAVOR: dict[str, Any] = {"onnx": Onnx, "xgboost": _xgboost, "lightgbm": _lightgbm, "sklearn": _pickled}
LOADERS: dict[str, Any] = {
    "pickle": _pickled,
    "joblib": _pickled,
    "cloudpickle": _pickled,
    "skops": _skops,
    "lightgbm-text": _lightgbm,
    "xgboost-json": _xgboost,
    "xgboost-ubj": _xgboost,
    "onnx": Onnx,
    "torchscript": TorchScript,
    "mlflow": _mlflow,
    "python": PythonModel,
}

__all__ = ["LOADERS", "Host"]
