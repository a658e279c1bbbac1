"""Boxed expressions to closures (DMN 1.5, chapters 7, 8 and 10.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from modelyard.dmn import model
from modelyard.dmn.errors import DmnError, FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.compiler import Code, Env, Matcher, Scope, call, compile_expression, compile_tests
from modelyard.dmn.feel.functions import Closure, External
from modelyard.dmn.feel.inference import element_of, fields_of, infer, result_of
from modelyard.dmn.feel.iterations import elements, turns
from modelyard.dmn.feel.names import NameScope
from modelyard.dmn.feel.operators import undecided
from modelyard.dmn.feel.parser import parse_expression, parse_unary_tests
from modelyard.dmn.feel.selection import element
from modelyard.dmn.feel.semantics import coerce, shown
from modelyard.dmn.feel.types import ANY, AnyType, ContextType, FunctionType, ListType, base_of, class_of
from modelyard.dmn.feel.values import Value
from modelyard.dmn.item_types import ItemTypes
from modelyard.dmn.run import Limits
from modelyard.dmn.tables import TableInfo, compile_table

FEEL_LANGUAGE = "FEEL"
NOWHERE = model.Place()


class Compiler:
    """Compiles the expressions of one file. What is wrong is kept in `problems`, and gives null when evaluated."""

    def __init__(self, file: str | None, limits: Limits) -> None:
        self.file, self.limits = file, limits
        self.problems: list[DmnError] = []
        self.tables: list[TableInfo] = []
        self._shapes: dict[int, AnyType] = {}
        self.types: ItemTypes
        self.owner = ""

    def problem(self, detail: str, place: model.Place) -> None:
        """Keep a finding that makes some part of the model unusable."""
        self.problems.append(DmnError(detail, file=place.file or self.file, element=place.element, line=place.line))

    def shape(self, node: model.Expression | None) -> AnyType:
        """What the value of an expression that is compiled already looks like, declared or not: for reading paths to its entries
        (`Scope.shapes`)."""
        return self._shapes.get(id(node), ANY)

    def type(self, type_ref: str | None, place: model.Place = NOWHERE) -> AnyType:
        return self.types.named(type_ref, place)

    def node(self, owner: str, expression: model.Expression | None, scope: Scope, type_: AnyType, place: model.Place) -> Code:
        """The expression of a decision or a function, called `owner`."""
        self.owner = owner
        if expression is None:
            return broken("there is no decision logic")
        return self.expression(expression, scope, type_)

    def expression(self, node: model.Expression | None, scope: Scope, type_: AnyType = ANY) -> Code:
        """The code of a boxed expression, its value coerced to a type."""
        if node is None:
            return broken("an expression is missing")
        code = self._compiled(node, scope)
        own = (
            self.type(node.type_ref, node.place) if not isinstance(node, (model.DecisionTable, model.FunctionDefinition)) else ANY
        )
        if own is not ANY:
            self._shapes[id(node)] = own
        code = coerced(code, own, f"the value of {node.place.element!r}" if node.place.element else "a value")
        return code if type_ is ANY or type_ == own else coerced(code, type_, "the value")

    def _compiled(self, node: model.Expression, scope: Scope) -> Code:
        compilers: dict[type, Callable[[Any, Scope], Code]] = {
            model.LiteralExpression: self._literal,
            model.DecisionTable: lambda table, around: compile_table(table, around, self, self.owner),
            model.Context: self._context,
            model.Relation: self._relation,
            model.ListExpression: self._list,
            model.FunctionDefinition: lambda function, around: self.function("function", function, around),
            model.Invocation: self._invocation,
            model.Conditional: self._conditional,
            model.FilterExpression: self._filter,
            model.Iterator: self._iterator,
        }
        return compilers[type(node)](node, scope)

    def _literal(self, node: model.LiteralExpression, scope: Scope) -> Code:
        if node.language is not None and FEEL_LANGUAGE not in node.language.upper():
            self.problem(f"the expression language {node.language!r} is not FEEL", node.place)
            return broken(f"the expression language {node.language!r} is not FEEL")
        return self.literal(node.text or "", scope, node)

    def literal(self, text: str, scope: Scope, at: model.Element) -> Code:
        """The code of FEEL text. Text that is no FEEL is a problem."""
        if not text.strip():
            self.problem("the expression is empty", at.place)
            return broken("the expression is empty")
        try:
            parsed = parse_expression(text, scope.names, self.limits)
            self._shapes[id(at)] = infer(parsed, scope.names)
            return compile_expression(parsed, scope, lambda detail: self.problem(f"{detail} in {_short(text)}", at.place))
        except (FeelSyntaxError, LimitExceeded) as error:
            self.problem(f"{_short(text)} is not FEEL: {error}", at.place)
            return broken(f"{_short(text)} is not FEEL")

    def parse_tests(self, tests: model.UnaryTests | None, scope: Scope, type_: AnyType = ANY) -> syntax.UnaryTests | None:
        """Unary tests of a value of some type as syntax; None without any, or when they are no FEEL, which is a problem."""
        if tests is None or tests.text is None or not tests.text.strip():
            return None
        try:
            names = scope.names if fields_of(type_) is None else NameScope({"?": type_}, scope.names)
            return parse_unary_tests(tests.text, names, self.limits)
        except (FeelSyntaxError, LimitExceeded) as error:
            self.problem(f"{_short(tests.text)} is no unary test: {error}", tests.place)
            return None

    def tests(self, node: syntax.UnaryTests, scope: Scope, at: model.Element, type_: AnyType = ANY) -> Matcher:
        return compile_tests(node, scope, lambda detail: self.problem(detail, at.place), type_)

    # --- the other boxes ----------------------------------------------------------------------------------------------------

    def _context(self, node: model.Context, scope: Scope) -> Code:
        entries: list[tuple[str, Code]] = []
        inner = Scope({}, scope)
        shapes: dict[str, AnyType] = {}
        for entry in node.entries:
            type_ = self.type(entry.type_ref, entry.place)
            if entry.name in shapes:
                self.problem(f"the context has two entries {entry.name!r}", entry.place)
            if isinstance(entry.value, model.FunctionDefinition):
                if entry.name:
                    inner.declare(entry.name, type_)
                code = self.function(entry.name or "function", entry.value, inner)
            else:
                code = self.expression(entry.value, inner)
                if entry.name:
                    inner.declare(entry.name, type_)
            entries.append((entry.name, coerced(code, _result_or(type_, entry.value), f"the entry {entry.name!r}")))
            if entry.name:
                shapes[entry.name] = self.shape(entry.value) if type_ is ANY else type_
                inner.names.define(entry.name, shapes[entry.name])
        last = node.entries[-1] if node.entries else None
        self._shapes[id(node)] = ContextType(shapes) if last is None or last.name else self.shape(last.value)
        return _context(entries)

    def _relation(self, node: model.Relation, scope: Scope) -> Code:
        types = [self.type(column.type_ref, column.place) for column in node.columns]
        rows = []
        for row in node.rows:
            if len(row) != len(node.columns):
                self.problem(f"a row has {len(row)} cells for {len(node.columns)} columns", node.place)
            cells = zip(node.columns, types, row, strict=False)
            rows.append([(c.name, self.expression(cell, scope, t)) for c, t, cell in cells])
        self._shapes[id(node)] = ListType(ContextType({c.name: t for c, t in zip(node.columns, types, strict=True)}))
        return lambda env: [{name: code(env) for name, code in row} for row in rows]

    def _list(self, node: model.ListExpression, scope: Scope) -> Code:
        items = [self.expression(item, scope) for item in node.items]
        self._shapes[id(node)] = ListType(self.shape(node.items[0]) if node.items else ANY)
        return _list(items)

    def function(self, name: str, node: model.FunctionDefinition, scope: Scope, result: AnyType = ANY) -> Code:
        """The code that makes a function of its definition."""
        names = tuple(p.name for p in node.parameters)
        types = tuple(self.type(p.type_ref, p.place) for p in node.parameters)
        if len(set(names)) < len(names):
            self.problem(f"the function {name!r} has two parameters of the same name", node.place)
        if node.kind is not model.FunctionKind.FEEL:
            external = External(name, names, types, node.kind.value)
            return lambda env: external
        own = self.type(node.type_ref, node.place)
        if result is ANY and not isinstance(base_of(own), FunctionType):
            result = own
        body = self.expression(node.body, Scope(dict(zip(names, types, strict=False)), scope)) if node.body else _no_body(name)
        self._shapes[id(node)] = FunctionType(types, self.shape(node.body) if result is ANY else result)
        return lambda env: Closure(name, names, types, result, body, env)

    def _invocation(self, node: model.Invocation, scope: Scope) -> Code:
        function = self.expression(node.function, scope)
        self._shapes[id(node)] = result_of(self.shape(node.function))
        bindings = [(p.name, self.expression(v, scope, self.type(p.type_ref, p.place))) for p, v in node.bindings]
        return lambda env: call(env[1], function(env), {name: code(env) for name, code in bindings})

    def _conditional(self, node: model.Conditional, scope: Scope) -> Code:
        condition = self.expression(node.condition, scope)
        then, otherwise = self.expression(node.then, scope), self.expression(node.otherwise, scope)
        self._shapes[id(node)] = self.shape(node.then)
        return lambda env: then(env) if condition(env) is True else otherwise(env)

    def _filter(self, node: model.FilterExpression, scope: Scope) -> Code:
        source = self.expression(node.source, scope)
        shape = self._shapes[id(node)] = self.shape(node.source)
        fields = fields_of(shape)
        shapes = {"item": element_of(shape), **(fields.fields if fields is not None else {})}
        match = self.expression(node.match, Scope({"item": ANY}, scope, filtering=True, shapes=shapes))
        return _selecting(source, match)

    def _iterator(self, node: model.Iterator, scope: Scope) -> Code:
        source = self.expression(node.source, scope, self.type(node.source_type, node.place))
        around = Scope({"partial": ANY}, scope)
        shapes = {node.variable: element_of(self.shape(node.source))}
        body = self.expression(node.body, Scope({node.variable: ANY}, around, shapes=shapes))
        self._shapes[id(node)] = ListType(self.shape(node.body)) if node.kind is model.IteratorKind.FOR else ANY
        if node.kind is model.IteratorKind.FOR:
            return _collecting(source, body, looks_back="partial" in repr(node.body))
        return _quantifying(source, body, decisive=node.kind is model.IteratorKind.SOME)


def broken(reason: str) -> Code:
    """The code of something that cannot be evaluated."""
    return lambda env: env[1].null(reason)


def coerced(code: Code, type_: AnyType, what: str) -> Code:
    """The code, its value coerced."""
    if type_ is ANY:
        return code
    class_ = class_of(type_)

    def fitting(env: Env) -> Value:
        value = code(env)
        return value if value is None or type(value) is class_ else coerce(value, type_, env[1], what)

    return fitting


def _result_or(type_: AnyType, value: model.Expression | None) -> AnyType:
    """A function's entry may be typed by the result of the function, as old files do: then it says nothing of the function."""
    is_function = isinstance(value, model.FunctionDefinition)
    return ANY if is_function and not isinstance(base_of(type_), FunctionType) else type_


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _no_body(name: str) -> Code:
    return broken(f"the function {name!r} has no body")


def _list(items: Sequence[Code]) -> Code:
    return lambda env: [item(env) for item in items]


def _context(entries: Sequence[tuple[str, Code]]) -> Code:
    def make(env: Env) -> Value:
        inner: Env = [env, env[1]]
        made = {}
        for name, code in entries:
            value = code(inner)
            if not name:
                return value
            made[name] = value
            inner.append(value)
        return made

    return make


def _selecting(source: Code, match: Code) -> Code:
    def select(env: Env) -> Value:
        run, found = env[1], source(env)
        items = found if type(found) is list else [] if found is None else [found]
        run.size(len(items))
        kept = []
        for item in items:
            held = match([env, run, item])
            if held is True:
                kept.append(item)
            elif type(held) is Decimal:
                return element(run, items, held)
            elif held is not False and held is not None:
                return run.null(f"the match of a filter is {shown(held)}, not a boolean or a number")
        return kept

    return select


def _collecting(source: Code, body: Code, *, looks_back: bool) -> Code:
    def collect(env: Env) -> Value:
        run = env[1]
        made: list[Value] = []
        for turn in turns([lambda inner: elements(run, source(env))], [env, run, made]):
            if turn is None:
                return None
            run.step()
            if looks_back:
                run.size(len(made))
                turn[0][2] = made.copy()
            made.append(body(turn))
        return made

    return collect


def _quantifying(source: Code, body: Code, *, decisive: bool) -> Code:
    def quantify(env: Env) -> bool | None:
        run, unknown, odd = env[1], False, None
        for turn in turns([lambda inner: elements(run, source(env))], [env, run, None]):
            if turn is None:
                return None
            run.step()
            held = body(turn)
            if held is decisive:
                return decisive
            if held is not True and held is not False:
                unknown, odd = True, odd if held is None else held
        return undecided(run, "some" if decisive else "every", odd) if unknown else not decisive

    return quantify
