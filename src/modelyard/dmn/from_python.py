"""Python values to FEEL's and back, for callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from modelyard.dmn.errors import InvalidData, LimitExceeded
from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.numbers import CONTEXT, number
from modelyard.dmn.feel.semantics import TEMPORAL, coerce, written
from modelyard.dmn.feel.types import (
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS_TIME,
    NUMBER,
    STRING,
    TIME,
    YEARS_MONTHS,
    AnyType,
    ContextType,
    ListType,
    Type,
    base_of,
    class_of,
)
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

NESTING, PARTS = 100, 2_000_000
Binder = Callable[[Any, Run], Value]
_LARGE, _EXPONENT, _FLOAT = 10**34, 6000, 1e300
_PARSERS: dict[str, Callable[[str], Value]] = {
    DATE.name: temporal.parse_date,
    TIME.name: temporal.parse_time,
    DATE_TIME.name: temporal.parse_date_time,
    DAYS_TIME.name: temporal.parse_duration,
    YEARS_MONTHS.name: temporal.parse_duration,
}


def from_python(value: Any, path: str, depth: int = 0) -> Value:
    """The FEEL value of a Python one. Raises InvalidData naming the path to what is not a value."""
    if value is None or type(value) in (str, bool):
        return value
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _number(value, path)
    if isinstance(value, (date, time, datetime, timedelta)):
        return temporal.from_python(value)
    if type(value) in TEMPORAL or isinstance(value, Range) or hasattr(value, "call"):
        return value
    if isinstance(value, (list, tuple, Mapping)):
        return _nested(value, path, depth)
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return from_python(value.item(), path, depth + 1)
    raise InvalidData(f"{path}: a {type(value).__name__} is no value of FEEL")


def _number(value: float | Decimal, path: str) -> Decimal:
    try:
        return number(value)
    except ValueError as error:
        raise InvalidData(f"{path}: {error}") from error


def _nested(value: Any, path: str, depth: int) -> Value:
    if depth >= NESTING:
        raise InvalidData(f"{path}: values are nested more than {NESTING} deep")
    if isinstance(value, Mapping):
        return {_name(name, path): from_python(item, f"{path}.{name}", depth + 1) for name, item in value.items()}
    return [from_python(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value, 1)]


def _name(name: Any, path: str) -> str:
    if not isinstance(name, str):
        raise InvalidData(f"{path}: an entry's name is a string, not {name!r:.40}")
    return name


def bound(value: Any, type_: AnyType, name: str, run: Run) -> Value:
    """A caller's value as the value of an input of a type: text is read where a date, a time or a duration is wanted; what does
    not fit is null, with a message. Raises InvalidData for what is not a value at all."""
    return coerce(read(from_python(value, name), type_), type_, run, f"input {name!r}")


def binder(type_: AnyType, name: str) -> Binder:
    """`bound` for one input, quick for the usual values of simple types."""
    if type_ == NUMBER:
        return _number_binder(name)
    if type_ in (STRING, BOOLEAN):
        class_ = class_of(type_)
        return lambda value, run: value if type(value) is class_ else bound(value, type_, name, run)
    return lambda value, run: bound(value, type_, name, run)


def _number_binder(name: str) -> Binder:
    plus = CONTEXT.plus

    def bind(value: Any, run: Run) -> Value:
        kind = type(value)
        if kind is int and -_LARGE < value < _LARGE:
            return Decimal(value)
        if kind is Decimal and value.is_finite() and -_EXPONENT < value.adjusted() < _EXPONENT:
            return plus(value)
        if kind is float and -_FLOAT < value < _FLOAT:
            return Decimal(repr(value))
        return bound(value, NUMBER, name, run)

    return bind


def read(value: Value, type_: AnyType) -> Value:
    """The value with texts read as the dates, times and durations that the type wants; others stay as they are."""
    base = base_of(type_)
    if type(value) is str:
        parse = _PARSERS.get(base.name) if isinstance(base, Type) else None
        found = parse(value) if parse is not None else None
        return value if found is None else found
    if type(value) is list and isinstance(base, ListType):
        return [read(item, base.element) for item in value]
    if type(value) is dict and isinstance(base, ContextType):
        return {name: read(item, base.fields[name]) if name in base.fields else item for name, item in value.items()}
    return value


def plain(value: Value) -> Any:
    """A FEEL value as JSON can carry it: numbers stay `Decimal`; dates, times, durations, ranges are text as FEEL writes them.

    Raises LimitExceeded for a value of more than two million parts, as few lists that contain each other can be, and for one
    nested too deeply."""
    try:
        return _plain(value, [PARTS])
    except RecursionError:
        raise LimitExceeded("a value is nested too deeply") from None


def _plain(value: Value, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise LimitExceeded(f"a value has more than {PARTS} parts")
    if type(value) is list:
        return [_plain(item, left) for item in value]
    if type(value) is dict:
        return {name: _plain(item, left) for name, item in value.items()}
    if value is None or isinstance(value, (bool, str, Decimal)):
        return value
    return f"<function {value.name}>" if hasattr(value, "call") else written(value)
