"""The arguments of FEEL's built-in functions: by name, of other types, missing; and a reason for each null (DMN 1.5, 10.3.4)."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from modelyard.dmn import LimitExceeded, load
from modelyard.dmn.feel import temporal
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.feel.values import Range
from modelyard.dmn.run import Limits, Run, system_clock
from tests.dmn.dmn_text import decision, definitions
from tests.dmn.feel_lines import cases, gives


@cases(
    r"""
    substring(string: "foobar", start position: 3) ==> "obar"
    substring(string: "foobar", start position: 3, length: 2) ==> "ob"
    substring before(string: "foobar", match: "bar") ==> "foo"
    substring after(string: "foobar", match: "ob") ==> "ar"
    upper case(string: "a") ==> "A"
    replace(input: "abcd", pattern: "(ab)|(a)", replacement: "[1=$1][2=$2]") ==> "[1=ab][2=]cd"
    replace(input: "ABC", pattern: "b", replacement: "x", flags: "i") ==> "AxC"
    split(string: "a;b", delimiter: ";") ==> ["a","b"]
    decimal(n: 1.115, scale: 2) ==> 1.12
    ceiling(n: 1.2) ==> 2
    modulo(dividend: 10, divisor: 4) ==> 2
    sqrt(number: 4) ==> 2
    log(number: 1) ==> 0
    odd(number: 3) ==> true
    count(list: [1]) ==> 1
    min(list: [1,2]) ==> 1
    min(c1: 1) ==> 1
    sum(list: [1,2]) ==> 3
    mean(list: [1,3]) ==> 2
    all(list: [true]) ==> true
    append(list: [1], item: 2) ==> [1,2]
    insert before(list: [1], position: 1, newItem: 2) ==> [2,1]
    remove(list: [1], position: 1) ==> []
    reverse(list: [1,2]) ==> [2,1]
    index of(list: [1,2], match: 2) ==> [2]
    distinct values(list: [1,1]) ==> [1]
    flatten(list: [[1]]) ==> [1]
    product(list: [2,3]) ==> 6
    mode(list: [1,1,2]) ==> [1]
    string(from: 5) ==> "5"
    time(from: "10:00:00") ==> @"10:00:00"
    date(from: @"2020-01-01T10:00:00") ==> @"2020-01-01"
    before(point1: 1, point2: 2) ==> true
    before(point: 1, range: [2..3]) ==> true
    before(range: [2..3], point: 1) ==> false
    before(range1: [1..2], range2: [3..4]) ==> true
    includes(range: [1..5], point: 3) ==> true
    during(point: 3, range: [1..5]) ==> true
    starts(point: 1, range: [1..5]) ==> true
    finished by(range: [1..5], point: 5) ==> true
    coincides(point1: 1, point2: 1) ==> true
    get value(m: {a: 1}, key: "a") ==> 1
    context put(context: {a: 1}, key: "b", value: 2) ==> {a: 1, b: 2}
    context put(context: {a: 1}, keys: ["b"], value: 2) ==> {a: 1, b: 2}
    day of week(date: @"2020-01-01") ==> "Wednesday"
    range(from: "[1..5]") ==> [1..5]
    range("(1..5)") ==> (1..5)
    range("[1..5)") ==> [1..5)
    range("[\"a\"..\"c\"]") ==> ["a".."c"]
    range("[@\"2020-01-01\"..@\"2020-02-01\"]") ==> [@"2020-01-01"..@"2020-02-01"]
    range("[1..]") ==> null
    range("1..5") ==> null
    range("foo") ==> null
    abs("a") ==> null
    abs() ==> null
    floor([1.5]) ==> 1
    sum([[1],[2]]) ==> null
    max([1,"a"]) ==> null
    max([[1],[2]]) ==> null
    max([@"P1Y",@"P1M"]) ==> @"P1Y"
    max(["a","b"]) ==> "b"
    min([@"10:00:00",@"09:00:00"]) ==> @"09:00:00"
    count([null]) ==> 1
    sublist([1,2,3], 1.0, 2.0) ==> [1,2]
    sublist([1,2,3], -1, 1) ==> [3]
    sublist([1,2,3], "1") ==> null
    append("a", "b") ==> ["a","b"]
    concatenate([1],[null]) ==> [1,null]
    union([1,null],[null]) ==> [1,null]
    distinct values([1,1.0]) ==> [1]
    distinct values([@"10:00:00Z", @"11:00:00+01:00"]) ==> [@"10:00:00Z"]
    flatten([[[[1]]],[]]) ==> [1]
    flatten(null) ==> null
    index of([null,1], null) ==> [1]
    index of([[1],[2]], [2]) ==> [2]
    list contains([[1]], [1]) ==> true
    sort([3,1,2], function(a,b) a > b) ==> [3,2,1]
    sort(["b","a"], function(a,b) a < b) ==> ["a","b"]
    sort([], function(a,b) a < b) ==> []
    sort(null, function(a,b) a < b) ==> null
    sort([3,1], null) ==> null
    sort([{n: 2},{n: 1}], function(x,y) x.n < y.n).n ==> [1,2]
    sort([3,1,2], function(a) a) ==> null
    stddev([1,1,1]) ==> 0
    median([1,2,"a"]) ==> null
    context([{key: "a", value: 1},{key: "a", value: 2}]) ==> null
    context([{key: "a"}]) ==> null
    context({key: "a", value: 1}) ==> {a: 1}
    context([]) ==> {}
    context(null) ==> null
    get value({a: 1}, null) ==> null
    get value(null, "a") ==> null
    string length("a\u0301") ==> 2
    "a" + "b" + "c" ==> "abc"
    number("1.5", ",", ".") ==> 1.5
    number("1,5", " ", ",") ==> 1.5
    week of year(@"2020-12-31") ==> 53
    day of year(@"2019-02-28") ==> 59
    month of year(@"2020-06-15T10:00:00") ==> "June"
    is(@"P1Y", @"P12M") ==> true
    is(@"2012-12-25", @"2012-12-25T00:00:00") ==> false
    is([1,2], [1,2]) ==> true
    is({a: 1}, {a: 1}) ==> true
    is() ==> null
    is(1) ==> null
    exp(0) ==> 1
    decimal(exp(1), 5) ==> 2.71828
    decimal(log(2.718281828), 6) ==> 1
    round half up(1.125, 2) ==> 1.13
    round half up(-1.125, 2) ==> -1.13
    round half down(-1.125, 2) ==> -1.12
    round up(1.121, 2) ==> 1.13
    round down(1.126, 2) ==> 1.12
    round up(-1.121, 2) ==> -1.13
    ceiling(1.51, 1) ==> 1.6
    decimal(123.456, -2) ==> 100
    matches("a\nb", "a.b", "s") ==> true
    matches("\r", ".") ==> false
    string join(["a"], null) ==> "a"
    string join([null], "x") ==> ""
    upper case("é") ==> "É"
    lower case("ÀÉ") ==> "àé"
    contains("", "a") ==> false
    before(@"2020-01-01", [@"2020-01-02"..@"2020-01-03"]) ==> true
    overlaps([1..5], [3..8]) ==> true
    overlaps([1..5), [5..8]) ==> false
    meets([1..5], [5..10]) ==> true
    met by([5..10], [1..5]) ==> true
    overlaps before([1..5], [4..10]) ==> true
    overlaps after([4..10], [1..5]) ==> true
    finishes(10, [1..10]) ==> true
    starts([1..5], [1..10]) ==> true
    started by([1..10], 1) ==> true
    includes([1..10], [1..10]) ==> true
    during([4..6], [1..10]) ==> true
    coincides([1..5], [1..5)) ==> false
    before(1, null) ==> null
    before("a", 1) ==> null
    """
)
def test_functions_take_their_arguments_by_name_and_refuse_others(expression: str, expected: str) -> None:
    assert gives(expression, expected)


ODD: tuple[Any, ...] = (
    None,
    True,
    Decimal("-1.5"),
    Decimal("1e6000"),
    Decimal("1e-6000"),
    "",
    "[",
    "2020-01-01",
    temporal.parse_date("-999999999-01-01"),
    temporal.parse_time("10:00:00@Europe/Paris"),
    temporal.parse_date_time("999999999-12-31T23:59:59@Europe/Paris"),
    temporal.parse_duration("-P1Y"),
    [],
    [None],
    [[Decimal(1)], "a"],
    {},
    {"key": "a", "value": Decimal(1)},
    Range(None, Decimal(5), False, True),
    FUNCTIONS["min"],
)
SILENT = {"not", "get value"}
"""`not(null)` is null, and an entry that there is not is null, without anything being wrong."""


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_argument_makes_a_function_fail_and_each_null_has_a_reason(name: str) -> None:
    function = FUNCTIONS[name]
    calls = [(), *product(ODD), *product(ODD, repeat=2), *product(ODD[::4], repeat=3)]
    for arguments in calls:
        run = Run(Limits(), system_clock)
        try:
            found = function.call(run, arguments)
        except LimitExceeded:
            continue
        assert found is not None or run.messages or name in SILENT, arguments


@pytest.mark.parametrize(
    "expression",
    [
        'true and "a"',
        "1 or false",
        'some i in [1] satisfies "a"',
        "every i in [1] satisfies i",
        '1 in "a"',
        "null in [1..2]",
        '1 < "a"',
        "-true",
        "[1][2]",
        "{a: 1}.b",
        "null.a",
        "(1)(2)",
        "for i in null return i",
        "[null..2]",
        '(function(x: number) x)("a")',
        "(function(x) x)(1, 2)",
        "1 between null and 2",
        "10 ** 9999",
        "0 ** -1",
        '@"x"',
        "nowhere",
        "nothing(1)",
        "1 +",
    ],
)
def test_a_null_that_comes_of_something_wrong_has_a_reason(expression: str) -> None:
    model = load(definitions(decision("d", expression)), strict=False)
    result = model.evaluate("d", {})
    assert result.value is None
    assert result.failed
    assert all(message.element == "d_d" for message in result.messages)
