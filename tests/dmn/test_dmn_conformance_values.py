"""FEEL's values and operators, case by case (DMN 1.5, 10.3.2)."""

from __future__ import annotations

from tests.dmn.feel_lines import cases, gives


@cases(
    r"""
    {foo bar: "foo"} ==> {"foo bar": "foo"}
    {foo+bar: "foo"} ==> {"foo+bar": "foo"}
    {"foo+bar((!!],foo": "foo"} ==> {"foo+bar((!!],foo": "foo"}
    {"": "foo"} ==> {"": "foo"}
    {} ==> {}
    {a: 1 + 2, b: a + 3} ==> {a: 3, b: 6}
    {a: 1, b: {c: a + 1, d: {e: c + a}}} ==> {a: 1, b: {c: 2, d: {e: 3}}}
    {foo: bar, bar: 1} ==> {foo: null, bar: 1}
    {foo: "bar", foo: "baz"} ==> null
    {a: {b: {c: 1}}}.a.b.c ==> 1
    {a: 1}.b ==> null
    {"a b": 1}.a b ==> 1
    { a b : 1}.a b + 1 ==> 2
    {a: function(x) x + 1, b: a(2)}.b ==> 3
    {a: 1, b: 2} = {b: 2, a: 1} ==> true
    {a: null} = {} ==> false
    get value({"foo+bar((!!],foo": "foo"}, "foo+bar((!!],foo") ==> "foo"
    {"foo bar": 1, x: foo bar + 1}.x ==> 2
    {or: 1}.or ==> 1
    {in: 1, x: 2}.in ==> 1
    {a: 1}.a + 1 ==> 2
    {Order's total: 5, r: Order's total + 1}.r ==> 6
    {x-y: 5, x: 3, y: 1, r: x-y}.r ==> 5
    {x+y: 5, x: 3, y: 1, r: x+y + 1}.r ==> 6
    {in range: 5, r: in range + 1}.r ==> 6
    {a and b: true, r: a and b}.r ==> true
    {date: 5, r: date + 1}.r ==> 6
    {string: 5, r: string + 1}.r ==> 6
    {for x: 1, r: for x}.r ==> 1
    {a.b: 1, r: a.b + 1}.r ==> 2
    {a*b: 1, r: a*b + 1}.r ==> 2
    {a/b: 1, r: a/b + 1}.r ==> 2
    {time: @"10:00:00", x: time.hour}.x ==> 10
    {count: 5, x: count}.x ==> 5
    { "a" : 1 }.a ==> 1
    {foo: {foo bar: 1}}.foo.foo bar ==> 1
    """
)
def test_contexts(expression: str, expected: str) -> None:
    """Contexts (10.3.2.6): entries in order, keys of any characters, no key twice."""
    assert gives(expression, expected)


@cases(
    r"""
    true and "foo" ==> null
    "foo" and true ==> null
    false and "foo" ==> false
    "foo" and false ==> false
    null and null ==> null
    null and true ==> null
    "a" and "b" ==> null
    true or "foo" ==> true
    "foo" or true ==> true
    false or "foo" ==> null
    null or false ==> null
    null or null ==> null
    not(true) ==> false
    not(null) ==> null
    not("x") ==> null
    not(0) ==> null
    not([]) ==> null
    not([true]) ==> false
    not(true, false) ==> null
    not(negand: true) ==> false
    not() ==> null
    not({}) ==> null
    not(@"2020-01-01") ==> null
    not(not(true)) ==> true
    """
)
def test_three_valued_logic(expression: str, expected: str) -> None:
    """Conjunction, disjunction and negation (Table 50; 10.3.4.2): what is no boolean counts as null."""
    assert gives(expression, expected)


@cases(
    r"""
    [] ==> []
    [1,2,3][1] ==> 1
    [1,2,3][-1] ==> 3
    [1,2,3][0] ==> null
    [1,2,3][4] ==> null
    [1,2,3][-4] ==> null
    [1,2,3,4][item > 2] ==> [3,4]
    [1,2,3,4][item >= 2 and item < 4] ==> [2,3]
    1[1] ==> 1
    1[2] ==> null
    1[-1] ==> 1
    true[1] ==> true
    null[1] ==> null
    100[item = 100] ==> [100]
    100[item != 100] ==> []
    [{a:1},{a:2}][a = 2] ==> [{a:2}]
    [{a:1},{b:2}][a = 1] ==> [{a:1}]
    [1,2,3][true] ==> [1,2,3]
    [1,2,3][false] ==> []
    [1,2,3][null] ==> []
    [1,2,3]["foo"] ==> []
    [{item: 1},{item:2},{item:3}][item >= 2] ==> [{item:2},{item:3}]
    [{x:1, y:2}, {x:2, y:3}, {x:null, y:1}][x < 2] ==> [{x:1, y:2}]
    [{x:1, y:2}, {x:2, y:3}].y ==> [2,3]
    [{x:1, y:2}, {x:2}].y ==> [2,null]
    [{x:1, y:2}, {x:2, y:3}][x=1].y ==> [2]
    [1,2,3,4][even(item)] ==> [2,4]
    [1,2,3][3-1] ==> 2
    [1,2,3][1.5] ==> null
    {a: 2, b: [1,2,3][a]}.b ==> 2
    [1,2,3] = [1,2,3] ==> true
    [1,2] = [2,1] ==> false
    [[1],[2]][item = [2]] ==> [[2]]
    {f: function(x) x > 1, r: [1,2,3][f(item)]}.r ==> [2,3]
    [1, "a", true, null] ==> [1,"a",true,null]
    [1,2,3][item > 5][1] ==> null
    [[1,2],[3,4]][1][2] ==> 2
    [1..5] ==> [1..5]
    [{a: {b: 1}}, {a: {b: 2}}].a.b ==> [1,2]
    [ {a: [1,2]}, {a:[3]} ].a ==> [[1,2],[3]]
    {} [1] ==> {}
    {a:1}[a=1] ==> [{a:1}]
    {a:1}[a=2] ==> []
    "abc"[1] ==> "abc"
    "abc"[item = "abc"] ==> ["abc"]
    """
)
def test_lists_and_filters(expression: str, expected: str) -> None:
    """Lists, elements by number and filters (10.3.2.5)."""
    assert gives(expression, expected)


@cases(
    r"""
    1 between 0 and 2 ==> true
    0 between 0 and 2 ==> true
    2 between 0 and 2 ==> true
    3 between 0 and 2 ==> false
    null between 0 and 2 ==> null
    1 between null and 2 ==> null
    1 between 0 and null ==> null
    1 between "a" and 2 ==> null
    3 between 0 and null ==> null
    -1 between 0 and null ==> false
    "b" between "a" and "c" ==> true
    @"2020-01-02" between @"2020-01-01" and @"2020-01-03" ==> true
    @"P2D" between @"P1D" and @"P3D" ==> true
    @"P2M" between @"P1M" and @"P3M" ==> true
    @"10:00:00" between @"09:00:00" and @"11:00:00" ==> true
    true between false and true ==> null
    [1] between [0] and [2] ==> null
    1 between 2 and 0 ==> false
    1 + 1 between 1 and 1 + 2 ==> true
    true and 1 between 0 and 2 ==> true
    1 between 0 and 2 and true ==> true
    """
)
def test_between(expression: str, expected: str) -> None:
    """`between` (Table 54) is two comparisons and their conjunction."""
    assert gives(expression, expected)


@cases(
    r"""
    1 in 1 ==> true
    1 in [1,2] ==> true
    1 in (1,2) ==> true
    3 in (1,2) ==> false
    1 in [0..5] ==> true
    1 in (0..1) ==> false
    1 in ]0..1] ==> true
    1 in [0..1[ ==> false
    1 in <= 1 ==> true
    1 in (> 0) ==> true
    1 in (< 0, > 0) ==> true
    1 in [[0..5]] ==> true
    1 in ([0..5], [7..8]) ==> true
    null in null ==> true
    "a" in ("a", "b") ==> true
    1 in != 2 ==> true
    1 in [null] ==> false
    null in [1, null] ==> true
    [1,2] in [[1,2]] ==> true
    [1,2] in [1,2] ==> true
    {a: 1} in {a: 1} ==> true
    1 in {a: 1} ==> null
    @"2020-01-01" in [@"2019-01-01"..@"2021-01-01"] ==> true
    true in true ==> true
    5 in (= 5) ==> true
    "b" in ["a".."c"] ==> true
    null in [1..2] ==> null
    1 in "a" ==> null
    5 in [> 3] ==> true
    5 in [>3, <10] ==> true
    {r: [1..5], x: 3 in r}.x ==> true
    before(1, 2) ==> true
    before([1..5], 6) ==> true
    after(@"2020-01-02", @"2020-01-01") ==> true
    [1..5] instance of range<number> ==> true
    (<5) = (<5) ==> true
    3 in (<5) ==> true
    (>=5).start ==> 5
    """
)
def test_in(expression: str, expected: str) -> None:
    """`in` (Table 55)."""
    assert gives(expression, expected)


@cases(
    r"""
    1 + /* 1 + */ 1 ==> 2
    1 + 1 // + 3 ==> 2
    /* a */ 1 + /* b ⏎ c */ 1 ==> 2
    1 + // c ⏎ 1 ==> 2
    // foo ⏎ 1 ==> 1
    "/* x */" ==> "/* x */"
    "// x" ==> "// x"
    1 /* // */ + 2 ==> 3
    // /* ⏎ 5 // */ ==> 5
    1 + /**/ 1 ==> 2
    1 + 1 /* open ==> null
    1/0 ==> null
    0/0 ==> null
    -1/0 ==> null
    10**7000 ==> null
    1 / "a" ==> null
    """
)
def test_comments_and_undefined_results(expression: str, expected: str) -> None:
    """Comments (10.3.1.2); what has no number for a result is null."""
    assert gives(expression, expected)


@cases(
    r"""
    @"2020-01-01" = @"2020-01-01T00:00:00" ==> null
    @"10:00:00Z" = @"11:00:00+01:00" ==> true
    is(@"10:00:00Z", @"11:00:00+01:00") ==> false
    is(1, 1.0) ==> true
    is("a", "a") ==> true
    is(null, null) ==> true
    is(1, "1") ==> false
    is(value1: 1, value2: 1) ==> true
    @"P1Y" = @"P12M" ==> true
    @"P1D" = @"PT24H" ==> true
    @"P0Y" = @"P0D" ==> null
    1 = 1.0 ==> true
    {a:1} = {a: 1.0} ==> true
    [1..5] = [1..5] ==> true
    [1..5] = (1..5) ==> false
    {a:1} != {a:2} ==> true
    true = false ==> false
    true < false ==> null
    1 < "2" ==> null
    1 < null ==> null
    null < 1 ==> null
    null <= null ==> null
    @"2020-01-01" < @"2020-01-02" ==> true
    @"2020-01-01" < @"2020-01-02T00:00:00" ==> null
    @"P1Y" < @"P13M" ==> true
    @"P1Y" < @"P366D" ==> null
    [1] < [2] ==> null
    "a" < "b" ==> true
    "a" < 1 ==> null
    "A" < "a" ==> true
    "abc" = "abc" ==> true
    "a" = 1 ==> null
    "é" > "z" ==> true
    null = null ==> true
    1 = null ==> false
    null != null ==> false
    [] = null ==> false
    1 != null ==> true
    """
)
def test_equality_and_order(expression: str, expected: str) -> None:
    """Equality and order (Tables 53 and 54)."""
    assert gives(expression, expected)


@cases(
    r"""
    1 instance of number ==> true
    "a" instance of string ==> true
    null instance of number ==> false
    [1] instance of list<number> ==> true
    [1,"a"] instance of list<number> ==> false
    {a:1} instance of context<a: number> ==> true
    {a:1,b:2} instance of context<a: number> ==> true
    {a:"x"} instance of context<a: number> ==> false
    @"P1Y" instance of years and months duration ==> true
    @"P1D" instance of days and time duration ==> true
    @"2020-01-01" instance of date ==> true
    @"2020-01-01T00:00:00" instance of date ==> false
    1 instance of Any ==> true
    null instance of Null ==> true
    [] instance of list<string> ==> true
    """
)
def test_types(expression: str, expected: str) -> None:
    """`instance of` (10.3.2.9)."""
    assert gives(expression, expected)


@cases(
    r"""
    if true then 1 else 2 ==> 1
    if false then 1 else 2 ==> 2
    if null then 1 else 2 ==> 2
    if "a" then 1 else 2 ==> 2
    if 1 > 0 then if false then 1 else 3 else 2 ==> 3
    if [true] then 1 else 2 ==> 2
    """
)
def test_conditions(expression: str, expected: str) -> None:
    """`if` (Table 55): all but true is false."""
    assert gives(expression, expected)


@cases(
    r"""
    -1 ==> 0-1
    -(1) ==> 0-1
    --1 ==> 1
    -(-(1)) ==> 1
    -"foo" ==> null
    -null ==> null
    -true ==> null
    -[1] ==> null
    -{} ==> null
    -@"P1Y" ==> @"-P1Y"
    -@"PT1H" ==> @"-PT1H"
    -@"2020-01-01" ==> null
    -@"10:00:00" ==> null
    -@"2020-01-01T00:00:00" ==> null
    -(1+2) ==> -3
    1--1 ==> 2
    1 - -1 ==> 2
    -2 ** 2 ==> 4
    -[1][1] ==> -1
    -{a:1}.a ==> -1
    -(function() 1) ==> null
    -[1,2,3][2] ==> -2
    10 + -5 ==> 5
    10 * -5 ==> -50
    {a: 5, b: -a}.b ==> -5
    {a: 5, b: - a}.b ==> -5
    10+5 ==> 15
    -10 + -5 ==> -15
    (-10) + (-5) ==> -15
    10+null ==> null
    10+"5" ==> null
    10 + true ==> null
    10+[5] ==> null
    "a"+"b" ==> "ab"
    "a" + null ==> null
    "a" - "b" ==> null
    "a" * 2 ==> null
    @"2021-01-01" + @"P1D" ==> @"2021-01-02"
    @"2021-01-01" + @"PT23H" ==> @"2021-01-01"
    @"2021-01-01" + @"PT24H" ==> @"2021-01-02"
    @"2021-01-01" - @"PT1H" ==> @"2020-12-31"
    @"P1D" + @"2021-01-01" ==> @"2021-01-02"
    @"2021-01-31" + @"P1M" ==> @"2021-02-28"
    @"P1M" + @"2021-01-31" ==> @"2021-02-28"
    @"2021-01-31" - @"P1Y" ==> @"2020-01-31"
    @"2021-01-31" - @"2021-01-01" ==> @"P30D"
    @"2021-01-01" + @"2021-01-01" ==> null
    @"2021-01-01" + 1 ==> null
    @"2021-01-01" - 1 ==> null
    @"2021-01-01T00:00:00" - @"2020-01-01T00:00:00" ==> @"P366D"
    @"2021-01-01T00:00:00" - @"2020-01-01" ==> null
    @"2021-01-01T00:00:00Z" - @"2020-01-01" ==> @"P366D"
    @"2021-01-01" - @"2020-01-01T00:00:00Z" ==> @"P366D"
    @"2021-01-01T00:00:00" - @"2020-01-01T00:00:00Z" ==> null
    @"2021-01-01T00:00:00" + @"PT1H" ==> @"2021-01-01T01:00:00"
    @"2021-01-01T00:00:00" - @"PT1H" ==> @"2020-12-31T23:00:00"
    @"2021-01-01T00:00:00" + @"P1Y" ==> @"2022-01-01T00:00:00"
    @"2021-01-01T00:00:00+01:00" + @"P1Y" ==> @"2022-01-01T00:00:00+01:00"
    @"P1Y" - @"2021-01-01T00:00:00" ==> null
    @"P1D" - @"2021-01-01T00:00:00" ==> null
    @"10:00:00" + @"PT1H" ==> @"11:00:00"
    @"PT1H" + @"10:00:00" ==> @"11:00:00"
    @"10:00:00" - @"PT11H" ==> @"23:00:00"
    @"10:00:00" - @"09:00:00" ==> @"PT1H"
    @"09:00:00" - @"10:00:00" ==> @"-PT1H"
    @"10:00:00" - @"09:00:00Z" ==> null
    @"10:00:00+01:00" - @"09:00:00Z" ==> @"PT0S"
    @"10:00:00" + @"10:00:00" ==> null
    @"10:00:00" + @"P1Y" ==> null
    @"PT1H" + @"PT2H" ==> @"PT3H"
    @"PT1H" - @"PT2H" ==> @"-PT1H"
    @"P1Y" + @"P2M" ==> @"P1Y2M"
    @"P1Y" - @"P2M" ==> @"P10M"
    @"P1Y" + @"P1D" ==> null
    @"P1Y" - @"P1D" ==> null
    @"P1Y" * 2 ==> @"P2Y"
    2 * @"P1Y" ==> @"P2Y"
    @"P1Y" * 1.5 ==> @"P18M"
    @"P1Y" / 2 ==> @"P6M"
    @"P1Y" / 0 ==> null
    @"P1D" / 0 ==> null
    @"P1Y" / @"P1M" ==> 12
    @"P1Y" / @"P0M" ==> null
    @"P1D" / @"PT1H" ==> 24
    @"P1D" / @"P1M" ==> null
    2 / @"P1Y" ==> null
    @"P1D" * @"P1D" ==> null
    @"P1D" * 2 ==> @"P2D"
    2 * @"P1D" ==> @"P2D"
    @"P1D" / 2 ==> @"PT12H"
    @"P1D" ** 2 ==> null
    10 / 5 ==> 2
    10 / "5" ==> null
    10 / 0 ==> null
    2 ** 3 ==> 8
    2 ** 3 ** 2 ==> 64
    2 ** -1 ==> 0.5
    2 ** 0.5 ==> 1.414213562373095048801688724209698
    (-8) ** 0.5 ==> null
    0 ** -1 ==> null
    2 ** null ==> null
    "a" ** 2 ==> null
    0 ** 0 ==> 1
    5 - "a" ==> null
    [1] + [2] ==> null
    {} + {} ==> null
    true + true ==> null
    null + null ==> null
    1 + 2 * 3 ==> 7
    (1 + 2) * 3 ==> 9
    10 - 5 - 2 ==> 3
    100 / 10 / 2 ==> 5
    .5 + .5 ==> 1
    1e3 + 1 ==> 1001
    1E-2 ==> 0.01
    1.5e+2 ==> 150
    @"2021-01-01T00:00:00@Europe/Paris" - @"2021-01-01T00:00:00Z" ==> @"-PT1H"
    @"2021-01-01T00:00:00@Europe/Paris" + @"PT1H" ==> @"2021-01-01T01:00:00@Europe/Paris"
    """
)
def test_negation_and_arithmetic(expression: str, expected: str) -> None:
    """Negation, and arithmetic of numbers, texts and temporal values (10.3.2.15)."""
    assert gives(expression, expected)


@cases(
    r"""
    {"a": 1, "b": "x"}.b ==> "x"
    { a : 1 , b : 2 } ==> {a:1,b:2}
    [ 1 , 2 ] ==> [1,2]
    (1,2) ==> null
    if(true)then(1)else(2) ==> 1
    if (1 = 1) then "a" else "b" ==> "a"
    not true ==> null
    1 = 1 and 2 = 2 or false ==> true
    false and false or true ==> true
    true or false and false ==> true
    2 + 3 > 4 and 1 < 2 ==> true
    "a" in ["a"] and true ==> true
    1 in [1..3] and 2 in [1..3] ==> true
    1 between 1 and 2 or false ==> true
    x ==> null
    every x in [1,2,3] satisfies x > 0 and x < 4 ==> true
    for x in [1,2], y in [x, 10] return x * y ==> [1,10,4,20]
    for a in [1,2] return {a: a, b: a * 2} ==> [{a:1,b:2},{a:2,b:4}]
    {a: [1,2,3], s: sum(a), c: count(a), m: s / c}.m ==> 2
    { "first name": "A", "last name": "B", full: first name + last name }.full ==> "AB"
    {Monthly Fee: 20, Rate: 0.05, x: Monthly Fee * Rate}.x ==> 1
    (function() 1)() ==> 1
    {f: function(a: number, b: string) b, r: f(b: "x", a: 1)}.r ==> "x"
    {f: function(list: list<number>) list[1], r: f([5])}.r ==> 5
    {f: function(date: date) date.year, r: f(@"2020-01-01")}.r ==> 2020
    {a: date("2020-01-01").month}.a ==> 1
    date("2020-01-01").day + 1 ==> 2
    @"2020-01-01".year + 1 ==> 2021
    [1,2,3][item > 1][1] ==> 2
    {a: {b: [1,2,3]}}.a.b[2] ==> 2
    {a: {b: [1,2,3]}}.a.b[item > 1] ==> [2,3]
    [{a: [{b: 1},{b: 2}]}].a.b ==> [[1,2]]
    flatten([{a: [{b: 1},{b: 2}]}].a.b) ==> [1,2]
    [{a: 1, b: 2}, {a: 2, b: 3}][a = 1 and b = 2] ==> [{a:1,b:2}]
    [{a: 1}, {a: 2}][item.a = 2] ==> [{a: 2}]
    [[1,2],[3,4]][2][1] ==> 3
    count([1,2,3][item > 5]) ==> 0
    -5 ==> 0 - 5
    - 5 ==> 0 - 5
    5 - 3 ==> 2
    5 -3 ==> 2
    5- 3 ==> 2
    5-3 ==> 2
    "\u00e9" ==> "é"
    "\x" ==> "\\x"
    'a' ==> null
    1,000 ==> null
    1. ==> null
    01 ==> 1
    1.50 ==> 1.5
    +1 ==> null
    1e400 / 1e400 ==> 1
    null + 1 ==> null
    {a: null}.a ==> null
    [null][1] ==> null
    null = 1 ==> false
    null != 1 ==> true
    1 != "a" ==> null
    [1,2] = 1 ==> null
    [1] = 1 ==> null
    {} = [] ==> null
    {} = {} ==> true
    [] = [] ==> true
    true != null ==> true
    "true" = true ==> null
    @"P1D" = 1 ==> null
    if null = null then 1 else 2 ==> 1
    if 1 = "a" then 1 else 2 ==> 2
    some x in [] satisfies x ==> false
    1 instance of string ==> false
    [1,2] instance of list<string> ==> false
    {a: 1} instance of context<a: string> ==> false
    {a: 1} instance of context<a: number, b: string> ==> false
    (1 + 1) instance of number ==> true
    [1..3] instance of range<string> ==> false
    sum instance of function<list<number>> -> number ==> false
    null instance of Any ==> false
    1 instance of foo ==> null
    [@"2020-01-01"] instance of list<date> ==> true
    @"2020-01-01T00:00:00" instance of date and time ==> true
    @"10:00:00" instance of time ==> true
    5 in (<3, >4) ==> true
    5 in [1,5] ==> true
    5 in [[1..3],[4..6]] ==> true
    5 in (1) ==> false
    "abc" in ("abc") ==> true
    5 in >= 5 ==> true
    (>5) = (>5) ==> true
    (< 5) ==> (<5)
    [1..2] != [1..3] ==> true
    "b" in ("a".."c") ==> true
    [@"2020-01-01"..@"2020-12-31"].start ==> @"2020-01-01"
    5 in {r: [1..10]}.r ==> true
    """
)
def test_syntax(expression: str, expected: str) -> None:
    """How expressions stand together, and what is none (10.3.1.2)."""
    assert gives(expression, expected)
