"""What can be said of an expression's type without evaluating it: enough to know the names of its fields while parsing."""

from __future__ import annotations

from modelyard.dmn.feel.names import NameScope
from modelyard.dmn.feel.syntax import Call, ContextOf, Expr, Filter, If, ListOf, Name, Path, TypeName
from modelyard.dmn.feel.types import (
    ANY,
    BUILT_IN,
    AnyType,
    ContextType,
    FunctionType,
    ListType,
    RangeType,
    base_of,
    field_type,
)

_DEPTH = 8
"""How far into an expression to look; types deeper than that are not known."""


def infer(node: Expr, names: NameScope, depth: int = _DEPTH) -> AnyType:
    """The static type of an expression whose names are those of the scope; ANY where it is not known."""
    if isinstance(node, Name):
        return names.type_of(node.name) or ANY
    if not depth:
        return ANY
    if isinstance(node, Path):
        return step(infer(node.source, names, depth - 1), node.name)
    if isinstance(node, Filter):
        return infer(node.source, names, depth - 1)
    if isinstance(node, ListOf):
        return ListType(infer(node.items[0], names, depth - 1) if node.items else ANY)
    if isinstance(node, ContextOf):
        return ContextType({name: infer(value, names, depth - 4 if depth > 4 else 0) for name, value in node.entries})
    if isinstance(node, Call):
        return result_of(infer(node.function, names, depth - 1))
    return infer(node.then, names, depth - 1) if isinstance(node, If) else ANY


def step(type_: AnyType, name: str) -> AnyType:
    """The type of `value.name`."""
    return field_type(type_, name) or ANY


def result_of(type_: AnyType) -> AnyType:
    """The type of what a function of this type gives."""
    base = base_of(type_)
    return base.result if isinstance(base, FunctionType) else ANY


def element_of(type_: AnyType) -> AnyType:
    """The type of the items when a value of this type is filtered or iterated: a single value is a list of itself."""
    base = base_of(type_)
    return base.element if isinstance(base, (ListType, RangeType)) else type_


def fields_of(type_: AnyType) -> ContextType | None:
    """The context type whose fields a path may name: through lists, as 10.3.2.13.2 says."""
    base = base_of(type_)
    while isinstance(base, ListType):
        base = base_of(base.element)
    return base if isinstance(base, ContextType) else None


def written(type_: TypeName | None, names: NameScope) -> AnyType:
    """A type as it is written, as far as it is known."""
    if type_ is None:
        return ANY
    if type_.name == "list" and type_.arguments:
        return ListType(written(type_.arguments[0], names))
    if type_.name == "function" and type_.arguments:
        return FunctionType(None, written(type_.arguments[-1], names))
    if type_.name == "context" and type_.fields:
        return ContextType({name: written(field, names) for name, field in type_.fields})
    found = names.type_lookup(type_.name) if names.type_lookup is not None else None
    return found or BUILT_IN.get(type_.name, ANY)
