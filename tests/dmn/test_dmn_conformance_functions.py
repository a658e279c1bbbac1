"""FEEL's built-in functions, case by case (DMN 1.5, 10.3.4)."""

from __future__ import annotations

from tests.dmn.feel_lines import cases, gives


@cases(
    r"""
    exp() ==> null
    exp(1,2) ==> null
    exp(number: 0) ==> 1
    exp(n: 0) ==> null
    exp(null) ==> null
    exp("1") ==> null
    decimal(exp(5),8) ==> 148.41315910
    log(1) ==> 0
    log(0) ==> null
    log(-1) ==> null
    log(number: 1) ==> 0
    decimal(log(10),8) ==> 2.30258509
    even(2) ==> true
    even(-2) ==> true
    even(0) ==> true
    even(2.5) ==> false
    even(-1) ==> false
    even(number: 4) ==> true
    even(null) ==> null
    even("2") ==> null
    even([2]) ==> true
    """
)
def test_exponential_logarithm_parity(expression: str, expected: str) -> None:
    """10.3.4.5"""
    assert gives(expression, expected)


@cases(
    r"""
    number("1,000.00", ",", ".") ==> 1000
    number("1.000,00", ".", ",") ==> 1000
    number("1 000,00", " ", ",") ==> 1000
    number("1000,5", null, ",") ==> 1000.5
    number("1000.5", null, null) ==> 1000.5
    number("1,000.5", ",", null) ==> 1000.5
    number(from: "1,000.00", grouping separator: ",", decimal separator: ".") ==> 1000
    number(from: "1", grouping separator: null, decimal separator: null) ==> 1
    number("1", ",", ",") ==> null
    number("1", "x", ".") ==> null
    number("1", " ", "x") ==> null
    number("", null, null) ==> null
    number("foo", null, null) ==> null
    number() ==> null
    number("1", null) ==> null
    number(null, ",", ".") ==> null
    number(1, ",", ".") ==> null
    number("-1", null, null) ==> -1
    number("-1.5", null, null) ==> -1.5
    number("1e3", null, null) ==> 1000
    """
)
def test_number_of_text(expression: str, expected: str) -> None:
    """`number()` (Table 72): three arguments, two separators that differ."""
    assert gives(expression, expected)


@cases(
    r"""
    median(8,2,5,3,4) ==> 4
    median(6,1,2,3) ==> 2.5
    median([]) ==> null
    median([6,1,2,3]) ==> 2.5
    median(list: [6,1,2,3]) ==> 2.5
    median() ==> null
    median(null) ==> null
    median([1,null]) ==> null
    median("1") ==> null
    median([1]) ==> 1
    median(1) ==> 1
    stddev(2,4,7,5) ==> 2.081665999466132735282297706979931
    decimal(stddev([47]),2) ==> null
    stddev(47) ==> null
    stddev([]) ==> null
    stddev(list: [2,4,7,5]) ==> 2.081665999466132735282297706979931
    stddev([1,"2"]) ==> null
    stddev() ==> null
    stddev(null) ==> null
    any([]) ==> false
    any(null) ==> null
    any([true, null]) ==> true
    any([false, null]) ==> null
    any(true) ==> true
    any([null]) ==> null
    any(["a"]) ==> null
    any(true, false) ==> true
    any(list: [false,true]) ==> true
    any() ==> null
    any([[true]]) ==> null
    all([]) ==> true
    """
)
def test_aggregates(expression: str, expected: str) -> None:
    """10.3.4.4"""
    assert gives(expression, expected)


@cases(
    r"""
    get entries({a: 1}) ==> [{key: "a", value: 1}]
    get entries({}) ==> []
    get entries(null) ==> null
    get entries() ==> null
    get entries({},{}) ==> null
    get entries(m: {a: 1}) ==> [{key: "a", value: 1}]
    get entries(context: {a: 1}) ==> null
    get entries(123) ==> null
    get entries({a: "foo", b: "bar"})[key="a"].value ==> ["foo"]
    get entries({a: "foo", b: "bar"})[key="a"].value[1] ==> "foo"
    get entries({"a": {b: 1}}) ==> [{key: "a", value: {b: 1}}]
    context merge([{x:1}, {y:2}]) ==> {x:1, y:2}
    context merge([{x:1, y:0}, {y:2}]) ==> {x:1, y:2}
    context merge([]) ==> {}
    context merge(null) ==> null
    context merge() ==> null
    context merge([{a:1}, null]) ==> null
    context merge([{a:1}, 1]) ==> null
    context merge({a:1}) ==> {a:1}
    context merge(contexts: [{a:1},{b:2}]) ==> {a:1,b:2}
    context merge([{a: {b:1}}, {a: {c:2}}]) ==> {a: {c: 2}}
    context merge("foo") ==> null
    context merge([[{a:1}]]) ==> null
    """
)
def test_entries(expression: str, expected: str) -> None:
    """10.3.4.10"""
    assert gives(expression, expected)


@cases(
    r"""
    floor(1.5) ==> 1
    floor(-1.5) ==> -2
    floor(-1.56, 1) ==> -1.6
    floor(1.56, 1) ==> 1.5
    floor(n: 1.5) ==> 1
    floor(n: 1.56, scale: 1) ==> 1.5
    floor(null) ==> null
    floor(1.5, null) ==> null
    floor(null, 1) ==> null
    floor("1") ==> null
    floor() ==> null
    floor(1.5,6177) ==> null
    floor(1.5,-6112) ==> null
    floor(1.5,1,1) ==> null
    floor(15.5, -1) ==> 10
    floor(1) ==> 1
    floor(0) ==> 0
    round half down(5.5, 0) ==> 5
    round half down(-5.5, 0) ==> -5
    round half down(1.121, 2) ==> 1.12
    round half down(1.125, 2) ==> 1.12
    round half down(-1.126, 2) ==> -1.13
    round half down(n: 5.5, scale: 0) ==> 5
    round half down(5.5, null) ==> null
    round half down(5.5) ==> null
    round half down() ==> null
    round half down(5.5, 6177) ==> null
    round half down(5.5,"0") ==> null
    """
)
def test_rounding(expression: str, expected: str) -> None:
    """10.3.4.5"""
    assert gives(expression, expected)


@cases(
    r"""
    list contains([1,2,3], 2) ==> true
    list contains([1,2,3], 4) ==> false
    list contains([1,null], null) ==> true
    list contains([1], null) ==> false
    list contains([], 1) ==> false
    list contains(list: [1], element: 1) ==> true
    count([1,2,3]) ==> 3
    count([]) ==> 0
    count([1,[2,3]]) ==> 2
    sum([1,2,3]) ==> 6
    sum([]) ==> null
    sum(1,2,3) ==> 6
    sum([1,null]) ==> null
    sum(["a"]) ==> null
    mean([1,2,3]) ==> 2
    mean([]) ==> null
    mean(1,2) ==> 1.5
    sublist([1,2,3],1,2) ==> [1,2]
    sublist([1,2,3],-2,1) ==> [2]
    sublist([1,2,3],-2) ==> [2,3]
    sublist([1,2,3],2) ==> [2,3]
    sublist([1,2,3],0) ==> null
    sublist([1,2,3],4) ==> null
    sublist([1,2,3],1,4) ==> null
    sublist([1,2,3],1,0) ==> null
    sublist(list: [1,2,3], start position: 2) ==> [2,3]
    sublist(list: [1,2,3], start position: 2, length: 1) ==> [2]
    append([1], 2, 3) ==> [1,2,3]
    append([], 2) ==> [2]
    append([1], [2]) ==> [1,[2]]
    append([1], null) ==> [1,null]
    append([1]) ==> null
    append(null, 1) ==> null
    concatenate([1,2],[3]) ==> [1,2,3]
    concatenate([1],[2],[3]) ==> [1,2,3]
    concatenate([1,[2]],[]) ==> [1,[2]]
    concatenate() ==> null
    concatenate([1], null) ==> null
    concatenate(["a","b"],"c") ==> ["a","b","c"]
    insert before([1,3],1,2) ==> [2,1,3]
    insert before([1,3],-1,2) ==> [1,2,3]
    insert before([1,3],3,2) ==> null
    insert before([1,3],0,2) ==> null
    remove([1,2,3],2) ==> [1,3]
    remove([1,2,3],-1) ==> [1,2]
    reverse([1,2,3]) ==> [3,2,1]
    index of([1,2,3,2],2) ==> [2,4]
    index of([1,2,null],null) ==> [3]
    index of([1],5) ==> []
    union([1,2],[2,3]) ==> [1,2,3]
    union([1,1],[2]) ==> [1,2]
    distinct values([1,2,3,2,1]) ==> [1,2,3]
    distinct values([1,"1",null,null]) ==> [1,"1",null]
    distinct values([[1],[1]]) ==> [[1]]
    flatten([[1,2],[[3]], 4]) ==> [1,2,3,4]
    product(2,3,4) ==> 24
    mode([]) ==> []
    mode(6,3,9,6,6) ==> [6]
    mode([6,1,9,6,1]) ==> [1,6]
    string join(["a","b","c"], "_and_") ==> "a_and_b_and_c"
    string join(["a","b","c"], "") ==> "abc"
    string join(["a","b","c"], null) ==> "abc"
    string join(["a"], "X") ==> "a"
    string join(["a",null,"c"], "X") ==> "aXc"
    string join([], "X") ==> ""
    string join(["a","b","c"]) ==> "abc"
    string join(["a","b","c"], "X", "[") ==> null
    string join(["a",1]) ==> null
    string join("a","X") ==> "a"
    string join(null, "X") ==> null
    string join(list: ["a","b"], delimiter: ",") ==> "a,b"
    duplicate values([1,2,1]) ==> null
    list replace([2,4,7,8], 3, 6) ==> [2,4,6,8]
    list replace([2,4,7,8], -1, 6) ==> [2,4,7,6]
    list replace([2,4,7,8], 0, 6) ==> null
    list replace([2,4,7,8], 5, 6) ==> null
    list replace([2,4,7,8], -5, 6) ==> null
    list replace([2,4,7,8], function(item, newItem) item < newItem, 5) ==> [5,5,7,8]
    list replace(list: [2,4,7,8], position: 3, newItem: 6) ==> [2,4,6,8]
    list replace(list: [2,4,7,8], match: function(item, newItem) item < newItem, newItem: 5) ==> [5,5,7,8]
    list replace([2,4], 1, null) ==> [null,4]
    list replace(null, 1, 1) ==> null
    list replace([1], null, 1) ==> null
    list replace(1, 1, 2) ==> [2]
    list replace([2,4,7,8], function(item) item < 5, 5) ==> null
    list replace([2,4,7,8], function(item, newItem) "a", 5) ==> null
    list replace([2,4,7,8], "a", 5) ==> null
    list replace([2,4,7,8], function(a: string, b: number) true, 5) ==> null
    list replace([2,4,7,8], function(item, newItem) null, 5) ==> null
    list replace([], function(item, newItem) true, 5) ==> []
    list replace([2,4,7,8], 1.5, 6) ==> null
    list replace([2,4,7,8]) ==> null
    list replace([2,4],1) ==> null
    """
)
def test_lists(expression: str, expected: str) -> None:
    """10.3.4.4"""
    assert gives(expression, expected)


@cases(
    r"""
    {f: function(x: string) x, r: f(["a","b"])}.r ==> null
    {f: function(x: context<a: number>) x.a, r: f({a: 1, b: 2})}.r ==> 1
    {f: function(x: context<a: number>) x.a, r: f({b: 2})}.r ==> null
    {f: function(x: Any) x, r: f([1])}.r ==> [1]
    string length(["abc"]) ==> 3
    upper case(["a"]) ==> "A"
    abs([-1]) ==> 1
    count(1) ==> 1
    count(null) ==> null
    sum(1) ==> 1
    contains(["foo"], "o") ==> true
    append(1, 2) ==> [1,2]
    concatenate(1, 2) ==> [1,2]
    reverse(1) ==> [1]
    flatten(1) ==> [1]
    distinct values(1) ==> [1]
    list contains("a", "a") ==> true
    list contains(null, null) ==> null
    sublist(1, 1) ==> [1]
    index of(1, 1) ==> [1]
    union(1, 1) ==> [1]
    insert before(1, 1, 2) ==> [2,1]
    remove(1,1) ==> []
    mean(1) ==> 1
    min("a") ==> "a"
    max([@"2020-01-01",@"2021-01-01"]) ==> @"2021-01-01"
    min() ==> null
    min([]) ==> null
    min(null) ==> null
    min([1,null]) ==> null
    min(1,"a") ==> null
    min([true,false]) ==> null
    max(1,2,3) ==> 3
    max(list: [1,2]) ==> 2
    min("a","b") ==> "a"
    max("a","b","aa") ==> "b"
    """
)
def test_implicit_conversions(expression: str, expected: str) -> None:
    """From a value to a list of it, from a list of one value to it, from a date to its midnight UTC (10.3.2.9.4)."""
    assert gives(expression, expected)


@cases(
    r"""
    null[true] ==> []
    null[item > 1] ==> []
    [1,2,3][item > null] ==> []
    [[1,2],[3]][count(item) > 1] ==> [[1,2]]
    {a: [1,2,3], b: a[item > 1][1]}.b ==> 2
    [{a: null}][a = null] ==> [{a: null}]
    [{b: 1}][a = null] ==> [{b: 1}]
    [1, null, 3][item = null] ==> [null]
    [1, null, 3][item != null] ==> [1,3]
    [1,2,3][if item > 1 then true else false] ==> [2,3]
    [1,2,3][not(item > 1)] ==> [1]
    [1,2,3][item in (1,3)] ==> [1,3]
    [1,2,3][item between 2 and 3] ==> [2,3]
    [@"P1D", @"P2D"][item > @"P1D"] ==> [@"P2D"]
    [1,2,3][1][1] ==> 1
    [1,2,3][-1] + 1 ==> 4
    [{n: "a", v: {x: 1}}][v.x = 1].n ==> ["a"]
    [{n: "a", v: {x: 1}}][1].v.x ==> 1
    [function(x) x + 1][1](2) ==> 3
    {l: [1,2,3], i: 2, r: l[i]}.r ==> 2
    {l: [1,2,3], i: "x", r: l[i]}.r ==> []
    {l: [1,2,3], i: 1, r: l[item > i]}.r ==> [2,3]
    {l: [{i: 5}], i: 1, r: l[i > 3]}.r ==> [{i: 5}]
    for x in [{a: 1}] return x.a + 1 ==> [2]
    {f: function(l) l[item > 1], r: f([1,2])}.r ==> [2]
    {x: 2, l: [{x: 1}, {y: 1}], r: l[x = 2]}.r ==> [{y: 1}]
    string(1/3) ==> "0.3333333333333333333333333333333333"
    1/3*3 ==> 0.9999999999999999999999999999999999
    0.1 + 0.2 = 0.3 ==> true
    1e-6 ==> 0.000001
    string(0.0000001) ==> "0.0000001"
    1234567890123456789012345678901234567 ==> 1234567890123456789012345678901235000
    string(100) ==> "100"
    string(1.10) ==> "1.10"
    string(10/4) ==> "2.5"
    string(2*0.50) ==> "1.00"
    string(100/10) ==> "10"
    string(1e2) ==> "100"
    string(-1.5) ==> "-1.5"
    decimal(1/3, 2) ==> 0.33
    decimal(2.5, 0) ==> 2
    decimal(1.5, 0) ==> 2
    decimal(-2.5, 0) ==> -2
    decimal(1115, -1) ==> 1120
    1 = 1.000 ==> true
    1 + 1 = 2 ==> true
    1 < 2 and 2 < 3 ==> true
    not(1 = 1) ==> false
    2 * 3 + 4 ** 2 ==> 22
    -3 + 2 ==> -1
    (1) ==> 1
    ((1)) ==> 1
    true ==> true
    "" ==> ""
    "a" + "" = "a" ==> true
    "a\tb" ==> "a" + "\t" + "b"
    {a: {b: 1}}.a.b ==> 1
    {a: {b: 1}}.x.y ==> null
    {a: [{b: 1}]}.a.b ==> [1]
    "abc".length ==> null
    1.a ==> null
    {a: 1} .a ==> 1
    if 1 = 1 then "a" else "b" ==> "a"
    if 1 > 2 then 1 else if 2 > 1 then 5 else 3 ==> 5
    (if true then 1 else 2) + 1 ==> 2
    if true then 1 else 2 + 1 ==> 1
    some x in [1,2] satisfies x = 1 or x = 5 ==> true
    (some x in [1] satisfies x = 1) and true ==> true
    for x in [1,2] return x + 1 ==> [2,3]
    count(for x in [1,2] return x) ==> 2
    [for x in [1,2] return x, 3] ==> [[1,2],3]
    {a: for x in [1,2] return x, b: 2}.b ==> 2
    {a: if true then 1 else 2, b: 2}.b ==> 2
    {a: some x in [1] satisfies x = 1, b: 2}.a ==> true
    1 in (>0, <5) ==> true
    1 in > 0 ==> true
    5 in [1..10) ==> true
    {a: 5, b: a in (1..10)}.b ==> true
    {a: 5, b: a in [1..10]}.b ==> true
    (1..10) = (1..10) ==> true
    [1..10).end included ==> false
    (=5).start ==> 5
    [1..3][1] ==> [1..3]
    [[1..3]][1] ==> [1..3]
    @"2020-01-01T10:00:00" > @"2020-01-01T09:00:00" ==> true
    @"10:00:00" > @"09:00:00" ==> true
    @"10:00:00Z" > @"10:00:00+01:00" ==> true
    @"2020-01-01T10:00:00Z" = @"2020-01-01T11:00:00+01:00" ==> true
    @"2020-01-01T10:00:00@Europe/Paris" = @"2020-01-01T09:00:00Z" ==> true
    date and time(@"2020-01-01", @"10:00:00").hour ==> 10
    @"2020-02-29" + @"P1Y" ==> @"2021-02-28"
    @"2020-01-31T10:00:00" + @"P1M" ==> @"2020-02-29T10:00:00"
    duration("P1Y") instance of years and months duration ==> true
    duration("P1M1D") ==> null
    duration("PT") ==> null
    duration("P") ==> null
    duration("P1W") ==> null
    duration("P1.5D") ==> null
    duration("PT1.5S") ==> @"PT1.5S"
    duration("P-1D") ==> null
    duration("1D") ==> null
    duration("PT1H1D") ==> null
    duration(from: "P1D") ==> @"P1D"
    duration(null) ==> null
    duration("P1Y14M").years ==> 2
    duration("P1Y14M").months ==> 2
    duration("-P1Y2M").months ==> -2
    duration("P1DT25H").days ==> 2
    duration("P1DT25H").hours ==> 1
    @"-PT1H30M".minutes ==> -30
    abs(@"-P1D") ==> @"P1D"
    abs(-1) ==> 1
    abs(n: -1) ==> 1
    sqrt(16) ==> 4
    sqrt(-1) ==> null
    modulo(-12, 5) ==> 3
    modulo(12, -5) ==> -3
    modulo(10.1, 4.5) ==> 1.1
    modulo(5, 0) ==> null
    odd(-5) ==> true
    odd(0) ==> false
    odd(1.5) ==> false
    round up(5.5, 0) ==> 6
    round down(-5.5, 0) ==> -5
    round half up(5.5, 0) ==> 6
    round half up(-5.5, 0) ==> -6
    ceiling(1.5) ==> 2
    ceiling(-1.5) ==> -1
    ceiling(-1.56, 1) ==> -1.5
    context([{key: "a", value: 1}]) ==> {a: 1}
    context put({a: 1}, "b", 2) ==> {a: 1, b: 2}
    context put({a: {b: 1}}, ["a","b"], 2) ==> {a: {b: 2}}
    context put({a: {b: 1}}, ["a"], 2) ==> {a: 2}
    context put({a: 1}, [], 2) ==> null
    get value({a: 1}, "b") ==> null
    get value({a: {b: 1}}, ["a","b"]) ==> null
    get value({a: {b: 1}}, ["a"]) ==> {b: 1}
    day of week(@"2019-09-17") ==> "Tuesday"
    month of year(@"2019-09-17") ==> "September"
    week of year(@"2005-01-01") ==> 53
    split("a;b;;", ";") ==> ["a","b","",""]
    split("John Doe", "\\s") ==> ["John","Doe"]
    split("a", "") ==> null
    replace("abc", "b", "$0") ==> "abc"
    replace("abcd", "(ab)|(a)", "[1=$1][2=$2]") ==> "[1=ab][2=]cd"
    replace("0123456789", "(\\d{3})(\\d{3})(\\d{4})", "($1) $2-$3") ==> "(012) 345-6789"
    replace("abra", "a", "\\$") ==> "$br$"
    replace("abra", "a*?", "x") ==> null
    replace("aaa", "a+?", "b") ==> "bbb"
    replace(input: "abc", pattern: "b", replacement: "x") ==> "axc"
    replace("ABC", "b", "x", "i") ==> "AxC"
    substring("foobar", 3) ==> "obar"
    substring("foobar", -2, 1) ==> "a"
    substring("foobar", 0) ==> null
    substring("foobar", 3, 0) ==> null
    substring("foobar", 3, 10) ==> null
    substring("foobar", 3.8) ==> null
    upper case("ß") ==> "SS"
    {a: 1, "b c": 2}."b c" ==> null
    {a: 1}["a"] ==> []
    get value({a:1},"a") ==> 1
    min(1,2,null) ==> null
    mean() ==> null
    is(@"12:00:00Z", @"12:00:00@Etc/UTC") ==> false
    is([1], [1]) ==> true
    number("1,1", ",", null) ==> 11
    """
)
def test_the_whole_together(expression: str, expected: str) -> None:
    """Of each something, as models combine it."""
    assert gives(expression, expected)
