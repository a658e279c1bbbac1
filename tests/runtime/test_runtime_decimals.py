"""Small floats told as decimals: the same number again, and the digits that people wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.decisions.decimals import short
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.inputs import FieldPlan

_KINDS = {"f2": (16, np.float16), "f4": (32, np.float32)}


@pytest.mark.parametrize("kind", _KINDS)
@given(st.data())
def test_they_are_the_same_numbers_alone_and_among_many(kind: str, data: st.DataObject) -> None:
    width, dtype = _KINDS[kind]
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=width)  # type: ignore[arg-type]
    values = np.array(data.draw(st.lists(numbers, min_size=1, max_size=40)), dtype)
    told = short(values)
    assert np.array(told, dtype).tobytes() == values.tobytes()
    assert told == [one for value in values for one in short(np.array([value]))]


@given(st.lists(st.tuples(st.integers(-999_999, 999_999), st.integers(0, 6)), min_size=12, max_size=40))
def test_a_decimal_of_six_digits_comes_as_it_was_written(written: list[tuple[int, int]]) -> None:
    numbers = [whole / 10**places for whole, places in written]
    assert short(np.array(numbers, np.float32)) == numbers
    assert short(np.array(numbers[:1], np.float32)) == numbers[:1]


def test_numbers_of_64_bits_stay() -> None:
    assert short(np.array([[0.1, 1 / 3]])) == [0.1, 1 / 3]


def test_a_field_takes_bytes_as_it_takes_json() -> None:
    vector = FieldPlan(FieldSpec(name="x", type=DataType.FP32, shape=(2,), maximum=0.1))
    assert list(vector.take(np.array([[0.1, 0.05]], np.float32))[1]) == [[0.1, 0.05]]
    wider = FieldPlan(FieldSpec(name="x", type=DataType.FP64))
    assert wider.take(np.array([0.1], np.float32)) == (1, [float(np.float32(0.1))]), "a wider field gets what was sent"
