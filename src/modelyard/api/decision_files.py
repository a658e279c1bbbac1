"""Decisions as files, row group by row group: Arrow streams, Parquet, CSV, JSON lines. Nothing is held but the piece in hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

ROWS = 1 << 14


class Form(StrEnum):
    """What an answer with decisions looks like."""

    JSON = "json"
    ARROW = "arrow"
    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES: dict[Form, str] = {
    Form.JSON: "application/json",
    Form.ARROW: "application/vnd.apache.arrow.stream",
    Form.PARQUET: "application/vnd.apache.parquet",
    Form.CSV: "text/csv",
    Form.JSONL: "application/x-ndjson",
}


def accepted(accept: str) -> Form:
    """The first form of an `Accept` header that there is; JSON for anything else."""
    for part in accept.split(","):
        named = part.split(";")[0].strip().lower()
        for form, media_type in MEDIA_TYPES.items():
            if named == media_type:
                return form
    return Form.JSON


def encoded(form: Form, schema: Any, tables: Iterator[Any]) -> Iterator[bytes]:
    """The bytes of a file with these tables, as they come."""
    if form is Form.JSONL:
        return _lines(tables)
    return _written(_WRITERS[form], schema, tables)


class _Drain(io.RawIOBase):
    """A file that is emptied while it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._end = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._end

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._end += len(piece)
        return len(piece)

    def drained(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _written(opened: Callable[[Any, Any], Any], schema: Any, tables: Iterator[Any]) -> Iterator[bytes]:
    import pyarrow as pa

    drain = _Drain()
    with opened(pa.PythonFile(drain, mode="w"), schema) as writer:
        for table in tables:
            writer.write_table(table.cast(schema))
            if data := drain.drained():
                yield data
    if data := drain.drained():
        yield data


def _arrow(sink: Any, schema: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.new_stream(sink, schema)


def _parquet(sink: Any, schema: Any) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(sink, schema, compression="zstd")


def _csv(sink: Any, schema: Any) -> Any:
    from pyarrow import csv

    return csv.CSVWriter(sink, schema)


_WRITERS: dict[Form, Callable[[Any, Any], Any]] = {Form.ARROW: _arrow, Form.PARQUET: _parquet, Form.CSV: _csv}


def _lines(tables: Iterator[Any]) -> Iterator[bytes]:
    for table in tables:
        rows = (json.dumps(row, default=_text, ensure_ascii=False) for row in table.to_pylist())
        if data := "".join(f"{row}\n" for row in rows):
            yield data.encode()


def _text(value: Any) -> str:
    return str(value.isoformat())
