"""What `modelyard dmn` evaluates: models and rows from files, from the command line and from stdin."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.cli.errors import Usage
from modelyard.core.errors import InvalidArtifact, InvalidInput, TooLarge

if TYPE_CHECKING:
    from modelyard.dmn.engine import InputInfo, Model, Source
    from modelyard.dmn.errors import DmnError
    from modelyard.dmn.feel.types import AnyType

STDIN = Path("-")
Row = dict[str, Any]


def content(path: Path) -> bytes:
    """The bytes of a file, `-` is stdin. Raises Usage when it cannot be read."""
    if path == STDIN:
        stream = getattr(sys.stdin, "buffer", None)  # a program that runs us may give a stream of text
        return stream.read() if stream is not None else sys.stdin.read().encode()
    try:
        return path.read_bytes()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}", field=str(path)) from error


def sources(files: Sequence[Path]) -> list[Source]:
    """The files as the engine takes them; a folder stands for its `.dmn` files."""
    from modelyard.dmn.engine import Source

    paths = [found for path in files for found in (sorted(path.rglob("*.dmn")) if path.is_dir() else [path])]
    if not paths:
        raise Usage("there is no .dmn file in the folder", field=str(files[0]))
    return [Source("stdin" if path == STDIN else path.name, content(path)) for path in paths]


def loaded(files: Sequence[Path], *, strict: bool = True) -> Model:
    """The model in the files. Raises InvalidArtifact with file, line and element."""
    from modelyard.dmn.engine import load
    from modelyard.dmn.errors import DmnError

    try:
        return load(*sources(files), strict=strict)
    except DmnError as error:
        raise told(error, "modelyard dmn check FILE tells everything that is wrong") from error


def told(error: DmnError, hint: str | None = None) -> InvalidInput:
    """An error of the engine as one of the house: what, where, what to do."""
    from modelyard.dmn.errors import InvalidData, LimitExceeded

    kind = TooLarge if isinstance(error, LimitExceeded) else InvalidInput if isinstance(error, InvalidData) else InvalidArtifact
    return kind(text_of(error), field=place(error) or None, hint=hint)


def text_of(error: DmnError) -> str:
    """What is wrong, without the place when that is told beside it."""
    return error.detail if place(error) else str(error)


def place(error: DmnError) -> str:
    """File, line and element, as far as they are known."""
    line = f"line {error.line}" if error.line else ""
    element = f"element {error.element}" if error.element else ""
    return ", ".join(part for part in (error.file or "", line, element) if part)


def rows(model: Model, given: Sequence[str], data: Path | None) -> list[Row]:
    """The rows to evaluate: those of the data, each with the inputs of the command line over it; without data one row.

    Raises Usage for inputs that the model has not and values that are no values."""
    said = [_split(text) for text in given]
    found = [_gathered(model, row.items()) for row in _records(model, data)] if data is not None else [{}]
    over = _gathered(model, ((name, typed(text, _type(model, name))) for name, text in said))
    types = {info.name: info.type for info in _inputs(model)}
    merged = [_merged(row, over) for row in found]
    return [{name: completed(value, types[name]) for name, value in row.items()} for row in merged]


def completed(value: Any, type_: AnyType) -> Any:
    """A context with the entries that its type has and nobody gave: they are null, as fields without a value are when a model
    of rules serves. (To FEEL itself a context without them would be of another type.)"""
    from modelyard.dmn.feel.types import ContextType, ListType, base_of

    base = base_of(type_)
    if isinstance(value, dict) and isinstance(base, ContextType):
        return value | {name: completed(value.get(name), inner) for name, inner in base.fields.items()}
    if isinstance(value, list) and isinstance(base, ListType):
        return [completed(item, base.element) for item in value]
    return value


def typed(text: str, type_: AnyType | None) -> Any:
    """A value as it is written in a shell or in a CSV file: by the type it should have; else JSON, or the text itself."""
    from modelyard.dmn.feel.types import STRING, base_of

    if text == "null":
        return None
    if type_ is not None and base_of(type_) == STRING:
        return text
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        return text


def _split(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise Usage(f"{text!r} is not NAME=VALUE", field="--input", hint="--input Age=42 --input 'Applicant.status=employed'")
    return name.strip(), value


def _records(model: Model, path: Path) -> Iterator[Row]:
    data = content(path)
    try:
        if data[:4] == b"PAR1" or data[:6] == b"ARROW1":
            yield from _arrow(data)
        elif path.suffix.lower() in (".csv", ".tsv"):
            yield from _csv(model, data, "\t" if path.suffix.lower() == ".tsv" else ",")
        else:
            yield from _json(data)
    except (ValueError, csv.Error) as error:
        raise Usage(f"{path} cannot be read: {error}", field="--data", hint="JSON, CSV, Parquet or Arrow") from error


def _json(data: bytes) -> Iterator[Row]:
    found = json.loads(data.decode("utf-8-sig"), parse_float=Decimal, parse_int=Decimal)
    for row in found if isinstance(found, list) else [found]:
        if not isinstance(row, dict):
            raise ValueError("a row is an object of inputs by name")
        yield row


def _csv(model: Model, data: bytes, separator: str) -> Iterator[Row]:
    for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=separator, strict=True):
        if None in row:
            raise ValueError("a line has more cells than the line of headings")
        yield {name: typed(text, _type(model, name)) for name, text in row.items() if text}


def _arrow(data: bytes) -> Iterator[Row]:
    import pyarrow as pa

    if data[:4] == b"PAR1":
        import pyarrow.parquet as pq

        yield from pq.read_table(pa.BufferReader(data)).to_pylist()
    else:
        yield from pa.ipc.open_file(pa.BufferReader(data)).read_all().to_pylist()


def _gathered(model: Model, values: Any) -> Row:
    """Inputs by name, those with a dotted name put into their contexts."""
    found: Row = {}
    for name, value in values:
        info, path = _input(model, name)
        if not path:
            found[info.name] = value
            continue
        inside = found.setdefault(info.name, {})
        for step in path[:-1]:
            inside = inside.setdefault(step, {})
        inside[path[-1]] = value
    return found


def _merged(row: Mapping[str, Any], over: Mapping[str, Any]) -> Row:
    found = dict(row)
    for name, value in over.items():
        before = found.get(name)
        found[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def _check_way(info: InputInfo, way: Sequence[str]) -> None:
    from modelyard.dmn.feel.types import ContextType, base_of, field_type

    type_: AnyType | None = info.type
    for name in way:
        base = base_of(type_) if type_ is not None else None
        if isinstance(base, ContextType) and base.fields and name not in base.fields:
            raise Usage(f"input {info.name!r} has no entry {name!r}", field=name, hint=f"there is: {', '.join(base.fields)}")
        type_ = field_type(type_, name)


def _input(model: Model, name: str) -> tuple[InputInfo, list[str]]:
    """The input of which a dotted name is a part, and the rest of the name."""
    known = _inputs(model)
    for info in sorted(known, key=lambda i: -len(i.name)):
        if name == info.name:
            return info, []
        if name.startswith(info.name + "."):
            way = name[len(info.name) + 1 :].split(".")
            _check_way(info, way)
            return info, way
    names = ", ".join(info.name for info in known) or "none"
    raise Usage(f"the model has no input {name!r}", field=name, hint=f"its inputs: {names}")


def _inputs(model: Model) -> list[InputInfo]:
    """The model's inputs, and those of files that it imports."""
    found = {info.name: info for info in model.inputs}
    found |= {info.name: info for decision in model.decisions for info in decision.inputs}
    return list(found.values())


def _type(model: Model, name: str) -> AnyType | None:
    from modelyard.dmn.feel.types import field_type

    info, path = _input(model, name)
    type_: AnyType | None = info.type
    for step in path:
        type_ = field_type(type_, step)
    return type_
