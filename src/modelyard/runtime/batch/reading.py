"""One part of the input as an Arrow table. What cannot be read as the signature wants it is left to be told row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime.batch import csv_lines
from modelyard.runtime.batch.finding import delta_fragments, delta_table, filesystem
from modelyard.runtime.batch.model import InputFile, Part

_ARROW = {
    DataType.FP64: pa.float64(), DataType.FP32: pa.float32(), DataType.BYTES: pa.string(), DataType.BOOL: pa.bool_(),
    DataType.INT64: pa.int64(), DataType.INT32: pa.int32(), DataType.INT16: pa.int16(), DataType.INT8: pa.int8(),
    DataType.UINT64: pa.uint64(), DataType.UINT32: pa.uint32(), DataType.UINT16: pa.uint16(), DataType.UINT8: pa.uint8(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no record: it has too few or too many values."""

    row: int
    reason: str


@dataclass(slots=True)
class ReadPart:
    """The rows of a part. `rows` are their numbers within the part where lines between them were no records (`malformed`);
    `parse` says that numbers are still text. `broken` are lines that are rows of nulls in the table."""

    table: Any
    parse: bool
    malformed: tuple[Malformed, ...] = ()
    rows: Any = None
    broken: tuple[Malformed, ...] = ()

    def with_all_lines(self) -> ReadPart:
        """The same with a row for each line, of nulls where the line is no record."""
        import numpy as np

        places = np.full(self.table.num_rows + len(self.malformed), -1)
        places[self.rows] = np.arange(self.table.num_rows)
        table = self.table.take(pa.array(places, mask=places < 0))
        return ReadPart(table, self.parse, broken=self.malformed)


def schema_of(file: InputFile) -> Any:
    """The Arrow schema of a file. Columns of CSV are text, whatever they hold: only the signature gives them a type."""
    try:
        return _SCHEMA[file.format](file)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(f"{file.path} cannot be read as {file.format}: {error}", field="inputs") from error


class Inputs:
    """Files that are read part by part. The last one stays open, if it is Parquet: what it holds where is read once, not for each
    part. Used by one thread."""

    def __init__(self) -> None:
        self._file: InputFile | None = None
        self._schema: Any = None
        self._parquet: Any = None

    def schema(self, file: InputFile) -> Any:
        """As `schema_of`."""
        self._turn(file)
        return self._schema

    def read(self, file: InputFile, part: Part, columns: Sequence[str], specs: Sequence[FieldSpec]) -> ReadPart:
        """The part's rows with these columns. Raises InvalidInput naming the file when it cannot be read, or has changed."""
        self._turn(file)
        if part.rows == 0:
            return ReadPart(self._schema.empty_table().select(list(columns)), False)
        try:
            if file.format == "csv":
                return _read_csv(file, part, columns, specs)
            if file.format == "parquet":
                return ReadPart(self._read_parquet(file, part, list(columns)), False)
            return ReadPart(_READ[file.format](file, part, list(columns)), False)
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
            raise InvalidInput(f"{file.path} cannot be read: {error}", field="inputs") from error

    def close(self) -> None:
        """Let the file go. Idempotent."""
        if self._parquet is not None:
            self._parquet.close()
        self._file = self._parquet = None

    def _turn(self, file: InputFile) -> None:
        if file is not self._file:
            self.close()
            self._schema, self._file = schema_of(file), file

    def _read_parquet(self, file: InputFile, part: Part, columns: list[str]) -> Any:
        import pyarrow.parquet as pq

        if self._parquet is None:
            where, path = filesystem(file.path)
            self._parquet = pq.ParquetFile(path, filesystem=where)
        return self._parquet.read_row_groups(range(part.first, part.last), columns=columns, use_threads=False)


def _parquet_schema(file: InputFile) -> Any:
    import pyarrow.parquet as pq

    where, path = filesystem(file.path)
    return pq.read_schema(path, filesystem=where)


def _arrow_schema(file: InputFile) -> Any:
    where, path = filesystem(file.path)
    with where.open_input_file(path) as source, pa.ipc.open_file(source) as opened:
        return opened.schema


def _stream_schema(file: InputFile) -> Any:
    with pa.memory_map(file.path) as source, pa.ipc.open_stream(source) as opened:
        return opened.schema


def _csv_schema(file: InputFile) -> Any:
    return pa.schema([(name, pa.string()) for name in _names(Path(file.path))])


def _delta_schema(file: InputFile) -> Any:
    return delta_table(file.path, file.version).to_pyarrow_dataset().schema


_SCHEMA = {
    "parquet": _parquet_schema, "arrow": _arrow_schema, "stream": _stream_schema, "csv": _csv_schema, "delta": _delta_schema,
}  # fmt: skip


def _read_arrow(file: InputFile, part: Part, columns: list[str]) -> Any:
    where, path = filesystem(file.path)
    with where.open_input_file(path) as source, pa.ipc.open_file(source) as opened:
        batches = [opened.get_batch(place).select(columns) for place in range(part.first, part.last)]
        return pa.Table.from_batches(batches)


def _read_stream(file: InputFile, part: Part, columns: list[str]) -> Any:
    """Batches before the part are passed over; memory-mapped, they are not read."""
    with pa.memory_map(file.path) as source, pa.ipc.open_stream(source) as opened:
        found = []
        for place in range(part.last):
            batch = opened.read_next_batch()
            if place >= part.first:
                found.append(batch.select(columns))
        return pa.Table.from_batches(found)


def _read_delta(file: InputFile, part: Part, columns: list[str]) -> Any:
    schema = _delta_schema(file)
    return delta_fragments(file)[part.first].to_table(schema=schema, columns=columns, use_threads=False)


_READ = {"arrow": _read_arrow, "stream": _read_stream, "delta": _read_delta}


def _names(path: Path) -> list[str]:
    """The column names of a CSV file. Raises InvalidInput when it has none, or one twice."""
    import csv

    line = csv_lines.header(path)
    try:
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8", field="inputs") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is not CSV: {error}", field="inputs", hint="lines end in LF or CRLF") from error
    names = [name.rstrip("\r\n") for name in names]
    if not names or len(set(names)) < len(names):
        raise InvalidInput(f"{path} has no header with a name for each column, each once", field="inputs")
    return names


def _read_csv(file: InputFile, part: Part, columns: Sequence[str], specs: Sequence[FieldSpec]) -> ReadPart:
    path = Path(file.path)
    with path.open("rb") as handle:
        handle.seek(part.first)
        data = handle.read(part.last - part.first)
    if len(data) < part.last - part.first:
        raise InvalidInput(f"{path} has become shorter since the batch began", field="inputs")
    names = _names(path)
    text = dict.fromkeys(names, pa.string())
    typed = text | {s.name: _ARROW.get(s.type, pa.string()) for s in specs if not s.shape}
    try:
        return _parse_csv(data, names, columns, typed, parse=False)
    except pa.ArrowInvalid:
        return _parse_csv(data, names, columns, text, parse=True)


def _parse_csv(data: bytes, names: list[str], columns: Sequence[str], types: dict[str, Any], parse: bool) -> ReadPart:
    from pyarrow import csv

    strange: list[Malformed] = []

    def malformed(row: Any) -> str:
        reason = f"the line has {row.actual_columns} values, the header {row.expected_columns} names"
        strange.append(Malformed(int(row.number) - 1, reason))
        return "skip"

    table = csv.read_csv(
        BytesIO(data),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=max(1 << 20, len(data) + 1)),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=malformed),
        convert_options=csv.ConvertOptions(
            column_types=types,
            include_columns=list(columns),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return ReadPart(table, parse, tuple(strange), _numbers(table.num_rows, strange))


def _numbers(rows: int, strange: list[Malformed]) -> Any:
    """The numbers of the records within the part, when there were other lines between them."""
    import numpy as np

    if not strange:
        return None
    return np.setdiff1d(np.arange(rows + len(strange)), [line.row for line in strange])
