"""FEEL's grammar (DMN 1.5, 10.3.1.2), by recursive descent over the text itself: what a name is depends on the scope, so there is
no step that makes tokens.

    parse_expression("applicant.date of birth > today()", NameScope({"applicant": ANY, "today": ANY_FUNCTION}))

Where the grammar is ambiguous, this is what holds, as in the engines that lead the conformance kit:
- a name is the longest one in scope that the text has; where none fits, the words up to a keyword or a symbol;
- operators of one level associate to the left, `**` too; the minus sign binds tighter than `**` (-3 ** 2 is 9); comparisons
  (`=`, `<`, `between`, `in` and so on) do not chain;
- `instance of` binds tighter than the minus sign, and looser than paths, filters and calls.

Recursion follows brackets and keywords only, never chains of operators, and is bounded by `Limits.nesting`; the depth of the
tree, chains of operators included, by TREE_DEPTH. All is linear in the length of the text: nothing is parsed twice, except for a
cell that starts with `not(` and is no negation of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel.depth import TREE_DEPTH, check_depth
from modelyard.dmn.feel.inference import element_of, fields_of, infer, result_of, step, written
from modelyard.dmn.feel.names import NAME, TOKEN, WORD, NameScope, normalise
from modelyard.dmn.feel.scanner import (
    COMPARATOR,
    DECLARED,
    EXTERNAL,
    INTERVAL_END,
    NOTHING,
    OPERATOR,
    POSTFIX,
)
from modelyard.dmn.feel.syntax import (
    And,
    Arithmetic,
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
    Or,
    Path,
    Quantified,
    RangeOf,
    Test,
    TypeName,
    UnaryTests,
)
from modelyard.dmn.feel.type_names import TypeReader
from modelyard.dmn.feel.types import ANY, ANY_LIST, AnyType
from modelyard.dmn.run import Limits

__all__ = ["TREE_DEPTH", "NameScope", "normalise", "parse_expression", "parse_type", "parse_unary_tests"]

_LIMITS = Limits()
T = TypeVar("T", bound=Node)
_OR, _AND, _COMPARED, _ARITHMETIC = 1, 2, 3, 4
_LEVELS = {"or": _OR, "and": _AND, "between": _COMPARED, "in": _COMPARED, "+": 4, "-": 4, "*": 5, "/": 5, "**": 6}
_LEVELS.update(dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), _COMPARED))
_AFTER_EXPRESSION = frozenset({"and", "or", "in", "between", "then", "else", "return", "satisfies"})
_NO_NAMES = NameScope({})


def parse_expression(text: str, names: NameScope, limits: Limits = _LIMITS) -> Expr:
    """The expression that the whole text is: textual or boxed (rules 1 and 2). `at` of an operator is its own place.

    Raises FeelSyntaxError, and LimitExceeded for what is too long or too deep."""
    return _Parser(text, names, limits).whole(_Parser.expression)


def parse_unary_tests(text: str, names: NameScope, limits: Limits = _LIMITS) -> UnaryTests:
    """The tests of a cell (rule 15); the tested value is the name `?`. An empty text is "-".

    Raises as `parse_expression` does."""
    return _Parser(text, names, limits).whole(_Parser.unary_tests)


def parse_type(text: str, limits: Limits = _LIMITS) -> TypeName:
    """The type that the whole text is (rule 54). Names of item definitions may have symbols and keywords in them.

    Raises as `parse_expression` does."""
    return _Parser(text, _NO_NAMES, limits).whole(_Parser.whole_type)


class _Parser(TypeReader):
    """The grammar, with the names that are known at the place."""

    __slots__ = ("interval", "scope", "steps")

    def __init__(self, text: str, names: NameScope, limits: Limits) -> None:
        super().__init__(text, limits)
        self.scope = names
        self.interval = 0
        """The depth at which the upper end of an interval is being read: there `[` may close it."""
        self.steps: dict[int, tuple[AnyType, NameScope]] = {}
        """The fields of the context types that paths have gone through, by the identity of the type, which is kept alive here."""

    def whole(self, rule: Callable[[_Parser], T]) -> T:
        """What the rule makes of the text, all of it."""
        try:
            node = rule(self)
        except RecursionError as error:
            raise LimitExceeded("the expression nests too deeply for the place it is read at") from error
        self.finish()
        if self.end > TREE_DEPTH:
            check_depth(node)
        return node

    # --- operators --------------------------------------------------------------------------------------------------------------

    def expression(self, least: int = 0, first: Expr | None = None) -> Expr:
        """An expression of operators of at least this level; `first` is its first operand, if that is read already."""
        self.deeper()
        node = self.operand(not least) if first is None else self.postfix(first)
        found = OPERATOR.match(self.text, self.pos)
        if found is not None and _LEVELS[found[1]] >= least:
            node = self.operators(node, least)
        self.depth -= 1
        return node

    def operators(self, node: Expr, least: int) -> Expr:
        """The operators that follow the first operand; two stacks instead of recursion, so that chains may be long."""
        operands = [node]
        pending: list[tuple[int, str, int]] = []
        compared = False
        while (found := OPERATOR.match(self.text, self.pos)) is not None:
            symbol, at = found[1], found.start(1)
            level = _LEVELS[symbol]
            if level < least:
                break
            while pending and pending[-1][0] >= level:
                _reduce(operands, pending)
            if level == _COMPARED and compared:
                self.fail("comparisons do not chain: parentheses were expected around one of them", at)
            compared = level == _COMPARED or (compared and level > _COMPARED)
            self.pos = found.end()
            if symbol == "between":
                operands.append(self.between(operands.pop(), at))
            elif symbol == "in":
                operands.append(self.contained(operands.pop(), at))
            else:
                pending.append((level, symbol, at))
                operands.append(self.operand())
        while pending:
            _reduce(operands, pending)
        return operands[0]

    def between(self, value: Expr, at: int) -> Between:
        low = self.expression(_ARITHMETIC)
        self.expect_word("and", "after the lower end of 'between'")
        return Between(value, low, self.expression(_ARITHMETIC), at=at)

    def contained(self, value: Expr, at: int) -> In:
        outer = self.scope
        self.scope = NameScope({"?": infer(value, outer)}, outer)
        tests = self.tests_after_in()
        self.scope = outer
        return In(value, tests, at=at)

    def tests_after_in(self) -> tuple[Test, ...]:
        """One test, or several in parentheses. What looks like the latter may turn out to be the start of an expression."""
        at = self.pos
        if not self.accept("("):
            return (self.test(_ARITHMETIC),)
        tests = [self.test()]
        if isinstance(tests[0], Matches) and self.accept_dots():
            return (self.resumed(self.interval_to(tests[0].value, False, at)),)
        while self.accept(","):
            tests.append(self.test())
        self.expect(")", "at the end of the tests")
        if self.goes_on():
            if len(tests) > 1:
                self.fail("no operator can follow a list of tests")
            return (self.resumed(_as_value(tests[0])),)
        return tuple(tests)

    def goes_on(self) -> bool:
        """Whether an operator that binds tighter than a comparison follows."""
        found = OPERATOR.match(self.text, self.pos)
        if found is not None:
            return _LEVELS[found[1]] >= _ARITHMETIC
        found = POSTFIX.match(self.text, self.pos)
        return found is not None and not self.closes_interval(found.start(1), self.depth)

    def resumed(self, first: Expr) -> Matches:
        return Matches(self.expression(_ARITHMETIC, first), at=first.at)

    # --- unary tests ------------------------------------------------------------------------------------------------------------

    def unary_tests(self) -> UnaryTests:
        character = self.skip()
        if self.pos == self.end:
            return UnaryTests(())
        if character == "-" and NOTHING.match(self.text, self.pos + 1) is not None:
            self.pos = self.end
            return UnaryTests(())
        start, scope = self.pos, self.scope
        reached = -1
        try:
            if self.accept_word("not") and self.accept("("):
                negated = UnaryTests(self.tests(), negated=True, at=start)
                self.expect(")", "at the end of 'not(…)'")
                if self.skip() == "\0" and self.pos == self.end:
                    return negated
        except FeelSyntaxError as error:
            reached, failure = error.at, error
        self.pos, self.scope, self.depth, self.interval = start, scope, 0, 0
        try:
            return UnaryTests(self.tests(), at=start)
        except FeelSyntaxError as error:
            if error.at > reached:
                raise
            raise failure from None

    def tests(self) -> tuple[Test, ...]:
        tests = [self.test()]
        while self.accept(","):
            tests.append(self.test())
        return tuple(tests)

    def test(self, least: int = 0) -> Test:
        found = COMPARATOR.match(self.text, self.pos)
        if found is None:
            self.skip()
            at = self.pos
            return Matches(self.expression(least), at=at)
        self.pos = found.end()
        return Compare(found[1], self.expression(_ARITHMETIC), at=found.start(1))

    # --- operands ---------------------------------------------------------------------------------------------------------------

    def operand(self, first: bool = False) -> Expr:
        """Minus signs, a primary expression and what follows it. At the start of an expression also a test as a value: `< 5`."""
        character = self.skip()
        signs: list[int] = []
        while character == "-" and self.text[self.pos + 1] not in _NUMERIC:
            signs.append(self.pos)
            self.pos += 1
            character = self.skip()
        if first and not signs and COMPARATOR.match(self.text, self.pos) is not None:
            return _as_value(self.test())
        if self.scope.unusual and (name := self.unusual_name()) is not None:
            node: Expr = name
        else:
            node = _PRIMARY.get(character, _Parser.named)(self)
        if POSTFIX.match(self.text, self.pos) is not None:
            node = self.postfix(node)
        for at in reversed(signs):
            node = Negation(node, at=at)
        return node

    def postfix(self, node: Expr) -> Expr:
        """Paths, filters, calls and `instance of` after an operand. `type_` is what is known of the type so far."""
        type_ = infer(node, self.scope)
        while (found := POSTFIX.match(self.text, self.pos)) is not None:
            kind, at = found[1], found.start(1)
            if kind == "[" and self.closes_interval(at, self.depth):
                break
            self.pos = found.end()
            if kind == ".":
                node = Path(node, self.field(type_), at=at)
                type_ = step(type_, node.name)
            elif kind == "[":
                node = Filter(node, self.condition(type_), at=at)
            elif kind == "(":
                node = self.call(node, at)
                type_ = result_of(type_)
            else:
                node, type_ = InstanceOf(node, self.type_name(), at=at), ANY
        return node

    def closes_interval(self, at: int, depth: int) -> bool:
        return self.interval == depth and INTERVAL_END.match(self.text, at) is not None

    def field(self, type_: AnyType) -> str:
        """The name of a path's step: the longest field that is known, else the words up to a keyword or symbol."""
        self.skip()
        found = WORD.match(self.text, self.pos)
        known = fields_of(type_)
        if known is not None and known.fields:
            if id(known) not in self.steps:
                self.steps[id(known)] = known, NameScope(known.fields)
            fields = self.steps[id(known)][1]
            if (longest := self.longest(fields)) is not None:
                return longest
        if found is None:
            self.fail("a name was expected after '.'")
        return self.words(found[0], found.end())

    def longest(self, scope: NameScope) -> str | None:
        """The longest name of several parts that stands here, passed."""
        token = TOKEN.match(self.text, self.pos)
        found = scope.longest(self.text, token[1], token.end()) if token is not None else None
        if found is None:
            return None
        return self.words(*found)

    def condition(self, type_: AnyType) -> Expr:
        """The inside of a filter, where `item` and its fields are known (10.3.2.5)."""
        outer, element = self.scope, element_of(type_)
        known = fields_of(element)
        self.scope = NameScope({**(known.fields if known is not None else {}), "item": element}, outer)
        condition = self.expression()
        self.scope = outer
        self.expect("]", "at the end of the filter")
        return condition

    def call(self, function: Expr, at: int) -> Call:
        arguments: list[Expr] = []
        names: list[str] = []
        if self.accept(")"):
            return Call(function, (), at=at)
        named = DECLARED.match(self.text, self.pos) is not None
        while True:
            if named:
                names.append(self.declared("the name of an argument"))
            arguments.append(self.expression())
            if not self.accept(","):
                break
        self.expect(")", "at the end of the arguments")
        return Call(function, tuple(arguments), tuple(names), at=at)

    # --- names ------------------------------------------------------------------------------------------------------------------

    def unusual_name(self) -> Name | None:
        at = self.pos
        name = self.longest(self.scope)
        return None if name is None else Name(name, at=at)

    def named(self) -> Expr:
        """A name, or what a keyword starts. A name in scope that begins with a keyword comes first."""
        at = self.pos
        found = WORD.match(self.text, at)
        if found is None:
            self.fail("an expression was expected")
        word, end = found[0], found.end()
        longest = self.scope.longest(self.text, word, end)
        if longest is not None:
            return Name(self.words(*longest), at=at)
        keyword = _KEYWORDS.get(word)
        if keyword is not None:
            self.pos = end
            node = keyword(self, at)
            if node is not None:
                return node
        if word in _AFTER_EXPRESSION and self.scope.type_of(word) is None:
            self.fail(f"an expression was expected, not the keyword {word!r}", at)
        return Name(self.words(word, end), at=at)

    # --- brackets ---------------------------------------------------------------------------------------------------------------

    def parenthesised(self) -> Expr:
        at = self.pos
        self.pos += 1
        node = self.expression()
        if self.accept_dots():
            return self.interval_to(node, False, at)
        self.expect(")", "at the end of the expression in parentheses")
        return node

    def bracketed(self) -> Expr:
        at = self.pos
        self.pos += 1
        if self.accept("]"):
            return ListOf((), at=at)
        items = [self.expression()]
        if self.accept_dots():
            return self.interval_to(items[0], True, at)
        while self.accept(","):
            items.append(self.expression())
        self.expect("]", "at the end of the list")
        return ListOf(tuple(items), at=at)

    def open_interval(self) -> Expr:
        at = self.pos
        self.pos += 1
        low = self.expression()
        if not self.accept_dots():
            self.fail("'..' was expected in the interval")
        return self.interval_to(low, False, at)

    def interval_to(self, low: Expr, low_closed: bool, at: int) -> RangeOf:
        """The rest of an interval after its dots (rules 8 to 12)."""
        outer, self.interval = self.interval, self.depth + 1
        high = self.expression()
        self.interval = outer
        closing = self.skip()
        if closing not in ("]", ")", "["):
            self.fail("']', ')' or '[' was expected at the end of the interval")
        self.pos += 1
        return RangeOf(low, high, low_closed, closing == "]", at=at)

    def context(self) -> ContextOf:
        at = self.pos
        self.pos += 1
        if self.accept("}"):
            return ContextOf((), at=at)
        outer = self.scope
        self.scope = NameScope({}, outer)
        entries: list[tuple[str, Expr]] = []
        while True:
            key = self.key()
            value = self.expression()
            entries.append((key, value))
            if NAME.fullmatch(key) is not None:
                self.scope.define(key, infer(value, self.scope))
            if not self.accept(","):
                break
        self.scope = outer
        self.expect("}", "at the end of the context")
        return ContextOf(tuple(entries), at=at)

    def key(self) -> str:
        if self.skip() != '"':
            return self.declared("a key")
        key = self.characters()
        self.expect(":", "after the key")
        return key

    # --- keywords ---------------------------------------------------------------------------------------------------------------

    def conditional(self, at: int) -> Expr | None:
        """Chains of else if are read in a loop: they are long in practice."""
        if self.scope.type_of("if") is not None:
            return None
        branches: list[tuple[Expr, Expr, int]] = []
        while True:
            condition = self.expression()
            self.expect_word("then", "after the condition of 'if'")
            then = self.expression()
            self.expect_word("else", "after the result of 'if'")
            branches.append((condition, then, at))
            self.skip()
            at = self.pos
            if self.scope.longest(self.text, "if", at + 2) is not None or not self.accept_word("if"):
                break
        node = self.expression()
        for condition, then, at in reversed(branches):
            node = If(condition, then, node, at=at)
        return node

    def loop(self, at: int) -> Expr | None:
        return self.iterated(at, "return")

    def quantified(self, at: int) -> Expr | None:
        return self.iterated(at, "satisfies")

    def iterated(self, at: int, keyword: str) -> Expr | None:
        """`for` when the keyword of its body is `return`, else `some` or `every`."""
        word = self.text[at : self.pos]
        self.skip()
        if WORD.match(self.text, self.pos) is None or self.accept_word("in"):
            return None
        outer = self.scope
        self.scope = NameScope({}, outer)
        iterations = [self.iteration()]
        while self.accept(","):
            iterations.append(self.iteration())
        self.expect_word(keyword, f"in {word!r}")
        if keyword == "return":
            self.scope.define("partial", ANY_LIST)
        body = self.expression()
        self.scope = outer
        if keyword == "return":
            return For(tuple(iterations), body, at=at)
        return Quantified(word == "every", tuple(iterations), body, at=at)

    def iteration(self) -> Iteration:
        self.skip()
        at = self.pos
        name = self.variable("in")
        self.expect_word("in", "after the name of the iteration")
        source = self.expression()
        until = self.expression() if self.accept_dots() else None
        self.scope.define(name, ANY if until is not None else element_of(infer(source, self.scope)))
        return Iteration(name, source, until, at=at)

    def function(self, at: int) -> Expr | None:
        if not self.accept("("):
            return None
        parameters: list[tuple[str, TypeName | None]] = []
        if not self.accept(")"):
            while True:
                name = self.variable()
                parameters.append((name, self.type_name() if self.accept(":") else None))
                if not self.accept(","):
                    break
            self.expect(")", "at the end of the parameters")
        external = EXTERNAL.match(self.text, self.pos)
        if external is not None:
            self.pos = external.end()
        outer = self.scope
        self.scope = NameScope({name: written(type_, outer) for name, type_ in parameters}, outer)
        body = self.expression()
        self.scope = outer
        return Function(tuple(parameters), body, external is not None, at=at)

    def null(self, at: int) -> Expr:
        return Null(at=at)

    def true(self, at: int) -> Expr:
        return Boolean(True, at=at)

    def false(self, at: int) -> Expr:
        return Boolean(False, at=at)


_DIGITS = frozenset("0123456789")
_NUMERIC = _DIGITS | {"."}
_PRIMARY: dict[str, Callable[[_Parser], Expr]] = {
    '"': _Parser.string,
    "(": _Parser.parenthesised,
    "[": _Parser.bracketed,
    "]": _Parser.open_interval,
    "{": _Parser.context,
    "@": _Parser.at_literal,
    "-": _Parser.minus,
    ".": _Parser.dotted,
    **dict.fromkeys(_DIGITS, _Parser.number),
}
_KEYWORDS: dict[str, Callable[[_Parser, int], Expr | None]] = {
    "null": _Parser.null,
    "true": _Parser.true,
    "false": _Parser.false,
    "if": _Parser.conditional,
    "for": _Parser.loop,
    "some": _Parser.quantified,
    "every": _Parser.quantified,
    "function": _Parser.function,
}


def _reduce(operands: list[Expr], pending: list[tuple[int, str, int]]) -> None:
    level, symbol, at = pending.pop()
    right = operands.pop()
    left = operands.pop()
    if level == _OR:
        operands.append(Or(left, right, at=at))
    elif level == _AND:
        operands.append(And(left, right, at=at))
    elif level == _COMPARED:
        operands.append(Comparison(symbol, left, right, at=at))
    else:
        operands.append(Arithmetic(symbol, left, right, at=at))


def _as_value(test: Test) -> Expr:
    """A test as a value (rule 2i): an interval. `= x` and `!= x` stay tests: they are no intervals, or more than that."""
    if isinstance(test, Matches):
        return test.value
    operator, value, at = test.operator, test.value, test.at
    if operator in ("=", "!="):
        return UnaryTests((test,), at=at)
    closed = operator in ("<=", ">=")
    if operator in ("<", "<="):
        return RangeOf(None, value, False, closed, at=at)
    return RangeOf(value, None, closed, False, at=at)
