"""Reads an XGBoost model's face from its JSON or UBJSON (xgboost.readthedocs.io, *Introduction to Model IO*).

The trees are checked for consistency, because the engine trusts child indices and feature numbers as they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import reading
from modelyard.kinds.contract import Policy
from modelyard.kinds.ml import ubjson


@dataclass(frozen=True)
class Face:
    """What an XGBoost file says of itself. `features` are the model's own names, empty when it has none."""

    features: tuple[str, ...]
    feature_count: int
    categorical: frozenset[int]
    objective: str
    class_count: int
    booster: str
    trees: int
    version: str


def read_face(path: Path, policy: Policy) -> Face:
    """The face of an XGBoost file. Raises InvalidArtifact when it is not one, or its trees are inconsistent."""
    data = reading.read(path, policy)
    try:
        return _face(_parse(data))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InvalidArtifact(f"not a whole XGBoost model: {type(error).__name__}: {error}", field="artifact") from error


def is_ubj(start: bytes) -> bool:
    """Whether the first bytes are UBJSON's rather than JSON's."""
    return len(start) > 1 and start[:1] == b"{" and start[1:2] in b"iUIlL$#"


def _parse(data: bytes) -> Any:
    if is_ubj(data[:2]):
        return ubjson.loads(data)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArtifact(f"not whole JSON: {error}", field="artifact") from error


def _face(document: Any) -> Face:
    learner = document["learner"]
    parameters = learner["learner_model_param"]
    count = int(parameters["num_feature"])
    names = tuple(str(name) for name in learner.get("feature_names") or ())
    if names and len(names) != count:
        raise ValueError(f"{len(names)} feature names for {count} features")
    if not 0 < count < 1 << 24:
        raise ValueError(f"{count} features")
    types = [str(t) for t in learner.get("feature_types") or ()]
    booster = learner["gradient_booster"]
    return Face(
        features=names,
        feature_count=count,
        categorical=frozenset(i for i, t in enumerate(types) if t == "c"),
        objective=str(learner["objective"]["name"]),
        class_count=int(parameters.get("num_class", 0)),
        booster=str(booster["name"]),
        trees=_check_trees(booster, count),
        version=".".join(str(part) for part in document.get("version", ())),
    )


def _check_trees(booster: Any, features: int) -> int:
    inner = booster.get("gbtree", booster)
    if "model" not in inner or "trees" not in inner["model"]:
        return 0
    trees = inner["model"]["trees"]
    for number, tree in enumerate(trees):
        _check_tree(tree, number, features)
    return len(trees)


def _check_tree(tree: Any, number: int, features: int) -> None:
    nodes = int(tree["tree_param"]["num_nodes"])
    columns = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left")
    arrays = {name: np.asarray(tree[name]) for name in columns}
    if nodes < 1 or any(len(array) != nodes for array in arrays.values()):
        raise ValueError(f"tree {number} does not have {nodes} whole nodes")
    left, right = arrays["left_children"].astype(np.int64), arrays["right_children"].astype(np.int64)
    if not _forward(left, right, nodes):
        raise ValueError(f"tree {number} points outside itself")
    inner = left >= 0
    split = arrays["split_indices"].astype(np.int64)[inner]
    if split.size and (split.min() < 0 or split.max() >= features):
        raise ValueError(f"tree {number} asks for a feature that there is not")


def _forward(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any], nodes: int) -> bool:
    """Children are both there or both missing, lie inside the tree, and no node is the child of two (so no loops)."""
    if not bool(np.all((left < 0) == (right < 0))) or left.max() >= nodes or right.max() >= nodes:
        return False
    children = np.concatenate([left[left >= 0], right[right >= 0]])
    return len(np.unique(children)) == len(children) and 0 not in children
