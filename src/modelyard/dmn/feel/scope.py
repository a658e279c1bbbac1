"""Static scopes: which names are known at a place of the model, and where their values will be.

At run time a scope is an environment: a list of which the first entry is the enclosing environment (or None), the second the
`Run`, and the rest the values of the scope's names in order. A name is found by how many environments to go up, and its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelyard.dmn.feel.parser import NameScope
from modelyard.dmn.feel.syntax import TypeName
from modelyard.dmn.feel.types import ANY, BUILT_IN, AnyType, ContextType, FunctionType, ListType, RangeType
from modelyard.dmn.feel.values import Value

Env = list[Any]
Code = Callable[[Env], Value]
Matcher = Callable[[Env, Value], bool | None]
Report = Callable[[str], None]
TypeLookup = Callable[[str], AnyType | None]

FIRST = 2
"""Where the values of an environment begin."""


@dataclass(frozen=True, slots=True)
class Found:
    """A name: how many environments up, the place there, its type. `through` are the depths of the filters that were passed on
    the way: at run time the entries of their items come first, even before `item` itself (10.3.2.5)."""

    depth: int
    place: int
    type: AnyType
    through: tuple[int, ...] = ()


class Scope:
    """Names in order of their places. `filtering` says that this is a filter's scope, where the entries of `item` are names.

    `shapes` tells what the parser may take names to be, where their types are not declared: it serves to read paths, and promises
    nothing of the values."""

    def __init__(
        self,
        names: Mapping[str, AnyType],
        parent: Scope | None = None,
        *,
        filtering: bool = False,
        shapes: Mapping[str, AnyType] | None = None,
        type_lookup: TypeLookup | None = None,
    ) -> None:
        self.parent, self.filtering = parent, filtering
        self.places = {name: FIRST + index for index, name in enumerate(names)}
        self.types = dict(names)
        self._next = FIRST + len(self.places)
        self.names: NameScope = NameScope({**names, **(shapes or {})}, parent.names if parent else None, type_lookup)
        self._lookup = type_lookup

    def declare(self, name: str, type_: AnyType) -> None:
        """Add a name, at the place after the last one, for what is read from now on."""
        self.places[name] = self._next
        self._next += 1
        self.types[name] = type_
        self.names.define(name, type_)

    def find(self, name: str) -> Found | tuple[int, ...]:
        """The name; or the depths of the filters that were passed, when it is not known."""
        through: list[int] = []
        scope: Scope | None = self
        depth = 0
        while scope is not None:
            if scope.filtering:
                through.append(depth)
            place = scope.places.get(name)
            if place is not None:
                return Found(depth, place, scope.types[name], tuple(through))
            scope, depth = scope.parent, depth + 1
        return tuple(through)

    def type_named(self, name: str) -> AnyType | None:
        """An item definition's type, or a built-in one; None when there is no such type."""
        scope: Scope | None = self
        while scope is not None:
            if scope._lookup is not None:
                found = scope._lookup(name)
                if found is not None:
                    return found
            scope = scope.parent
        return BUILT_IN.get(name)

    def resolve(self, written: TypeName | None) -> AnyType | None:
        """The type as written in an expression; None when some part of it is not known."""
        if written is None:
            return ANY
        inner = [self.resolve(argument) for argument in written.arguments]
        if any(found is None for found in inner):
            return None
        known = [found for found in inner if found is not None]
        if written.name == "list" and known:
            return ListType(known[0])
        if written.name == "range" and known:
            return RangeType(known[0])
        if written.name == "function" and known:
            return FunctionType(tuple(known[:-1]), known[-1])
        if written.name == "context" and written.fields:
            fields = {name: self.resolve(type_) for name, type_ in written.fields}
            return None if None in fields.values() else ContextType({n: t for n, t in fields.items() if t is not None})
        return self.type_named(written.name)
