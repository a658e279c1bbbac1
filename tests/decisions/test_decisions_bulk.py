"""Large frames, written in whole blocks past the page cache: they read as those of any journal, whatever the disk can do."""

from __future__ import annotations

import errno
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from decision_rows import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import StorageFull
from modelyard.decisions import DECISIONS, Compactor, DecisionReader, Window, bulk, journal
from modelyard.decisions.bulk import BLOCK, BulkJournal
from modelyard.decisions.framing import FrameMeta, decode_frame, frame_head
from modelyard.decisions.journal import Journal
from modelyard.decisions.packing import objects, same
from modelyard.decisions.schema import DECISION_TABLE
from tests.conftest import examples


def _batch(first: int, count: int, alike: bool) -> Any:
    numbers = np.full(count, 0.5) if alike else np.random.default_rng(first).normal(size=count)
    numbers[::7], numbers[1::7] = np.nan, np.inf
    given = SHARED | {"epoch": 1, "schema_version": 1, "decision_time": 5_000_000}
    texts = pa.array([None if n % 5 == 0 else f'é"{n}' for n in range(count)], pa.string())
    fields = {f"f{n}": pa.array(numbers + n, pa.float32()) for n in range(20)} | {"text": texts}
    columns = {
        "id": pa.array([f"dec_{first + n:032x}" for n in range(count)]),
        "inputs": objects(fields, count),
        "output": objects({"score": pa.array(numbers)}, count),
    }
    arrays = [columns[f.name] if f.name in columns else same(given.get(f.name), f.type, count) for f in DECISIONS]
    named = [pa.field(f.name, array.type, f.nullable) for f, array in zip(DECISIONS, arrays, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(named))


def _written(root: Path, kind: type[Journal], batches: list[Any]) -> Path:
    with kind(root, replace(DECISION_TABLE, schema=batches[0].schema), "batch") as log:
        for batch in batches:
            log.commit(batch)
    (path,) = root.glob("batch/*.seg")
    return path


def _scanned(root: Path) -> Any:
    return DecisionReader(root).scan(Window()).sort_by("id")


BATCHES = [_batch(0, 1, True), _batch(1_000, 15_000, False), _batch(50_000, 15_000, True), _batch(90_000, 63, False)]


@pytest.mark.parametrize("refuses", ["nothing", "opening", "writing"])
def test_they_read_as_those_of_any_journal(tmp_path: Path, refuses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if refuses == "opening":
        real = os.open

        def refused(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & os.O_DIRECT:
                raise OSError(errno.EINVAL, "no such writes here")
            return real(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", refused)
    if refuses == "writing":
        whole = journal.write

        def write(descriptor: int, offset: int, pieces: Any) -> None:
            if bulk.fcntl.fcntl(descriptor, bulk.fcntl.F_GETFL) & os.O_DIRECT:
                raise OSError(errno.EINVAL, "not aligned")
            whole(descriptor, offset, pieces)

        monkeypatch.setattr(journal, "write", write)
    path = _written(tmp_path / "bulk", BulkJournal, BATCHES)
    _written(tmp_path / "any", Journal, BATCHES)
    assert path.stat().st_size % BLOCK == 0
    wanted = _scanned(tmp_path / "any")
    assert wanted.num_rows == 30_064
    assert _scanned(tmp_path / "bulk").equals(wanted)
    assert Compactor(tmp_path / "bulk").run().rows == wanted.num_rows
    assert _scanned(tmp_path / "bulk").equals(wanted)


def test_a_segment_without_its_seal_is_read_and_a_torn_frame_is_cut(tmp_path: Path) -> None:
    path = _written(tmp_path, BulkJournal, BATCHES[:2])
    path.with_suffix(".json").unlink()
    assert _scanned(tmp_path).num_rows == 15_001
    os.truncate(path, path.stat().st_size - BLOCK)
    assert _scanned(tmp_path)["id"].to_pylist() == BATCHES[0]["id"].to_pylist()


def test_a_disk_that_takes_a_part_of_a_frame_keeps_none_of_it(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with BulkJournal(tmp_path, replace(DECISION_TABLE, schema=BATCHES[0].schema), "batch") as log:
        log.commit(BATCHES[0])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_100, before[1]))
        try:
            with pytest.raises(StorageFull):
                log.commit(BATCHES[1])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert _scanned(tmp_path).num_rows == 1
        log.commit(BATCHES[1])
    assert _scanned(tmp_path).num_rows == 15_001


@settings(max_examples=examples(60, hunt=2000), deadline=None)
@given(st.binary(max_size=50), st.text(min_size=1, max_size=40), st.integers(1, 2**40), st.integers(600, 2 * BLOCK))
def test_a_head_of_any_size_tells_the_same(payload: bytes, endpoint: str, rows: int, size: int) -> None:
    meta = FrameMeta(rows % 2**32, "a", endpoint, 0, rows, None, rows, {endpoint: rows})
    head = frame_head(b"n" * 16, BLOCK, meta, payload, size)
    assert len(head) == size
    frame = decode_frame(b"n" * 16, BLOCK, memoryview(head + payload))
    assert frame.meta == meta
    assert (head + payload)[frame.payload] == payload
