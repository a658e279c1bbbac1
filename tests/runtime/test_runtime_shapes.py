"""A matrix that would be read askew is refused, in every form; what is flat, or has axes of length one, is taken."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.runtime.forms.decide import Decide
from modelyard.runtime.forms.invocations import Invocations
from modelyard.runtime.forms.oip import OpenInference
from modelyard.runtime.inputs import InputPlan

SIGNATURE = Signature(inputs=(FieldSpec(name="m", type=DataType.FP64, shape=(2, 3)),), outputs=())
PLAN = InputPlan(SIGNATURE)
SPECS = {spec.name: spec for spec in SIGNATURE.inputs}
HEADERS = {"content-type": "application/json"}
NUMBERS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
RIGHT = [[1, 2, 3], [4, 5, 6]]
SQUARE = {"nested": RIGHT, "flat": NUMBERS, "one more axis": [RIGHT]}
ASKEW = {"transposed": [[1, 2], [3, 4], [5, 6]], "ragged": [[1, 2, 3, 4], [5, 6]], "too many": [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}


def by_decide(value: Any) -> Any:
    return Decide().read(json.dumps({"m": value}).encode(), HEADERS, SPECS).given


def by_invocations(value: Any) -> Any:
    return Invocations().read(json.dumps({"dataframe_records": [{"m": value}]}).encode(), HEADERS, SPECS).given


def by_tensor(value: Any) -> Any:
    ragged = isinstance(value[0], list) and len({len(part) for part in value}) > 1
    shape = [1, 2, 3] if ragged else [1, *np.array(value).shape]
    body = {"inputs": [{"name": "m", "datatype": "FP64", "shape": shape, "data": value}]}
    return OpenInference().read(json.dumps(body).encode(), HEADERS, SPECS).given


READERS = (by_decide, by_invocations, by_tensor)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", SQUARE.values(), ids=SQUARE)
def test_what_fits_is_read_row_by_row(read: Any, value: Any) -> None:
    rows, columns = PLAN.read(read(value))
    assert (rows, list(columns[0])) == (1, [NUMBERS])


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", ASKEW.values(), ids=ASKEW)
def test_what_would_be_read_askew_is_refused(read: Any, value: Any) -> None:
    with pytest.raises(InvalidInput, match="'m'"):
        PLAN.read(read(value))


def test_an_array_of_another_shape_is_refused() -> None:
    assert PLAN.read({"m": np.array([RIGHT], dtype=np.float64)})[0] == 1
    with pytest.raises(InvalidInput, match=r"has shape \[1, 3, 2\], should be \[rows, 2, 3\]"):
        PLAN.read({"m": np.zeros((1, 3, 2))})
