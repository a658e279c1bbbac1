"""Arrow streams in and out: types, vectors, keys; streams that are damaged, compressed within, or lie about their rows."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from forms_stage import EVERY_TYPE, PERSON, Served
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput, TooLarge
from modelyard.kinds.signature import DataType
from modelyard.runtime.forms import arrow
from modelyard.runtime.inputs import InputPlan
from tests.conftest import examples

ARROW = "application/vnd.apache.arrow.stream"


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=2)
    return bytes(sink.getvalue())


def post(served: Served, body: bytes, path: str) -> Any:
    return served.client.post(path, content=body, headers={"content-type": ARROW})


def answered(response: Any) -> pa.Table:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == ARROW
    return pa.ipc.open_stream(response.content).read_all()


@pytest.mark.parametrize("path", ["/v2/models/every/infer", "/decide/every"])
def test_every_data_type_goes_and_comes(served: Served, path: str) -> None:
    columns = {
        spec.name: pa.array(["", "ü", "x" * 300])
        if spec.type is DataType.BYTES
        else pa.array(np.array([0, 1, 1], spec.type.numpy))
        for spec in EVERY_TYPE.inputs
    }
    sent = pa.table(columns)
    got = answered(post(served, stream(sent), path))
    for name in sent.column_names:
        assert got[f"{name}_out"].combine_chunks() == sent[name].combine_chunks(), name
    assert got["arm"].to_pylist() == ["echo"] * 3
    assert served.decision(got["decision_id"][2].as_py())["version"] == "1"


def test_vectors_keys_subjects_and_times(served: Served) -> None:
    when = datetime(2026, 2, 1, 10, tzinfo=UTC)
    table = pa.table(
        {
            "age": pa.array([1, 2, 3], pa.int8()),
            "income": pa.array([1.5, None, float("nan")]),
            "region": pa.array(["north", "south", "north"]).dictionary_encode(),
            "member": pa.array([True, False, True]),
            "scores": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
            "customer": pa.array(["x", "y", "z"]),
            "moment": pa.array([when] * 3, pa.timestamp("ns", "UTC")),
        }
    ).replace_schema_metadata(
        {
            "modelyard.id": "r-1",
            "modelyard.routing_key": "customer",
            "modelyard.subject": "customer",
            "modelyard.event_time": "moment",
        }
    )
    got = answered(post(served, stream(table), "/decide/person"))
    assert got.column_names[-5:] == ["decision_id", "version", "arm", "role", "reason"]
    assert got["income_out"].to_pylist() == [1.5, None, None]
    assert got["scores_out"].type == pa.list_(pa.float32(), 2)
    assert got["scores_out"].to_pylist() == [[1, 2], [3, 4], [5, 6]]
    logged = [served.decision(identity) for identity in got["decision_id"].to_pylist()]
    assert len({row["unit"] for row in logged}) == 3
    assert {row["request"] for row in logged} == {"r-1"}
    assert {row["event_time"] for row in logged} == {when}
    assert got.schema.metadata[b"modelyard.endpoint"] == b"person"


def test_arms_and_versions_are_told_by_row(served: Served) -> None:
    keys = [f"k{n}" for n in range(40)]
    table = pa.table({"a": np.arange(40.0), "b": np.zeros(40), "k": keys})
    got = answered(post(served, stream(table.replace_schema_metadata({"modelyard.routing_key": "k"})), "/v2/models/hold/infer"))
    assert set(got["arm"].to_pylist()) == {"champion", "challenger"}
    for n, (arm, version, value) in enumerate(zip(*(got[c].to_pylist() for c in ("arm", "version", "prediction")), strict=True)):
        assert (version, value) == {"champion": ("1", n + 10.0), "challenger": ("2", n + 20.0)}[arm]


GOOD = pa.table({"a": [1.0], "b": [2.0]})
WRONG: list[tuple[pa.Table, str]] = [
    (pa.table({"a": [1.0], "b": [float("inf")]}), "'b' is infinite in row 0"),
    (pa.table({"a": [1.0], "b": [float("nan")]}), "got `null` - at `$[0]`"),
    (pa.table({"a": [1.0], "b": pa.array([None], pa.float64())}), "'b' is not right"),
    (pa.table({"a": [1.0], "b": ["x"]}), "'b' is not right"),
    (pa.table({"a": [1.0], "b": [[1.0]]}), "'b' is not right"),
    (pa.table({"a": [1.0], "b": [datetime(2026, 1, 1, tzinfo=UTC)]}), "holds timestamp"),
    (pa.table({"a": [1.0], "b": [[[1.0]]]}), "holds list"),
    (pa.table({"a": [1.0]}), "'b' is missing"),
    (pa.table({"a": [1.0], "b": [1.0], "z": [1]}), "unknown input 'z'"),
    (pa.table([[1.0], [1.0]], ["a", "a"]), "given twice"),
    (GOOD.slice(0, 0), "0 rows"),
    (pa.table({}), "no columns"),
    (GOOD.replace_schema_metadata({"modelyard.subject": "who"}), "'who', which is not there"),
]


@pytest.mark.parametrize(("table", "told"), WRONG)
def test_wrong_columns_are_told(served: Served, table: pa.Table, told: str) -> None:
    response = post(served, stream(table), "/v2/models/hold/infer")
    assert (response.status_code, list(response.json())) == (400, ["error"]), response.text
    assert told in response.json()["error"]


def test_streams_that_are_none_or_need_more_than_they_weigh(served: Served) -> None:
    zeros = pa.table({"a": np.zeros(500_000), "b": np.zeros(500_000)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, zeros.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(zeros)
    packed = bytes(sink.getvalue())
    assert len(packed) < 100_000
    endless = pa.table({"a": pa.nulls(2_000_000)})
    for body, told in (
        (b"", "not an Arrow stream"),
        (b"ARROW1\0\0", "not an Arrow stream"),
        (stream(GOOD)[:-60], "not an Arrow stream"),
        (packed, "compressed"),
        (b"".join([stream(endless.slice(0, 0)), b""]), "0 rows"),
    ):
        response = post(served, body, "/decide/hold")
        assert response.status_code == 400, response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert told in response.json()["detail"]
    with pytest.raises(InvalidInput, match="2000000 rows; 1 to 100000"):
        arrow.read(_whole(endless), {})
    with pytest.raises(TooLarge, match="at most 1000000 may be left unwritten"):
        arrow.read(_whole(pa.table({f"n{n}": pa.nulls(90_000) for n in range(12)})), {})
    texts = pa.table({"a": pa.DictionaryArray.from_arrays(np.zeros(90_000, "i4"), ["x" * 10_000])})
    with pytest.raises(InvalidInput, match="too long texts"):
        arrow.read(_whole(texts), {})


def _whole(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_more_rows_than_are_answered_at_once_are_refused(served: Served) -> None:
    table = pa.table({"a": np.zeros(1_000_000, "f4"), "b": np.zeros(1_000_000, "f4")})
    response = post(served, _whole(table), "/decide/hold")
    assert response.status_code in (400, 413)
    assert "1000000 rows" in response.json()["detail"]


SPECS = {spec.name: spec for spec in PERSON.inputs}
SAMPLE = stream(
    pa.table(
        {
            "age": pa.array([1, 2, 3], pa.int32()),
            "income": pa.array([1.5, None, 2]),
            "region": pa.array(["north", "south", "élan"]).dictionary_encode(),
            "member": [True, False, True],
            "scores": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32())),
        }
    )
)


@given(data=st.data())
@settings(max_examples=examples(250, hunt=20_000))
def test_a_damaged_stream_is_refused_or_read_and_never_fails(data: st.DataObject) -> None:
    body = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body) - 1)) :]
    with suppress(InvalidInput):
        asked = arrow.read(bytes(body), SPECS)
        rows, _ = InputPlan(PERSON).read(asked.given)
        assert rows == asked.rows


def test_a_moment_that_no_calendar_has_is_refused(served: Served) -> None:
    table = pa.table({"a": [1.0], "b": [1.0], "moment": pa.array([1 << 62], pa.timestamp("us", "UTC"))})
    refused = post(served, stream(table.replace_schema_metadata({"modelyard.event_time": "moment"})), "/decide/hold")
    assert (refused.status_code, refused.json()["field"]) == (400, "modelyard.event_time")
