"""Reads an MLflow model folder: its `MLmodel` file says which flavours it has and where their files are.

Of several flavours the safest is taken: ONNX, XGBoost, LightGBM, scikit-learn saved with skops, scikit-learn pickled.
A folder may also come as .zip or .tar.gz. Nothing of MLflow is needed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import archive, reading
from modelyard.kinds.contract import Policy
from modelyard.kinds.signature import DataType, FieldSpec, Signature

_MAX_DOCUMENT = 8 << 20
_MAX_FILES = 100_000
_COLUMN_TYPES = {
    "boolean": DataType.BOOL,
    "integer": DataType.INT32,
    "long": DataType.INT64,
    "float": DataType.FP32,
    "double": DataType.FP64,
    "string": DataType.BYTES,
}


@dataclass(frozen=True)
class Face:
    """What an `MLmodel` says: the flavour taken, its file inside the folder, and its inputs if it declares them."""

    flavor: str
    flavors: tuple[str, ...]
    inner: Path
    signature: Signature | None
    requirements: tuple[str, ...]
    mlflow_version: str


@contextmanager
def folder(artifact: Path, policy: Policy) -> Iterator[Path]:
    """The folder with `MLmodel`: the artifact itself, or a temporary place it is unpacked to."""
    if artifact.is_dir():
        _check_folder(artifact, policy)
        yield artifact
        return
    reading.size_of(artifact, policy)
    with tempfile.TemporaryDirectory(prefix="modelyard-mlflow-") as place:
        archive.unpack(artifact, Path(place), policy)
        yield _root(Path(place))


def read_face(root: Path, policy: Policy) -> Face:
    """The face of an MLflow folder. Raises InvalidArtifact when it is not one or has no flavour that can be served."""
    document = _document(root / "MLmodel")
    flavors = document.get("flavors")
    if not isinstance(flavors, dict) or not all(isinstance(f, dict) for f in flavors.values()):
        raise InvalidArtifact("the MLmodel file has no flavors", field="artifact")
    flavor, inner = _safest(flavors)
    target = root / archive.safe_name(inner)
    if target.is_dir():
        target = _only_onnx(target)
    reading.size_of(target, policy)
    return Face(
        flavor=flavor,
        flavors=tuple(sorted(map(str, flavors))),
        inner=target,
        signature=_signature(document.get("signature")),
        requirements=_requirements(root / "requirements.txt"),
        mlflow_version=str(document.get("mlflow_version", "")),
    )


def _root(place: Path) -> Path:
    if (place / "MLmodel").is_file():
        return place
    inside = [child for child in place.iterdir() if (child / "MLmodel").is_file()]
    if len(inside) != 1:
        raise InvalidArtifact("the archive holds no single MLflow model folder", field="artifact")
    return inside[0]


def _check_folder(root: Path, policy: Policy) -> None:
    total = 0
    for count, path in enumerate(root.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InvalidArtifact(f"{path.name!r} in the folder is a link or a device", field="artifact")
        total += path.stat().st_size if path.is_file() else 0
        if count > _MAX_FILES or total > policy.max_unpacked_bytes:
            raise reading.too_large("the model folder", policy.max_unpacked_bytes)


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > _MAX_DOCUMENT:
        raise InvalidArtifact("the folder has no MLmodel file, or an impossibly large one", field="artifact")
    text = path.read_bytes()
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise InvalidArtifact("the MLmodel file uses YAML aliases", field="artifact")
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidArtifact(f"the MLmodel file is not YAML: {error}", field="artifact") from error
    if not isinstance(document, dict):
        raise InvalidArtifact("the MLmodel file is not a mapping", field="artifact")
    return document


def _safest(flavors: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    found = [(flavor, path) for flavor, key, default in _PREFERRED if (path := _path(flavors.get(flavor), key, default))]
    sklearn = flavors.get("sklearn")
    if sklearn is not None:
        found.append(("sklearn", _path(sklearn, "pickled_model", "model.pkl")))
    if not found:
        raise InvalidArtifact(
            f"none of the flavors {', '.join(map(str, flavors))} can be served",
            field="artifact",
            hint="log the model with the onnx, xgboost, lightgbm or sklearn flavor",
        )
    return found[0]


_PREFERRED = (("onnx", "data", "model.onnx"), ("xgboost", "data", "model.ubj"), ("lightgbm", "data", "model.lgb"))


def _path(flavor: Mapping[str, Any] | None, key: str, default: str) -> str:
    return "" if flavor is None else str(flavor.get(key) or default)


def _only_onnx(folder: Path) -> Path:
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        raise InvalidArtifact(f"the flavor's folder {folder.name!r} holds no single model", field="artifact")
    return found[0]


def _requirements(path: Path) -> tuple[str, ...]:
    if not path.is_file() or path.stat().st_size > 1 << 20:
        return ()
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    return tuple(line for line in lines if line and not line.startswith(("#", "-")))[:1000]


def _signature(block: Any) -> Signature | None:
    if not isinstance(block, dict) or not isinstance(block.get("inputs"), str):
        return None
    try:
        columns = json.loads(block["inputs"])
        fields = tuple(_field(column, index) for index, column in enumerate(columns))
        return Signature(inputs=fields, outputs=())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidArtifact(f"the MLmodel's signature cannot be read: {error}", field="artifact") from error


def _field(column: dict[str, Any], index: int) -> FieldSpec:
    name = str(column.get("name") or f"input_{index}")
    if column["type"] == "tensor":
        spec = column["tensor-spec"]
        shape = tuple(int(size) for size in spec["shape"][1:])
        return FieldSpec(name=name, type=_tensor_type(spec["dtype"]), shape=shape)
    if column["type"] not in _COLUMN_TYPES:
        raise ValueError(f"column {name!r} has the type {column['type']!r}")
    kind = _COLUMN_TYPES[column["type"]]
    return FieldSpec(name=name, type=kind, nullable=kind in {DataType.FP32, DataType.FP64} or not column.get("required", True))


def _tensor_type(name: str) -> DataType:
    if name in {"object", "str"}:
        return DataType.BYTES
    found = {kind.numpy.name: kind for kind in DataType}
    if name not in found:
        raise ValueError(f"a tensor of {name!r}")
    return found[name]
