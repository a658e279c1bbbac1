"""Signatures read from samples, and batches that go to tables and back."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelyard.core.errors import InvalidInput, NotFound
from modelyard.kinds import infer
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature

TABLE = pa.table(
    {
        "flight_id": pa.array(range(60)),
        "distance": pa.array([float(i) for i in range(59)] + [None]),
        "stops": pa.array([i % 3 for i in range(60)], pa.int32()),
        "origin": pa.array(["EWR", "JFK", "LGA"] * 20),
        "note": pa.array([f"note {i}" for i in range(60)]),
        "night": pa.array([True, False] * 30),
        "gender": pa.array(["f", "m"] * 30),
        "late": pa.array([0, 1] * 30),
        "score": pa.array([0.5] * 60, pa.float32()),
    }
)


def test_a_sample_shows_types_ranges_nulls_and_values():
    signature = infer.infer(TABLE, outputs=("late", "score"))
    distance = signature.input("distance")
    assert (distance.type, distance.nullable, distance.minimum, distance.maximum) == (DataType.FP64, True, 0.0, 58.0)
    assert signature.input("stops").type is DataType.INT32
    assert signature.input("origin").allowed == ("EWR", "JFK", "LGA")
    assert signature.input("note").allowed is None
    assert signature.input("night").type is DataType.BOOL
    assert [(o.name, o.role) for o in signature.outputs] == [("late", Role.LABEL), ("score", Role.SCORE)]


def test_roles_are_guessed_with_care():
    signature = infer.infer(TABLE)
    assert [f.name for f in signature.with_role(Role.IDENTIFIER)] == ["flight_id"]
    assert signature.input("gender").role is Role.PREDICTOR
    (line,) = infer.suggest(signature)
    assert line.startswith("gender sounds like a protected attribute")
    repeated = infer.infer(pa.table({"customer_id": [1, 1, 2]}))
    assert repeated.input("customer_id").role is Role.PREDICTOR


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow", "batch"])
def test_all_forms_of_a_sample_show_the_same(tmp_path, form):
    from pyarrow import csv

    table = TABLE.select(["flight_id", "distance", "origin"])
    path = tmp_path / "sample"
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "csv":
        csv.write_csv(table, path)
    elif form == "arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    assert infer.infer(path if form != "batch" else infer.decode(table)) == infer.infer(table)


def test_bad_samples_are_told(tmp_path):
    with pytest.raises(NotFound):
        infer.infer(tmp_path / "nothing.csv")
    (path := tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InvalidInput, match="cannot be read"):
        infer.infer(path)
    with pytest.raises(InvalidInput, match="no rows"):
        infer.infer(TABLE.slice(0, 0))
    with pytest.raises(InvalidInput, match="no column 'absent'"):
        infer.infer(TABLE, outputs=("absent",))
    with pytest.raises(InvalidInput, match="'nested'") as caught:
        infer.infer(pa.table({"nested": [{"a": 1}]}))
    assert caught.value.field == "nested"


def test_what_is_declared_wins_and_each_difference_is_a_line():
    declared = Signature(
        inputs=(
            FieldSpec(name="distance", type=DataType.FP64, minimum=0, maximum=10),
            FieldSpec(name="stops", type=DataType.INT64),
            FieldSpec(name="origin", type=DataType.BYTES, allowed=("EWR", "JFK")),
            FieldSpec(name="weather", type=DataType.BYTES),
        ),
        outputs=(FieldSpec(name="late", type=DataType.INT64, role=Role.LABEL),),
    )
    signature, lines = infer.merge(declared, infer.infer(TABLE.select(["distance", "stops", "origin", "night"])))
    assert signature == declared
    assert lines == (
        "input distance: nullable declared False, sample shows True",
        "input distance: maximum declared 10.0, sample shows 58.0",
        "input stops: type declared INT64, sample shows INT32",
        "input origin: allowed declared (EWR, JFK), sample shows (EWR, JFK, LGA)",
        "input weather: declared, not in the sample",
        "input night: in the sample, not declared",
    )


def test_a_declaration_that_the_sample_fits_has_no_differences():
    wide = infer.infer(TABLE)
    assert infer.merge(wide, infer.infer(TABLE.slice(0, 30)))[1] == ()


def test_merging_takes_outputs_that_nobody_declared():
    inputs_only = infer.infer(TABLE.select(["distance"]))
    merged, _ = infer.merge(inputs_only, infer.infer(TABLE.select(["distance", "score"]), outputs=("score",)))
    assert [f.name for f in merged.outputs] == ["score"]


def test_columns_of_other_types_become_ones_that_fields_have():
    table = pa.table(
        {
            "coded": pa.array(["a", "b", None]).dictionary_encode(),
            "day": pa.array([0, 1, None], pa.date32()),
            "price": pa.array([1, 2, None], pa.decimal128(5, 2)),
            "count": pa.array([1, None, 3]),
            "flag": pa.array([True, None, False]),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 2),
            "nothing": pa.nulls(3),
        }
    )
    batch = infer.decode(table)
    assert batch["coded"].tolist() == ["a", "b", None]
    assert batch["day"].tolist() == ["1970-01-01", "1970-01-02", None]
    assert batch["vector"].tolist() == [[0, 1], [2, 3], [4, 5]]
    for name in ("price", "count", "flag", "nothing"):
        assert batch[name].dtype == np.float64
        assert np.isnan(batch[name]).any()


NUMBERS = st.sampled_from(["int8", "int64", "uint16", "float32", "float64", "bool"]).flatmap(
    lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=1, max_dims=2, max_side=5))
)


@given(NUMBERS)
def test_numbers_survive_the_way_to_a_table_and_back(column):
    again = infer.decode(infer.encode({"x": column}))["x"]
    assert again.dtype == column.dtype
    np.testing.assert_array_equal(again, column)


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1).filter(lambda v: any(x is not None for x in v)))
def test_text_survives_the_way_to_a_table_and_back(values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    assert infer.decode(infer.encode({"x": column}))["x"].tolist() == values
