"""What is left of somebody in a log's files, whether or not a reader would show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from modelyard.decisions.erasures import NAME, Filter
from modelyard.decisions.errors import LogDamaged
from modelyard.decisions.layout import SegmentPath
from modelyard.decisions.schema import TableSpec
from modelyard.decisions.segment import SegmentReader

_KEY = {"decisions": "subject", "outcomes": "decision_id"}


def traces(root: Path, table: TableSpec, until: Mapping[str, int], texts: Sequence[str]) -> int:
    """Erased rows in segments and Parquet files, named by the Delta table or not. Of these texts (pseudonyms) occurrences in a
    file's bytes count as well, unless a row of that file is rightly about them."""
    if not root.exists():
        return 0
    drop = Filter(table, until)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != NAME]
    return sum(_in_file(path, table, drop, texts) for path in files)


def _in_file(path: Path, table: TableSpec, drop: Filter, texts: Sequence[str]) -> int:
    count, rightly = _in_rows(path, table, drop) if drop.needs else (0, frozenset())
    if count:
        return count
    data = path.read_bytes()
    return sum(data.count(text.encode()) for text in texts if text not in rightly)


def _in_rows(path: Path, table: TableSpec, drop: Filter) -> tuple[int, frozenset[str]]:
    """Erased rows, and whom the rows of the file are rightly about. What does not read has its bytes searched only."""
    try:
        batches = _batches(path, drop)
    except (pa.ArrowException, LogDamaged, OSError, KeyError):
        return 0, frozenset()
    count = 0
    rightly: set[str] = set()
    for batch in batches:
        hit = drop.hit(batch)
        count += pc.sum(hit).as_py() or 0
        rightly.update(pc.unique(batch.filter(pc.invert(hit)).column(_KEY[table.name])).to_pylist())
    return count, frozenset(whom for whom in rightly if whom is not None)


def _batches(path: Path, drop: Filter) -> list[Any]:
    if path.suffix == ".parquet" and path.parent.name != "_delta_log":
        from pyarrow import parquet

        return list(parquet.read_table(path, columns=list(drop.needs), partitioning=None).to_batches())
    if path.suffix == ".seg":
        segment = SegmentReader(SegmentPath(path.parent, int(path.stem)))
        segment.refresh()
        return list(segment.read(segment.frames, list(drop.needs)))
    return []
