"""From what a model says to the outputs that its signature declares; and from columns to what models take.

Conventions as in the platform: classifiers give `label` and `probability` (of two classes: that of the positive one, the second
unless the signature names another), others `prediction`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_AUTOMATIC = re.compile(r"(f|Column_|input_|x)?\d+\Z")
_NOT_TAKEN = {"identifier", "label", "weight", "other", "score"}
KINDS = {
    "BOOL": "|b1", "UINT8": "|u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "|i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BYTES": "text",
}  # fmt: skip


class Problem(Exception):
    """Something to tell the parent as an error of the platform's family, by its `code`."""

    def __init__(self, detail: str, *, code: str = "invalid_artifact", field: str = "artifact", hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.code, self.field, self.hint = detail, code, field, hint


class Shaped:
    """A model that answers as its signature declares. Without declared outputs it answers by its own names."""

    def __init__(self, model: Any, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        self._model, self._inputs = model, inputs
        self.outputs = list(outputs)

    def predict(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Like `answer`: the parent has checked the batch."""
        return self.answer(batch)

    def answer(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The declared outputs of every row. Raises Problem when they cannot come from this model."""
        raw = self._model.answer(batch)
        if not self.outputs:
            return {name: plain(value) for name, value in raw.items()}
        return {spec["name"]: self._output(spec, raw) for spec in self.outputs}

    def explain(self, batch: dict[str, Any], background: dict[str, Any] | None) -> list[Any]:
        """One explanation a row. Raises Problem when the model has none to give."""
        if not hasattr(self._model, "explain"):
            raise Problem("a model of this format gives no explanation here", code="invalid_input", field="explain")
        return list(self._model.explain(batch, background))

    def _output(self, spec: Mapping[str, Any], raw: Mapping[str, Any]) -> Any:
        source = _source(spec, raw)
        value = raw[source]
        if source == "probability" and not spec["shape"]:
            value = _column(value, self._positive())
        if spec["type"] == "BYTES" and source == "label" and spec.get("allowed"):
            value = _named(value, spec["allowed"])
        return shaped(value, spec)

    def _positive(self) -> int:
        classes = list(getattr(self._model, "classes", ()))
        for spec in self.outputs:
            if spec.get("positive") is not None and spec["positive"] in classes:
                return classes.index(spec["positive"])
        return 1


def _source(spec: Mapping[str, Any], raw: Mapping[str, Any]) -> str:
    if spec["name"] in raw:
        return str(spec["name"])
    label = spec.get("role") == "label" or spec["type"] == "BYTES"
    for name in ("label",) if label else ("probability", "prediction"):
        if name in raw:
            return name
    if len(raw) == 1:
        return str(next(iter(raw)))
    raise Problem(
        "the output {!r} cannot come from this model, which gives: {}".format(spec["name"], ", ".join(map(str, raw))),
        field="signature.outputs.{}".format(spec["name"]),
    )


def _column(value: Any, place: int) -> Any:
    if getattr(value, "ndim", 1) == 2:
        return value[:, min(place, value.shape[1] - 1)]
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
        return [row[min(place, len(row) - 1)] for row in value]
    return value


def _named(value: Any, allowed: Sequence[Any]) -> Any:
    """Classes by number become the names that the signature allows; names stay."""
    values = list(value.tolist() if hasattr(value, "tolist") else value)
    if all(isinstance(v, str) for v in values):
        return value
    return [allowed[int(v)] for v in values]


def shaped(value: Any, spec: Mapping[str, Any]) -> Any:
    """A value with the declared type, and shape where only the number of ones differs; an array where there is NumPy."""
    kind = KINDS[spec["type"]]
    try:
        import numpy as np
    except ImportError:
        return _without_numpy(value, kind)
    found = np.asarray(value)
    if kind == "text":
        column = np.empty(found.shape, dtype=object)
        column[...] = found
        found = column
    shape = tuple(spec["shape"])
    if found.shape[1:] != shape and found.ndim and found.size == len(found) * _size(shape):
        found = found.reshape((len(found), *shape))
    return found if kind == "text" else found.astype(kind, copy=False)


def _without_numpy(value: Any, kind: str) -> Any:
    cast = str if kind == "text" else bool if kind == "|b1" else float if "f" in kind else int

    def through(one: Any) -> Any:
        if isinstance(one, (list, tuple)):
            return [through(inner) for inner in one]
        return None if one is None else cast(one)

    return through(list(value))


def plain(value: Any) -> Any:
    """An answer of no declared type as an array, or a list without NumPy."""
    try:
        import numpy as np
    except ImportError:
        return list(value)
    return np.asarray(value)


def taken(inputs: Sequence[Mapping[str, Any]], names: Sequence[str] | None, count: int | None) -> list[Mapping[str, Any]]:
    """The fields that a model takes, in its order: by name where it has names, else by order and number of columns."""
    known = {field["name"]: field for field in inputs}
    if names and all(name in known for name in names):
        return [known[name] for name in names]
    if names and not all(_AUTOMATIC.match(name) for name in names):
        missing = ", ".join(name for name in names if name not in known)
        raise Problem(f"the model takes fields that the signature lacks: {missing}", field="signature.inputs")
    count = len(names) if names else count
    candidates = (
        [f for f in inputs if f.get("role") not in _NOT_TAKEN],
        [f for f in inputs if f.get("role") == "predictor"],
        list(inputs),
    )
    for fields in candidates:
        if fields and (count is None or sum(_size(f["shape"]) for f in fields) == count):
            return fields
    raise Problem(f"the model takes {count} columns, the signature has another number", field="signature.inputs")


def matrix(columns: Mapping[str, Any], fields: Sequence[Mapping[str, Any]]) -> Any:
    """The fields side by side, one row of numbers (or objects, when there is text) a row."""
    import numpy as np

    text = any(field["type"] == "BYTES" for field in fields)
    parts = [np.asarray(columns[field["name"]]) for field in fields]
    return np.concatenate([p.reshape(len(p), -1).astype("object" if text else "float64", copy=False) for p in parts], axis=1)


def rows_of(columns: Mapping[str, Any]) -> int:
    """How many rows a batch has."""
    return len(next(iter(columns.values())))


def _size(shape: Sequence[int]) -> int:
    found = 1
    for length in shape:
        found *= length
    return found
