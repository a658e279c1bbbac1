"""Packed columns: whatever is written packed reads as if it had been written plain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from decision_rows import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.decisions import DECISIONS, Compactor, DecisionReader, Window, packing
from modelyard.decisions.journal import Journal
from modelyard.decisions.packing import objects, runs, same, unpacked
from modelyard.decisions.schema import DECISION_TABLE, frame_meta
from tests.conftest import examples

_INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
_FLOATS = {pa.float16(): np.float16, pa.float32(): np.float32, pa.float64(): np.float64}


def _of(kind: Any) -> st.SearchStrategy[Any]:
    if kind in _FLOATS:
        return st.floats(width=kind.bit_width).map(_FLOATS[kind])
    if pa.types.is_integer(kind):
        most = 2 ** (kind.bit_width - (0 if pa.types.is_unsigned_integer(kind) else 1)) - 1
        return st.integers(0 if pa.types.is_unsigned_integer(kind) else -most - 1, most)
    return st.booleans() if pa.types.is_boolean(kind) else st.text()


@st.composite
def _fields(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Columns of any type of a signature, some in lists, with their values."""
    count = draw(st.integers(1, 5))
    found = {}
    for name in draw(st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True)):
        kind = draw(st.sampled_from([*_INTEGERS, *_FLOATS, pa.bool_(), pa.string()]))
        size = draw(st.sampled_from([None, None, 1, 3]))
        value = _of(kind) if size is None else st.lists(_of(kind), min_size=size, max_size=size)
        values = draw(st.lists(st.none() | value, min_size=count, max_size=count))
        found[name] = pa.array(values, kind if size is None else pa.list_(kind, size)), values
    return found, count


def _same(found: Any, wanted: Any, kind: Any) -> bool:
    """Floats are the same when they are in their own type: the log writes them as short as that allows."""
    if isinstance(wanted, list):
        return all(_same(f, w, kind.value_type) for f, w in zip(found, wanted, strict=True))
    if kind in _FLOATS and wanted is not None:
        return bool(_FLOATS[kind](found) == _FLOATS[kind](wanted))
    return type(found) is type(wanted) and found == wanted


@settings(max_examples=examples(80, hunt=4000), deadline=None)
@given(_fields(), st.integers(0, 4))
def test_packed_objects_read_as_the_json_that_msgspec_writes(drawn: tuple[dict[str, Any], int], first: int) -> None:
    fields, count = drawn
    packed = objects({name: column for name, (column, _) in fields.items()}, count)
    first = min(first, count - 1)
    batch = pa.RecordBatch.from_arrays([packed], names=["inputs"]).slice(first)
    (read,) = unpacked(batch)
    texts = read.column(0).to_pylist()
    rows = [{name: values[row] for name, (_, values) in fields.items()} for row in range(first, count)]
    for text, row in zip(texts, rows, strict=True):
        wanted = msgspec.json.decode(msgspec.json.encode(row, enc_hook=lambda value: value.item()))
        found = json.loads(text)
        assert list(found) == list(wanted)
        assert msgspec.json.decode(text) == found
        assert all(_same(found[name], wanted[name], fields[name][0].type) for name in wanted), (text, wanted)


@settings(max_examples=examples(40, hunt=1000), deadline=None)
@given(st.lists(st.tuples(st.none() | st.text(max_size=3), st.integers(1, 4)), min_size=1, max_size=6), st.data())
def test_runs_read_as_their_rows(given: list[tuple[str | None, int]], data: st.DataObject) -> None:
    rows = [value for value, times in given for _ in range(times)]
    column = runs([value for value, _ in given], pa.string(), np.cumsum([times for _, times in given]).tolist())
    first = data.draw(st.integers(0, len(rows) - 1))
    piece = pa.RecordBatch.from_arrays([column], names=["unit"]).slice(first)
    (read,) = unpacked(piece)
    assert read.column(0).to_pylist() == rows[first:]
    assert set(packing.distinct(piece.column(0)).to_pylist()) == set(rows[first:])


def _packed(ids: list[str]) -> Any:
    count = len(ids)
    numbers = pa.array(np.arange(count) / 7, pa.float32())
    path = same('a "b".parquet', pa.string(), count)
    columns = {
        "id": pa.array(ids, pa.string()),
        "decision_time": same(5_000_000, DECISIONS.field("decision_time").type, count),
        "inputs": objects({"$file": path, "$row": pa.array(range(count), pa.int64())}, count),
        "output": objects({"score": numbers}, count),
        "version": runs(["ver_1", "ver_2"], pa.string(), [count // 2, count]),
        "endpoint": runs(["hold", "pass"], pa.string(), [1, count]),
        "schema_version": same(1, pa.int16(), count),
    }
    given = SHARED | {"epoch": 1}
    arrays = [columns[f.name] if f.name in columns else same(given.get(f.name), f.type, count) for f in DECISIONS]
    fields = [pa.field(f.name, array.type, f.nullable) for f, array in zip(DECISIONS, arrays, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


@pytest.mark.parametrize("count", [2, 200])
def test_packed_rows_are_found_before_and_after_compaction(tmp_path: Path, count: int) -> None:
    ids = [f"dec_{n:032x}" for n in range(count)]
    batch = _packed(ids)
    with Journal(tmp_path, replace(DECISION_TABLE, schema=batch.schema), "batch") as journal:
        journal.commit(batch)
    reader = DecisionReader(tmp_path)
    before = reader.scan(Window()).sort_by("id")
    assert before.schema == DECISIONS
    assert before["version"].to_pylist() == ["ver_1"] * (count // 2) + ["ver_2"] * (count - count // 2)
    assert json.loads(before["inputs"][-1].as_py()) == {"$file": 'a "b".parquet', "$row": count - 1}
    assert reader.known([ids[1], "dec_f"]) == {ids[1]}
    assert reader.scan(Window(endpoint="hold"), ["id"])["id"].to_pylist() == ids[:1]
    assert Compactor(tmp_path).run().rows == count
    assert DecisionReader(tmp_path).scan(Window()).sort_by("id").equals(before)


def test_what_is_known_of_a_packed_batch_is_what_is_known_of_its_rows() -> None:
    batch = _packed([f"dec_{n:032x}" for n in range(100)])
    (plain,) = unpacked(batch)
    meta = frame_meta(DECISION_TABLE, batch)
    assert meta == frame_meta(DECISION_TABLE, plain)
    assert meta == frame_meta(DECISION_TABLE, batch, (meta.min_id, meta.max_id))
    assert meta.endpoints == {"hold": 1, "pass": 99}


def test_text_that_one_array_could_not_hold_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = _packed([f"dec_{n:032x}" for n in range(100)])
    (whole,) = unpacked(batch)
    monkeypatch.setattr(packing, "_TEXT_AT_ONCE", 1000)
    pieces = list(unpacked(batch))
    assert len(pieces) > 5
    assert pa.Table.from_batches(pieces).combine_chunks().equals(pa.Table.from_batches([whole]))
