"""MLflow's scoring protocol: `dataframe_split`, `dataframe_records`, `instances`, `inputs` or CSV in, `predictions` out.

`params` may hold what `parameters` may of the Open Inference Protocol (`routing_key`, `subject`, `event_time`); others are
ignored, as MLflow ignores what a model does not declare. Rows without names are taken in the order of the signature. In CSV an
empty cell is a missing value, and a first column without a name is the index that pandas writes.

One output is answered as a list of its values, several as a list of records, as MLflow does for an array and for a frame; beside
them `metadata` has the decision ids. Errors are `{"error_code": …, "message": …}`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from math import inf, isfinite
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.runtime import protocol
from modelyard.runtime.asked import MOST_ROWS, Asked, Given, Headers, ReplyHeaders, Said
from modelyard.runtime.forms.decide import decisions
from modelyard.runtime.forms.limits import bounded, decoded, few_enough, fits, known_enough
from modelyard.runtime.forms.media import CSV, JSON, JSON_HEADERS, media_type
from modelyard.runtime.protocol import Parameters
from modelyard.runtime.shapes import flattened

Columns = dict[str, list[Any]]
Members = dict[str, msgspec.Raw]

_ACCEPTED = (JSON, CSV)
_AT_ONCE = 2000
"""Lines of a CSV that are split in one go."""
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    507: "RESOURCE_EXHAUSTED",
}
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FIRST = re.compile(rb"\[[ \t\r\n]*(.)")
_NULL = msgspec.Raw(b"null")
_members = msgspec.json.Decoder(Members).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_params = msgspec.json.Decoder(Parameters | None).decode
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_WHOLE = frozenset(t for t in DataType if t.startswith(("INT", "UINT")))


class Invocations:
    """Frames and tensors in the forms of MLflow's scoring server."""

    def read(self, body: bytes, headers: Headers, inputs: Mapping[str, FieldSpec], most_rows: int = MOST_ROWS) -> Asked:
        """See `Form.read`."""
        if media_type(headers, _ACCEPTED) == CSV:
            table = _from_csv(body, inputs, most_rows)
            return Asked(dict(table), _rows(table))
        document = _document(body)
        which = [name for name in _FORMS if name in document]
        if len(which) != 1:
            found = ", ".join(map(str, document)) or "nothing"
            raise InvalidInput(
                f"exactly one of {', '.join(_FORMS)} is needed; found: {found:.200}", field=which[0] if which else None
            )
        columns = _READERS[which[0]](_frame(which[0], document[which[0]], most_rows), inputs, len(body))
        strangers = [name for name in columns if name not in inputs] if inputs else []
        known_enough(len(strangers), strangers[0] if strangers else "")
        few_enough(max(map(len, columns.values()), default=0), most_rows, which[0])
        columns = {name: _fitting(values, inputs.get(name)) for name, values in columns.items()}
        given: dict[str, Given] = dict(columns)
        return Asked(given, _rows(columns), parameters=_parameters(document.get("params")))

    def write(self, said: Said, asked: Asked) -> tuple[ReplyHeaders, bytes]:
        """See `Form.write`."""
        records = [decision.outputs for decision in decisions(said)]
        single = said.outputs[0].name if len(said.outputs) == 1 else None
        predictions = records if single is None else [record[single] for record in records]
        about: dict[str, Any] = {"endpoint": said.endpoint, "decision_ids": said.ids, "groups": said.groups, "epoch": said.epoch}
        if said.unlogged:
            about["unlogged"] = True
        return JSON_HEADERS, protocol.encode({"predictions": predictions, "metadata": about})

    def refuse(self, status: int, error: str, cause: Exception | None = None) -> tuple[ReplyHeaders, bytes]:
        """See `Form.refuse`."""
        code = _CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
        return JSON_HEADERS, protocol.encode({"error_code": code, "message": error})


def _document(body: bytes) -> Members:
    bounded(body)
    if body.lstrip(b" \t\r\n")[:1] == b"{":
        members: Members = _json(_members, body)
        return members
    kind = type(_json(msgspec.json.decode, body)).__name__
    raise InvalidInput(f"an object is needed, not a {kind}", hint=f"with one of {', '.join(_FORMS)}")


def _json(decode: Callable[[bytes], Any], text: bytes | msgspec.Raw) -> Any:
    try:
        return decoded(decode, bytes(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not JSON: {error}", hint="a missing value is null: JSON has no NaN") from error


def _frame(form: str, text: msgspec.Raw, most_rows: int) -> Any:
    """The member that has the rows, unless they are too many; of a split frame without its index, which nobody asks for."""
    if form != "dataframe_split" or not bytes(text).startswith(b"{"):
        _count(text, most_rows, form)
        return _json(msgspec.json.decode, text)
    members: Members = _json(_members, text)
    _count(members.get("data", _NULL), most_rows, "dataframe_split.data")
    return {name: None if name == "index" else _json(msgspec.json.decode, value) for name, value in members.items()}


def _count(rows: msgspec.Raw, most_rows: int, field: str) -> None:
    """Raises InvalidInput for a list of more rows than are answered at once; what is no list, others refuse. Rows have commas of
    their own: where marks that are quick to count do not tell, the rows are counted one by one."""
    text = bytes(rows)
    commas, first = text.count(b","), _FIRST.match(text)
    if first is None or commas < most_rows:
        return
    mark = first[1]
    if mark in b"[{":
        if text.count(mark) - text.startswith(mark) <= most_rows:
            return
    elif b'"' not in text and b"{" not in text and text.count(b"[") == 1:
        few_enough(commas + 1, most_rows, field)
        return
    few_enough(len(_json(_list, text)), most_rows, field)


def _parameters(params: msgspec.Raw | None) -> Parameters | None:
    try:
        return None if params is None else _decode_params(params)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"params are not right: {error}", field="params") from error


def _rows(columns: Columns) -> int:
    if not columns:
        raise InvalidInput("no inputs", field="inputs")
    rows = len(next(iter(columns.values())))
    for name, values in columns.items():
        if len(values) != rows:
            raise InvalidInput(f"input {name!r:.80} has {len(values)} rows, others have {rows}", field=name)
    return rows


def _split(frame: Any, inputs: Mapping[str, FieldSpec], _: int) -> Columns:
    if not isinstance(frame, dict) or not isinstance(frame.get("data"), list) or not frame.keys() <= {"columns", "index", "data"}:
        raise InvalidInput('dataframe_split is {"columns": [names], "data": [rows]}', field="dataframe_split")
    names = frame.get("columns")
    if names is None:
        return _unnamed(frame["data"], inputs, "dataframe_split.data")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidInput("columns are a list of different names", field="dataframe_split.columns")
    return _by_name(names, frame["data"], "dataframe_split.data")


def _records(records: Any, inputs: Mapping[str, FieldSpec], size: int) -> Columns:
    """Records as columns; what is left out is null. `size` is that of the body."""
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        raise InvalidInput("a list of objects is needed, at least one", field="dataframe_records")
    names = dict.fromkeys(name for record in records for name in record)
    known_enough(len(names) - len(inputs) if inputs else 0, next(reversed(names), ""))
    fits(len(records), len(names), size)
    return {name: [record.get(name) for record in records] for name in names}


def _tensors(tensors: Any, inputs: Mapping[str, FieldSpec], size: int) -> Columns:
    """Objects are records, an object of lists has columns, anything else is one tensor, its first axis the rows."""
    if isinstance(tensors, dict):
        return {name: values if isinstance(values, list) else [values] for name, values in tensors.items()}
    if not isinstance(tensors, list) or not tensors:
        raise InvalidInput("a list, or an object of lists, is needed", field="inputs")
    if all(isinstance(row, dict) for row in tensors):
        return _records(tensors, inputs, size)
    return _unnamed(tensors, inputs, "inputs")


def _unnamed(rows: list[Any], inputs: Mapping[str, FieldSpec], field: str) -> Columns:
    """Rows without names: the whole row for the only field, else one value for each field in the signature's order."""
    if len(inputs) == 1:
        ((name, spec),) = inputs.items()
        if not spec.shape:
            rows = [row[0] if isinstance(row, list) and len(row) == 1 else row for row in rows]
        return {name: rows}
    if not inputs or any(spec.shape for spec in inputs.values()):
        raise InvalidInput(
            "rows without names fit no signature with vectors, or with no inputs", field=field, hint="name the columns"
        )
    return _by_name(list(inputs), rows, field)


def _by_name(names: Sequence[str], rows: list[Any], field: str) -> Columns:
    for place, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise InvalidInput(f"row {place} is not a list of {len(names)} values", field=field, hint=f"{', '.join(names)[:500]}")
    if not rows:
        return {name: [] for name in names}
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


_READERS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _tensors, "inputs": _tensors}


def _fitting(values: list[Any], spec: FieldSpec | None) -> list[Any]:
    """Frames with missing values hold whole numbers as floats, and tensors have axes: as the field has them."""
    if spec is None:
        return values
    if spec.shape:
        return [flattened(value, spec.shape) for value in values]
    if spec.type in _WHOLE:
        return [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return values


def _from_csv(body: bytes, inputs: Mapping[str, FieldSpec], most_rows: int) -> Columns:
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(reader, [])
        if not any(names):
            raise InvalidInput("the CSV has no header", hint="the first line names the columns")
        if len(set(names)) < len(names):
            raise InvalidInput("a column is given twice", field="inputs")
        known_enough(len(names) - len(inputs) if inputs else 0, names[-1])
        lines = _lines(reader, most_rows)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"not CSV: {error}") from error
    columns = _by_name(names, lines, "inputs")
    if names[0] == "":
        del columns[""]
    return {name: _fitting([_cell(name, t, inputs.get(name)) for t in v], inputs.get(name)) for name, v in columns.items()}


def _lines(reader: Iterator[list[str]], most_rows: int) -> list[list[str]]:
    """The lines that are not empty, as far as they are no more than are answered at once; of empty ones as many are passed
    over. Some at a time: the interpreter goes round meanwhile."""
    lines: list[list[str]] = []
    empty = 0
    while some := list(islice(reader, _AT_ONCE)):
        found = [line for line in some if line]
        lines += found
        empty += len(some) - len(found)
        if len(lines) > most_rows:
            detail = f"more than {most_rows} rows; 1 to {most_rows} are answered at once"
            raise InvalidInput(detail, field="inputs", hint="send fewer rows at once")
        if empty > most_rows:
            raise InvalidInput(f"the CSV has more than {most_rows} empty lines", field="inputs")
    return lines


def _cell(name: str, text: str, spec: FieldSpec | None) -> Any:
    """A cell as its field has it. What is none of the field's values stays text, and others say so."""
    if text == "":
        return None
    if spec is None or spec.type is DataType.BYTES:
        return text
    if spec.shape:
        raise InvalidInput(f"input {name!r:.80} is a vector, which CSV cannot carry", field=name)
    if spec.type is DataType.BOOL:
        return _TRUTHS.get(text.strip().lower(), text)
    return _number(text.strip())


def _number(text: str) -> Any:
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    number = float(text) if _DECIMAL.fullmatch(text) else inf
    return number if isfinite(number) else text
