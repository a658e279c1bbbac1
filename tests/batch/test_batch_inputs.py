"""Every form of input gives the same answers; what cannot be read is told with file and row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from modelyard.core.errors import Forbidden, InvalidInput
from modelyard.decisions.json_rows import json_rows
from modelyard.kinds.batches import conform, take
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.batch import Batches, Invalid, csv_lines
from modelyard.runtime.batch.called import names_of
from modelyard.runtime.batch.finding import input_files
from modelyard.runtime.batch.fitting import fit
from modelyard.runtime.batch.idents import decision_ids
from modelyard.runtime.batch.model import Lent
from tests.batch.batch_stage import Stage, rows
from tests.conftest import examples


def _arrow(table: Any, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=60)


def _stream(table: Any, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=60)


def _delta(table: Any, path: Path) -> None:
    from deltalake import write_deltalake

    for start in range(0, table.num_rows, 120):
        piece = table.slice(start, 120)
        write_deltalake(str(path), piece.append_column("day", pa.array([f"d{start:03d}"] * piece.num_rows)),
                        partition_by=["day"], mode="append")  # fmt: skip


FORMS = {
    "in.parquet": lambda table, path: pq.write_table(table, path, row_group_size=70),
    "in.csv": arrow_csv.write_csv,
    "in.arrow": _arrow,
    "in.arrows": _stream,
    "renamed.arrow": _stream,
    "table": _delta,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_input_gives_the_same_answers(stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.runtime.batch.finding._CSV_PART", 1000)
    table = rows(350)
    path = stage.folder / name
    FORMS[name](table, path)
    result = Batches(stage.place).run(stage.order(path, keep=("customer", "a", "b")))
    output = stage.output().sort_by("customer")
    assert output["customer"].to_pylist() == table["customer"].to_pylist()
    wanted = table["a"].to_numpy() + table["b"].to_numpy().astype(np.float32) + np.float32(10)
    assert np.array_equal(output["prediction"].to_numpy(), wanted)
    assert stage.logged().num_rows == result.read == 350
    assert result.parts > 2


def test_a_folder_and_a_pattern_are_files_in_order(stage: Stage) -> None:
    for number in range(3):
        stage.write(rows(50, start=50 * number), f"in/day={number}/x.parquet")
    stage.write(rows(5, start=900), "in/_hidden/x.parquet")
    (stage.folder / "in" / "readme.txt").write_text("no data")
    result = Batches(stage.place).run(stage.order(stage.folder / "in"))
    assert result.files == 3
    assert stage.output()["customer"].to_pylist() == rows(150)["customer"].to_pylist()
    other = stage.order(stage.folder / "in" / "*" / "x.parquet", out=str(stage.folder / "other"))
    assert Batches(stage.place).run(other).read == 155


def test_lines_of_csv_that_do_not_fit_are_told_by_row(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.runtime.batch.finding._CSV_PART", 60)
    path = stage.folder / "in.csv"
    lines = ["customer,a,b", *(f"c{n},{n},{n}" for n in range(40))]
    lines[6], lines[11], lines[21], lines[31] = "c5,x,5", "c10,10", '"c\n20",20,', "c30,30,3e9"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidInput, match="row 5: 'a' 'x' is no FP32"):
        Batches(stage.place).run(stage.order(path))
    result = Batches(stage.place).run(stage.order(path, invalid=Invalid.SKIP, out=str(stage.folder / "skip")))
    stage.out = stage.folder / "skip"
    assert [(r["row"], r["field"], r["reason"]) for r in stage.rejects()] == [
        (5, "a", "'x' is no FP32"),
        (10, None, "the line has 2 values, the header 3 names"),
        (20, "b", "is empty and may not be"),
        (30, "b", "3000000000.0 is outside -100 to 100"),
    ]
    assert (result.read, result.answered, result.rejected) == (40, 36, 4)
    assert stage.output()["prediction"].to_pylist() == [2.0 * n + 10 for n in range(40) if n not in (5, 10, 20, 30)]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.parquet", b"PAR1 no parquet at all PAR1", "cannot be read as parquet"),
        ("x.arrow", b"ARROW1 nothing", "cannot be read as arrow"),
        ("x.csv", b"a,a\n1,2\n", "each once"),
        ("x.csv", b"a,b\r1,2\r3,4\r", "is not CSV"),
        ("x.csv", b"\xff\xfe,b\n1,2\n", "not UTF-8"),
        ("x.xlsx", b"PK", "no known format"),
    ],
)
def test_files_that_are_not_what_they_say_are_named(stage: Stage, name: str, data: bytes, words: str) -> None:
    path = stage.folder / name
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=words):
        Batches(stage.place).run(stage.order(path))


@pytest.mark.parametrize("invalid", list(Invalid))
@pytest.mark.parametrize("size", [20, 1 << 20])
def test_a_quote_that_never_closes_swallows_no_rows(
    tmp_path: Path, invalid: Invalid, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelyard.runtime.batch.finding._CSV_PART", size)
    stage = Stage(tmp_path, constant={"outputs": {"prediction": -1.0}})
    path = stage.folder / "in.csv"
    lines = ["customer,a,b", *(f'"c ""{n}""",{n},{n}' for n in range(10))]
    lines[4] = '"c3,3,3'
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidInput, match=rf"{path}, row 3: a quote opens and does not close"):
        Batches(stage.place).run(stage.order(path, invalid=invalid))
    lines[4] = 'c3",3,3'  # none that opens: a value of an odd kind
    path.write_text("\n".join(lines) + "\n")
    assert Batches(stage.place).run(stage.order(path, invalid=invalid)).answered == 10
    assert stage.output()["customer"][3].as_py() == 'c3"'


def test_a_column_that_cannot_be_what_is_wanted_is_told_with_its_file(stage: Stage) -> None:
    good, bad = stage.write(rows(10), "in/a.parquet"), rows(10, start=10)
    stage.write(bad.set_column(1, "a", pa.array(["1.0"] * 10)), "in/b.parquet")
    with pytest.raises(InvalidInput, match=r"in/b\.parquet: column 'a' should be FP32, the input has string") as refused:
        Batches(stage.place).run(stage.order(good.parent, keep=("customer",)))
    assert refused.value.field == "a"


@pytest.mark.parametrize("name", [*FORMS, "parquet without row groups"])
@pytest.mark.parametrize("into", ["parquet", "delta"])
def test_an_empty_input_is_a_batch_without_rows(stage: Stage, name: str, into: Any) -> None:
    """Whoever reads on finds what it always finds: columns with their types, and no rows."""
    path, table = stage.folder / name.replace(" ", "."), rows(0)
    if name == "table":
        from deltalake import write_deltalake

        write_deltalake(str(path), table)
    elif name in FORMS:
        FORMS[name](table, path)
    else:
        path = path.with_suffix(".parquet")
        pq.ParquetWriter(path, table.schema).close()
    result = Batches(stage.place).run(stage.order(path, format=into))
    assert (result.parts, result.read, result.answered) == (1, 0, 0)
    assert Batches(stage.place).run(stage.order(path, format=into)) == result
    whole = stage.folder / "whole"
    more = Batches(stage.place).run(stage.order(stage.write(rows(3), "more.parquet"), format="parquet", out=str(whole)))
    assert more.answered == 3
    found = stage.output() if into == "parquet" else pa.table(DeltaTable(str(stage.out)).to_pyarrow_table())
    wanted = pq.read_table(whole, partitioning=None)
    kinds = ["string" if name == "in.csv" else "float", "float"]
    assert found.num_rows == 0
    assert [str(found.schema.field(name).type) for name in ("a", "prediction")] == kinds
    assert found.schema.names == wanted.schema.names


def test_lines_that_are_no_records_are_answered_by_the_constant_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.runtime.batch.finding._CSV_PART", 60)
    stage = Stage(tmp_path, constant={"outputs": {"prediction": -1.0}})
    path = stage.folder / "in.csv"
    lines = ["customer,a,b", *(f"c{n},{n},{n}" for n in range(40))]
    lines[6], lines[11], lines[12], lines[31] = "c5,x,5", "c10,10", "c11,11,11,11", "c30,30,3e9"
    path.write_text("\n".join(lines) + "\n")
    result = Batches(stage.place).run(stage.order(path, invalid=Invalid.FALLBACK, keep=("customer", "a"), subject="customer"))
    bad = (5, 10, 11, 30)
    assert (result.read, result.answered, result.rejected, result.by_arm) == (40, 40, 0, {"v1": 36, "": 4})
    output, log = stage.output(), stage.logged()
    assert output["prediction"].to_pylist() == [-1.0 if n in bad else 2.0 * n + 10 for n in range(40)]
    assert output["customer"].to_pylist() == [None if n in (10, 11) else f"c{n}" for n in range(40)]
    assert [(r["row"], r["field"], r["reason"]) for r in stage.rejects()] == [
        (5, "a", "'x' is no FP32"),
        (10, None, "the line has 2 values, the header 3 names"),
        (11, None, "the line has 4 values, the header 3 names"),
        (30, "b", "3000000000.0 is outside -100 to 100"),
    ]
    assert log["id"].to_pylist() == output["decision_id"].to_pylist()
    assert [json.loads(log["inputs"][n].as_py()) for n in (9, 10)] == [{"a": 9, "b": 9}, {"a": None, "b": None}]
    assert log["subject"].is_null().to_pylist() == [n in (10, 11) for n in range(40)]


@settings(max_examples=examples(60, hunt=2000))
@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,"\n\r é'), max_size=6), min_size=2, max_size=2), max_size=30),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 40),
    st.booleans(),
)
def test_csv_is_cut_only_between_records(tmp_path_factory: Any, records: Any, ending: str, size: int, last: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(["x", "y"])
    writer.writerows(records)
    text = sheet.getvalue() if last else sheet.getvalue().removesuffix(ending)
    path.write_bytes(text.encode())
    data = path.read_bytes()
    found, place = [], None
    for piece in csv_lines.ranges(path, size):
        assert place in (None, piece.start)
        assert piece.row == len(found)
        found += list(csv.reader(io.StringIO(data[piece.start : piece.end].decode(), newline="")))
        place = piece.end
    assert found == records


SCALARS = st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-300, 300).map(float))


@settings(max_examples=examples(80, hunt=3000))
@given(
    st.lists(SCALARS, min_size=1, max_size=12),
    st.sampled_from([pa.float64(), pa.float32()]),
    st.sampled_from([DataType.FP32, DataType.FP64, DataType.INT8, DataType.UINT16, DataType.INT64]),
    st.booleans(),
)
def test_fitting_agrees_with_the_kinds_own_rule(values: Any, arrow: Any, kind: DataType, nullable: bool) -> None:
    """A row fits if and only if the kinds' own check takes it alone, and then it is the same value."""
    spec = FieldSpec(name="x", type=kind, nullable=nullable)
    column = pa.array(values, arrow)
    fitted = fit(pa.table({"x": column}), [spec])
    for row, value in enumerate(column.to_pylist()):
        alone = np.array([value], dtype=object if value is None else np.float64)
        try:
            wanted = conform({"x": alone}, [spec])["x"][0]
        except InvalidInput:
            assert (value is None and nullable and kind.numpy.kind in "iu") or (fitted.bad is not None and fitted.bad[row])
            continue
        assert fitted.bad is None or not fitted.bad[row]
        mine = take(fitted.batch, np.array([row]))["x"][0]
        assert (mine is None or np.isnan(mine)) if value is None else mine == wanted


@settings(max_examples=examples(60, hunt=2000))
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.text()), st.floats(), st.one_of(st.none(), st.booleans()), st.integers(-9, 9)),
        max_size=8,
    )
)
def test_json_of_columns_is_the_json_of_rows(values: Any) -> None:
    columns = {
        'te"xt': pa.array([v[0] for v in values], pa.string()),
        "number": pa.array([v[1] for v in values], pa.float64()),
        "flag": pa.array([v[2] for v in values], pa.bool_()),
        "vector": pa.array([[v[3], 1] for v in values], pa.list_(pa.int64())),
    }
    found = [json.loads(text) for text in json_rows(columns, len(values)).to_pylist()]
    plain = [None if number is None or not np.isfinite(number) else number for _, number, _, _ in values]
    wanted = [
        {'te"xt': text, "number": number, "flag": flag, "vector": [whole, 1]}
        for (text, _, flag, whole), number in zip(values, plain, strict=True)
    ]
    assert found == wanted


def test_vectors_and_texts_are_fitted(stage: Stage) -> None:
    specs = [
        FieldSpec(name="v", type=DataType.FP32, shape=(2,)),
        FieldSpec(name="t", type=DataType.BYTES, allowed=("red", "blue")),
        FieldSpec(name="n", type=DataType.INT32, nullable=True),
    ]
    table = pa.table(
        {
            "v": pa.array([[1, 2], [3], None, [4, None], [5, 6]], pa.list_(pa.float64())),
            "t": pa.array(["red", "blue", "red", "red", "green"]).dictionary_encode(),
            "n": pa.array([1, None, 3, 4, 2**40], pa.int64()),
        }
    )
    fitted = fit(table, specs)
    assert [(f.row, f.field, f.reason) for f in fitted.faults] == [
        (1, "v", "does not have 2 values"),
        (3, "v", "has an empty value"),
        (2, "v", "is empty and may not be"),
        (4, "t", "'green' is not an allowed value"),
    ]
    assert fitted.good().tolist() == [0]
    assert fitted.batch["v"][[0, 4]].tolist() == [[1, 2], [5, 6]]
    assert fitted.batch["n"].tolist()[:2] == [1, None]


def test_columns_of_few_words_are_kept(stage: Stage) -> None:
    """As tools that know categories write them."""
    table = rows(50).append_column("day", pa.array(["monday", None] * 25).dictionary_encode())
    result = Batches(stage.place).run(stage.order(stage.write(table)))
    stage.require_whole(result, table)
    assert stage.output()["day"].to_pylist() == ["monday", None] * 25


def test_a_column_that_is_there_twice_is_refused_where_it_is_needed(stage: Stage) -> None:
    twice = rows(3).append_column("note", pa.array(["x"] * 3)).append_column("note", pa.array(["y"] * 3))
    path = stage.write(twice)
    with pytest.raises(InvalidInput, match="has column 'note' twice"):
        Batches(stage.place).run(stage.order(path, out=str(stage.folder / "refused")))
    stage.require_whole(Batches(stage.place).run(stage.order(path, keep=("customer",))), twice)


def test_numbers_in_text_are_those_of_the_other_forms() -> None:
    texts = ["1_000", "١", "0x10", " 7 ", "+5", ".5", "1e5", "1" * 200]
    fitted = fit(pa.table({"n": texts}), [FieldSpec(name="n", type=DataType.FP64)], parse=True)
    assert fitted.good().tolist() == [3, 4, 5, 6, 7]
    assert fitted.batch["n"][3:].tolist() == [7, 5, 0.5, 1e5, float("1" * 200)]


@pytest.mark.parametrize(
    ("column", "numbers", "called"),
    [
        (pa.array([17, None]), False, ["17", None]),
        (pa.array([17.0, None, float("nan"), 2.5, 1e300]), False, ["17", None, None, "2.5", "1e+300"]),
        (pa.array([17.0, 0.1], pa.float32()), True, ["17.0", "0.1"]),
        (pa.array(["017", None]).dictionary_encode(), False, ["017", None]),
        (pa.array([b"anna", "élan".encode()]), False, ["anna", "élan"]),
        (pa.array([True, False]), False, ["True", "False"]),
    ],
)
def test_keys_and_subjects_are_called_as_online(column: Any, numbers: bool, called: list[str | None]) -> None:
    assert names_of(column, numbers) == called
    assert names_of(pa.chunked_array([column, column]), numbers) == called * 2


def test_ids_are_those_of_batch_part_and_row() -> None:
    batch = "bat_019a7b3c4d5e7abc8def0123456789ab"
    ids = decision_ids(batch, 3, 1 << 20, 5).to_pylist()
    assert ids == sorted(set(ids))
    assert ids[2:] == decision_ids(batch, 3, (1 << 20) + 2, 3).to_pylist()
    assert {len(name) for name in ids} == {36}
    assert ids[0].startswith("dec_019a7b3c4d5e7")
    assert not set(ids) & set(decision_ids(batch, 4, 1 << 20, 5).to_pylist())
    assert not set(ids) & set(decision_ids(batch[:-1] + "c", 3, 1 << 20, 5).to_pylist())


def test_a_batch_reads_what_is_lent_to_it_wherever_links_lead(tmp_path: Path) -> None:
    batches, elsewhere = tmp_path / "batches", tmp_path / "elsewhere"
    for folder in (batches / "in", batches / "bat_1" / "in", batches / "bat_2" / "out", elsewhere):
        folder.mkdir(parents=True)
        (folder / "rows.csv").write_text("a\n1\n")
    (batches / "in" / "link.csv").symlink_to(elsewhere / "rows.csv")
    (batches / "linked").symlink_to(elsewhere)
    lent = Lent(folders=(batches,), batches=batches, own="bat_1")
    for fine in ("in/rows.csv", "bat_1/in", "[i]n/rows.csv"):
        assert len(input_files([str(batches / fine)], lent)) == 1
    for pattern in ("in/link.csv", "in", "l*/rows.csv", "bat_2/out", "*/out/*.csv", "**/*.csv"):
        with pytest.raises(Forbidden, match="not lent to this batch"):
            input_files([str(batches / pattern)], lent)
