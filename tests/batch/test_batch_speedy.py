"""What makes batches quick must not change what they do: copies of the process, parts in flight, files that stay open."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core.errors import InvalidInput
from modelyard.decisions import packing
from modelyard.runtime.batch import Batches, Progress
from modelyard.runtime.batch import children as processes
from modelyard.runtime.batch.engines import Inline, Processes
from modelyard.runtime.batch.finding import input_files, parts_of
from modelyard.runtime.batch.idents import decision_ids, id_numbers
from modelyard.runtime.batch.model import WORK, Part, PartReport
from modelyard.runtime.batch.working import Setup
from tests.batch.batch_stage import Stage, rows


class Made:
    """How the workers of a batch were made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ways: list[str] = []
        for name in ("copied", "started"):
            way = getattr(processes, name)

            def noted(*given: object, name: str = name, way: object = way) -> object:
                self.ways.append(name)
                return way(*given)  # type: ignore[operator]

            monkeypatch.setattr(f"modelyard.runtime.batch.engines.{name}", noted)


def test_workers_are_copies_where_nothing_else_is_under_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    made, table = Made(monkeypatch), rows(600)
    beside = threading.active_count() - 1
    result = Batches(stage.place, Processes(2, beside=beside)).run(stage.order(stage.write(table)))
    assert made.ways == ["copied", "copied"]
    stage.require_whole(result, table)


def test_beside_other_threads_workers_are_started_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    made, table = Made(monkeypatch), rows(200)
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        result = Batches(stage.place, Processes(1, beside=threading.active_count() - 2)).run(stage.order(stage.write(table)))
    finally:
        over.set()
        other.join()
    assert made.ways == ["started"]
    stage.require_whole(result, table)


def test_a_copy_holds_no_lock_of_the_batch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, held = (stage.out / WORK / "lock").resolve(), []

    def told(progress: Progress) -> None:
        if progress.parts == 1:  # the copy is at another part now
            (child,) = _children() - before
            held.append((_open_files("self"), _open_files(child)))

    made, before = Made(monkeypatch), _children()
    beside = threading.active_count() - 1
    Batches(stage.place, Processes(1, beside=beside), told=told).run(stage.order(stage.write(rows(1500))))
    assert made.ways == ["copied"]
    ((ours, copys),) = held
    assert lock in ours
    assert copys
    assert lock not in copys


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


def _open_files(process: str) -> set[Path]:
    found = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(link.readlink())
    return found


def test_readers_with_threads_of_their_own_are_not_copied(stage: Stage) -> None:
    seen: list[Setup] = []

    class Noting(Inline):
        def run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
            seen.append(setup)
            return super().run(setup, parts)

    Batches(stage.place, Noting()).run(stage.order(stage.write(rows(50))))
    beside, (setup,) = threading.active_count() - 1, seen
    assert processes.may_copy(setup, beside)
    for change in ({"format": "delta"}, {"path": "s3://bucket/rows.parquet"}):
        file = msgspec.structs.replace(setup.plan.files[0], **change)
        other = msgspec.structs.replace(setup, plan=msgspec.structs.replace(setup.plan, files=(file,)))
        assert not processes.may_copy(other, beside)


def test_parts_are_bounded_in_rows_and_in_bytes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(stage.folder) / "many.parquet"
    pq.write_table(rows(1000), source, row_group_size=100)
    files = input_files([str(source)])
    sizes = [pq.ParquetFile(source).metadata.row_group(n).total_byte_size for n in range(10)]
    assert [part.rows for part in parts_of(files, 400)] == [400, 400, 200]
    monkeypatch.setattr("modelyard.runtime.batch.finding._MOST_BYTES", 2 * max(sizes))
    assert [part.rows for part in parts_of(files, 400)] == [200] * 5
    monkeypatch.setattr("modelyard.runtime.batch.finding._MOST_BYTES", 1)
    assert [part.rows for part in parts_of(files, 400)] == [100] * 10


def test_a_part_that_does_not_fit_leaves_those_before_it_whole(stage: Stage) -> None:
    values = np.arange(300, dtype=np.float32)
    values[250] = np.inf
    table = rows(300)
    spoilt = table.set_column(table.column_names.index("a"), "a", pa.array(values))
    with pytest.raises(InvalidInput, match="row 250"):
        Batches(stage.place).run(stage.order(stage.write(spoilt)))
    assert stage.output()["customer"].to_pylist() == table["customer"].to_pylist()[:200]
    assert stage.logged()["id"].to_pylist() == stage.output()["decision_id"].to_pylist()
    assert not [path for path in (stage.out / WORK).rglob("pending/*") if path.suffix in {".json", ".parquet"}]


def test_packed_ids_are_those_of_the_output() -> None:
    batch = "bat_019a7b3c4d5e7abc8def0123456789ab"
    texts = decision_ids(batch, 7, 300, 50)
    packed = packing.ids(id_numbers(batch, 7, 300, 50))
    column = pa.RecordBatch.from_arrays([packed], names=["id"])
    assert next(packing.unpacked(column)).column(0).equals(texts)
    assert next(packing.unpacked(column.slice(13, 20))).column(0).equals(texts.slice(13, 20))


def test_only_what_shrinks_is_compressed() -> None:
    random = np.random.default_rng(3)
    noise = pa.RecordBatch.from_arrays([pa.array(random.normal(size=1 << 18))], names=["a"])
    alike = pa.RecordBatch.from_arrays([pa.array(np.arange(1 << 18) // 1000)], names=["a"])
    assert not packing.shrinks(noise)
    assert packing.shrinks(alike)


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(stage: Stage, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwritev

    def short(descriptor: int, pieces: Sequence[memoryview], offset: int) -> int:
        first = pieces[0][:most]
        return real(descriptor, [first, *pieces[1:]] if len(first) == len(pieces[0]) and most > 7 else [first], offset)

    monkeypatch.setattr(os, "pwritev", short)
    table = rows(20)
    stage.require_whole(Batches(stage.place).run(stage.order(stage.write(table))), table)
