"""FEEL's syntax to closures: each node becomes a function of the environment, made once and called many times.

    code = compile_expression(parse_expression("a + 1", scope.names), scope, report)
    code([None, run, Decimal(41)])

What can be known beforehand is told to `report`: unknown names, functions and types. Evaluating such a part gives null."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import repeat
from operator import itemgetter
from typing import Any

from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel import syntax, temporal
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.feel.builtins.conversions import set_range_reader
from modelyard.dmn.feel.builtins.registry import Builtin
from modelyard.dmn.feel.functions import Closure, External
from modelyard.dmn.feel.iterations import compile_for, compile_quantified
from modelyard.dmn.feel.numbers import CONTEXT, TRAPPED
from modelyard.dmn.feel.operators import ARITHMETIC, COMPARISON, NUMBERS, greater_or_equal, less_or_equal, negate, undecided
from modelyard.dmn.feel.parser import parse_expression
from modelyard.dmn.feel.scope import FIRST, Code, Env, Found, Matcher, Report, Scope
from modelyard.dmn.feel.selection import compile_filter, path_of
from modelyard.dmn.feel.semantics import compare, shown
from modelyard.dmn.feel.syntax import Expr
from modelyard.dmn.feel.types import ANY, ANY_FUNCTION, NULL, AnyType, is_instance
from modelyard.dmn.feel.unary import matcher_of, unary_tests
from modelyard.dmn.feel.values import Range, Value
from modelyard.dmn.run import Limits, Run, system_clock

__all__ = [
    "BUILT_IN_NAMES",
    "Code",
    "Env",
    "Matcher",
    "Report",
    "Scope",
    "compile_expression",
    "compile_tests",
    "constant",
    "root_scope",
]

BUILT_IN_NAMES: dict[str, AnyType] = dict.fromkeys(FUNCTIONS, ANY_FUNCTION)
SHORT_CHAIN = 8
_PURE = frozenset({"date", "time", "date and time", "duration", "years and months duration", "number", "string"})


class _Root(Scope):
    """The built-in functions: names without a place, since their values are known when compiling."""

    def __init__(self) -> None:
        super().__init__(BUILT_IN_NAMES)
        self.places = {}


_ROOT = _Root()


def _range_of_text(run: Run, text: str) -> Range | None:
    """`range("[1..5]")`: a range literal with both ends, in order, which are literals or conversions of string literals
    (10.3.4.1)."""
    try:
        node = parse_expression(_closed(text), _ROOT.names, run.limits)
    except (FeelSyntaxError, LimitExceeded) as error:
        return run.null(f"range() cannot read {text!r:.60}: {error}")
    unary = _closed(text) != text.strip()
    if isinstance(node, syntax.RangeOf) and (unary or (_is_literal(node.low) and _is_literal(node.high))):
        known, value = constant(node, _ROOT)
        if known and (unary or (compare(value.low, value.high) or 0) <= 0):
            return value
    return run.null(f"{text!r:.60} is no range from one literal to another")


def _closed(text: str) -> str:
    """A range literal that lacks an end, which only `range()` knows, as the unary range that it is: `[2..)` is `(>=2)`."""
    text = text.strip()
    if text[:1] in ("[", "(", "]") and text[-1:] == ")" and text[:-1].rstrip().endswith(".."):
        return f"({'>=' if text[0] == '[' else '>'} {text[1:-1].rstrip()[:-2]})"
    if text[:1] == "(" and text[-1:] in ("]", ")", "[") and text[1:].lstrip().startswith(".."):
        return f"({'<=' if text[-1] == ']' else '<'} {text[1:-1].lstrip()[2:]})"
    return text


def _is_literal(end: Expr | None) -> bool:
    if isinstance(end, syntax.Call):
        return all(isinstance(argument, syntax.String) for argument in end.arguments)
    return end is not None


set_range_reader(_range_of_text)


def root_scope() -> Scope:
    """The outermost scope: the built-in functions. It has no environment; a scope below it has None as its enclosing one."""
    return _ROOT


def compile_expression(node: Expr, scope: Scope, report: Report) -> Code:
    """The code of an expression in a scope."""
    known, value = constant(node)
    if known and not isinstance(value, (list, dict)):
        return lambda env: value
    return _COMPILERS[type(node)](node, scope, report)


def compile_tests(node: syntax.UnaryTests, scope: Scope, report: Report, type_: AnyType = ANY) -> Matcher:
    """The code of unary tests; `type_` is the type of the tested value."""
    return unary_tests(node, scope, report, compile_expression, type_)


def constant(node: Expr, scope: Scope | None = None) -> tuple[bool, Value]:
    """Whether the node has the same value always, and the value. With a scope, calls of pure conversion functions count too."""
    if isinstance(node, (syntax.Number, syntax.String, syntax.Boolean)):
        return True, node.value
    if isinstance(node, syntax.Null):
        return True, None
    if isinstance(node, syntax.At):
        found = temporal.parse_temporal(node.text)
        return found is not None, found
    if isinstance(node, syntax.Negation):
        known, value = constant(node.value, scope)
        return (True, CONTEXT.minus(value)) if known and type(value) is Decimal else (False, None)
    if isinstance(node, syntax.ListOf):
        return _constant_list(node, scope)
    if isinstance(node, syntax.RangeOf):
        return _constant_range(node, scope)
    if isinstance(node, syntax.Call) and scope is not None:
        return _constant_call(node, scope)
    return False, None


def _constant_list(node: syntax.ListOf, scope: Scope | None) -> tuple[bool, Value]:
    values = []
    for item in node.items:
        known, value = constant(item, scope)
        if not known:
            return False, None
        values.append(value)
    return True, values


def _constant_range(node: syntax.RangeOf, scope: Scope | None) -> tuple[bool, Value]:
    ends = []
    for end in (node.low, node.high):
        known, value = (True, None) if end is None else constant(end, scope)
        if not known or (end is not None and value is None):
            return False, None
        ends.append(value)
    if node.low is not None and node.high is not None and compare(ends[0], ends[1]) is None:
        return False, None
    return True, Range(ends[0], ends[1], node.low_closed, node.high_closed)


def _constant_call(node: syntax.Call, scope: Scope) -> tuple[bool, Value]:
    function = node.function
    if not isinstance(function, syntax.Name) or function.name not in _PURE or node.names or scope.find(function.name) != ():
        return False, None
    values = []
    for argument in node.arguments:
        known, value = constant(argument, scope)
        if not known or value is None:
            return False, None
        values.append(value)
    found = FUNCTIONS[function.name].call(Run(Limits(), system_clock), values)
    return found is not None, found


# --- names ----------------------------------------------------------------------------------------------------------------------


def _name(node: syntax.Name, scope: Scope, report: Report) -> Code:
    found = scope.find(node.name)
    if isinstance(found, Found):
        return _through(node.name, found.through, load(found.depth, found.place))
    builtin = FUNCTIONS.get(node.name)
    if builtin is not None:
        return _through(node.name, found, lambda env: builtin)
    if not found:
        report(f"unknown name {node.name!r}")
    text = f"{node.name!r} is not known here"
    return _through(node.name, found, lambda env: env[1].null(text))


def load(depth: int, place: int) -> Code:
    """The code that fetches a place, `depth` environments up."""
    if depth == 0:
        return itemgetter(place)
    if depth == 1:
        return lambda env: env[0][place]
    if depth == 2:
        return lambda env: env[0][0][place]

    def far(env: Env) -> Value:
        for _ in repeat(None, depth):
            env = env[0]
        return env[place]

    return far


def _through(name: str, depths: Sequence[int], otherwise: Code) -> Code:
    """Entries of the items of the filters on the way come before what is outside of them."""
    for depth in reversed(depths):
        otherwise = _entry_first(name, load(depth, FIRST), otherwise)
    return otherwise


def _entry_first(name: str, item: Code, otherwise: Code) -> Code:
    def entry(env: Env) -> Value:
        found = item(env)
        if type(found) is dict and name in found:
            return found[name]
        return otherwise(env)

    return entry


# --- values ---------------------------------------------------------------------------------------------------------------------


def _at(node: syntax.At, scope: Scope, report: Report) -> Code:
    report(f"@{node.text!r} is no date, time or duration")
    text = f"@{node.text!r} is no date, time or duration"
    return lambda env: env[1].null(text)


def _list(node: syntax.ListOf, scope: Scope, report: Report) -> Code:
    items = [compile_expression(item, scope, report) for item in node.items]

    def make(env: Env) -> Value:
        env[1].step(len(items))
        return [item(env) for item in items]

    return make


def _context(node: syntax.ContextOf, scope: Scope, report: Report) -> Code:
    names = {name: ANY for name, _ in node.entries}
    if len(names) < len(node.entries):
        report("a context has two entries of the same name")
        return lambda env: env[1].null("a context has two entries of the same name")
    entries = []
    seen = Scope({}, scope)
    for name, value in node.entries:
        if isinstance(value, syntax.Function):
            seen.declare(name, ANY)
        entries.append((name, compile_expression(value, seen, report)))
        if not isinstance(value, syntax.Function):
            seen.declare(name, ANY)

    def make(env: Env) -> Value:
        inner: Env = [env, env[1]]
        made = {}
        for name, code in entries:
            made[name] = value = code(inner)
            inner.append(value)
        return made

    return make


def _range(node: syntax.RangeOf, scope: Scope, report: Report) -> Code:
    low = compile_expression(node.low, scope, report) if node.low is not None else None
    high = compile_expression(node.high, scope, report) if node.high is not None else None
    low_closed, high_closed = node.low_closed, node.high_closed

    def make(env: Env) -> Value:
        from_, to = low(env) if low else None, high(env) if high else None
        if (low and from_ is None) or (high and to is None):
            return env[1].null("an end of a range is null")
        if low and high and compare(from_, to) is None:
            return env[1].null(f"a range cannot go from {shown(from_)} to {shown(to)}")
        return Range(from_, to, low_closed, high_closed)

    return make


# --- operators ------------------------------------------------------------------------------------------------------------------


def _negation(node: syntax.Negation, scope: Scope, report: Report) -> Code:
    value = compile_expression(node.value, scope, report)
    return lambda env: negate(env[1], value(env))


def _arithmetic(node: syntax.Arithmetic, scope: Scope, report: Report) -> Code:
    """A long chain of operators to the left is one loop, so that long sums do not recurse."""
    steps = []
    first: Expr = node
    while isinstance(first, syntax.Arithmetic):
        steps.append((first.operator, compile_expression(first.right, scope, report)))
        first = first.left
    code = start = compile_expression(first, scope, report)
    steps.reverse()
    if len(steps) <= SHORT_CHAIN:
        for operator, right in steps:
            code = _operation(operator, code, right)
        return code
    operations = [(ARITHMETIC[operator], right) for operator, right in steps]

    def chain(env: Env) -> Value:
        run, value = env[1], start(env)
        for operator, right in operations:
            value = operator(run, value, right(env))
        return value

    return chain


def _operation(operator: str, left: Code, right: Code) -> Code:
    """One operator, with the short way for numbers; whatever traps goes the general way, which says why it is null."""
    general, numbers = ARITHMETIC[operator], NUMBERS.get(operator)
    if numbers is None:
        return lambda env: general(env[1], left(env), right(env))

    def operation(env: Env) -> Value:
        a, b = left(env), right(env)
        if type(a) is Decimal and type(b) is Decimal:
            try:
                return numbers(a, b)
            except TRAPPED:
                return general(env[1], a, b)
        return general(env[1], a, b)

    return operation


def _comparison(node: syntax.Comparison, scope: Scope, report: Report) -> Code:
    operator = COMPARISON[node.operator]
    left, right = compile_expression(node.left, scope, report), compile_expression(node.right, scope, report)
    return lambda env: operator(env[1], left(env), right(env))


def _between(node: syntax.Between, scope: Scope, report: Report) -> Code:
    value, low, high = (compile_expression(part, scope, report) for part in (node.value, node.low, node.high))

    def between(env: Env) -> bool | None:
        run, found = env[1], value(env)
        above, below = greater_or_equal(run, found, low(env)), less_or_equal(run, found, high(env))
        if above is False or below is False:
            return False
        return None if above is None or below is None else True

    return between


def _in(node: syntax.In, scope: Scope, report: Report) -> Code:
    value = compile_expression(node.value, scope, report)
    matches = [matcher_of(test, scope, report, compile_expression, strict=True) for test in node.tests]

    def within(env: Env) -> bool | None:
        found, unknown = value(env), False
        for match in matches:
            held = match(env, found)
            if held:
                return True
            unknown = unknown or held is None
        return env[1].null(f"whether {shown(found)} is in it cannot be told") if unknown else False

    return within


def _chain(node: syntax.And | syntax.Or, scope: Scope, report: Report) -> list[Code]:
    kind, parts = type(node), []
    first: Expr = node
    while isinstance(first, kind):
        parts.append(compile_expression(first.right, scope, report))
        first = first.left
    parts.append(compile_expression(first, scope, report))
    return parts[::-1]


def _and(node: syntax.And, scope: Scope, report: Report) -> Code:
    parts = _chain(node, scope, report)

    def conjunction(env: Env) -> bool | None:
        unknown, odd = False, None
        for part in parts:
            held = part(env)
            if held is False:
                return False
            if held is not True:
                unknown, odd = True, odd if held is None else held
        return undecided(env[1], "and", odd) if unknown else True

    return conjunction


def _or(node: syntax.Or, scope: Scope, report: Report) -> Code:
    parts = _chain(node, scope, report)

    def disjunction(env: Env) -> bool | None:
        unknown, odd = False, None
        for part in parts:
            held = part(env)
            if held is True:
                return True
            if held is not False:
                unknown, odd = True, odd if held is None else held
        return undecided(env[1], "or", odd) if unknown else False

    return disjunction


def _if(node: syntax.If, scope: Scope, report: Report) -> Code:
    branches: list[tuple[Code, Code]] = []
    rest: Expr = node
    while isinstance(rest, syntax.If):
        branches.append((compile_expression(rest.condition, scope, report), compile_expression(rest.then, scope, report)))
        rest = rest.otherwise
    otherwise = compile_expression(rest, scope, report)

    def choose(env: Env) -> Value:
        for condition, then in branches:
            held = condition(env)
            if held is True:
                return then(env)
            if held is not False and held is not None:
                env[1].warn(f"the condition of an if is {shown(held)}, which counts as false")
        return otherwise(env)

    return choose


def _instance_of(node: syntax.InstanceOf, scope: Scope, report: Report) -> Code:
    value, type_ = compile_expression(node.value, scope, report), scope.resolve(node.type)
    if type_ is None:
        report(f"unknown type {node.type.name!r}")
        text = f"the type {node.type.name!r} is not known"
        return lambda env: env[1].null(text)
    if type_ == ANY:
        return lambda env: value(env) is not None
    if type_ == NULL:
        return lambda env: value(env) is None
    return lambda env: is_instance(value(env), type_, env[1])


# --- access and calls -----------------------------------------------------------------------------------------------------------


def _path(node: syntax.Path, scope: Scope, report: Report) -> Code:
    source, name = compile_expression(node.source, scope, report), node.name
    return lambda env: path_of(env[1], source(env), name)


def _filter(node: syntax.Filter, scope: Scope, report: Report) -> Code:
    return compile_filter(node, scope, report, compile_expression, constant)


def _for(node: syntax.For, scope: Scope, report: Report) -> Code:
    return compile_for(node, scope, report, compile_expression)


def _quantified(node: syntax.Quantified, scope: Scope, report: Report) -> Code:
    return compile_quantified(node, scope, report, compile_expression)


def _function(node: syntax.Function, scope: Scope, report: Report) -> Code:
    names = tuple(name for name, _ in node.parameters)
    types = []
    for name, written in node.parameters:
        type_ = scope.resolve(written)
        if type_ is None:
            report(f"unknown type of parameter {name!r}")
        types.append(type_ or ANY)
    if node.external:
        made = External("function", names, tuple(types), "Java or PMML")
        return lambda env: made
    body = compile_expression(node.body, Scope(dict(zip(names, types, strict=True)), scope), report)
    kinds = tuple(types)
    return lambda env: Closure("function", names, kinds, ANY, body, env)


def _call(node: syntax.Call, scope: Scope, report: Report) -> Code:
    arguments = [compile_expression(argument, scope, report) for argument in node.arguments]
    builtin = _builtin_of(node.function, scope)
    if builtin is not None and not node.names:
        return _direct(builtin, arguments)
    if isinstance(node.function, syntax.Name) and scope.find(node.function.name) == () and builtin is None:
        report(f"unknown function {node.function.name!r}")
        text = f"the function {node.function.name!r} is not known"
        return lambda env: env[1].null(text)
    function = compile_expression(node.function, scope, report)
    names = node.names
    if names and len(set(names)) < len(names):
        report("a call names a parameter twice")
        return lambda env: env[1].null("a call names a parameter twice")
    if names:
        return lambda env: call(env[1], function(env), {n: a(env) for n, a in zip(names, arguments, strict=True)})
    return lambda env: call(env[1], function(env), [argument(env) for argument in arguments])


def _builtin_of(function: Expr, scope: Scope) -> Builtin | None:
    if not isinstance(function, syntax.Name) or scope.find(function.name) != ():
        return None
    return FUNCTIONS.get(function.name)


def _direct(builtin: Builtin, arguments: Sequence[Code]) -> Code:
    apply = builtin.call
    if len(arguments) == 1:
        only = arguments[0]
        return lambda env: apply(env[1], (only(env),))
    if len(arguments) == 2:
        first, second = arguments
        return lambda env: apply(env[1], (first(env), second(env)))
    return lambda env: apply(env[1], [argument(env) for argument in arguments])


def call(run: Any, function: Value, arguments: list[Value] | dict[str, Value]) -> Value:
    """Apply a value that should be a function."""
    if not hasattr(function, "call"):
        return run.null(f"{shown(function)} is not a function")
    if isinstance(arguments, dict):
        return function.call_named(run, arguments)
    return function.call(run, arguments)


def _tests(node: syntax.UnaryTests, scope: Scope, report: Report) -> Code:
    """`(=5)` and `(!=5)` as values."""
    test = node.tests[0]
    operator = test.operator if isinstance(test, syntax.Compare) else "="
    value = compile_expression(test.value, scope, report)

    def make(env: Env) -> Value:
        found = value(env)
        return env[1].null("an end of a range is null") if found is None else Range(found, found, True, True, operator)

    return make


def _never(node: Any, scope: Scope, report: Report) -> Code:
    raise AssertionError("constants are compiled before")


_COMPILERS: dict[type, Callable[[Any, Scope, Report], Code]] = {
    syntax.Null: _never,
    syntax.Boolean: _never,
    syntax.Number: _never,
    syntax.String: _never,
    syntax.At: _at,
    syntax.Name: _name,
    syntax.ListOf: _list,
    syntax.ContextOf: _context,
    syntax.RangeOf: _range,
    syntax.Negation: _negation,
    syntax.Arithmetic: _arithmetic,
    syntax.Comparison: _comparison,
    syntax.Between: _between,
    syntax.In: _in,
    syntax.And: _and,
    syntax.Or: _or,
    syntax.If: _if,
    syntax.For: _for,
    syntax.Quantified: _quantified,
    syntax.Path: _path,
    syntax.Filter: _filter,
    syntax.Call: _call,
    syntax.InstanceOf: _instance_of,
    syntax.Function: _function,
    syntax.UnaryTests: _tests,
}
