"""Unary tests: cells of decision tables, allowed values, the right side of `in` (DMN 1.5, 7.3.3 and 10.3.2.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.operators import COMPARISON
from modelyard.dmn.feel.scope import Code, Env, Matcher, Report, Scope
from modelyard.dmn.feel.semantics import contains, equal
from modelyard.dmn.feel.syntax import Expr
from modelyard.dmn.feel.types import ANY, AnyType
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Run

Compile = Callable[[Expr, Scope, Report], Code]


def unary_tests(
    node: syntax.UnaryTests, scope: Scope, report: Report, compile_expression: Compile, type_: AnyType = ANY
) -> Matcher:
    """Whether a value passes: any of the tests holds, or none of them when negated. No tests at all let everything pass."""
    matches = [matcher_of(test, scope, report, compile_expression, type_) for test in node.tests]
    if not matches:
        return lambda env, value: True
    if node.negated:
        return _negated(matches)
    if len(matches) == 1:
        return matches[0]

    def any_of(env: Env, value: Value) -> bool | None:
        unknown = False
        for match in matches:
            held = match(env, value)
            if held:
                return True
            unknown = unknown or held is None
        return None if unknown else False

    return any_of


def _negated(matches: list[Matcher]) -> Matcher:
    def none_of(env: Env, value: Value) -> bool | None:
        unknown = False
        for match in matches:
            held = match(env, value)
            if held:
                return False
            unknown = unknown or held is None
        return None if unknown else True

    return none_of


def matcher_of(
    test: syntax.Test, scope: Scope, report: Report, compile_expression: Compile, type_: AnyType = ANY, *, strict: bool = False
) -> Matcher:
    """One test. `strict` is that of `in`, where an expression is a value to compare with, not a condition of its own."""
    if isinstance(test, syntax.Compare):
        operator = COMPARISON[test.operator]
        if mentions(test.value, "?"):
            own = compile_expression(test.value, Scope({"?": type_}, scope), report)
            return lambda env, value: operator(env[1], value, own([env, env[1], value]))
        limit = compile_expression(test.value, scope, report)
        return lambda env, value: operator(env[1], value, limit(env))
    if mentions(test.value, "?"):
        return _condition(compile_expression(test.value, Scope({"?": type_}, scope), report))
    code = compile_expression(test.value, scope, report)
    if isinstance(test.value, syntax.RangeOf):
        return _within(code)
    strict = strict or isinstance(test.value, syntax.Boolean)
    return lambda env, value: _holds(env[1], value, code(env), strict)


def _within(code: Code) -> Matcher:
    def held(env: Env, value: Value) -> bool | None:
        found = code(env)
        return None if found is None else contains(found, value)

    return held


def _condition(condition: Code) -> Matcher:
    def held(env: Env, value: Value) -> bool | None:
        found = condition([env, env[1], value])
        return found if found is True or found is False or found is None else _holds(env[1], value, found, True)

    return held


def _holds(run: Run, value: Value, found: Value, strict: bool) -> bool | None:
    if type(found) is Range:
        return contains(found, value)
    if type(found) is list:
        return value_in_list(run, value, found)
    if type(found) is bool and not strict and type(value) is not bool:
        return found
    return equal(value, found, run)


def value_in_list(run: Run, value: Value, items: list[Value]) -> bool | None:
    """Whether the value is an element, is in a range that is an element, or is the list itself."""
    if type(value) is list and equal(value, items, run):
        return True
    unknown = False
    run.step(len(items))
    for item in items:
        held = contains(item, value) if type(item) is Range and type(value) is not Range else equal(value, item, run)
        if held:
            return True
        unknown = unknown or (held is None and type(item) is Range)
    return None if unknown else False


def mentions(node: Any, name: str) -> bool:
    """Whether a name occurs anywhere in the syntax."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, syntax.Name):
            if found.name == name:
                return True
        elif isinstance(found, tuple):
            waiting.extend(found)
        elif is_dataclass(found):
            waiting.extend(getattr(found, part.name) for part in fields(found))
    return False
