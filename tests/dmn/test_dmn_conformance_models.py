"""Types at every place of a model, decision services, functions, imports and names (DMN 1.5, chapters 6, 7 and 10.3.2.9.4)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from modelyard.dmn import LimitExceeded, load
from tests.dmn.dmn_text import (
    boxed,
    context,
    decision,
    definitions,
    input_data,
    invocation,
    item,
    knowledge,
    lambda_,
    list_of,
    literal,
    part,
    relation,
    service,
    table,
)
from tests.dmn.feel_lines import cases, same, value


def answer(*parts: str, data: dict[str, Any] | None = None, more: tuple[bytes, ...] = ()) -> Any:
    """What the decision `q` of a model gives."""
    return load(definitions(*parts), *more, strict=False).evaluate("q", data or {}).value


TYPES = (
    item("Numbers", "number", many=True),
    item("Colour", "string", allowed='"red", "green"'),
    item("Colours", "string", allowed='"red", "green"', many=True),
    item("Palette", "Colour", many=True),
    item("Age", "number", allowed="[0..120]"),
    item("Young", "Age", allowed="< 50"),
    item("Person", "", part("name", "string"), part("age", "Age")),
    item("People", "Person", many=True),
    item("Code", "string", constraint="string length(?) < 4"),
    item("Few", "number", constraint="count(?) < 3", many=True),
    item("FewSmall", "number", allowed="< 10", constraint="count(?) < 3", many=True),
    item("Odd", "number", constraint="odd(sum(?))", many=True),
    item("Grid", "Numbers", many=True),
    item("Moment", "date and time"),
    item("Chosen", "number", allowed="? > 3, 1"),
    item("Other", "string", allowed='not("x")'),
    item("Box", "", part("tag", "string", allowed='"x", "y"'), part("sizes", "number", allowed="> 0", many=True)),
    item("Crate", "", part("box", "Box"), part("note", "", part("z", "number"))),
    item("Week", "days and time duration", allowed='[duration("P1D")..duration("P7D")]'),
    item("Recent", "date", allowed='>= date("2020-01-01")'),
    item("Thing", "Any"),
    item("Record", "context"),
)

COERCED = """
    # expression : type ==> value of a decision of that type
    [1, 2] : Numbers ==> [1, 2]
    1 : Numbers ==> [1]
    "a" : Numbers ==> null
    [1, "a"] : Numbers ==> null
    null : Numbers ==> null
    [] : Numbers ==> []
    [null] : Numbers ==> [null]
    [1] : number ==> 1
    [1, 2] : number ==> null
    [[1]] : number ==> null
    [[1]] : Numbers ==> [1]
    "red" : Colour ==> "red"
    "blue" : Colour ==> null
    ["red"] : Colour ==> "red"
    ["blue"] : Colour ==> null
    ["red", "green"] : Colours ==> ["red", "green"]
    ["red", "blue"] : Colours ==> null
    "red" : Colours ==> ["red"]
    "blue" : Colours ==> null
    [] : Colours ==> []
    ["red", "green"] : Palette ==> ["red", "green"]
    ["red", "blue"] : Palette ==> null
    40 : Young ==> 40
    60 : Young ==> null
    -1 : Young ==> null
    {name: "a", age: 5} : Person ==> {name: "a", age: 5}
    {name: "a", age: 500} : Person ==> null
    {name: "a"} : Person ==> null
    {name: "a", age: 5, more: 1} : Person ==> {name: "a", age: 5, more: 1}
    {name: "a", age: null} : Person ==> {name: "a", age: null}
    {name: 1, age: 1} : Person ==> null
    [{name: "a", age: 5}] : Person ==> {name: "a", age: 5}
    {name: "a", age: 5} : People ==> [{name: "a", age: 5}]
    [{name: "a", age: 5}, {name: "b", age: -1}] : People ==> null
    "abc" : Code ==> "abc"
    "abcd" : Code ==> null
    [1, 2] : Few ==> [1, 2]
    [1, 2, 3] : Few ==> null
    1 : Few ==> [1]
    [1, 2] : FewSmall ==> [1, 2]
    [1, 20] : FewSmall ==> null
    [1, 2, 3] : FewSmall ==> null
    [1, 2] : Odd ==> [1, 2]
    [1, 3] : Odd ==> null
    [[1], [2]] : Grid ==> [[1], [2]]
    [1, 2] : Grid ==> null
    [["a"]] : Grid ==> null
    @"2020-01-01" : Moment ==> @"2020-01-01T00:00:00Z"
    @"2020-01-01" : date and time ==> @"2020-01-01T00:00:00Z"
    @"2020-01-01T10:00:00" : date ==> null
    4 : Chosen ==> 4
    1 : Chosen ==> 1
    2 : Chosen ==> null
    "a" : Other ==> "a"
    "x" : Other ==> null
    {box: {tag: "x", sizes: [1, 2]}, note: {z: 1}} : Crate ==> {box: {tag: "x", sizes: [1, 2]}, note: {z: 1}}
    {box: {tag: "w", sizes: [1, 2]}, note: {z: 1}} : Crate ==> null
    {box: {tag: "x", sizes: [1, -2]}, note: {z: 1}} : Crate ==> null
    {box: {tag: "x", sizes: [1, 2]}, note: {z: "a"}} : Crate ==> null
    {box: {tag: "x", sizes: []}, note: null} : Crate ==> {box: {tag: "x", sizes: []}, note: null}
    @"P2D" : Week ==> @"P2D"
    @"P9D" : Week ==> null
    @"2021-01-01" : Recent ==> @"2021-01-01"
    @"2001-01-01" : Recent ==> null
    [5] : Thing ==> [5]
    {a: 1} : Record ==> {a: 1}
    1 : Record ==> null
    1 : string ==> null
    "1" : number ==> null
    @"P1D" : years and months duration ==> null
    # the values that a type allows do not matter for what is an instance of it
    "blue" instance of Colour : Any ==> true
    1 instance of Colour : Any ==> false
    {name: "a", age: 500} instance of Person : Any ==> true
    {name: "a"} instance of Person : Any ==> false
"""


@cases(COERCED)
def test_the_value_of_a_decision_is_coerced_to_its_type(expression: str, expected: str) -> None:
    text, _, type_ = expression.rpartition(" : ")
    assert same(answer(*TYPES, decision("q", text, type_=type_)), expected)
    assert same(answer(*TYPES, decision("q", boxed(text, type_))), expected)
    called = decision("q", "f()", knowledge=("b_f",))
    assert same(answer(*TYPES, knowledge("f", (), text, type_=type_), called), expected)
    served = decision("q", "s()", knowledge=("s_s",))
    assert same(answer(*TYPES, decision("d", text), service("s", ("d_d",), type_=type_), served), expected)
    entry = decision("q", context(("e", text, type_), ("", "e")))
    assert same(answer(*TYPES, entry), expected)


@cases(COERCED)
def test_inputs_and_arguments_are_coerced_to_their_types(expression: str, expected: str) -> None:
    text, _, type_ = expression.rpartition(" : ")
    given = value(text) if "instance of" not in text else True
    expected = expected if "instance of" not in text else "true"
    assert same(answer(*TYPES, input_data("x", type_), decision("q", "x", "i_x"), data={"x": given}), expected)
    function = knowledge("f", (("x", type_),), "x")
    assert same(
        answer(*TYPES, function, input_data("x"), decision("q", "f(x)", "i_x", knowledge=("b_f",)), data={"x": given}), expected
    )


def test_an_argument_of_another_type_ends_a_call_and_null_does_not() -> None:
    function = knowledge("f", (("x", "number"),), "x = null")
    assert answer(function, decision("q", 'f("a")', knowledge=("b_f",))) is None
    assert answer(function, decision("q", "f(null)", knowledge=("b_f",))) is True


BOXES = [
    (context(("a", "1", "number"), ("b", "a + 1")), "{a: 1, b: 2}"),
    (context(("a", "1", "string"), ("b", "a")), "{a: null, b: null}"),
    (context(("a", "1"), ("b", context(("c", "a + 1"), ("", "c * 2")))), "{a: 1, b: 4}"),
    (context(("a", "1"), ("", "a + 1"), type_="string"), "null"),
    (context(("name", '"a"'), ("age", "5"), type_="Person"), '{name: "a", age: 5}'),
    (context(("name", '"a"'), ("age", "[5]"), type_="Person"), "null"),
    (context(("f", lambda_((("x", "number"),), "x + 1")), ("", "f(2)")), "3"),
    (context(("f", lambda_((("x", "number"),), "x + 1")), ("", 'f("a")')), "null"),
    (context(("f", lambda_((("n", ""),), "if n < 2 then 1 else n * f(n - 1)")), ("", "f(5)")), "120"),
    (context(("f", lambda_((("x", ""),), context(("y", "x + 1"), ("", "y * 2")))), ("", "f(2)")), "6"),
    (relation((("a", "number"), ("b", "string")), ("1", '"x"'), ("2", '"y"')), '[{a: 1, b: "x"}, {a: 2, b: "y"}]'),
    (relation((("a", "number"), ("b", "string")), ('"1"', '["x"]')), '[{a: null, b: "x"}]'),
    (relation((("name", "string"), ("age", "Age")), ('"a"', "5"), type_="People"), '[{name: "a", age: 5}]'),
    (relation((("a", ""),), (context(("b", "1")),)), "[{a: {b: 1}}]"),
    (relation((("a", ""),)), "[]"),
    (list_of("1", "2", context(("a", "1"))), "[1, 2, {a: 1}]"),
    (list_of("1", '"a"', type_="Numbers"), "null"),
    (list_of(boxed("1", "string"), "2"), "[null, 2]"),
    (list_of(), "[]"),
    (f"<conditional><if>{literal('null')}</if><then>{literal('1')}</then><else>{literal('2')}</else></conditional>", "2"),
    (f'<some iteratorVariable="i"><in>{literal("[1, 2]")}</in><satisfies>{literal("i > 1")}</satisfies></some>', "true"),
    (f'<every iteratorVariable="i"><in>{literal("[]")}</in><satisfies>{literal("i > 1")}</satisfies></every>', "true"),
    (f'<some iteratorVariable="i"><in>{literal("[1, null]")}</in><satisfies>{literal("i > 5")}</satisfies></some>', "null"),
    (
        f'<for iteratorVariable="i"><in>{literal("[1..3]")}</in><return>{literal("i * count(partial)")}</return></for>',
        "[0, 2, 6]",
    ),
    (f"<filter><in>{literal('[{a: 1}, {a: 2}]')}</in><match>{literal('a > 1')}</match></filter>", "[{a: 2}]"),
    (f"<filter><in>{literal('[{item: 1}, {item: 2}]')}</in><match>{literal('item > 1')}</match></filter>", "[{item: 2}]"),
]


@pytest.mark.parametrize(("box", "expected"), BOXES)
def test_boxed_expressions(box: str, expected: str) -> None:
    assert same(answer(*TYPES, decision("q", box)), expected)
    assert same(answer(*TYPES, decision("q", context(("in", box), ("", "in")))), expected)
    assert same(answer(*TYPES, knowledge("f", (), box), decision("q", invocation("f"), knowledge=("b_f",))), expected)


SERVICES = (
    input_data("x", "number"),
    input_data("y", "string"),
    decision("A", "x + 1", "i_x", type_="number"),
    decision("B", "A * 10", "d_A", type_="number"),
    decision("C", "A + string length(y)", "d_A", "i_y"),
    service("whole", ("d_B",), encapsulated=("d_A",), inputs=("i_x",)),
    service("upper", ("d_B",), decisions=("d_A",)),
    service("both", ("d_B", "d_C"), encapsulated=("d_A",), inputs=("i_x", "i_y")),
    service("mixed", ("d_C",), decisions=("d_A",), inputs=("i_y",)),
    service("typed", ("d_B",), encapsulated=("d_A",), inputs=("i_x",), type_="string"),
    knowledge("twice", (("n", ""),), "whole(n) * 2", needs=("s_whole",)),
)


@cases("""
    whole(1) ==> 20
    whole([1]) ==> 20
    whole(x: 1) ==> 20
    whole("a") ==> null
    whole(1, 2) ==> null
    whole() ==> null
    whole(z: 1) ==> null
    upper(5) ==> 50
    upper(A: 5) ==> 50
    both(1, "abc") ==> {B: 20, C: 5}
    both(y: "abc", x: 1).C ==> 5
    both(1) ==> null
    mixed("abc", 5) ==> 8
    mixed(A: 5, y: "ab") ==> 7
    typed(1) ==> null
    twice(1) ==> 40
    for i in 1..3 return whole(i) ==> [20, 30, 40]
    [1, 2, 3][whole(item) > 25] ==> [2, 3]
    sort([1, 3, 2], function(a, b) whole(a) > whole(b)) ==> [3, 2, 1]
""")
def test_decision_services_are_functions(expression: str, expected: str) -> None:
    """Of their input data, then of their input decisions (10.4)."""
    needs = tuple(f"s_{name}" for name in ("whole", "upper", "both", "mixed", "typed"))
    assert same(answer(*SERVICES, decision("q", expression, knowledge=(*needs, "b_twice"))), expected)


def test_a_call_of_a_service_needs_no_inputs_but_its_arguments() -> None:
    model = load(definitions(*SERVICES, decision("q", "whole(1)", knowledge=("s_whole",))))
    assert next(d for d in model.decisions if d.name == "q").inputs == ()
    assert model.evaluate("q", {}) == (20, (), None)
    assert model.evaluate_service("both", {"x": 1, "y": "abc"}).value == {"B": 20, "C": 5}
    assert model.evaluate_service("mixed", {"A": 1, "y": "abc"}).value == 4


FUNCTION_TYPE = item("Rate").replace(
    "</itemDefinition>",
    '<functionItem outputTypeRef="number"><parameters name="x" typeRef="number"/></functionItem></itemDefinition>',
)


@cases("""
    add them(2, 4) ==> 6
    add them(second-one: 2, first one: 4) ==> 6
    add them(2) ==> null
    add them(2, 3, 4) ==> null
    apply(function(x: number) x * 3, 2) ==> 6
    apply(function(x) x * 3, 2) ==> 6
    apply(triple, 2) ==> 6
    apply(2, 2) ==> null
    apply(abs, -2) ==> 2
    sort([1, 3, 2], downward) ==> [3, 2, 1]
    for n in 1..3 return triple(n) ==> [3, 6, 9]
    factorial(20) ==> 2432902008176640000
    describe(5) ==> "high"
    hidden(5) ==> null
""")
def test_business_knowledge_is_functions(expression: str, expected: str) -> None:
    found = answer(
        FUNCTION_TYPE,
        knowledge("add them", (("first one", "number"), ("second-one", "number")), "first one + second-one"),
        knowledge("apply", (("g", "Rate"), ("v", "number")), "g(v)"),
        knowledge("triple", (("x", "number"),), "x * 3", type_="number"),
        knowledge("downward", (("a", ""), ("b", "")), "a > b"),
        knowledge("factorial", (("n", "number"),), "if n <= 1 then 1 else n * factorial(n - 1)"),
        knowledge("describe", (("n", "number"),), table(("n",), (("> 1", '"high"'), ("<= 1", '"low"')))),
        knowledge("hidden", (("n", "number"),), "n"),
        decision("q", expression, knowledge=("b_add them", "b_apply", "b_triple", "b_downward", "b_factorial", "b_describe")),
    )
    assert same(found, expected)


@pytest.mark.parametrize(
    ("type_", "argument", "expected"),
    [
        ("list<number>", "[1, 2]", "[1, 2]"),
        ("list<number>", "1", "[1]"),
        ("list<number>", '["a"]', "null"),
        ("context<a: number>", "{a: 1, b: 2}", "{a: 1, b: 2}"),
        ("context<a: number>", "{b: 2}", "null"),
        ("range<number>", "[1..2]", "[1..2]"),
        ("range<string>", "[1..2]", "null"),
        ("list", "1", "[1]"),
    ],
)
def test_types_may_be_written_with_their_parts(type_: str, argument: str, expected: str) -> None:
    function = knowledge("f", (("x", type_),), "x")
    assert same(answer(function, decision("q", f"f({argument})", knowledge=("b_f",))), expected)
    assert same(answer(decision("q", argument, type_=type_)), expected)


def test_a_decision_may_be_a_function() -> None:
    made = decision("F", lambda_((("x", "number"),), "x * 3"))
    assert answer(made, decision("q", "F(2)", "d_F")) == 6
    library = decision("L", context(("triple", lambda_((("x", "number"),), "x * 3")), ("one", "1")))
    assert answer(library, decision("q", "L.triple(L.one)", "d_L")) == 3


@pytest.mark.parametrize(
    ("name", "expression", "given", "expected"),
    [
        ("a-b", "a-b + 1", 5, 6),
        ("x+y", "x+y * 2", 5, 10),
        ("a*b", "a*b", 5, 5),
        ("a/b", "a/b + 1", 5, 6),
        ("a.b", "a.b + 1", 5, 6),
        ("Order's total", "Order's total * 2", 5, 10),
        ("in range", "in range + 1", 5, 6),
        ("if x", "if x + 1", 5, 6),
        ("x and y", "x and y", 5, 5),
        ("x between y", "x between y", 5, 5),
        ("for loan", "for loan + 1", 5, 6),
        ("not paid", "not paid", True, True),
        ("true value", "true value", 1, 1),
        ("function name", "function name", 1, 1),
        ("date and time", "date and time", 1, 1),
        ("Date-Time2", "Date-Time2 + 1", 1, 2),
        ("count", "count + 1", 1, 2),
        ("date", "date", 1, 1),
        ("return", "return + 1", 1, 2),
        ("日本 ñ", "日本 ñ + 1", 1, 2),
        ("🐎", "🐎 + 1", 1, 2),
        ("Is it?", "Is it?", 1, 1),
        ("Loan Amount", "Loan\n Amount + 1", 1, 2),
        ("p", 'p.full name + "!"', {"full name": "z"}, "z!"),
        ("p", "p.order date.year", {"order date": date(2020, 1, 1)}, 2020),
        ("ps", 'ps[full name = "x"].full name', [{"full name": "x"}], ["x"]),
        ("ps", "sum(ps.age)", [{"age": 5}, {"age": 6}], 11),
        ("item", "[1, 2][item > 1]", 5, [2]),
        ("name", '[{name: "a"}][name = name]', "z", [{"name": "a"}]),
    ],
)
def test_names_of_all_sorts(name: str, expression: str, given: Any, expected: Any) -> None:
    assert answer(input_data(name), decision("q", expression, f"i_{name}"), data={name: given}) == expected


X = "x-1"
PLACES = (
    item("T", "", part(X, "number")),
    item("Ts", "T", many=True),
    input_data("v", "T"),
    input_data("vs", "Ts"),
    decision("D", context((X, "5"))),
    decision("E", "v", "i_v"),
    decision("R", relation(((X, "number"),), ("5",))),
    knowledge("f", (), "{x-1: 5}", type_="T"),
    service("S", ("d_E",), inputs=("i_v",)),
)


@pytest.mark.parametrize(
    "logic",
    [
        "v.x-1 + 1",
        "D.x-1 + 1",
        "E.x-1 + 1",
        "R[1].x-1 + 1",
        "f().x-1 + 1",
        "(if true then v else null).x-1 + 1",
        "{w: v, r: w.x-1 + 1}.r",
        "{w: {x-1: 5}, r: w.x-1 + 1}.r",
        "vs[x-1 = 5].x-1[1] + 1",
        "(for w in vs return w.x-1 + 1)[1]",
        "(function(w: T) w.x-1 + 1)(v)",
        "(function(w: list<T>) w[1].x-1 + 1)(vs)",
        context(("w", context((X, "5"))), ("", "w.x-1 + 1")),
        context(("w", "v"), ("", "w.x-1 + 1")),
        context(("w", lambda_((("z", "T"),), "z.x-1 + 1")), ("", "w(v)")),
        context(
            ("w", f'<for iteratorVariable="i"><in>{literal("vs")}</in><return>{literal("i.x-1 + 1")}</return></for>'),
            ("", "w[1]"),
        ),
        context(("w", f"<filter><in>{literal('vs')}</in><match>{literal('x-1 = 5')}</match></filter>"), ("", "w[1].x-1 + 1")),
        context(
            ("w", f"<filter><in>{literal('vs')}</in><match>{literal('item.x-1 = 5')}</match></filter>"), ("", "w[1].x-1 + 1")
        ),
        table(("v",), (("?.x-1 = 5", "6"),)),
        table(("v.x-1",), (("5", "v.x-1 + 1"),)),
    ],
)
def test_entries_with_symbols_in_their_names_are_found_where_types_or_logic_tell_of_them(logic: str) -> None:
    found = answer(
        *PLACES,
        decision("q", logic, "i_v", "i_vs", "d_D", "d_E", "d_R", knowledge=("b_f",)),
        data={"v": {X: 5}, "vs": [{X: 5}]},
    )
    assert found == 6


def test_names_are_found_however_they_are_spaced() -> None:
    model = load(definitions(input_data("Loan  Amount"), decision("Twice  it", "Loan Amount * 2", "i_Loan  Amount")))
    for decision_, name in (("Twice it", "Loan Amount"), ("Twice  it", "Loan  Amount"), (" Twice it ", " Loan Amount")):
        assert model.evaluate(decision_, {name: 2}).value == 4


# --- imports --------------------------------------------------------------------------------------------------------------------

BASE = definitions(
    item("Colour", "string", allowed='"red", "green"'),
    item("Paint", "", part("c", "Colour"), part("n", "number")),
    input_data("x", "number"),
    decision("A", "x + 1", "i_x", type_="number"),
    knowledge("cost", (("p", "Paint"),), "p.n * 2", type_="number"),
    knowledge("next", (("n", "number"),), "n + 1"),
    knowledge("tens", (("n", "number"),), "next(n) * 10", needs=("b_next",)),
    service("S", ("d_A",), inputs=("i_x",)),
    namespace="urn:base",
    name="base",
)


def imported(name: str, namespace: str) -> str:
    return f'<import name="{name}" namespace="{namespace}" importType="https://www.omg.org/spec/DMN/20230324/MODEL/"/>'


def requiring(text: str, *refs: str) -> str:
    """The text with its references given whole: `#d_A` becomes the one of the reference that ends so."""
    for ref in refs:
        text = text.replace(f'href="#{ref.partition("#")[2]}"', f'href="{ref}"')
    return text


@cases("""
    b.A + 1 ==> 6
    b.x ==> 4
    b.S(2) ==> 3
    b.S(x: 2) ==> 3
    b.cost({c: "red", n: 2}) ==> 4
    b.cost({c: "blue", n: 2}) ==> null
    b.tens(2) ==> 30
    b.tens(n: 2) ==> 30
    {c: "red", n: 1} instance of b.Paint ==> true
    {c: 1, n: 1} instance of b.Paint ==> false
    {f: function(p: b.Paint) p.n, r: f({c: "red", n: 4})}.r ==> 4
    [1, 2][b.tens(item) > 25] ==> [2]
""")
def test_what_is_imported_stands_under_the_name_of_the_import(expression: str, expected: str) -> None:
    logic = decision("q", expression, "d_A", "i_x", knowledge=("s_S", "b_cost", "b_tens"))
    made = requiring(logic, *(f"urn:base#{id_}" for id_ in ("d_A", "i_x", "s_S", "b_cost", "b_tens")))
    for data in ({"b": {"x": 4}}, {"b.x": 4}, {"x": 4}):
        assert same(answer(imported("b", "urn:base"), made, data=data, more=(BASE,)), expected)


def test_imports_of_imports_and_imports_without_a_name() -> None:
    middle = definitions(
        imported("b", "urn:base"),
        requiring(decision("M", "b.A * 2", "d_A"), "urn:base#d_A"),
        item("Tint", "b.Colour"),
        namespace="urn:middle",
        name="middle",
    )
    whole = requiring(decision("q", "m.M", "d_M"), "urn:middle#d_M")
    for data in ({"m": {"b": {"x": 4}}}, {"m.b.x": 4}, {"x": 4}):
        assert answer(imported("m", "urn:middle"), whole, data=data, more=(middle, BASE)) == 10
    both = requiring(decision("q", "m.M + b.x", "d_M", "i_x"), "urn:middle#d_M", "urn:base#i_x")
    ways = (imported("m", "urn:middle"), imported("b", "urn:base"))
    assert answer(*ways, both, data={"b": {"x": 4}}, more=(middle, BASE)) == 14
    assert answer(imported("m", "urn:middle"), decision("q", '"blue"', type_="m.Tint"), more=(middle, BASE)) is None
    plain = requiring(decision("q", "A + 1", "d_A"), "urn:base#d_A")
    assert answer(imported("", "urn:base"), plain, data={"x": 4}, more=(BASE,)) == 6


def test_references_may_give_the_namespace_of_their_own_file() -> None:
    own = requiring(decision("q", "x + 1", "i_x"), "urn:test#i_x")
    assert answer(input_data("x"), own, data={"x": 4}) == 5


# --- depth ----------------------------------------------------------------------------------------------------------------------


def test_a_chain_of_a_thousand_decisions() -> None:
    chain = [decision(f"D{i}", f"D{i - 1} + 1", f"d_D{i - 1}") for i in range(1000, 0, -1)]
    assert load(definitions(*chain, decision("D0", "x", "i_x"), input_data("x"))).evaluate("D1000", {"x": 1}).value == 1001


@pytest.mark.parametrize(
    "body",
    [
        "if n = 0 then 0 else 1 + f(n - 1)",
        "if n = 0 then 0 else (for i in [n] return (if true then [1 + {a: f(i - 1)}.a] else 0))[1][1]",
        "if n = 0 then 0 else [n][1 + f(item - 1) >= 0][1]",
        "if n = 0 then 0 else " + "(" * 60 + "1 + f(n - 1)" + " + 0)" * 60,
        table(("n",), (("0", "0"), ("> 0", "1 + f(n - 1)"))),
        context(("a", context(("b", "if n = 0 then -1 else f(n - 1)"), ("", "b"))), ("", "a + 1")),
    ],
)
def test_functions_may_call_each_other_as_deep_as_the_limit_says(body: str) -> None:
    """Python's own limit is never met, however large the functions' bodies are, and wherever the caller stands."""
    parts = (knowledge("f", (("n", "number"),), body), input_data("n"), decision("q", "f(n)", "i_n", knowledge=("b_f",)))
    model = load(definitions(*parts))
    assert model.evaluate("q", {"n": 480}).value in (480, 1)
    with pytest.raises(LimitExceeded, match="functions call each other more than 1000 deep"):
        model.evaluate("q", {"n": 1500})
