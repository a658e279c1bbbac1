"""Tensors in JSON: what an encoder of our own writes is read the same, and answers can be read by it again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from forms_stage import EVERY_TYPE, Served
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.runtime.asked import Asked, Column, Said
from modelyard.runtime.forms import door, form_of, is_door
from modelyard.runtime.forms.oip import OpenInference
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.protocol import Group
from tests.conftest import examples

VECTORS = Signature(
    inputs=(
        FieldSpec(name="image", type=DataType.UINT8, shape=(2, 2)),
        FieldSpec(name="words", type=DataType.BYTES, shape=(3,)),
        FieldSpec(name="maybe", type=DataType.FP64, nullable=True),
    ),
    outputs=(),
)


class Bare:
    def get(self, name: str) -> str | None:
        return None


def value_of(spec: FieldSpec) -> st.SearchStrategy[Any]:
    dtype = spec.type.numpy
    if spec.type is DataType.BYTES:
        scalar: st.SearchStrategy[Any] = st.text(max_size=5)
    elif dtype.kind == "b":
        scalar = st.booleans()
    elif dtype.kind == "f":
        scalar = st.floats(width=dtype.itemsize * 8, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    else:
        scalar = st.integers(int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), (1 << 63) - 1))
    if spec.nullable:
        scalar = st.none() | scalar
    for size in reversed(spec.shape):
        scalar = st.lists(scalar, min_size=size, max_size=size)
    return scalar


def flat(value: Any) -> list[Any]:
    return [item for part in value for item in flat(part)] if isinstance(value, list) else [value]


def rows_of(signature: Signature) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(*map(value_of, signature.inputs)), min_size=1, max_size=4)


@pytest.mark.parametrize("signature", [EVERY_TYPE, VECTORS])
def test_tensors_flat_or_nested_in_any_order_are_read_the_same(signature: Signature) -> None:
    @given(rows=rows_of(signature), nested=st.booleans(), order=st.randoms(use_true_random=False))
    @settings(max_examples=examples(40, hunt=1000))
    def check(rows: list[tuple[Any, ...]], nested: bool, order: Any) -> None:
        inputs = []
        for spec, values in zip(signature.inputs, zip(*rows, strict=True), strict=True):
            data = list(values) if nested else flat(list(values))
            inputs.append({"name": spec.name, "shape": [len(rows), *spec.shape], "datatype": spec.type.value, "data": data})
        order.shuffle(inputs)
        asked = OpenInference().read(json.dumps({"inputs": inputs}).encode(), Bare(), {})
        count, columns = InputPlan(signature).read(asked.given)
        assert count == asked.rows == len(rows)
        for spec, got, values in zip(signature.inputs, columns, zip(*rows, strict=True), strict=True):
            assert got == [flat(value) if spec.shape else value for value in values]

    check()


@given(rows=rows_of(VECTORS))
@settings(max_examples=examples(40, hunt=1000))
def test_answers_are_valid_tensors_again(rows: list[tuple[Any, ...]]) -> None:
    columns = [
        Column(spec.name, spec.type.value, spec.shape, list(values))
        for spec, values in zip(VECTORS.inputs, zip(*rows, strict=True), strict=True)
    ]
    ids = [f"d{n}" for n in range(len(rows))]
    said = Said("m", "1", "r", ids, [Group("a", "1", "champion")], 7, len(rows), columns)
    _, body = OpenInference().write(said, Asked({}, len(rows)))
    answer = json.loads(body)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("m", "1", "r")
    assert answer["parameters"]["decision_ids"] == ids
    for tensor, column in zip(answer["outputs"], columns, strict=True):
        assert tensor["shape"] == [len(rows), *column.shape]
        assert tensor["data"] == flat(column.values)


def test_doors_lead_where_they_say() -> None:
    for path, endpoint, version, streams in (
        ("/v2/models/m/infer", "m", None, False),
        ("/v2/models/m/versions/2/infer", "m", "2", False),
        ("/v2/models/m/versions/2/generate_stream", "m", "2", True),
        ("/decide/m", "m", None, None),
        ("/decide/m/versions/2", "m", "2", None),
        ("/invocations", "", None, False),
        ("/endpoints/m/invocations", "m", None, False),
        ("/serving-endpoints/m/invocations", "m", None, False),
    ):
        for _ in range(2):
            found = door(path)
            assert (is_door(path), found.endpoint, found.version, found.streams) == (True, endpoint, version, streams)
            assert form_of(path) is found.form
    for n in range(3000):
        assert door(f"/decide/m{n}").endpoint == f"m{n}"
    assert door("/decide/m").endpoint == "m"
    assert not any(map(is_door, ("/decide", "/v2/models/m", "/endpoints/m", "/invocations/m", "/v2/models/m/ready")))


def test_a_long_body_of_nothing_but_lists_is_not_taken_apart() -> None:
    body = b'{"inputs": [' + b"{}," * 2_100_000 + b"{}]}"
    with pytest.raises(InvalidInput, match="more than 2000000 lists"):
        OpenInference().read(body, Bare(), {})


def test_a_timeout_becomes_a_deadline(served: Served) -> None:
    tensors = [{"name": n, "shape": [1], "datatype": "FP32", "data": [1]} for n in ("income", "debt")]
    body = {"inputs": tensors, "parameters": {"timeout": 5_000_000}}
    asked = OpenInference().read(json.dumps(body).encode(), Bare(), {})
    assert asked.deadline is not None
    assert served.client.post("/v2/models/credit/infer", json=body).json()["outputs"][0]["data"] == [2.5]
