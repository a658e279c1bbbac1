"""Reads a LightGBM text model's face and checks its structure: the engine aborts the interpreter on a corrupt one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from modelyard.core.errors import InvalidArtifact
from modelyard.kinds import reading
from modelyard.kinds.contract import Policy

_HEADER = ("version", "num_class", "num_tree_per_iteration", "max_feature_idx", "objective", "feature_names", "feature_infos")
_PER_SPLIT = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_PER_LEAF = ("leaf_value",)
_RANGE = re.compile(r"\[([^:\]]+):([^\]]+)\]\Z")


@dataclass(frozen=True)
class Face:
    """What a LightGBM file says of itself. `infos` are the ranges or categories seen in training, as written."""

    features: tuple[str, ...]
    infos: tuple[str, ...]
    objective: str
    class_count: int
    trees: int
    version: str

    def range_of(self, index: int) -> tuple[float, float] | None:
        """The smallest and greatest value of a feature in training, when the file tells."""
        found = _RANGE.match(self.infos[index])
        if found is None:
            return None
        low, high = float(found[1]), float(found[2])
        return (low, high) if math.isfinite(low) and math.isfinite(high) and low <= high else None


def read_face(path: Path, policy: Policy) -> Face:
    """The face of a LightGBM text model. Raises InvalidArtifact when anything in it does not fit together."""
    try:
        return _face(reading.read(path, policy).decode())
    except (ValueError, KeyError, IndexError) as error:
        raise InvalidArtifact(f"not a whole LightGBM model: {error}", field="artifact") from error


def _face(text: str) -> Face:
    head, *rest = text.replace("\r\n", "\n").split("\nTree=")
    header = _pairs(head)
    missing = [name for name in _HEADER if name not in header and name != "objective"]
    if not head.startswith("tree\n") or missing:
        raise ValueError(f"the header lacks {', '.join(missing) or 'its first line'}")
    features = tuple(header["feature_names"].split(" "))
    infos = tuple(header["feature_infos"].split(" "))
    if len(features) != int(header["max_feature_idx"]) + 1 or len(infos) != len(features) or not all(features):
        raise ValueError("feature names, infos and count disagree")
    _check_trees(text, header, rest, len(features))
    face = Face(features, infos, header.get("objective", ""), int(header["num_class"]), len(rest), header["version"])
    for index in range(len(features)):
        face.range_of(index)
    return face


def _pairs(block: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            if key in found:
                raise ValueError(f"{key} stands there twice")
            found[key] = value
    return found


def _check_trees(text: str, header: dict[str, str], trees: list[str], features: int) -> None:
    per_iteration = int(header["num_tree_per_iteration"])
    if not trees or per_iteration < 1 or len(trees) % per_iteration or int(header["num_class"]) < 1:
        raise ValueError("the number of trees does not fit the classes")
    last, end, _ = trees[-1].partition("\nend of trees")
    if not end:
        raise ValueError("it ends before the end of its trees")
    _check_sizes(text, header)
    for number, block in enumerate([*trees[:-1], last]):
        index, _, body = block.partition("\n")
        if int(index) != number:
            raise ValueError(f"tree {number} is missing")
        _check_tree(_pairs(body), number, features)


def _check_sizes(text: str, header: dict[str, str]) -> None:
    """`tree_sizes` are byte lengths by which the engine jumps from tree to tree."""
    if "tree_sizes" not in header:
        return
    sizes = [int(size) for size in header["tree_sizes"].split(" ") if size]
    data = text.encode()
    position = data.index(b"\nTree=0\n") + 1
    for number, size in enumerate(sizes):
        if not data.startswith(b"Tree=%d\n" % number, position) or size <= 0:
            raise ValueError(f"tree {number} is not where its size says")
        position += size
    if not data[position:].lstrip(b"\n").startswith(b"end of trees"):
        raise ValueError("the trees are not as long as their sizes say")


def _check_tree(tree: dict[str, str], number: int, features: int) -> None:
    leaves, categories = int(tree["num_leaves"]), int(tree["num_cat"])
    if leaves < 1:
        raise ValueError(f"tree {number} has no leaves")
    _numbers(tree, "leaf_value", leaves, number)
    if leaves == 1:
        return
    splits = leaves - 1
    for name in _PER_SPLIT:
        _numbers(tree, name, splits, number)
    _check_children(tree, splits, leaves, number)
    used = [int(f) for f in tree["split_feature"].split()]
    if min(used) < 0 or max(used) >= features:
        raise ValueError(f"tree {number} asks for a feature that there is not")
    _check_categories(tree, categories, number)


def _check_children(tree: dict[str, str], splits: int, leaves: int, number: int) -> None:
    """Every split but the first and every leaf (written as ~leaf) is the child of exactly one split."""
    children = [int(c) for c in f"{tree['left_child']} {tree['right_child']}".split()]
    if sorted(children) != [*range(-leaves, 0), *range(1, splits)]:
        raise ValueError(f"tree {number} points outside itself")


def _check_categories(tree: dict[str, str], categories: int, number: int) -> None:
    if categories < 0:
        raise ValueError(f"tree {number} has a negative number of categories")
    kinds = [int(k) for k in tree["decision_type"].split()]
    thresholds = [float(t) for t in tree["threshold"].split()]
    chosen = [t for t, kind in zip(thresholds, kinds, strict=True) if kind & 1]
    if any(t != int(t) or not 0 <= t < categories for t in chosen):
        raise ValueError(f"tree {number} asks for categories that there are not")
    if categories == 0:
        return
    bounds = [int(b) for b in tree["cat_boundaries"].split()]
    words = [int(w) for w in tree["cat_threshold"].split()]
    if len(bounds) != categories + 1 or bounds[0] != 0 or bounds != sorted(bounds) or bounds[-1] != len(words):
        raise ValueError(f"tree {number} has categories that do not fit together")


def _numbers(tree: dict[str, str], name: str, count: int, number: int) -> None:
    values = tree[name].split()
    if len(values) != count:
        raise ValueError(f"tree {number} has {len(values)} numbers in {name}, expected {count}")
    for value in values:
        float(value)
