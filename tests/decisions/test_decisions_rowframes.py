"""A small commit is written as rows: what reads back is what Arrow's columns would have been, and what those refuse
is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modelyard.core.errors import InvalidInput
from modelyard.decisions import (
    ArrayColumn,
    ColumnObjects,
    DecisionLog,
    DecisionReader,
    LogDamaged,
    Objects,
    Rows,
    Window,
    rowframes,
)
from modelyard.decisions.framing import FRAME
from modelyard.decisions.schema import DECISION_TABLE, DECISIONS, Stamp, frame_meta, to_batch
from tests.conftest import examples

OWN = ("decision_time", "organisation", "use_case", "endpoint", "epoch", "inputs")
ODD: list[Any] = [None, True, 1, -1, 1 << 63, -(1 << 63), 1.5, float("inf"), "ü\0", "\ud800", b"\xff", b"{}", "", [], {}]
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def value(kind: Any) -> st.SearchStrategy[Any]:
    """A value of a column's type, often; an odd one now and then."""
    if pa.types.is_string(kind):
        usual: st.SearchStrategy[Any] = _TEXT | _TEXT.map(str.encode)
    elif pa.types.is_floating(kind):
        usual = st.floats(allow_nan=False)
    else:
        usual = st.integers(-(1 << 63), (1 << 63) - 1)
    return st.one_of(*[usual] * 12, st.none(), st.sampled_from(ODD))


@st.composite
def groups(draw: st.DrawFn) -> list[Rows]:
    kinds = {field.name: field.type for field in DECISIONS}
    stamps: list[Stamp | None] = [
        None, Stamp(DECISION_TABLE, {"organisation": "o", "use_case": "u", "endpoint": "e%", "epoch": 3, "probability": 0.5}),
    ]  # fmt: skip
    made, ids = [], iter(range(1000))
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(0, 3))
        stamp = draw(st.sampled_from(stamps))
        columns: dict[str, Any] = {"id": [f"dec_{next(ids):03d}" for _ in range(count)]}
        shared: dict[str, Any] = {}
        usual = [name for name in OWN if stamp is None or name not in stamp.shared]
        extra = draw(st.lists(st.sampled_from(sorted(kinds)), max_size=3, unique=True))
        for name in dict.fromkeys([*usual, *extra]):
            if name == "id" or (name in usual and draw(st.integers(0, 30)) == 0):
                continue
            if draw(st.booleans()):
                columns[name] = draw(st.lists(value(kinds[name]), min_size=count, max_size=count))
            else:
                shared[name] = draw(value(kinds[name]))
        made.append(Rows(count, columns, shared, stamp))
    return made


@settings(max_examples=examples(150, hunt=20_000))
@given(groups())
def test_rows_read_as_arrow_would_have_them(asked: list[Rows]) -> None:
    found = rowframes.encoded(asked)
    if found is None:
        return
    payload, meta = found
    batch = to_batch(DECISION_TABLE, [group for group in asked if group.count])  # what is taken is taken by Arrow as well
    assert meta == frame_meta(DECISION_TABLE, batch)
    read = rowframes.decoded([memoryview(payload)], DECISIONS, DECISIONS.names)
    assert read.schema == DECISIONS
    order = [("id", "ascending")]
    assert pa.Table.from_batches([read]).sort_by(order).equals(pa.Table.from_batches([batch]).sort_by(order))


FINITE = {"allow_nan": False, "allow_infinity": False}
VALUES = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | _TEXT
NAMES = st.lists(_TEXT, max_size=3, unique=True)


@settings(max_examples=examples(60, hunt=5_000))
@given(
    NAMES.flatmap(
        lambda names: st.tuples(
            st.just(names), st.lists(st.tuples(*[VALUES | st.lists(VALUES, max_size=2)] * len(names)), max_size=3)
        )
    )
)
def test_objects_read_as_their_text(asked: tuple[list[str], list[tuple[Any, ...]]]) -> None:
    names, rows = asked
    objects = Objects(tuple(names), rows)
    expected = [msgspec.json.encode(dict(zip(names, row, strict=True))) for row in rows]
    assert list(objects) == expected
    found = rowframes.encoded([usual(len(rows), inputs=objects)])
    if found is None:
        assert not rows
        return
    read = rowframes.decoded([memoryview(found[0])], DECISIONS, ["inputs"])["inputs"].to_pylist()
    assert [text.encode() for text in read] == expected


@settings(max_examples=examples(60, hunt=5_000))
@given(st.data())
def test_columns_read_as_the_text_of_their_rows(data: st.DataObject) -> None:
    """Arrays of every type among lists, plain and of vectors."""
    count = data.draw(st.integers(1, 5))
    columns: list[Sequence[Any]] = [data.draw(st.lists(VALUES, min_size=count, max_size=count))]
    for kind in data.draw(st.lists(st.sampled_from(["<f2", "<f4", "<f8", ">f4", "|b1", "|i1", "<u2", "<i8", "<u8"]), max_size=3)):
        size = data.draw(st.sampled_from([None, 1, 3]))
        shape = (count,) if size is None else (count, size)
        columns.append(ArrayColumn(data.draw(arrays(kind, shape, elements=FINITE if "f" in kind else None)), size is not None))
    names = tuple(f"x{place}" for place in range(len(columns)))
    lists = [list(column) for column in columns]
    expected = [msgspec.json.encode(dict(zip(names, row, strict=True))) for row in zip(*lists, strict=True)]
    asked = ColumnObjects(names, columns, count)
    found = rowframes.encoded([usual(count, inputs=asked)])
    assert found is not None
    read = rowframes.decoded([memoryview(found[0])], DECISIONS, ["inputs"])["inputs"].to_pylist()
    assert [text.encode() for text in read] == expected == list(asked)


def test_an_array_that_does_not_read_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ArrayColumn(np.zeros((2, 3), np.float32), True)
    with DecisionLog(tmp_path, "w") as log, monkeypatch.context() as broken:
        broken.setattr(ArrayColumn, "packed", lambda _: ("<f4", 2, True, b"12345"))
        assert log.commit([usual(2, inputs=ColumnObjects(("x",), [whole], 2))]) == [None]
    with pytest.raises(LogDamaged, match="do not read"):
        DecisionReader(tmp_path).scan(Window())


def test_objects_that_have_no_text_are_refused(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        wrong, right = log.commit(
            [usual(1, inputs=Objects(("x",), [("\ud800",)])), usual(1, inputs=Objects(("x",), [(1 << 63,)]))]
        )
        assert isinstance(wrong, InvalidInput)
        assert right is None
        assert DecisionReader(tmp_path).scan(Window())["inputs"].to_pylist() == ['{"x":9223372036854775808}']


def usual(count: int, **more: Any) -> Rows:
    """Rows as a runtime has them."""
    shared = {"organisation": "o", "use_case": "u", "endpoint": "e", "epoch": 1, "decision_time": 1_700_000_000_000_000}
    columns = {"id": [f"dec_{n:04d}" for n in range(count)], "inputs": [b'{"x":%d}' % n for n in range(count)]}
    return Rows(count, columns | more, shared)


def test_the_usual_rows_take_the_cheap_way() -> None:
    """Small commits as they are, larger ones compressed, the largest as columns."""
    small, large, huge = (rowframes.encoded([usual(n)]) for n in (3, rowframes.MOST_ROWS, rowframes.MOST_ROWS + 1))
    assert small is not None
    assert large is not None
    assert huge is None
    assert small[0][:1] != large[0][:1]
    assert len(large[0]) < 25 * rowframes.MOST_ROWS
    read = rowframes.decoded([memoryview(small[0]), memoryview(large[0])], DECISIONS, ["inputs", "unknown", "epoch"])
    assert read.schema.names == ["inputs", "epoch"]
    assert read["inputs"].to_pylist()[:4] == ['{"x":0}', '{"x":1}', '{"x":2}', '{"x":0}']


@pytest.mark.parametrize(
    ("more", "field"),
    [({"request": ["\ud800"]}, "request"), ({"inputs": [b"\xff"]}, "inputs"), ({"latency": ["soon"]}, "latency"),
     ({"id": [None]}, "id"), ({"tokens": [1 << 63]}, "tokens"), ({"colour": ["red"]}, "colour"), ({"inputs": []}, "inputs")],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, more: dict[str, Any], field: str) -> None:
    with DecisionLog(tmp_path, "w") as log:
        wrong, right = log.commit([usual(1, **more), usual(1)])
        assert isinstance(wrong, InvalidInput)
        assert wrong.field == field
        assert right is None
        assert DecisionReader(tmp_path).scan(Window())["id"].to_pylist() == ["dec_0000"]


def test_commits_of_both_forms_are_one_log(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        for count in (2, 2000, 1):
            assert log.commit([usual(count)]) == [None]
        content = (tmp_path / "w" / "000000000001.seg").read_bytes()
        assert content.count(FRAME) == 3
        assert DecisionReader(tmp_path).scan(Window()).num_rows == 2003
    assert DecisionReader(tmp_path).scan(Window(), ["inputs"], limit=3).to_pydict() == {
        "inputs": ['{"x":0}', '{"x":1}', '{"x":0}']
    }


def test_damaged_rows_are_told(tmp_path: Path) -> None:
    with DecisionLog(tmp_path, "w") as log:
        log.commit([usual(5)])
    path = tmp_path / "w" / "000000000001.seg"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(LogDamaged):
        DecisionReader(tmp_path).scan(Window())
