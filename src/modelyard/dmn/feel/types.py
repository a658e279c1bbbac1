"""FEEL's types, and what conforms to what (DMN 1.5, 10.3.2.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from modelyard.dmn.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run


@dataclass(frozen=True, slots=True)
class Type:
    """A simple type, by its name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListType:
    element: AnyType

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True, slots=True)
class RangeType:
    element: AnyType

    def __str__(self) -> str:
        return f"range<{self.element}>"


@dataclass(frozen=True, slots=True)
class ContextType:
    """A context with at least these entries."""

    fields: Mapping[str, AnyType]

    def __str__(self) -> str:
        return "context<" + ", ".join(f"{name}: {_inner(type_)}" for name, type_ in self.fields.items()) + ">"


@dataclass(frozen=True, slots=True)
class FunctionType:
    """`parameters` None means that they are not known."""

    parameters: tuple[AnyType, ...] | None
    result: AnyType

    def __str__(self) -> str:
        inside = "…" if self.parameters is None else ", ".join(map(str, self.parameters))
        return f"function<{inside}> -> {self.result}"


Allows = Callable[..., "bool | None"]
"""Whether a value is allowed; the second argument, if given, is the run that accounts for finding out."""


@dataclass(frozen=True, slots=True)
class ConstrainedType:
    """An item definition: a base type under a name, with the values it allows. `allows` is None when all are allowed.

    For a list `allows` judges each element and `allows_all` the list as a whole (typeConstraint)."""

    name: str
    base: AnyType
    allows: Allows | None = field(default=None, compare=False)
    allows_all: Allows | None = field(default=None, compare=False)
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name


def _inner(type_: AnyType) -> str:
    """An entry's type, of contexts in it no entries: types may share parts, and then have far more entries than definitions."""
    if isinstance(type_, ContextType) and type_.fields:
        return "context<…>"
    return f"list<{_inner(type_.element)}>" if isinstance(type_, ListType) else str(type_)


AnyType = Type | ListType | RangeType | ContextType | FunctionType | ConstrainedType

ANY, NULL = Type("Any"), Type("Null")
NUMBER, STRING, BOOLEAN = Type("number"), Type("string"), Type("boolean")
DATE, TIME, DATE_TIME = Type("date"), Type("time"), Type("date and time")
DAYS_TIME, YEARS_MONTHS = Type("days and time duration"), Type("years and months duration")
ANY_FUNCTION = FunctionType(None, ANY)
ANY_LIST, ANY_CONTEXT, ANY_RANGE = ListType(ANY), ContextType({}), RangeType(ANY)

BUILT_IN: dict[str, AnyType] = {
    "Any": ANY,
    "Null": NULL,
    "number": NUMBER,
    "string": STRING,
    "boolean": BOOLEAN,
    "date": DATE,
    "time": TIME,
    "date and time": DATE_TIME,
    "dateTime": DATE_TIME,
    "days and time duration": DAYS_TIME,
    "dayTimeDuration": DAYS_TIME,
    "years and months duration": YEARS_MONTHS,
    "yearMonthDuration": YEARS_MONTHS,
    "list": ANY_LIST,
    "context": ANY_CONTEXT,
    "function": ANY_FUNCTION,
    "range": ANY_RANGE,
}
"""Type names as FEEL and as DMN's typeRef write them."""

_CLASSES: dict[type, Type] = {
    bool: BOOLEAN,
    Decimal: NUMBER,
    str: STRING,
    Date: DATE,
    Time: TIME,
    DateTime: DATE_TIME,
    DaysTime: DAYS_TIME,
    YearsMonths: YEARS_MONTHS,
    type(None): NULL,
}
_BY_NAME: dict[str, type] = {found.name: cls for cls, found in _CLASSES.items() if cls is not type(None)}


def type_of(value: Value) -> AnyType:
    """The type of a value, for people: elements and entries are not looked into."""
    found = _CLASSES.get(type(value))
    if found is not None:
        return found
    if isinstance(value, list):
        return ANY_LIST
    if isinstance(value, dict):
        return ANY_CONTEXT
    if isinstance(value, Range):
        return ANY_RANGE
    return ANY_FUNCTION if hasattr(value, "call") else ANY


def class_of(type_: AnyType) -> type | None:
    """The Python class of which all values are of the type, and no others; None when a type takes more to judge."""
    return _BY_NAME.get(type_.name) if isinstance(type_, Type) else None


def base_of(type_: AnyType) -> AnyType:
    """The type without its constraints and names."""
    while isinstance(type_, ConstrainedType):
        type_ = type_.base
    return type_


def conforms(source: AnyType, target: AnyType) -> bool:
    """Whether every value of `source` may stand where `target` is asked for (10.3.2.9.2)."""
    source, target = base_of(source), base_of(target)
    if target == ANY or source in (NULL, target):
        return True
    if isinstance(source, ListType) and isinstance(target, ListType):
        return conforms(source.element, target.element)
    if isinstance(source, RangeType) and isinstance(target, RangeType):
        return conforms(source.element, target.element)
    if isinstance(source, ContextType) and isinstance(target, ContextType):
        return all(n in source.fields and conforms(source.fields[n], t) for n, t in target.fields.items())
    if isinstance(source, FunctionType) and isinstance(target, FunctionType):
        return _function_conforms(source, target)
    return False


def _function_conforms(source: FunctionType, target: FunctionType) -> bool:
    if target.parameters is None:
        return conforms(source.result, target.result)
    if source.parameters is None or len(source.parameters) != len(target.parameters):
        return False
    return conforms(source.result, target.result) and all(
        conforms(wanted, given) for given, wanted in zip(source.parameters, target.parameters, strict=True)
    )


def is_instance(value: Value, type_: AnyType, run: Run | None = None) -> bool:
    """`value instance of type`: of the base type, whatever values an item definition allows. Null is one of Null alone."""
    if value is None:
        return type_ == NULL
    return _has_type(value, type_, run, constrained=False)


def fits(value: Value, type_: AnyType, run: Run | None = None) -> bool:
    """What may be bound to a typed variable without coercion: null, and values of the type that its constraints allow."""
    return value is None or _has_type(value, type_, run)


def _has_type(value: Value, type_: AnyType, run: Run | None, constrained: bool = True) -> bool:
    """A run accounts for the elements of lists."""
    if type_ == ANY or value is None:  # null conforms to every type, whatever values it allows
        return True
    if isinstance(type_, ConstrainedType):
        return _has_type(value, type_.base, run, constrained) and (not constrained or allowed(value, type_, run))
    if isinstance(type_, ListType):
        element = type_.element
        if not isinstance(value, list) or element == ANY:
            return isinstance(value, list)
        if run is not None:
            run.step(len(value))
        return all(_has_type(item, element, run, constrained) for item in value)
    if isinstance(type_, ContextType):
        return isinstance(value, dict) and all(
            n in value and _has_type(value[n], t, run, constrained) for n, t in type_.fields.items()
        )
    if isinstance(type_, RangeType):
        ends = (value.low, value.high) if isinstance(value, Range) else ()
        return bool(ends) and all(_has_type(end, type_.element, run, constrained) for end in ends)
    if isinstance(type_, FunctionType):
        return hasattr(value, "call") and _callable_as(value.type, type_, constrained)
    return _CLASSES.get(type(value)) == type_


def _callable_as(own: FunctionType, wanted: FunctionType, binding: bool) -> bool:
    """What a function does not say of itself (a lambda its result, a built-in function its parameters) is no reason to refuse to
    bind it: it is judged at the call."""
    if binding:
        parameters = wanted.parameters if own.parameters is None else own.parameters
        own = FunctionType(parameters, wanted.result if own.result == ANY else own.result)
    return conforms(own, wanted)


def allowed(value: Value, type_: ConstrainedType, run: Run | None = None) -> bool:
    """Whether the constraints of an item definition let a value of the right type pass."""
    if type_.allows is not None:
        whole = base_of(type_.base)
        for item in value if isinstance(whole, ListType) and isinstance(value, list) else (value,):
            if item is not None and type_.allows(item, run) is not True:
                return False
    return type_.allows_all is None or type_.allows_all(value, run) is True


def field_type(type_: AnyType | None, name: str) -> AnyType | None:
    """The type of `value.name`; through a list, of its elements. None when nothing is known."""
    found = base_of(type_) if type_ is not None else None
    while isinstance(found, ListType):
        found = base_of(found.element)
    return found.fields.get(name) if isinstance(found, ContextType) else None


Fields = Mapping[str, Any]
