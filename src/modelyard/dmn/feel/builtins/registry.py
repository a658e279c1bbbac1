"""How built-in functions are declared, and how arguments become theirs.

    @builtin("string: string, start position: number, [length: number]")
    def substring(run: Run, string: str, start_position: Decimal, length: Decimal | None = None) -> str | None: ...

A declaration is one overload: parameters in order, each `name: type`. `[…]` may be left out, `type?` takes null, a name with `*`
takes all that remain as a list (each of the type). Types are `number string boolean date time dateTime duration list context
range function any` and, joined by `|`, unions (`string | list`). A function with several overloads is decorated several times; the
first one that takes the arguments wins, positional arguments by number and type, named ones by exactly these names.

Before a call each argument is coerced as 10.3.2.9.4 says: a list of one element to that element where no list is asked for, a
value to a list of itself where a list is asked for, a date to a date and time. An argument that still does not fit gives null with
a message, as does null for a parameter without `?`. So an implementation sees only values of the types that it declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.types import ANY, ANY_FUNCTION, FunctionType
from modelyard.dmn.feel.values import Native, Range, Value
from modelyard.dmn.run import Run


def _is_function(value: Value) -> bool:
    return hasattr(value, "call")


_KINDS: dict[str, Callable[[Value], bool]] = {
    "number": lambda v: type(v) is Decimal,
    "string": lambda v: type(v) is str,
    "boolean": lambda v: type(v) is bool,
    "date": lambda v: type(v) is Date,
    "time": lambda v: type(v) is Time,
    "dateTime": lambda v: type(v) is DateTime,
    "duration": lambda v: type(v) is DaysTime or type(v) is YearsMonths,
    "list": lambda v: type(v) is list,
    "context": lambda v: type(v) is dict,
    "range": lambda v: type(v) is Range,
    "function": _is_function,
    "any": lambda v: v is not None,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kinds: tuple[str, ...]
    optional: bool = False
    nullable: bool = False
    variadic: bool = False

    def takes(self, value: Value) -> bool:
        if value is None:
            return self.nullable
        return any(_KINDS[kind](value) for kind in self.kinds)

    def coerce(self, value: Value) -> tuple[bool, Value]:
        """Whether the value fits, coerced if need be, and the value."""
        if self.takes(value):
            return True, value
        if type(value) is list and len(value) == 1 and "list" not in self.kinds and self.takes(value[0]):
            return True, value[0]
        if "list" in self.kinds and value is not None:
            return True, [value]
        if "dateTime" in self.kinds and type(value) is Date:
            return True, DateTime.at_midnight(value)
        return False, value


@dataclass(frozen=True, slots=True)
class Overload:
    parameters: tuple[Parameter, ...]
    native: Native

    def positional(self, arguments: Sequence[Value]) -> list[Value] | str:
        """The implementation's arguments, or why these do not fit."""
        fixed = [p for p in self.parameters if not p.variadic]
        rest = next((p for p in self.parameters if p.variadic), None)
        needed = sum(not p.optional for p in fixed)
        if len(arguments) < needed or (rest is None and len(arguments) > len(fixed)):
            return f"takes {self._count(needed, len(fixed), rest)} arguments, not {len(arguments)}"
        ready: list[Value] = []
        for parameter, value in zip(fixed, arguments, strict=False):
            fit, value = parameter.coerce(value)
            if not fit:
                return _wrong(parameter, value)
            ready.append(value)
        if rest is not None:
            many = []
            for value in arguments[len(fixed) :]:
                fit, value = rest.coerce(value)
                if not fit:
                    return _wrong(rest, value)
                many.append(value)
            ready.append(many)
        return ready

    def named(self, arguments: Mapping[str, Value]) -> list[Value] | str:
        """As `positional`, for arguments by name; one left out between others is None if it may be."""
        known = {p.name for p in self.parameters}
        for name in arguments:
            if name not in known:
                return f"has no parameter {name!r}"
        ready: list[Value] = []
        for parameter in self.parameters:
            if parameter.name not in arguments:
                if not parameter.optional:
                    return f"needs {parameter.name!r}"
                ready.append(None)
                continue
            value = arguments[parameter.name]
            if parameter.variadic and type(value) is not list:
                value = [value]
            elif not parameter.variadic:
                fit, value = parameter.coerce(value)
                if not fit:
                    return _wrong(parameter, value)
            ready.append(value)
        while ready and ready[-1] is None and self.parameters[len(ready) - 1].optional:
            ready.pop()
        return ready

    @staticmethod
    def _count(needed: int, most: int, rest: Parameter | None) -> str:
        if rest is not None:
            return f"{needed} or more"
        return str(needed) if needed == most else f"{needed} to {most}"


def _wrong(parameter: Parameter, value: Value) -> str:
    what = "null" if value is None else f"a {type(value).__name__}"
    return f"wants {' or '.join(parameter.kinds)} for {parameter.name!r}, not {what}"


class Builtin:
    """A built-in function as a value."""

    __slots__ = ("name", "overloads", "parameters", "type")

    def __init__(self, name: str) -> None:
        self.name = name
        self.overloads: tuple[Overload, ...] = ()
        self.parameters: tuple[str, ...] | None = None
        self.type: FunctionType = ANY_FUNCTION

    def add(self, overload: Overload) -> None:
        self.overloads += (overload,)
        first = self.overloads[0].parameters
        if len(self.overloads) == 1 and not any(p.variadic for p in first):
            self.parameters = tuple(p.name for p in first)
            self.type = FunctionType(tuple(ANY for _ in first), ANY)
        else:
            self.parameters, self.type = None, ANY_FUNCTION

    def call(self, run: Run, arguments: Sequence[Value]) -> Value:
        run.step()
        reason = ""
        for overload in self.overloads:
            ready = overload.positional(arguments)
            if not isinstance(ready, str):
                return overload.native(run, *ready)
            reason = reason or ready
        return run.null(f"{self.name}() {reason}")

    def call_named(self, run: Run, arguments: Mapping[str, Value]) -> Value:
        run.step()
        reason = ""
        for overload in self.overloads:
            ready = overload.named(arguments)
            if not isinstance(ready, str):
                return overload.native(run, *ready)
            reason = reason or ready
        return run.null(f"{self.name}() {reason}")

    def __repr__(self) -> str:
        return f"<built-in {self.name}>"


FUNCTIONS: dict[str, Builtin] = {}
"""Every built-in function by its FEEL name; complete once `modelyard.dmn.feel.builtins` is imported."""

_PARAMETER = re.compile(r"(\[?)\s*(\*?)([\w ]+?)\s*:\s*([\w |]+?)(\??)\s*\]?$")


def builtin(declaration: str, name: str | None = None) -> Callable[[Native], Native]:
    """Declare a built-in function; see the module. `name` is the FEEL name if it is not the Python name with spaces."""
    parameters = tuple(_parameter(part.strip()) for part in declaration.split(",") if part.strip())

    def add(native: Native) -> Native:
        known_as = name or native.__name__.rstrip("_").replace("_", " ")
        FUNCTIONS.setdefault(known_as, Builtin(known_as)).add(Overload(parameters, native))
        return native

    return add


def _parameter(text: str) -> Parameter:
    found: Any = _PARAMETER.match(text)
    optional, variadic, name, kinds, nullable = found.groups()
    return Parameter(name, tuple(k.strip() for k in kinds.split("|")), bool(optional), bool(nullable), bool(variadic))
