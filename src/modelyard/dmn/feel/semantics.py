"""Equality, order, membership, coercion and text of FEEL values (DMN 1.5, 10.3.2.13 to 10.3.2.15 and 10.3.2.9.4)."""

from __future__ import annotations

from decimal import Decimal

from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.numbers import text_of
from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.types import DATE_TIME as DATE_TIME_TYPE
from modelyard.dmn.feel.types import AnyType, ConstrainedType, ContextType, ListType, base_of, fits, type_of
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

TEMPORAL = frozenset({Date, Time, DateTime, DaysTime, YearsMonths})
_PLAIN = frozenset({Decimal, str, bool})
_SHOWN = 60
"""Characters of a value in a message."""


def equal(a: Value, b: Value, run: Run | None = None) -> bool | None:
    """`a = b`: None when the values are of kinds that are not comparable (Table 53). Null equals null alone.

    A run accounts for the elements compared."""
    if a is None or b is None:
        return a is b
    kind = type(a)
    if kind is not type(b):
        return a is b if hasattr(a, "call") and hasattr(b, "call") else None
    if kind in _PLAIN:
        return bool(a == b)
    if kind in TEMPORAL:
        return temporal.equal(a, b)
    if kind is list or kind is dict:
        return _Pairs(run).equal(a, b)
    if kind is Range:
        return _ranges_equal(a, b)
    return a is b


class _Pairs:
    """Compares lists and contexts. Each pair is compared once: values may share parts, and a tree of shared parts is as large as
    two to the power of its depth."""

    def __init__(self, run: Run | None) -> None:
        self._found: dict[tuple[int, int], bool] = {}
        self._run = run

    def equal(self, a: Value, b: Value) -> bool:
        kind = type(a)
        if kind is not type(b) or (kind is not list and kind is not dict):
            return equal(a, b) is True
        if len(a) != len(b):
            return False
        pair = (id(a), id(b))
        found = self._found.get(pair)
        if found is None:
            if self._run is not None:
                self._run.step(len(a))
            found = (
                all(map(self.equal, a, b))
                if kind is list
                else a.keys() == b.keys() and all(self.equal(v, b[n]) for n, v in a.items())
            )
            self._found[pair] = found
        return found


def _ranges_equal(a: Range, b: Range) -> bool:
    closed = (a.low_closed, a.high_closed, a.operator) == (b.low_closed, b.high_closed, b.operator)
    return closed and same(a.low, b.low) and same(a.high, b.high)


def same(a: Value, b: Value, run: Run | None = None) -> bool:
    """Whether `a = b` is true."""
    return equal(a, b, run) is True


def compare(a: Value, b: Value) -> int | None:
    """-1, 0 or 1 as `a` is less than, equal to or greater than `b`; None when they have no order (Table 54)."""
    kind = type(a)
    if kind is not type(b):
        return None
    if kind is Decimal or kind is str:
        return -1 if a < b else int(a > b)
    return temporal.compare(a, b) if kind in TEMPORAL else None


def contains(range_: Range, value: Value) -> bool | None:
    """`value in range`. None when the value has no order with the range's ends."""
    if range_.operator == "!=":
        held = equal(value, range_.low)
        return None if held is None else not held
    if range_.low is not None:
        order = compare(range_.low, value)
        if order is None:
            return None
        if order > 0 or (order == 0 and not range_.low_closed):
            return False
    if range_.high is not None:
        order = compare(value, range_.high)
        if order is None:
            return None
        if order > 0 or (order == 0 and not range_.high_closed):
            return False
    return True


def coerce(value: Value, type_: AnyType, run: Run, what: str = "") -> Value:
    """The value as one of the type: itself if it fits, else by the implicit conversions of 10.3.2.9.4, else null with a message.

    `what` says of what the value is, for the message."""
    if value is None or fits(value, type_, run):
        return value
    if isinstance(value, list) and len(value) == 1 and fits(value[0], type_, run):
        return value[0]
    base = base_of(type_)
    if isinstance(base, ListType) and not isinstance(value, list) and fits([value], type_, run):
        return [value]
    if base == DATE_TIME_TYPE and type(value) is Date:
        return DateTime.at_midnight(value)
    part = _misfit(value, type_, run)
    return run.null(f"{what or 'the value'} is {shown(value)}, which is not {_article(type_)}{f': {part}' if part else ''}")


def _misfit(value: Value, type_: AnyType, run: Run) -> str:
    """Which part of a context, or element of a list, is not as the type asks; or which values the type allows."""
    base = base_of(type_)
    if isinstance(value, dict) and isinstance(base, ContextType):
        for name, inner in base.fields.items():
            if name not in value:
                return f"it has no {name!r}"
            if not fits(value[name], inner, run):
                return f"its {name!r} is {_what(value[name], inner, run)}"
    if isinstance(value, list) and isinstance(base, ListType):
        for place, item in enumerate(value, start=1):
            if not fits(item, base.element, run):
                return f"its element {place} is {_what(item, base.element, run)}"
    if isinstance(type_, ConstrainedType) and type_.text and fits(value, type_.base, run):
        return type_.text if len(type_.text) <= _SHOWN else type_.text[: _SHOWN - 3] + "…"
    return ""


def _what(value: Value, type_: AnyType, run: Run) -> str:
    part = _misfit(value, type_, run)
    return f"{shown(value)}, not {_article(type_)}{f': {part}' if part else ''}"


def _article(type_: AnyType) -> str:
    return f"one of the values that {type_} allows" if isinstance(type_, ConstrainedType) else f"of type {type_}"


def text(value: Value) -> str:
    """What `string(value)` gives: a string as it is, anything else as it would be written."""
    return value if type(value) is str else written(value)


def written(value: Value) -> str:
    """The value as FEEL writes it, strings in quotes."""
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return text_of(value)
    if type(value) is str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if type(value) is list:
        return "[" + ", ".join(map(written, value)) + "]"
    if type(value) is dict:
        return "{" + ", ".join(f"{_key(name)}: {written(item)}" for name, item in value.items()) + "}"
    if type(value) is Range:
        return _range(value)
    return str(value)


def _key(name: str) -> str:
    plain = name.replace(" ", "").replace("_", "").isalnum() and not name[:1].isdigit()
    return name if plain else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _range(value: Range) -> str:
    if value.operator:
        return f"({value.operator} {written(value.low)})"
    if value.low is None or value.high is None:
        end, closed = (value.high, value.high_closed) if value.low is None else (value.low, value.low_closed)
        return f"({'<' if value.low is None else '>'}{'=' if closed else ''} {written(end)})"
    opening, closing = "[" if value.low_closed else "(", "]" if value.high_closed else ")"
    return f"{opening}{written(value.low)}..{written(value.high)}{closing}"


def shown(value: Value) -> str:
    """A value for a message, short."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"a list of {len(value)} elements"
    if isinstance(value, dict):
        return f"a context of {len(value)} entries"
    long = written(value[:_SHOWN] if type(value) is str else value)
    return f"the {type_of(value)} {long if len(long) <= _SHOWN else long[: _SHOWN - 3] + '…'}"
