"""The abstract syntax of FEEL (DMN 1.5, chapter 10.3.1). Nodes are immutable; `at` is the offset in the source, and is no part
of a node's identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Null(Node):
    pass


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: Decimal


@dataclass(frozen=True, slots=True)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True)
class At(Node):
    """An at-literal: @"2024-01-31"."""

    text: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable or a function, by its normalised name (single spaces). `?` is the name "?"."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ContextOf(Node):
    """Later entries see earlier ones."""

    entries: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class RangeOf(Node):
    """An interval. An end that is None is open towards infinity: `(< 5)` is low None, high 5."""

    low: Expr | None
    high: Expr | None
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class Negation(Node):
    value: Expr


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """operator: + - * / **"""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """operator: = != < <= > >="""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Between(Node):
    value: Expr
    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True)
class In(Node):
    """value in tests: any of the tests holds for the value."""

    value: Expr
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class And(Node):
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Or(Node):
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Iteration(Node):
    """`name in source`; `until` is the upper end of `name in source..until`, else None."""

    name: str
    source: Expr
    until: Expr | None = None


@dataclass(frozen=True, slots=True)
class For(Node):
    """The body sees `partial`, the list of the results so far."""

    iterations: tuple[Iteration, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    """`every` if every is true, else `some`."""

    every: bool
    iterations: tuple[Iteration, ...]
    condition: Expr


@dataclass(frozen=True, slots=True)
class Path(Node):
    source: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """source[condition]: a filter over `item` and its entries, or an index."""

    source: Expr
    condition: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """Positional (`names` is empty) or named (as many names as arguments)."""

    function: Expr
    arguments: tuple[Expr, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceOf(Node):
    value: Expr
    type: TypeName


@dataclass(frozen=True, slots=True)
class Function(Node):
    """function(a: type, b) body. `external` functions (Java, PMML) parse, and give null when called."""

    parameters: tuple[tuple[str, TypeName | None], ...]
    body: Expr
    external: bool = False


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """A type as written. `arguments` and `fields` belong to the generic ones:

    list<T>                 name "list", arguments (T,)
    range<T>                name "range", arguments (T,)
    context<a: T, b: U>     name "context", fields (("a", T), ("b", U))
    function<T, U> -> R     name "function", arguments (T, U, R)
    anything else           a built-in type ("number", "days and time duration") or an item definition ("tns.tLoan")
    """

    name: str
    arguments: tuple[TypeName, ...] = ()
    fields: tuple[tuple[str, TypeName], ...] = ()


@dataclass(frozen=True, slots=True)
class UnaryTests(Node):
    """A cell of a decision table, allowed values, or the right side of `in`. Empty `tests` is "-": everything passes.

    `negated` is `not(…)`: none of the tests holds."""

    tests: tuple[Test, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """The positive unary test `< 5`, `>= x`, `= y`, `!= z`: the operator applied to the tested value."""

    operator: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Matches(Node):
    """The positive unary test that is an expression. It holds when the expression, evaluated with `?` as the tested value, is
    true and mentions `?`; or equals the tested value; or is a range or a list that has the tested value in it (10.3.2.7)."""

    value: Expr


Test = Compare | Matches
Expr = (
    Null | Boolean | Number | String | At | Name | ListOf | ContextOf | RangeOf | Negation | Arithmetic | Comparison | Between
    | In | And | Or | If | For | Quantified | Path | Filter | Call | InstanceOf | Function | UnaryTests
)  # fmt: skip
