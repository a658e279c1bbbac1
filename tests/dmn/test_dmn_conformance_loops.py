"""FEEL's loops and functions, case by case (DMN 1.5, 10.3.2.13 and 10.3.2.14)."""

from __future__ import annotations

from tests.dmn.feel_lines import cases, gives


@cases(
    r"""
    for i in 0..4 return i ==> [0,1,2,3,4]
    for i in 4..0 return i ==> [4,3,2,1,0]
    for i in -2..2 return i ==> [-2,-1,0,1,2]
    for i in 2..-2 return i ==> [2,1,0,-1,-2]
    for i in -1..-3 return i ==> [-1,-2,-3]
    for i in 1..1 return i ==> [1]
    for x in 1..2, y in 3..4 return x*y ==> [3,4,6,8]
    for x in 1..2, y in x..3 return [x,y] ==> [[1,1],[1,2],[1,3],[2,2],[2,3]]
    for i in 0..4 return if i = 0 then 1 else i * partial[-1] ==> [1,1,2,6,24]
    for i in 1..3 return count(partial) ==> [0,1,2]
    for i in [1,2,3] return partial ==> [[],[[]],[[],[[]]]]
    for i in [[1,2],[3]], j in i return j ==> [1,2,3]
    for i in 1 return i ==> [1]
    for i in "a" return i ==> ["a"]
    for i in null return i ==> null
    for i in [] return i ==> []
    for i in [null] return i ==> [null]
    for i in 1..null return i ==> null
    for i in null..1 return i ==> null
    for i in "a".."c" return i ==> null
    for i in 1.."c" return i ==> null
    for i in 1.5..3 return i ==> null
    for i in [1..3] return i ==> [1,2,3]
    for i in (1..3) return i ==> [2]
    for i in [1..3) return i ==> [1,2]
    for i in ]1..3] return i ==> [2,3]
    for i in @"1980-01-01"..@"1980-01-03" return i ==> [@"1980-01-01", @"1980-01-02", @"1980-01-03"]
    for i in @"1980-01-03"..@"1980-01-01" return i ==> [@"1980-01-03", @"1980-01-02", @"1980-01-01"]
    for i in [@"1980-01-01"..@"1980-01-03"] return i ==> [@"1980-01-01", @"1980-01-02", @"1980-01-03"]
    for i in [@"1980-01-01"..@"1980-01-03") return i ==> [@"1980-01-01", @"1980-01-02"]
    for i in @"1980-01-01T00:00:00"..@"1980-01-03T00:00:00" return i ==> null
    for i in @"P1D"..@"P3D" return i ==> null
    for i in @"10:00:00"..@"12:00:00" return i ==> null
    for i in {a:1} return i.a ==> [1]
    for i in 1..3 return i > 1 ==> [false,true,true]
    for i in [1,2,3][item > 1] return i ==> [2,3]
    for i in for j in 1..2 return j + 1 return i * 2 ==> [4,6]
    sum(for i in 1..3 return i) ==> 6
    {a: 3, b: for i in 1..a return i}.b ==> [1,2,3]
    {a: 3, b: for i in 1 .. a return i}.b ==> [1,2,3]
    {a: [1,2], b: for a in a return a + 1}.b ==> [2,3]
    for i in 1..2 return for j in 1..2 return i*j ==> [[1,2],[2,4]]
    for i in 1..2, i in 3..4 return i ==> [3,4,3,4]
    for i in 1..(1+1) return i ==> [1,2]
    for my var in 1..2 return my var + 1 ==> [2,3]
    for i in [1..3], j in [i..3] return j ==> [1,2,3,2,3,3]
    for i in [3..1] return i ==> [3,2,1]
    for i in (1..2) return i ==> []
    for i in [1..null] return i ==> null
    for i in (>1) return i ==> null
    for i in (<5) return i ==> null
    for i in 1+1..2+2 return i ==> [2,3,4]
    for i in [1..3] return {x: i, y: x + 1}.y ==> [2,3,4]
    (for i in [1,2] return i)[1] ==> 1
    """
)
def test_for(expression: str, expected: str) -> None:
    """`for` over lists, ranges and days, with `partial`."""
    assert gives(expression, expected)


@cases(
    r"""
    some i in [1,2] satisfies i > 1 ==> true
    every i in [1,2] satisfies i > 1 ==> false
    every i in [] satisfies i > 1 ==> true
    some i in [] satisfies i > 1 ==> false
    some i in [1,null] satisfies i > 1 ==> null
    every i in [1,null] satisfies i > 0 ==> null
    every i in [1,null] satisfies i > 1 ==> false
    some i in [2,null] satisfies i > 1 ==> true
    some i in null satisfies i > 1 ==> null
    every i in null satisfies i > 1 ==> null
    some i in 1 satisfies i = 1 ==> true
    some i in [1,2], j in [2,3] satisfies i + j = 5 ==> true
    every i in 1..3 satisfies i > 0 ==> true
    some i in [1,2] satisfies "a" ==> null
    some x in [{a:1}] satisfies x.a = 1 and true ==> true
    some i in [1..3] satisfies i = 2 ==> true
    some d in @"2020-01-01"..@"2020-01-03" satisfies d = @"2020-01-02" ==> true
    """
)
def test_some_and_every(expression: str, expected: str) -> None:
    """`some` and `every` (Table 57)."""
    assert gives(expression, expected)


@cases(
    r"""
    {f: function(a, b) a + b, r: f(1,2)}.r ==> 3
    {f: function(a: number, b: number) a + b, r: f("1",2)}.r ==> null
    {f: function(a, b) a + b, r: f(b: 1, a: 2)}.r ==> 3
    {f: function(a, b) a + b, r: f(1)}.r ==> null
    {f: function(a, b) a + b, r: f(1,2,3)}.r ==> null
    {f: function() 5, r: f()}.r ==> 5
    {f: function(a) function(b) a + b, r: f(1)(2)}.r ==> 3
    (function(a) a + 1)(2) ==> 3
    sort([3,1,2], function(x,y) x < y) ==> [1,2,3]
    sort(list: [3,1,2], precedes: function(x,y) x > y) ==> [3,2,1]
    {f: function(g, x) g(x), r: f(function(z) z * 2, 4)}.r ==> 8
    {f: function(g: function<number> -> number, x: number) g(x), r: f(function(z: number) z * 2, 4)}.r ==> 8
    {f: function(g, x) g(x), r: f(abs, -4)}.r ==> 4
    {x: 1, f: function() x, g: function(x) f(), r: g(5)}.r ==> 1
    {fact: function(n) if n <= 1 then 1 else n * fact(n - 1), r: fact(20)}.r ==> 2432902008176640000
    {fib: function(n: number) if n < 2 then n else fib(n-1) + fib(n-2), r: for i in 0..10 return fib(i)}.r[11] ==> 55
    [function(x) x, function(x) x + 1][2](5) ==> 6
    {a: {f: function(x) x + 1}, r: a.f(3)}.r ==> 4
    (function(x) x) instance of function<Any> -> Any ==> true
    [1,2,3][function(x) x] ==> []
    {f: function(x: string) x, r: f(["a"])}.r ==> "a"
    {f: function(x: list<string>) x, r: f("a")}.r ==> ["a"]
    {f: function(x: date and time) x, r: f(@"2020-01-01")}.r ==> @"2020-01-01T00:00:00Z"
    {f: function(x: number) x, r: f(null)}.r ==> null
    {f: function(x: number) x = null, r: f(null)}.r ==> true
    {f: function(x: number) x = null, r: f("a")}.r ==> null
    """
)
def test_lambdas(expression: str, expected: str) -> None:
    """Functions as values, and the types of their parameters."""
    assert gives(expression, expected)
