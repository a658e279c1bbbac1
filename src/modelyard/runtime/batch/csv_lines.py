"""CSV files cut at the ends of records (RFC 4180): a line break between quotes is part of a value, not an end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelyard.core.errors import InvalidInput

_BLOCK = 16 << 20
_QUOTE, _FEED, _RETURN = 34, 10, 13


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of whole records, without the header; `row` is the number of the first one in the file."""

    start: int
    end: int
    row: int


def ranges(path: Path, size: int) -> list[Range]:
    """The records of a file in ranges of about `size` bytes; none when it has only a header."""
    found: list[Range] = []
    start: int | None = None
    first = row = last = 0
    for end, blank in _ends(path):
        if start is None:
            start = end  # the header's end
        elif not blank:
            row += 1
            if end - start >= size:
                found.append(Range(start, end, first))
                start, first = end, row
        last = end
    if start is not None and row > first:
        found.append(Range(start, last, first))
    return found


def require_closed(path: Path, last: Range) -> None:
    """Raises InvalidInput when the quotes of a file do not pair, which shows in its last records: lines after a quote that does
    not close are part of its value, and nobody can say which records they were. Quotes inside of plain values are fine."""
    with path.open("rb") as handle:
        handle.seek(last.start)
        data = handle.read(last.end - last.start)
    if data.count(b'"') % 2 == 0:
        return
    row = last.row
    try:
        for record in csv.reader(io.StringIO(data.decode(errors="replace"), newline=""), strict=True):
            row += bool(record)
    except csv.Error as error:
        told = f"{path}, row {row}: a quote opens and does not close where its value ends"
        raise InvalidInput(told, field="inputs", hint="close it; a quote that is meant is written twice") from error


def header(path: Path) -> bytes:
    """The bytes of the first record."""
    end = next((end for end, _ in _ends(path)), 0)
    with path.open("rb") as handle:
        return handle.read(end)


def _ends(path: Path) -> Iterator[tuple[int, bool]]:
    """Where each record ends, and whether it is an empty line."""
    place, inside, before, previous = 0, 0, 0, 0
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            data = np.frombuffer(block, np.uint8)
            feeds = np.flatnonzero(data == _FEED)
            if b'"' in block:
                parity = (np.cumsum(data == _QUOTE) + inside) & 1
                feeds = feeds[parity[feeds] == 0]
                inside = int(parity[-1])
            elif inside:
                feeds = feeds[:0]
            for feed in (feeds + place + 1).tolist():
                length = feed - before - 1
                returned = length == 1 and (data[feed - place - 2] if feed - place >= 2 else previous) == _RETURN
                yield feed, length == 0 or returned
                before = feed
            place += len(block)
            previous = block[-1]
    if place > before:
        yield place, False
