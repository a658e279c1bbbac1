"""Any record on a terminal or in a pipe: tables, JSON, YAML or names. Text from the server cannot steer the terminal.

Plain printing on purpose: it starts at once, and no mark-up language can be smuggled in through a name.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

Row = Mapping[str, Any]
_RED, _GREEN, _YELLOW, _GREY, _BOLD = "31", "32", "33", "90", "1"
_GOOD = {
    "released", "approved", "validated", "active", "done", "ok", "succeeded", "resolved", "true", "passed", "published",
    "completed",
}  # fmt: skip
_POOR = {
    "rejected", "refused", "failed", "breach", "critical", "expired", "void", "revoked", "dead", "high", "error", "wrong", "open",
    "broken",
}  # fmt: skip
_SOME = {
    "pending", "queued", "running", "warning", "medium", "changes_requested", "insufficient", "unknown", "acknowledged",
    "registered", "proposed", "approved_with_conditions", "recovered",
}  # fmt: skip
_BRIEF = 100
_LEAST_CELL = 12
_UNITS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def safe(value: object) -> str:
    """Text without characters that move the cursor, change colours, turn directions or break lines."""
    return "".join(c if unicodedata.category(c)[0] != "C" else _escape(c) for c in str(value))


def _escape(char: str) -> str:
    return " " if char in "\n\t" else repr(char)[1:-1] if char.isascii() else f"\\u{ord(char):04x}"


def put(line: str, stream: TextIO | None = None) -> None:
    """One line on stderr, or on another stream."""
    out = stream or sys.stderr
    out.write(line + "\n")
    out.flush()


def colourful(stream: TextIO) -> bool:
    """Whether colours are welcome: on a terminal that is not dumb, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code and colourful(stream) else text


def moment(value: Any) -> datetime | None:
    """A time from its ISO form; None when it is none."""
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(value: Any) -> str:
    """`3h`, or `in 3h` for what is to come."""
    at = moment(value)
    if at is None:
        return text(value)
    seconds = (datetime.now(UTC) - at).total_seconds()
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            return f"{'in ' if seconds < 0 else ''}{int(abs(seconds) // size)}{unit}"
    return "now"


def ago(value: Any) -> str:
    """`3h ago`, `now`, or `in 3h`."""
    shown = age(value)
    return shown if shown in ("", "now") or shown.startswith("in ") else f"{shown} ago"


def when(value: Any) -> str:
    at = moment(value)
    return text(value) if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def text(value: Any) -> str:
    """A value on one line; nothing for what is absent."""
    if value is None or value in ("", [], {}, ()):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(text(v) for v in value)
    if isinstance(value, dict):
        return safe(json.dumps(value, ensure_ascii=False, default=str))
    return safe(value)


def arms(value: Any) -> str:
    """`v1 champion 90%, v2 challenger 10%`."""
    return ", ".join(f"{safe(a['name'])} {safe(a['role'])} {share(a['share'])}" for a in value or ())


def share(value: Any) -> str:
    return "" if value is None else f"{float(value) * 100:.4g}%"


def digest(value: Any) -> str:
    return text(value).removeprefix("sha256:")[:12]


def metrics(value: Any) -> str:
    return " ".join(f"{safe(k)}={text(v)}" for k, v in list((value or {}).items())[:4])


def brief(value: Any) -> str:
    """The beginning of a long value; the whole is in JSON and YAML."""
    return _cut(text(value), _BRIEF)


NAMES: dict[str, str] = {}
"""Names of people and service accounts by id, as far as this command has learnt them."""


def short(value: Any) -> str:
    """An identity by its name; another id told apart by its end; a name as it is."""
    shown = text(value)
    if shown in NAMES:
        return safe(NAMES[shown])
    head, _, tail = shown.partition("_")
    return f"{head}_…{tail[-6:]}" if len(tail) >= 24 else shown


FORMS: dict[str, Callable[[Any], str]] = {
    "": text, "age": age, "when": when, "arms": arms, "share": share, "digest": digest, "metrics": metrics, "short": short,
    "brief": brief,
    "status": lambda value: status(value)[0], "count": lambda value: str(len(value or ())),
}  # fmt: skip


def status(value: Any) -> tuple[str, str]:
    """An icon with the word, and a colour: never the colour alone."""
    word = text(value)
    key = word.lower() if not isinstance(value, bool) else "passed" if value else "failed"
    icon, colour = ("●", _GREEN) if key in _GOOD else ("✕", _RED) if key in _POOR else ("◐", _YELLOW)
    if not word:
        return "", ""
    if key not in _GOOD | _POOR | _SOME:
        icon, colour = "○", _GREY
    return f"{icon} {word}", colour


def print_rows(rows: Sequence[Row], columns: str, output: str, *, name: str = "id", stream: TextIO | None = None) -> None:
    """Rows in the wanted form. JSON and YAML hold the whole records."""
    out = stream or sys.stdout
    if output == "json":
        print(json.dumps(list(rows), indent=2, ensure_ascii=False), file=out)
    elif output == "yaml":
        print(_yaml(list(rows)), end="", file=out)
    elif output == "name":
        for row in rows:
            print(text(at(row, name)), file=out)
    else:
        _table(rows, _columns(columns, wide=output == "wide"), out, cut=output != "wide")


def print_one(record: Row, output: str, *, name: str = "id", stream: TextIO | None = None) -> None:
    """One record: its fields one a line, sections indented, what is empty left out."""
    out = stream or sys.stdout
    if output == "json":
        print(json.dumps(record, indent=2, ensure_ascii=False), file=out)
    elif output == "yaml":
        print(_yaml(dict(record)), end="", file=out)
    elif output == "name":
        print(text(at(record, name)), file=out)
    else:
        for line in _lines(record, 0, out):
            print(line, file=out)


def at(row: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for step in path.split("."):
        row = row.get(step) if isinstance(row, Mapping) else None
    return row


def changes(before: Any, after: Any, path: str = "") -> list[dict[str, Any]]:
    """What differs between two records, field by field; bookkeeping fields are passed over."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [n for n in dict.fromkeys((*before, *after)) if path or n not in ("revision", "words", "stamps", "epoch")]
        return [c for n in names for c in changes(before.get(n), after.get(n), f"{path}.{n}" if path else n)]
    if before == after:
        return []
    form = arms if path in ("arms", "previous") else text
    return [{"what": path, "before": form(before), "after": form(after)}]


def _columns(columns: str, *, wide: bool) -> list[tuple[str, str, str]]:
    narrow, _, more = columns.partition("|")
    words = (narrow + more if wide else narrow).split()
    found = []
    for word in words:
        title, _, field = word.partition("=")
        path, _, form = field.partition(":")
        found.append((title, path, form))
    return found


def _table(rows: Sequence[Row], columns: list[tuple[str, str, str]], out: TextIO, *, cut: bool) -> None:
    cells = [[FORMS[form](at(row, path)) for _, path, form in columns] for row in rows]
    titles = [title for title, _, _ in columns]
    widths = [max(_width(line[i]) for line in (titles, *cells)) for i in range(len(columns))]
    if cut and out.isatty():
        widths = _fitted(widths, shutil.get_terminal_size().columns)
    print(paint(_line(titles, widths), _BOLD, out), file=out)
    for row, line in zip(rows, cells, strict=True):
        colours = [status(at(row, path))[1] if form == "status" else "" for _, path, form in columns]
        print(_line(line, widths, colours, out), file=out)


def _line(cells: Sequence[str], widths: Sequence[int], colours: Sequence[str] = (), out: TextIO | None = None) -> str:
    shown = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        fitted = _cut(cell, width)
        last = number == len(cells) - 1
        padded = fitted if last else fitted + " " * (width - _width(fitted))
        shown.append(paint(padded, colours[number], out) if out is not None and colours and colours[number] else padded)
    return "  ".join(shown).rstrip()


def _fitted(widths: list[int], room: int) -> list[int]:
    """Narrower columns, the widest first, until the line fits or every column is at its least."""
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > room:
        widest = max(range(len(widths)), key=lambda i: widths[i])
        if widths[widest] <= _LEAST_CELL:
            break
        widths[widest] -= 1
    return widths


def _width(cell: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in cell)


def _cut(cell: str, width: int) -> str:
    if _width(cell) <= width:
        return cell
    kept = ""
    for char in cell:
        if _width(kept + char) > width - 1:
            break
        kept += char
    return kept + "…"


def _lines(record: Row, depth: int, out: TextIO) -> Iterable[str]:
    shown = {k: v for k, v in record.items() if v not in (None, "", [], {}, ()) and not (depth == 0 and k == "words")}
    width = max((_width(safe(k)) for k in shown), default=0)
    for key, value in shown.items():
        label = "  " * depth + safe(key)
        if key in ("arms", "previous", "before", "after") and isinstance(value, list) and "role" in value[0]:
            yield f"{label}: {arms(value)}"
        elif isinstance(value, Mapping):
            yield f"{label}:"
            yield from _lines(value, depth + 1, out)
        elif isinstance(value, list) and isinstance(value[0], Mapping):
            yield f"{label}:"
            for item in value:
                yield "  " * (depth + 1) + "- " + ", ".join(f"{safe(k)}: {text(v)}" for k, v in item.items() if text(v))
        else:
            space = " " * (width - _width(safe(key)))
            yield f"{label}: {space}{_value(key, value, out)}"


def _value(key: str, value: Any, out: TextIO) -> str:
    if key in ("status", "state", "outcome") and isinstance(value, str):
        shown, colour = status(value)
        return paint(shown, colour, out)
    is_time = isinstance(value, str) and (key.endswith(("_at", "_until", "_since")) or key in ("until", "at"))
    return f"{when(value)} ({age(value)})" if is_time and moment(value) else text(value)


def _yaml(value: Any) -> str:
    import yaml

    written: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return written
