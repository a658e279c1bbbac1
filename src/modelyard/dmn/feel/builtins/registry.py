"""How built-in functions are declared, and how arguments become theirs.

    @builtin("string: string, start position: number, [length: number]")
    def substring(run: Run, string: str, start_position: Decimal, length: Decimal | None = None) -> str | None: ...

A declaration is one overload: parameters in order, each `name: type`. `[…]` may be left out, `type?` takes null, a name with `*`
takes all that remain as a list (each of the type). Types are `number string boolean date time dateTime duration list context
range function any` and, joined by `|`, unions (`string | list`). A function with several overloads is decorated several times.
The first one that takes the arguments as they are wins, else the first one that takes them coerced; positional arguments by
number and type, named ones by exactly these names. By name, one that takes null may be left out and is null then.

Before a call each argument is coerced as 10.3.2.9.4 says: a list of one element to that element where no list is asked for, a
value to a list of itself where a list is asked for, a date to a date and time. An argument that still does not fit gives null
with a message, as does null for a parameter without `?`. So an implementation sees only values of the types that it declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from modelyard.dmn.feel.semantics import shown
from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.types import ANY, ANY_FUNCTION, FunctionType
from modelyard.dmn.feel.values import Native, Range, Value
from modelyard.dmn.run import Run

_CLASSES: dict[str, tuple[type, ...]] = {
    "number": (Decimal,),
    "string": (str,),
    "boolean": (bool,),
    "date": (Date,),
    "time": (Time,),
    "dateTime": (DateTime,),
    "duration": (DaysTime, YearsMonths),
    "list": (list,),
    "context": (dict,),
    "range": (Range,),
    "function": (),
    "any": (),
}
_NAMES = {"dateTime": "date and time"}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kinds: tuple[str, ...]
    optional: bool = False
    nullable: bool = False
    variadic: bool = False
    classes: frozenset[type] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", frozenset(c for kind in self.kinds for c in _CLASSES[kind]))

    def takes(self, value: Value) -> bool:
        if value is None:
            return self.nullable
        return type(value) in self.classes or "any" in self.kinds or ("function" in self.kinds and hasattr(value, "call"))

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

    def wrong(self, value: Value) -> str:
        return f"wants {' or '.join(_NAMES.get(kind, kind) for kind in self.kinds)} for {self.name!r}, not {shown(value)}"


@dataclass(frozen=True, slots=True)
class Overload:
    parameters: tuple[Parameter, ...]
    native: Native
    fixed: tuple[Parameter, ...] = field(init=False)
    rest: Parameter | None = field(init=False)
    needed: int = field(init=False)

    def __post_init__(self) -> None:
        fixed = tuple(p for p in self.parameters if not p.variadic)
        object.__setattr__(self, "fixed", fixed)
        object.__setattr__(self, "rest", next((p for p in self.parameters if p.variadic), None))
        object.__setattr__(self, "needed", sum(not p.optional for p in fixed))

    def counts(self, given: int) -> bool:
        """Whether it takes that many arguments."""
        return given >= self.needed and (self.rest is not None or given <= len(self.fixed))

    def takes(self, arguments: Sequence[Value]) -> bool:
        """Whether it takes the arguments as they are."""
        if not self.counts(len(arguments)):
            return False
        if self.rest is not None and not all(map(self.rest.takes, arguments[len(self.fixed) :])):
            return False
        return all(p.takes(value) for p, value in zip(self.fixed, arguments, strict=False))

    def bind(self, arguments: Sequence[Value]) -> Sequence[Value]:
        """Arguments that fit, as the implementation gets them."""
        if self.rest is None:
            return arguments
        return [*arguments[: len(self.fixed)], list(arguments[len(self.fixed) :])]

    def positional(self, arguments: Sequence[Value]) -> list[Value] | str:
        """The arguments coerced, or why these do not fit."""
        if not self.counts(len(arguments)):
            return f"takes {self._count()} arguments, not {len(arguments)}"
        ready: list[Value] = []
        for index, value in enumerate(arguments):
            parameter = self.fixed[index] if index < len(self.fixed) else self.rest
            assert parameter is not None
            fit, coerced = parameter.coerce(value)
            if not fit:
                return parameter.wrong(value)
            ready.append(coerced)
        return ready

    def named(self, arguments: Mapping[str, Value]) -> list[Value] | str:
        """As `positional`, for arguments by name; one left out between others is None. A variadic one is a single argument."""
        known = {p.name for p in self.parameters}
        for name in arguments:
            if name not in known:
                return f"has no parameter {name!r}"
        ready: list[Value] = []
        for parameter in self.parameters:
            if parameter.name in arguments:
                fit, value = parameter.coerce(arguments[parameter.name])
                if not fit:
                    return parameter.wrong(value)
                ready.append(value)
            elif parameter.optional or parameter.nullable:
                ready.append(None)
            elif not parameter.variadic:
                return f"needs {parameter.name!r}"
        while ready and self.parameters[len(ready) - 1].name not in arguments and self._may_end(len(ready) - 1):
            ready.pop()
        return ready

    def names_in(self, order: list[str]) -> bool:
        """Whether the names stand in the order of the parameters: that tells `before(point: …, range: …)` from its converse."""
        return [p.name for p in self.parameters if p.name in order] == order

    def _may_end(self, index: int) -> bool:
        return self.parameters[index].optional or self.parameters[index].variadic

    def _count(self) -> str:
        if self.rest is not None:
            return f"{self.needed} or more"
        return str(self.needed) if self.needed == len(self.fixed) else f"{self.needed} to {len(self.fixed)}"


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
        for overload in self.overloads:
            if overload.takes(arguments):
                return overload.native(run, *overload.bind(arguments))
        reason = ""
        for overload in self.overloads:
            ready = overload.positional(arguments)
            if not isinstance(ready, str):
                return overload.native(run, *overload.bind(ready))
            if not reason or (reason.startswith("takes ") and overload.counts(len(arguments))):
                reason = ready
        return run.null(f"{self.name}() {reason}")

    def call_named(self, run: Run, arguments: Mapping[str, Value]) -> Value:
        run.step()
        reason = ""
        order = list(arguments)
        for overload in sorted(self.overloads, key=lambda overload: not overload.names_in(order)):
            ready = overload.named(arguments)
            if not isinstance(ready, str):
                return overload.native(run, *overload.bind(ready))
            if not reason or reason.startswith("has no parameter"):
                reason = ready
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
