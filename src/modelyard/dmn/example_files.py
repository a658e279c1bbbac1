"""Files of examples: CSV, or the XML of the DMN TCK.

A CSV file of examples has a line of headings, then a line an example. It is in UTF-8, separated by commas; by semicolons or tabs
if there is no comma in the line of headings.

| heading | column |
|---|---|
| `Age`, `Applicant.Age` | an input of the model, or a component of one |
| `expect Risk`, `expect Loan.Rate` | what a decision gives, or an entry of it; of a list, the list of its elements' entries |
| `# …` | a remark: the example's name |

| cell | value |
|---|---|
| nothing | the input is not given (a component is null if others of its input are given); nothing is expected |
| `null` | null |
| `true`, `false` | a boolean, in any case of letters where the column's type is boolean |
| `12`, `-1.5`, `1e3` | a number |
| `2024-05-01`, `10:30:00`, `2024-05-01T10:30:00Z`, `P1Y`, `PT2H` | a date, time, date and time or duration |
| `"…"`, `[…]`, `{…}`, `@"…"`, `date(…)` and the like | a FEEL literal |
| anything else | the text itself |

In a column of type string every cell is the text itself, other than `null` and a FEEL string in quotes: so `007` stays as it is.
A list column may hold one element without its brackets, as everywhere in DMN.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelyard.dmn import tck
from modelyard.dmn.engine import Model
from modelyard.dmn.errors import DmnError, InvalidData, LimitExceeded
from modelyard.dmn.examples import Example, Expectation
from modelyard.dmn.feel.compiler import compile_expression, root_scope
from modelyard.dmn.feel.numbers import number
from modelyard.dmn.feel.parser import parse_expression
from modelyard.dmn.feel.scope import Scope
from modelyard.dmn.feel.temporal import parse_temporal
from modelyard.dmn.feel.types import BOOLEAN, STRING, AnyType, ContextType, ListType, base_of, field_type
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Limits, Run, system_clock

_EXPECT = re.compile(r"expect\s+", re.I)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,4})?", re.I)
_LITERAL = re.compile(r'["\[{]|@\s*"|(date|time|date and time|duration|years and months duration)\s*\(')
_ABSENT = object()


def from_tck(source: bytes, file: str | None = None, limits: Limits = Limits()) -> tuple[Example, ...]:  # noqa: B008 - frozen
    """The tests of a file of the DMN TCK. Raises as `tck.read` does."""
    return tuple(of_case(case, row) for row, case in enumerate(tck.read(source, file, limits).cases, start=1))


def of_case(case: tck.TestCase, row: int = 1) -> Example:
    expected = tuple(Expectation(result.name, result.name, result.value, error=result.error) for result in case.results)
    return Example(row, case.name or case.id, case.inputs, expected, case.type, case.invocable)


def from_csv(
    source: bytes | str,
    model: Model,
    file: str | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> tuple[Example, ...]:
    """The examples of a CSV file for a model. Raises InvalidData with the line for whatever cannot be read as said above."""
    text = _text(source, file, limits)
    heading = text.partition("\n")[0]
    separator = next((mark for mark in ",;\t" if mark in heading), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        numbered = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise InvalidData(f"not a CSV file: {error}", file=file, line=rows.line_num) from error
    if not numbered:
        raise InvalidData("the file is empty", file=file)
    return _Reading(model, file, limits).examples(numbered[0][1], numbered[1:])


def _text(source: bytes | str, file: str | None, limits: Limits) -> str:
    if len(source) > limits.file_bytes:
        raise LimitExceeded(f"the file has more than {limits.file_bytes} bytes", file=file)
    if isinstance(source, str):
        return source
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData(f"the file is not in UTF-8: {error.reason} at byte {error.start}", file=file) from error


@dataclass(frozen=True, slots=True)
class _Column:
    """`kind` is input, expect or remark; `name` the input or decision, `path` the way into it."""

    heading: str
    kind: str
    name: str = ""
    path: tuple[str, ...] = ()
    type: AnyType | None = None


class _Reading:
    def __init__(self, model: Model, file: str | None, limits: Limits) -> None:
        self.file, self.limits = file, limits
        given = (*model.inputs, *(found for decision in model.decisions for found in decision.inputs))
        self.inputs = {found.name: found.type for found in given}
        self.decisions = {found.name: found.type for found in model.decisions}

    def examples(self, headings: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> tuple[Example, ...]:
        columns = [self.column(" ".join(heading.split())) for heading in headings]
        if not any(column.kind == "expect" for column in columns):
            raise InvalidData("no column begins with 'expect': nothing is expected", file=self.file, line=1)
        self.check(columns)
        return tuple(self.example(columns, row, line) for line, row in rows if any(cell.strip() for cell in row))

    def check(self, columns: Sequence[_Column]) -> None:
        for at, column in enumerate(columns):
            for other in columns[:at]:
                if "remark" in (column.kind, other.kind) or (column.kind, column.name) != (other.kind, other.name):
                    continue
                if column.path == other.path:
                    raise InvalidData(f"the column {column.heading!r} is there twice", file=self.file, line=1)
                shared = min(len(column.path), len(other.path))
                if column.kind == "input" and column.path[:shared] == other.path[:shared]:
                    detail = f"{other.heading!r} and {column.heading!r} give the same input whole and in part"
                    raise InvalidData(detail, file=self.file, line=1)

    def column(self, heading: str) -> _Column:
        if heading.startswith("#"):
            return _Column(heading, "remark")
        expect = _EXPECT.match(heading)
        if expect is None or heading in self.inputs:
            return self.found(heading, heading, "input", self.inputs)
        return self.found(heading, heading[expect.end() :], "expect", self.decisions)

    def found(self, heading: str, name: str, kind: str, known: dict[str, AnyType]) -> _Column:
        """The longest known name that the heading begins with; the rest is the way into its value."""
        for end in [len(name), *(at for at in range(len(name) - 1, 0, -1) if name[at] == ".")]:
            if name[:end] in known:
                path = tuple(part.strip() for part in name[end + 1 :].split(".")) if end < len(name) else ()
                return _Column(heading, kind, name[:end], path, _type_at(known[name[:end]], path))
        what = "an input" if kind == "input" else "a decision"
        raise InvalidData(f"the column {heading!r} is not {what} of the model; there is {_names(known)}", file=self.file, line=1)

    def example(self, columns: Sequence[_Column], row: Sequence[str], line: int) -> Example:
        if len(row) != len(columns):
            raise InvalidData(f"the line has {len(row)} cells, there are {len(columns)} columns", file=self.file, line=line)
        inputs: dict[str, Value] = {}
        expected: list[Expectation] = []
        for column, cell in zip(columns, row, strict=True):
            value = _ABSENT if column.kind == "remark" else self.value(column, cell, line)
            if value is _ABSENT:
                continue
            if column.kind == "input":
                self.put(inputs, column, value)
            else:
                expected.append(Expectation(column.heading, column.name, value, column.path))
        if not expected:
            raise InvalidData("the line expects nothing", file=self.file, line=line)
        remarks = [cell.strip() for column, cell in zip(columns, row, strict=True) if column.kind == "remark" and cell.strip()]
        return Example(line, "; ".join(remarks), inputs, tuple(expected))

    def put(self, inputs: dict[str, Value], column: _Column, value: Value) -> None:
        """A component makes the context around it, in which the components that are not given are null."""
        type_: AnyType | None = self.inputs[column.name]
        way = (column.name, *column.path)
        inside = inputs
        for name, below in itertools.pairwise(way):
            if inside.get(name) is None:
                inside[name] = dict.fromkeys(_components(type_))
            inside, type_ = inside[name], field_type(type_, below)
        inside[way[-1]] = value

    def value(self, column: _Column, cell: str, line: int) -> Value:
        text = cell.strip()
        if not text:
            return _ABSENT
        if text == "null":
            return None
        base = _single(column.type)
        if base == STRING and not _quoted(text) and not (text[0] == "[" and _is_list(column.type)):
            return text
        if text in {"true", "false"} or (base == BOOLEAN and text.lower() in {"true", "false"}):
            return text.lower() == "true"
        return self.unquoted(column, text, line)

    def unquoted(self, column: _Column, text: str, line: int) -> Value:
        if _LITERAL.match(text):
            return self.literal(column, text, line)
        if _NUMBER.fullmatch(text):
            try:
                return number(text)
            except ValueError as error:
                raise InvalidData(f"in column {column.heading!r}: {error}", file=self.file, line=line) from error
        found = parse_temporal(text)
        return text if found is None else found

    def literal(self, column: _Column, text: str, line: int) -> Value:
        run = Run(self.limits, system_clock)
        problems: list[str] = []
        scope = Scope({}, root_scope())
        try:
            node = parse_expression(text, scope.names, self.limits)
            value = compile_expression(node, scope, problems.append)([None, run])
        except DmnError as error:
            problems.append(str(error))
            value = None
        problems += [message.text for message in run.messages or ()]
        if problems:
            raise InvalidData(f"in column {column.heading!r}: {problems[0]}", file=self.file, line=line)
        return value


def _quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def _type_at(type_: AnyType | None, path: Sequence[str]) -> AnyType | None:
    """The type at the end of a path; of a list of them where the path leads through a list."""
    for name in path:
        through_list = _is_list(type_)
        type_ = field_type(type_, name)
        if through_list and type_ is not None:
            type_ = ListType(type_)
    return type_


def _is_list(type_: AnyType | None) -> bool:
    return type_ is not None and isinstance(base_of(type_), ListType)


def _single(type_: AnyType | None) -> AnyType | None:
    """The type of one value: of a list's element, since one element may stand without its brackets."""
    base = base_of(type_) if type_ is not None else None
    while isinstance(base, ListType):
        base = base_of(base.element)
    return base


def _components(type_: AnyType | None) -> Iterable[str]:
    base = base_of(type_) if type_ is not None else None
    return base.fields if isinstance(base, ContextType) else ()


def _names(known: Iterable[str]) -> str:
    return ", ".join(map(repr, known))[:300] or "none"
