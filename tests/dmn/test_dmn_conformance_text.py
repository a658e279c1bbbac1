"""FEEL's texts and patterns, case by case (DMN 1.5, 10.3.4.3)."""

from __future__ import annotations

from tests.dmn.feel_lines import cases, gives


@cases(
    r"""
    matches("foobar", "^fo*b") ==> true
    matches("foobar", "^Fo*bar") ==> false
    matches("foobar", "^Fo*bar", "i") ==> true
    matches("FoObAr", "foobar", "i") ==> true
    matches("foo\nbar", "o.b") ==> false
    matches("foo\nbar", "o.b", "s") ==> true
    matches("foo\nbar", "^bar", "m") ==> true
    matches("foo\nbar", "^bar") ==> false
    matches("foobar", "f o o b a r", "x") ==> true
    matches("foobar", "f o o b a r") ==> false
    matches("foobar", "fo*b", "xi") ==> true
    matches("foobar", "^fo*b", "p") ==> null
    matches("foobar", "^fo*b", null) ==> true
    matches("foobar", "^fo*b", "") ==> true
    matches("foobar", null) ==> null
    matches(null, "fo") ==> null
    matches() ==> null
    matches("foobar") ==> null
    matches("foobar", "f", "i", "s") ==> null
    matches(input: "foobar", pattern: "^fo*bar") ==> true
    matches(input: "foobar", pattern: "^Fo*bar", flags: "i") ==> true
    matches(input: "foobar", pattern: "^fo*bar", flag: "i") ==> null
    matches("foobar", "(") ==> null
    matches("foobar", "[") ==> null
    matches("foobar", "*") ==> null
    matches("", "") ==> true
    matches("abracadabra", "bra") ==> true
    matches("abracadabra", "^a.*a$") ==> true
    matches("abracadabra", "^bra") ==> false
    matches("reluctant", "r.*?t") ==> true
    matches("helloworld", "hello world", "x") ==> true
    matches("helloworld", "hello[ ]world", "x") ==> false
    matches("hello world", "hello\\ sworld", "x") ==> true
    matches("hello world", "hello\\sworld") ==> true
    matches("abcabc", "(abc)\\1") ==> true
    matches("abcd", "(abc)\\1") ==> false
    matches("abab", "(a)(b)\\1\\2") ==> true
    matches("abc", "\\1(abc)") ==> null
    matches("abc", "(abc\\1)") ==> null
    matches("aa", "(a)\\2") ==> null
    matches("abcd", "(?:abc)d") ==> true
    matches("abcd", "(?=abc)d") ==> null
    matches("abc", "[a-z-[aeiou]]") ==> true
    matches("e", "[a-z-[aeiou]]") ==> false
    matches("x", "[a-z-[aeiou]]") ==> true
    matches("a", "[^a-z-[aeiou]]") ==> false
    matches("A", "[^a-z]") ==> true
    matches("abc", "\\i\\c*") ==> true
    matches("1", "^\\i") ==> false
    matches("1", "\\d") ==> true
    matches("١", "\\d") ==> true
    matches("a", "\\p{L}") ==> true
    matches("a", "\\p{Lu}") ==> false
    matches("A", "\\p{Lu}") ==> true
    matches("a", "\\P{Lu}") ==> true
    matches("a", "\\p{IsBasicLatin}") ==> true
    matches("é", "\\p{IsBasicLatin}") ==> false
    matches("a", "\\p{foo}") ==> null
    matches("a", "\\p") ==> null
    matches("a", "\\y") ==> null
    matches("h", "(.)\\3") ==> null
    matches("ab", "a{1,}b") ==> true
    matches("ab", "a{2,1}b") ==> null
    matches("a,b", "a,b", "x") ==> true
    matches("a.b", "a.b", "q") ==> true
    matches("axb", "a.b", "q") ==> false
    matches("a.b", "A.B", "qi") ==> true
    matches("a|b", "a|b") ==> true
    matches("ß", "SS", "i") ==> false
    matches("\u212A", "k", "i") ==> true
    matches("k", "[A-Z]", "i") ==> true
    matches("k", "[^K]", "i") ==> false
    matches("K", "\\p{Lu}", "i") ==> true
    matches("k", "\\p{Lu}", "i") ==> false
    matches("a\rb", "a.b") ==> false
    matches("a\nb", "a$", "m") ==> true
    matches("abc\n", "abc$") ==> false
    matches("-", "[a-]") ==> true
    matches("-", "[-a]") ==> true
    matches("^", "[\\^a]") ==> true
    matches("]", "[\\]]") ==> true
    matches("abracadabra", "a{2}") ==> false
    matches("aXb", "a\\wb") ==> true
    matches("a_b", "a\\wb") ==> false
    matches("a-b", "a\\Wb") ==> true
    matches("a", "[\\d\\-\\w]") ==> true
    matches("ab", "a b", "x ") ==> null
    matches("a", "a", 1) ==> null
    matches(1, "a") ==> null
    matches("Mum", "([md])[aeiou]\\1", "i") ==> true
    matches("Mum", "([md])[aeiou]\\1") ==> false
    matches("1234567890123", "^(\\d)(\\d)(\\d)(\\d)(\\d)(\\d)(\\d)(\\d)(\\d)(\\d)\\11") ==> false
    matches("abcdefghijj", "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)\\10") ==> true
    matches("aa1", "^(a)\\11$") ==> true
    matches("bcd", "[abcd-[d]]+") ==> true
    matches("[", "\\[") ==> true
    matches("a", "a**") ==> null
    matches("a", "a?+") ==> null
    matches("a", "a++") ==> null
    matches("ab", "(?i)AB") ==> null
    matches("a", "\\x61") ==> null
    matches("a", "\\u0061") ==> null
    matches("\t", "\\t") ==> true
    matches("a b", "a\\bb") ==> null
    matches("a", "(?<n>a)") ==> null
    matches("a", "[a&&b]") ==> true
    matches("a", "[[a]") ==> null
    matches("a{", "a{") ==> null
    matches("a}", "a}") ==> null
    matches("a]", "a]") ==> null
    matches("", "^$") ==> true
    matches("a", "|a") ==> true
    matches("a", "()") ==> true
    """
)
def test_patterns(expression: str, expected: str) -> None:
    """`matches()`, by XPath Functions and Operators 5.6.1."""
    assert gives(expression, expected)


@cases(
    r"""
    string length("tes") ==> 3
    string length("") ==> 0
    string length(null) ==> null
    string length(4) ==> null
    string length("\U01F40E") ==> 1
    string length("\U01F40E\u0041") ==> 2
    string length(string: "abc") ==> 3
    string length() ==> null
    string length("a","b") ==> null
    string length("\n") ==> 1
    string length("\"") ==> 1
    lower case("aBc4") ==> "abc4"
    lower case("ABCD") ==> "abcd"
    lower case(null) ==> null
    lower case(string: "A") ==> "a"
    lower case("xyZ\t\"") ==> "xyz\t\""
    contains("foobar", "ob") ==> true
    contains("foobar", "of") ==> false
    contains("foobar", "") ==> true
    contains("", "") ==> true
    contains(null, "a") ==> null
    contains("a", null) ==> null
    contains(string: "foobar", match: "of") ==> false
    contains("foo\U01F40Ebar", "\U01F40E") ==> true
    contains("foo") ==> null
    contains(["foo"], ["f"]) ==> true
    starts with("foobar", "fo") ==> true
    starts with("foobar", "") ==> true
    starts with("", "") ==> true
    starts with("foobar", "of") ==> false
    starts with(string: "foobar", match: "fo") ==> true
    ends with("foobar", "r") ==> true
    ends with("foobar", "") ==> true
    ends with("foobar", "of") ==> false
    ends with(string: "foobar", match: "of") ==> false
    ends with("foobar", null) ==> null
    substring("\U01F40Eab", 2) ==> "ab"
    substring("\U01F40Eab", 1, 1) ==> "\U01F40E"
    "\U01F40E" ==> "🐎"
    "\uD83D\uDC0E" ==> "🐎"
    "\uD83D\uDC0E" = "\U01F40E" ==> true
    {🐎: "bar"}.🐎 ==> "bar"
    {🐎🐎: 1}.🐎🐎 + 1 ==> 2
    {"🐎": 1}.🐎 ==> 1
    {🐎: function(🐀) 🐀 + 1, x: 🐎(1)}.x ==> 2
    for 🐎 in [1,2] return 🐎 + 1 ==> [2,3]
    some 🐎 in [1,2] satisfies 🐎 > 1 ==> true
    upper case("\U01F40Eabc") ==> "\U01F40EABC"
    replace("\U01F40Eab", "\U01F40E", "x") ==> "xab"
    matches("\U01F40E", "^.$") ==> true
    split("\U01F40Eab\U01F40Ecd", "\U01F40E") ==> ["", "ab", "cd"]
    substring before("foo\U01F40Ebar", "\U01F40E") ==> "foo"
    substring after("foo\U01F40Ebar", "\U01F40E") ==> "bar"
    starts with("\U01F40Ebar", "\U01F40E") ==> true
    "\u0041" ==> "A"
    "\U000041" ==> "A"
    "a\\b" ==> "a" + "\\" + "b"
    "😀" < "😁" ==> true
    "\uFFFF" < "\U01F40E" ==> true
    string length("\\u0041") ==> 6
    "\u00e9" = "é" ==> true
    "l'homme" ==> "l'homme"
    "\'" ==> "'"
    string length("\'") ==> 1
    """
)
def test_texts(expression: str, expected: str) -> None:
    """The functions of texts; positions count characters, not what encodes them."""
    assert gives(expression, expected)


@cases(
    r"""
    "a\"b" ==> "a" + "\"" + "b"
    string length("\r\n\t") ==> 3
    "\u000A" = "\n" ==> true
    substring("abc", 1, 0) ==> null
    substring("", 1) ==> null
    substring("abc", -3) ==> "abc"
    substring("abc", -4) ==> null
    substring before("abc", "") ==> ""
    substring after("abc", "") ==> "abc"
    substring before("", "a") ==> ""
    substring after("", "a") ==> ""
    substring after("abc", "c") ==> ""
    substring before("abc", "z") ==> ""
    contains("abc", "abc") ==> true
    split("a b", " ") ==> ["a","b"]
    split("abc", "x") ==> ["abc"]
    split("", ";") ==> [""]
    split("a.b", "\\.") ==> ["a","b"]
    replace("a.b", "\\.", "-") ==> "a-b"
    replace("abc", "(b)", "[$1]") ==> "a[b]c"
    replace("abc", "b", "$") ==> null
    replace("abc", "b", "\\") ==> null
    replace("abc", "z", "y") ==> "abc"
    replace("", "a", "b") ==> ""
    replace("aBc", "b", "X", "i") ==> "aXc"
    replace("a\nb", "a.b", "x", "s") ==> "x"
    replace("a b", "a b", "x", "x") ==> "a b"
    replace("a$b", "$", "x", "q") ==> "axb"
    replace("abcd", "(.)(.)", "$2$1") ==> "badc"
    matches("2020-01-01", "^\\d{4}-\\d{2}-\\d{2}$") ==> true
    matches("x@y.z", "^[^@]+@[^@]+$") ==> true
    """
)
def test_the_ends_of_texts_and_of_patterns(expression: str, expected: str) -> None:
    """Empty texts, positions at the ends, replacements and their references."""
    assert gives(expression, expected)
