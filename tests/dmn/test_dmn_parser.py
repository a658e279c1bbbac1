"""What FEEL's text means: the grammar of DMN 1.5, chapter 10.3.1, with names resolved by scope."""

from __future__ import annotations

import contextlib
import inspect
import sys
import time
from decimal import Decimal

import pytest

from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel.parser import TREE_DEPTH, NameScope, normalise, parse_expression, parse_type, parse_unary_tests
from modelyard.dmn.feel.printer import show
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
    Null,
    Number,
    Or,
    Path,
    Quantified,
    RangeOf,
    String,
    TypeName,
    UnaryTests,
)
from modelyard.dmn.feel.types import ANY, ANY_FUNCTION, NUMBER, STRING, ContextType, FunctionType, ListType
from modelyard.dmn.run import Limits

PERSON = ContextType(
    {"name": STRING, "date of birth": ANY, "net-worth": NUMBER, "home": ContextType({"street and number": STRING})}
)
BUILT_IN = NameScope(dict.fromkeys(("date", "time", "date and time", "string length", "not", "count"), ANY_FUNCTION))
SCOPE = NameScope(
    {
        **dict.fromkeys(("a", "b", "c", "x", "y", "profit", "loss", "profit-loss", "a and b", "Order in process"), ANY),
        "person": PERSON,
        "people": ListType(PERSON),
        "first of": FunctionType(None, PERSON),
    },
    BUILT_IN,
)
A, B, C, X, Y = (Name(name) for name in "abcxy")


def n(value: str | int) -> Number:
    return Number(Decimal(value))


def parse(text: str, scope: NameScope = SCOPE) -> Expr:
    return parse_expression(text, scope)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("null", Null()),
        ("true", Boolean(True)),
        ("false", Boolean(False)),
        ("1", n(1)),
        (".5", n("0.5")),
        ("1.50", n("1.5")),
        ("1.23e-4", n("0.000123")),
        ("-7", n(-7)),
        ("- 7", Negation(n(7))),
        ("12345678901234567890123456789012345", n("12345678901234567890123456789012340")),
        ('""', String("")),
        (r'"a\n\t\r\"\\\'"', String("a\n\t\r\"\\'")),
        (r'"\u00e9\U01F40E\uD83D\uDC0E"', String("é\U0001f40e\U0001f40e")),
        (r'"\d+\u12"', String(r"\d+\u12")),
        ('@"2024-01-31"', At("2024-01-31")),
        ("?", Name("?")),
    ],
)
def test_literals(text: str, tree: Expr) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1+2*3", Arithmetic("+", n(1), Arithmetic("*", n(2), n(3)))),
        ("1-2-3", Arithmetic("-", Arithmetic("-", n(1), n(2)), n(3))),
        ("2**3**4", Arithmetic("**", Arithmetic("**", n(2), n(3)), n(4))),
        ("-3 ** 2", Arithmetic("**", n(-3), n(2))),
        ("-a ** 2", Arithmetic("**", Negation(A), n(2))),
        ("10**-5", Arithmetic("**", n(10), n(-5))),
        ("a--b", Arithmetic("-", A, Negation(B))),
        ("-a.b", Negation(Path(A, "b"))),
        ("a or b and c", Or(A, And(B, C))),
        ("a and x = b + 1", And(A, Comparison("=", X, Arithmetic("+", B, n(1))))),
        ("a<=b", Comparison("<=", A, B)),
        ("a != b or x", Or(Comparison("!=", A, B), X)),
        ("x between 1 and 2 and y", And(Between(X, n(1), n(2)), Y)),
        ("x between a + 1 and b * 2", Between(X, Arithmetic("+", A, n(1)), Arithmetic("*", B, n(2)))),
        ("a + b instance of number", Arithmetic("+", A, InstanceOf(B, TypeName("number")))),
        ("if a then b else c + 1", If(A, B, Arithmetic("+", C, n(1)))),
        ("if a then b else if x then y else c", If(A, B, If(X, Y, C))),
        ("(a + b) * c", Arithmetic("*", Arithmetic("+", A, B), C)),
        ("a /b/ c", Arithmetic("/", Arithmetic("/", A, B), C)),
        ("a // b\n / b /* - c */ - x", Arithmetic("-", Arithmetic("/", A, B), X)),
        ("a\u00a0+\u2003b\ufeff", Arithmetic("+", A, B)),
    ],
)
def test_operators(text: str, tree: Expr) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("[]", ListOf(())),
        ("[1,[2]]", ListOf((n(1), ListOf((n(2),))))),
        ("[1..2]", RangeOf(n(1), n(2), True, True)),
        ("(1..2)", RangeOf(n(1), n(2), False, False)),
        ("]1..2[", RangeOf(n(1), n(2), False, False)),
        ("[1 .. 2[", RangeOf(n(1), n(2), True, False)),
        ("[a..b[1]]", RangeOf(A, Filter(B, n(1)), True, True)),
        ("]a..b[1][ and c", And(RangeOf(A, Filter(B, n(1)), False, False), C)),
        ("[[1..2[, ]3..4[ ]", ListOf((RangeOf(n(1), n(2), True, False), RangeOf(n(3), n(4), False, False)))),
        ("(< 5)", RangeOf(None, n(5), False, False)),
        ("(<=5)", RangeOf(None, n(5), False, True)),
        ("(>x)", RangeOf(X, None, False, False)),
        ("( >= x + 1 )", RangeOf(Arithmetic("+", X, n(1)), None, True, False)),
        ("(=5)", UnaryTests((Compare("=", n(5)),))),
        ("(!=5)", UnaryTests((Compare("!=", n(5)),))),
        ("(=10).start included", Path(UnaryTests((Compare("=", n(10)),)), "start included")),
        ("]1..10].end", Path(RangeOf(n(1), n(10), False, True), "end")),
        ("[1..3].start + 1", Arithmetic("+", Path(RangeOf(n(1), n(3), True, True), "start"), n(1))),
        ("{}", ContextOf(())),
        ('{a: 1, "b c": a, d-e  f: 2}', ContextOf((("a", n(1)), ("b c", A), ("d-e f", n(2))))),
    ],
)
def test_boxed_values_and_intervals(text: str, tree: Expr) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("x in 5", (Matches(n(5)),)),
        ("x in < 5", (Compare("<", n(5)),)),
        ("x in (< 5)", (Compare("<", n(5)),)),
        ("x in ((< 5))", (Matches(RangeOf(None, n(5), False, False)),)),
        ("x in !=5", (Compare("!=", n(5)),)),
        ("x in (1, < 5, >=10)", (Matches(n(1)), Compare("<", n(5)), Compare(">=", n(10)))),
        ("x in [1..5)", (Matches(RangeOf(n(1), n(5), True, False)),)),
        ("x in (1..5]", (Matches(RangeOf(n(1), n(5), False, True)),)),
        ("x in ((1..5], ]7..9[)", (Matches(RangeOf(n(1), n(5), False, True)), Matches(RangeOf(n(7), n(9), False, False)))),
        ("x in [1, 2]", (Matches(ListOf((n(1), n(2)))),)),
        ("x in (a + b) * c", (Matches(Arithmetic("*", Arithmetic("+", A, B), C)),)),
        ("x in (a)[1].b", (Matches(Path(Filter(A, n(1)), "b")),)),
        ("x in ? + 1", (Matches(Arithmetic("+", Name("?"), n(1))),)),
    ],
)
def test_what_is_in_what(text: str, tests: tuple[Matches | Compare, ...]) -> None:
    assert parse(text) == In(X, tests)
    assert parse(f"{text} and y") == And(In(X, tests), Y)


def test_iterations_functions_and_calls() -> None:
    assert parse("for i in 1..a, j in [i] return i + j") == For(
        (Iteration("i", n(1), A), Iteration("j", ListOf((Name("i"),)))), Arithmetic("+", Name("i"), Name("j"))
    )
    assert parse("some order line in a satisfies order line > 1") == Quantified(
        False, (Iteration("order line", A),), Comparison(">", Name("order line"), n(1))
    )
    assert parse("every i in a satisfies i") == Quantified(True, (Iteration("i", A),), Name("i"))
    assert parse("function(p, net value: number) net value + p") == Function(
        (("p", None), ("net value", TypeName("number"))), Arithmetic("+", Name("net value"), Name("p"))
    )
    external = parse('function(p) external {java: {class: "A", method signature: "m()"}}')
    assert isinstance(external, Function)
    assert external.external
    assert parse("(function(p) p)(1)") == Call(Function((("p", None),), Name("p")), (n(1),))
    assert parse("a(1, b)(2)") == Call(Call(A, (n(1), B)), (n(2),))
    assert parse("a(start position: 1, b: 2)") == Call(A, (n(1), n(2)), ("start position", "b"))
    assert parse("a()[1].b()") == Call(Path(Filter(Call(A, ()), n(1)), "b"), ())


def test_names_are_the_longest_in_scope() -> None:
    assert parse("profit-loss") == parse("profit - loss") == Name("profit-loss")
    assert parse("profit-loss", NameScope({"profit": ANY, "loss": ANY})) == Arithmetic("-", Name("profit"), Name("loss"))
    assert parse("profit-losses") == Arithmetic("-", Name("profit"), Name("losses"))
    assert parse("a and b") == Name("a and b")
    assert parse("a and b and c") == And(Name("a and b"), C)
    assert parse("Order  in\nprocess > 1") == Comparison(">", Name("Order in process"), n(1))
    assert parse("date and time(a)") == Call(Name("date and time"), (A,))
    assert parse('date("x") and time') == And(Call(Name("date"), (String("x"),)), Name("time"))


def test_names_of_inner_scopes_do_not_hide_longer_ones_of_outer_scopes() -> None:
    inner = NameScope({"profit": NUMBER, "a b": NUMBER}, SCOPE)
    assert parse("profit-loss", inner) == Name("profit-loss")
    assert parse("a b", inner) == Name("a b")
    assert inner.type_of("profit") == NUMBER
    assert inner.type_of("person") == PERSON
    assert inner.type_of("nobody") is None


def test_names_that_models_have_although_the_grammar_has_not() -> None:
    scope = NameScope(
        {
            "1st applicant": ANY,
            "risk (%)": ANY,
            "Teacher's view": ANY,
            "decision 2.1": ANY,
            "30": ANY,
            "%": ANY,
            "{": ANY,
            "1 + 1": ANY,
        }
    )
    assert parse("1st applicant + 1", scope) == Arithmetic("+", Name("1st applicant"), n(1))
    assert parse("risk (%) > 2", scope) == Comparison(">", Name("risk (%)"), n(2))
    assert parse("Teacher's view", scope) == Name("Teacher's view")
    assert parse("decision 2.1", scope) == Name("decision 2.1")
    assert parse("% - 30", scope) == Arithmetic("-", Name("%"), n(30))
    assert parse("[1 + 1, {}]", scope) == ListOf((Arithmetic("+", n(1), n(1)), ContextOf(())))
    assert parse('{"1": 2, a: 1}') == ContextOf((("1", n(2)), ("a", n(1))))


def test_unknown_names_are_the_words_up_to_a_keyword_or_symbol() -> None:
    assert parse("order line > 1 and due date in a") == And(
        Comparison(">", Name("order line"), n(1)), In(Name("due date"), (Matches(A),))
    )
    assert parse("x.date of birth instance of date") == InstanceOf(Path(X, "date of birth"), TypeName("date"))
    assert parse("a[date of birth < x]") == Filter(A, Comparison("<", Name("date of birth"), X))
    assert parse("if order line then a else b") == If(Name("order line"), A, B)


def test_paths_know_the_fields_of_the_type() -> None:
    assert parse("person.net-worth - 1") == Arithmetic("-", Path(Name("person"), "net-worth"), n(1))
    assert parse("people.net-worth") == Path(Name("people"), "net-worth")
    assert parse("people[1].home.street and number") == Path(Path(Filter(Name("people"), n(1)), "home"), "street and number")
    assert parse("people[net-worth > 1]") == Filter(Name("people"), Comparison(">", Name("net-worth"), n(1)))
    assert parse("people[item.net-worth > 1]") == Filter(Name("people"), Comparison(">", Path(Name("item"), "net-worth"), n(1)))
    assert parse("first of(a).net-worth") == Path(Call(Name("first of"), (A,)), "net-worth")
    assert parse("{m-n: 1}.m-n") == Path(ContextOf((("m-n", n(1)),)), "m-n")
    assert parse("x.net-worth") == Arithmetic("-", Path(X, "net"), Name("worth"))


def test_what_an_expression_makes_known_is_known_in_it() -> None:
    assert parse("{m-n: 1, o: m-n}") == ContextOf((("m-n", n(1)), ("o", Name("m-n"))))
    assert parse("for p in people return p.net-worth") == For((Iteration("p", Name("people")),), Path(Name("p"), "net-worth"))
    assert parse("for m-n in a, p in m-n return m-n") == For((Iteration("m-n", A), Iteration("p", Name("m-n"))), Name("m-n"))
    assert parse("function(m-n) m-n") == Function((("m-n", None),), Name("m-n"))
    typed = parse("function(p: context<m-n: number>) p.m-n")
    assert isinstance(typed, Function)
    assert typed.body == Path(Name("p"), "m-n")
    assert parse("person in (?.net-worth > 1)") == In(
        Name("person"), (Matches(Comparison(">", Path(Name("?"), "net-worth"), n(1))),)
    )
    assert parse("[{m-n: 1}, m-n]") == ListOf((ContextOf((("m-n", n(1)),)), Arithmetic("-", Name("m"), Name("n"))))


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("-", UnaryTests(())),
        (" - // any", UnaryTests(())),
        ("", UnaryTests(())),
        ("-1", UnaryTests((Matches(n(-1)),))),
        ("< 5", UnaryTests((Compare("<", n(5)),))),
        (">= a + 1, = 3, != 4", UnaryTests((Compare(">=", Arithmetic("+", A, n(1))), Compare("=", n(3)), Compare("!=", n(4))))),
        ("[18..25)", UnaryTests((Matches(RangeOf(n(18), n(25), True, False)),))),
        ('"a","b"', UnaryTests((Matches(String("a")), Matches(String("b"))))),
        ('not("a", < 5)', UnaryTests((Matches(String("a")), Compare("<", n(5))), negated=True)),
        ("not(a), b", UnaryTests((Matches(Call(Name("not"), (A,))), Matches(B)))),
        ("not(a) and b", UnaryTests((Matches(And(Call(Name("not"), (A,)), B)),))),
        ("? > 5 and ? < 7", UnaryTests((Matches(And(Comparison(">", Name("?"), n(5)), Comparison("<", Name("?"), n(7)))),))),
        ("count(?) > 1", UnaryTests((Matches(Comparison(">", Call(Name("count"), (Name("?"),)), n(1))),))),
        ("(< 5)", UnaryTests((Matches(RangeOf(None, n(5), False, False)),))),
    ],
)
def test_unary_tests(text: str, tests: UnaryTests) -> None:
    assert parse_unary_tests(text, SCOPE) == tests


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("number", TypeName("number")),
        ("days  and time duration", TypeName("days and time duration")),
        ("tns.tLoan-Type and more", TypeName("tns.tLoan-Type and more")),
        ("list<list<number>>", TypeName("list", (TypeName("list", (TypeName("number"),)),))),
        ("range<date and time>", TypeName("range", (TypeName("date and time"),))),
        ("context<a: number, b c: string>", TypeName("context", (), (("a", TypeName("number")), ("b c", TypeName("string"))))),
        ("function<>->Any", TypeName("function", (TypeName("Any"),))),
        (
            "function<number, string> -> list<Any>",
            TypeName("function", (TypeName("number"), TypeName("string"), TypeName("list", (TypeName("Any"),)))),
        ),
    ],
)
def test_types(text: str, type_: TypeName) -> None:
    assert parse_type(text) == type_
    if "-Type" not in text:
        assert parse(f"x instance of {text} and y") == And(InstanceOf(X, type_), Y)


def test_an_operator_says_where_it_stands() -> None:
    tree = parse("a + \n  b * c")
    assert isinstance(tree, Arithmetic)
    assert (tree.at, tree.left.at, tree.right.at) == (2, 0, 9)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("", 0, "an expression was expected"),
        ("1 +", 3, "an expression was expected"),
        ("(1", 2, "')' was expected"),
        ("[1, 2", 5, "']' was expected"),
        ("1 2", 2, "end of the expression"),
        ("1.", 2, "a name was expected after '.'"),
        ("5a", 0, "no letter right after it"),
        ("1 < 2 < 3", 6, "comparisons do not chain"),
        ('"abc', 0, "the string is not closed"),
        ("1 /* abc", 3, "the comment is not closed"),
        ("if a then b", 11, "'else' was expected"),
        ("for i in a", 10, "'return' was expected in 'for'"),
        ("{a 1}", 1, "a key and ':' were expected"),
        ("a(b: 1, 2)", 8, "the name of an argument and ':' were expected"),
        ("x between 1", 11, "'and' was expected"),
        ("then", 0, "not the keyword 'then'"),
        ("a;b", 1, "end of the expression"),
        ("1e999999", 0, "out of range"),
        (r'"\uD83D\U110000"', 0, "no character"),
        ("x instance of", 13, "a type was expected"),
        ("x in (1, 2) * 3", 11, "no operator can follow"),
        ("1\0", 1, "end of the expression"),
    ],
)
def test_errors_say_what_was_expected_and_where(text: str, at: int, expected: str) -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        parse(text)
    assert expected in caught.value.detail
    assert caught.value.at == at


def test_nesting_is_limited_and_chains_are_not_recursion() -> None:
    parse("(" * 140 + "1" + ")" * 140)
    for deep in (
        "(" * 100_000,
        "[" * 151 + "]" * 151,
        "not(" * 1000,
        "a instance of " + "list<" * 1000,
        "if " * 1000,
        "{a:" * 1000,
    ):
        with pytest.raises(LimitExceeded):
            parse(deep)
    parse("1" + "+1" * (TREE_DEPTH - 1))
    for chain in ("1" + "+1" * 10_000, "a" + " or a" * 10_000, "a" + ".b" * 10_000, "-" * 5_000 + "a", "a" + "[1]" * 5_000):
        with pytest.raises(LimitExceeded):
            parse(chain)
    listed = parse("[" + "1," * 20_000 + "1]")
    assert isinstance(listed, ListOf)
    assert len(listed.items) == 20_001
    branches = parse("if a then 1 else " * 500 + "2")
    assert show(branches) == "if a then 1 else " * 500 + "2"


def test_little_room_on_the_callers_stack_is_a_limit_too() -> None:
    def dive(frames: int) -> None:
        if frames:
            return dive(frames - 1)
        parse("(" * 140 + "1" + ")" * 140)
        return None

    with pytest.raises(LimitExceeded):
        dive(sys.getrecursionlimit() - len(inspect.stack()) - 200)


def test_length_is_limited() -> None:
    with pytest.raises(LimitExceeded):
        parse_expression("1 + 1", SCOPE, Limits(expression_length=4))


@pytest.mark.parametrize(
    "unit", ["a ", "a-", "1,", "a in ", '"', "\\", "/*", "a.b ", "x[", "{a 1:", "f(a+", "not(a),", "]1..", "- "]
)
def test_long_texts_take_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        started = time.process_time()
        for parsed in (parse_expression, parse_unary_tests):
            with contextlib.suppress(FeelSyntaxError, LimitExceeded):
                parsed(unit * (length // len(unit)), SCOPE)
        return time.process_time() - started

    assert seconds(100_000) < max(40 * seconds(10_000), 1)


def test_normalised_names_have_single_spaces() -> None:
    assert normalise("  date \n of\u00a0birth ") == "date of birth"
    assert normalise("a -b") == "a -b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("((a+b))*c", "(a + b) * c"),
        ("(a*b)+c-(x-y)", "a * b + c - (x - y)"),
        ("-(3)", "-(3)"),
        ("x in (1..5]", "x in (1..5]"),
        ("(if a then b else c) + 1", "(if a then b else c) + 1"),
        ("(a = b) = c", "(a = b) = c"),
        ('{"k l": "q\\"\\n"}', '{"k l": "q\\"\\n"}'),
        ("x and (time)", "x and (time)"),
        ("(a instance of list) < b", "(a instance of list) < b"),
        ("x in (!=5)", "x in != 5"),
        ("(!=5)", "!= 5"),
    ],
)
def test_shown_with_the_parentheses_that_are_needed(text: str, shown: str) -> None:
    assert show(parse(text)) == shown
    assert parse(shown) == parse(text)
