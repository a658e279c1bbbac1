"""FEEL's text of a tree, with parentheses where the grammar needs them.

    show(parse_expression("a+b  * 2", names)) == "a + b * 2"

What is shown parses to the same tree, where the scope has the names of several parts that the tree has and no others that the
text would make (`a - b` where `a-b` is in scope). Names and types are shown as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from modelyard.dmn.feel.names import WORD
from modelyard.dmn.feel.numbers import text_of
from modelyard.dmn.feel.syntax import (
    And,
    Arithmetic,
    At,
    Between,
    Boolean,
    Call,
    Compare,
    Comparison,
    ContextOf,
    Expr,
    Filter,
    For,
    Function,
    If,
    In,
    InstanceOf,
    Iteration,
    ListOf,
    Matches,
    Name,
    Negation,
    Node,
    Null,
    Number,
    Or,
    Path,
    Quantified,
    RangeOf,
    String,
    Test,
    TypeName,
    UnaryTests,
)

_WHOLE, _OR, _AND, _COMPARED, _SUM, _PRODUCT, _POWER, _SIGN, _INSTANCE, _POSTFIX, _ATOM = range(11)
_ARITHMETIC = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}
_UNFINISHED = ("list", "range", "context", "function", "date", "days", "years")
"""Types that what follows could lengthen: `list` by `<`, `date` by `and time`."""
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def show(node: Expr | UnaryTests | TypeName | Test) -> str:
    """The text of an expression, of unary tests or of a type.

    Raises ValueError for an interval without ends, which FEEL cannot write."""
    return _tests(node) if isinstance(node, UnaryTests) else _show(node)


def _show(node: Node, least: int = _WHOLE) -> str:
    """The node's text, in parentheses if it binds looser than `least`."""
    text = _chain(node) if isinstance(node, (Or, And, Arithmetic)) else _SHOWN[type(node)](node)
    return f"({text})" if _level(node) < least else text


def _level(node: Node) -> int:
    if isinstance(node, Arithmetic):
        return _ARITHMETIC[node.operator]
    if isinstance(node, InstanceOf) and _type(node.type).endswith(_UNFINISHED):
        return _WHOLE
    return _LEVELS.get(type(node), _ATOM)


def _chain(node: Or | And | Arithmetic) -> str:
    """Operators that associate to the left, without recursion along the left side: chains are long."""
    parts: list[str] = []
    here: Expr = node
    level = _level(node)
    while isinstance(here, (Or, And, Arithmetic)) and _level(here) >= level:
        level = _level(here)
        right = _show(here.right, level + 1)
        parts.append(f"and {_apart(right)}" if isinstance(here, And) else f"{_operator(here)} {right}")
        here = here.left
    parts.append(_show(here, level))
    return " ".join(reversed(parts))


def _operator(node: Or | And | Arithmetic) -> str:
    return node.operator if isinstance(node, Arithmetic) else "or"


def _apart(text: str) -> str:
    """Text for after `and` that does not make `date and time` or `years and months duration` of what is before it."""
    return f"({text})" if text.startswith(("time", "months")) else text


def _join(nodes: Iterable[Node]) -> str:
    return ", ".join(map(_show, nodes))


def _string(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _negation(node: Negation) -> str:
    text = _show(node.value, _SIGN)
    return f"-({text})" if text[0] in ".0123456789" else f"-{text}"


def _comparison(node: Comparison) -> str:
    return f"{_show(node.left, _SUM)} {node.operator} {_show(node.right, _SUM)}"


def _between(node: Between) -> str:
    return f"{_show(node.value, _SUM)} between {_show(node.low, _SUM)} and {_apart(_show(node.high, _SUM))}"


def _in(node: In) -> str:
    value = _show(node.value, _SUM)
    if len(node.tests) == 1:
        test = node.tests[0]
        if isinstance(test, Compare) or _plain(test.value):
            return f"{value} in {_show(test)}"
    return f"{value} in ({_join(node.tests)})"


def _plain(node: Expr) -> bool:
    """Whether a test needs no parentheses after `in`."""
    if isinstance(node, RangeOf):
        return node.low is not None and node.high is not None
    return isinstance(node, (Null, Boolean, Number, String, At, Name, ListOf, ContextOf))


def _range(node: RangeOf) -> str:
    if node.low is None and node.high is not None:
        return f"({'<=' if node.high_closed else '<'} {_show(node.high, _SUM)})"
    if node.high is None and node.low is not None:
        return f"({'>=' if node.low_closed else '>'} {_show(node.low, _SUM)})"
    if node.low is None or node.high is None:
        raise ValueError("an interval without ends has no text")
    return f"{'[' if node.low_closed else '('}{_show(node.low)}..{_show(node.high)}{']' if node.high_closed else ')'}"


def _if(node: If) -> str:
    """A chain of else if is deep on the right, and long."""
    parts: list[str] = []
    here: Expr = node
    while isinstance(here, If):
        parts.append(f"if {_show(here.condition)} then {_show(here.then)} else")
        here = here.otherwise
    return " ".join([*parts, _show(here)])


def _iteration(node: Iteration) -> str:
    until = "" if node.until is None else f"..{_show(node.until)}"
    return f"{node.name} in {_show(node.source)}{until}"


def _quantified(node: Quantified) -> str:
    return f"{'every' if node.every else 'some'} {_join(node.iterations)} satisfies {_show(node.condition)}"


def _call(node: Call) -> str:
    arguments = [_show(argument) for argument in node.arguments]
    if node.names:
        arguments = [f"{name}: {value}" for name, value in zip(node.names, arguments, strict=True)]
    return f"{_show(node.function, _POSTFIX)}({', '.join(arguments)})"


def _function(node: Function) -> str:
    parameters = ", ".join(name if type_ is None else f"{name}: {_type(type_)}" for name, type_ in node.parameters)
    return f"function({parameters}) {'external ' if node.external else ''}{_show(node.body)}"


def _context(node: ContextOf) -> str:
    return "{" + ", ".join(f"{_key(key)}: {_show(value)}" for key, value in node.entries) + "}"


def _key(key: str) -> str:
    return key if WORD.fullmatch(key) else _string(key)


def _type(node: TypeName) -> str:
    if node.name == "context" and node.fields:
        return "context<" + ", ".join(f"{name}: {_type(type_)}" for name, type_ in node.fields) + ">"
    if not node.arguments:
        return node.name
    if node.name == "function":
        return f"function<{', '.join(map(_type, node.arguments[:-1]))}> -> {_type(node.arguments[-1])}"
    return f"{node.name}<{_type(node.arguments[0])}>"


def _tests(node: UnaryTests) -> str:
    if node.negated:
        return f"not({_join(node.tests)})"
    text = _join(node.tests) or "-"
    return f"({text})" if len(node.tests) == 1 and text.startswith("not(") else text


_LEVELS: dict[type[Any], int] = {
    Or: _OR,
    And: _AND,
    Comparison: _COMPARED,
    Between: _COMPARED,
    In: _COMPARED,
    Negation: _SIGN,
    InstanceOf: _INSTANCE,
    Path: _POSTFIX,
    Filter: _POSTFIX,
    Call: _POSTFIX,
    If: _WHOLE,
    For: _WHOLE,
    Quantified: _WHOLE,
    Function: _WHOLE,
}
_SHOWN: dict[type[Any], Callable[[Any], str]] = {
    Null: lambda node: "null",
    Boolean: lambda node: "true" if node.value else "false",
    Number: lambda node: text_of(node.value),
    String: lambda node: _string(node.value),
    At: lambda node: "@" + _string(node.text),
    Name: lambda node: node.name,
    ListOf: lambda node: f"[{_join(node.items)}]",
    ContextOf: _context,
    RangeOf: _range,
    Negation: _negation,
    Comparison: _comparison,
    Between: _between,
    In: _in,
    If: _if,
    Iteration: _iteration,
    For: lambda node: f"for {_join(node.iterations)} return {_show(node.body)}",
    Quantified: _quantified,
    Path: lambda node: f"{_show(node.source, _POSTFIX)}.{node.name}",
    Filter: lambda node: f"{_show(node.source, _POSTFIX)}[{_show(node.condition)}]",
    Call: _call,
    InstanceOf: lambda node: f"{_show(node.value, _INSTANCE)} instance of {_type(node.type)}",
    Function: _function,
    TypeName: _type,
    UnaryTests: lambda node: f"({_tests(node)})",
    Compare: lambda node: f"{node.operator} {_show(node.value, _SUM)}",
    Matches: lambda node: _show(node.value),
}
