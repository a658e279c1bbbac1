"""String functions and regular expressions (DMN 1.5, 10.3.4.3; XPath F&O 3.1, 5.6)."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.run import Limits
from tests.dmn.builtin_calls import call, named, new_run, reason

TEXTS = st.text(max_size=12)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("substring", ("foobar", 3), "obar"),
        ("substring", ("foobar", 3, 3), "oba"),
        ("substring", ("foobar", -2, 1), "a"),
        ("substring", ("\U0001f40eab", 2), "ab"),
        ("string length", ("foo",), 3),
        ("string length", ("\U0001f40eab",), 3),
        ("upper case", ("aBc4",), "ABC4"),
        ("lower case", ("aBc4",), "abc4"),
        ("substring before", ("foobar", "bar"), "foo"),
        ("substring before", ("foobar", "xyz"), ""),
        ("substring after", ("foobar", "ob"), "ar"),
        ("substring after", ("", "a"), ""),
        ("replace", ("banana", "a", "o"), "bonono"),
        ("replace", ("abcd", "(ab)|(a)", "[1=$1][2=$2]"), "[1=ab][2=]cd"),
        ("contains", ("foobar", "of"), False),
        ("starts with", ("foobar", "fo"), True),
        ("ends with", ("foobar", "r"), True),
        ("matches", ("foobar", "^fo*b"), True),
        ("split", ("John Doe", "\\s"), ["John", "Doe"]),
        ("split", ("a;b;c;;", ";"), ["a", "b", "c", "", ""]),
        ("string join", (["a", "b", "c"], "_and_"), "a_and_b_and_c"),
        ("string join", (["a", "b", "c"], ""), "abc"),
        ("string join", (["a", "b", "c"], None), "abc"),
        ("string join", (["a"], "X"), "a"),
        ("string join", (["a", None, "c"], "X"), "aXc"),
        ("string join", ([], "X"), ""),
        ("string join", (["a", None, "c"],), "ac"),
    ],
)
def test_the_examples_of_table_74(name: str, arguments: tuple[Any, ...], expected: Any) -> None:
    assert call(name, *arguments) == expected


@given(TEXTS, st.integers(-14, 14), st.integers(-2, 14))
def test_a_substring_is_within_the_string_or_null(text: str, start: int, length: int) -> None:
    if start == 0 or abs(start) > len(text):
        assert call("substring", text, start) is None
        return
    first = start - 1 if start > 0 else len(text) + start
    assert call("substring", text, start) == text[first:]
    expected = text[first : first + length] if 1 <= length <= len(text) - first else None
    assert call("substring", text, start, length) == expected


def test_a_position_is_a_whole_number() -> None:
    assert call("substring", "foobar", 1.5) is None
    assert call("substring", "foobar", 3, 3.8) == "oba"
    assert "position from 1 to 6" in reason("substring", "foobar", 7)


@given(TEXTS, TEXTS)
def test_parts_before_and_after_make_the_whole(text: str, match: str) -> None:
    before, after = call("substring before", text, match), call("substring after", text, match)
    assert before + match + after == text if match in text else before == after == ""
    assert call("contains", text, match) is (match in text)


def test_names_of_parameters() -> None:
    assert named("substring", string="foobar", start_position=3, length=2) == "ob"
    assert named("substring after", string="foobar", match="ob") == "ar"
    assert named("replace", input="abc", pattern="[A-Z]", replacement="#", flags="i") == "###"
    assert named("matches", input="abc", pattern="B", flags="i") is True
    assert named("split", delimiter=",", string="foo,bar") == ["foo", "bar"]
    assert named("string join", list=["a", "b"], delimiter="-") == "a-b"
    assert named("split", delimiter=",", str="foo,bar") is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("substring", (None, 1)),
        ("substring", ("a", "1")),
        ("string length", (1,)),
        ("upper case", (None,)),
        ("contains", ("a", None)),
        ("starts with", ("a",)),
        ("matches", (None, "a")),
        ("replace", ("a", "b", None)),
        ("split", ("foo", None)),
        ("string join", (["a", 1], "X")),
        ("string join", (None, "X")),
        ("string join", (["a"], 1)),
    ],
)
def test_wrong_arguments_give_null(name: str, arguments: tuple[Any, ...]) -> None:
    assert reason(name, *arguments)


@pytest.mark.parametrize(
    ("text", "pattern", "flags", "expected"),
    [
        ("abracadabra", "bra", "", True),
        ("abracadabra", "^a.*a$", "", True),
        ("abracadabra", "^bra", "", False),
        ("one\ntwo", "one.two", "", False),
        ("one\ntwo", "one.two", "s", True),
        ("one\ntwo", "^two$", "", False),
        ("one\ntwo", "^two$", "m", True),
        ("a\n", "a$", "", False),
        ("helloworld", "hello world", "x", True),
        ("hello world", "hello[ ]world", "x", True),
        ("hello world", "hello\\ sworld", "x", True),
        ("aBc", "ABC", "i", True),
        ("a.b", "a.b", "q", True),
        ("axb", "a.b", "q", False),
        ("b", "[a-z-[aeiou]]", "", True),
        ("e", "[a-z-[aeiou]]", "", False),
        ("d", "^[^a-c-[x]]$", "", True),
        ("x", "^[^a-c-[x]]$", "", False),
        ("É", "^\\p{Lu}$", "", True),
        ("é", "^\\p{Lu}$", "i", False),
        ("é", "^\\P{Lu}$", "", True),
        ("a", "^\\p{IsBasicLatin}$", "", True),
        ("γ", "^\\p{IsBasicLatin}$", "", False),
        ("γ", "^\\p{IsGreek}$", "", True),
        ("_a-1", "^\\i\\c*$", "", True),
        ("-a", "^\\i\\c*$", "", False),
        ("-", "^\\I$", "", True),
        (" ", "^\\C$", "", True),
        ("٣", "^\\d$", "", True),
        ("_", "^\\w$", "", False),
        ("\u00a0", "^\\s$", "", False),
        ("abab", "^(ab)\\1$", "", True),
        ("b", "^(?:(a)|b)\\1$", "", True),
        ("\U0001f40e", "^.$", "", True),
        ("a-b", "[a\\-]-[\\-b]", "", True),
        ("-", "^[a-]$", "", True),
        ("-", "^[-a]$", "", True),
        ("aaa", "^a{2,}$", "", True),
        ("aaa", "^a{2}$", "", False),
        ("", "", "", True),
        ("a", "b||a", "", True),
    ],
)
def test_patterns_are_those_of_xpath(text: str, pattern: str, flags: str, expected: bool | None) -> None:
    assert call("matches", text, pattern, flags) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        *[
            "(",
            ")",
            "[",
            "[]",
            "[^]",
            "a**",
            "a++",
            "*",
            "{1}",
            "a{2,1}",
            "a{,2}",
            "a{x}",
            "]",
            "}",
            "[z-a]",
            "[a-\\d]",
            "[a[b]]",
        ],
        *["(?=a)", "(?<!a)", "(?P<n>a)", "(?i)a", "\\b", "\\x41", "\\", "\\0", "(a\\1)", "(.)\\2", "\\p{Xx}", "\\p{IsNowhere}"],
        "\\pL",
    ],
)
def test_what_xpath_does_not_allow_gives_null(pattern: str) -> None:
    assert reason("matches", "a", pattern).startswith("matches(): the pattern")


def test_flags_are_those_of_xpath() -> None:
    assert "is not a flag" in reason("matches", "a", "a", "z")
    assert call("matches", "A", "a", "ii") is True
    assert call("matches", "A", "A", None) is True


@pytest.mark.parametrize(
    ("text", "pattern", "replacement", "flags", "expected"),
    [
        ("abracadabra", "bra", "*", "", "a*cada*"),
        ("abracadabra", "a.*a", "*", "", "*"),
        ("abracadabra", "a.*?a", "*", "", "*c*bra"),
        ("abracadabra", "a", "", "", "brcdbr"),
        ("abracadabra", "a(.)", "a$1$1", "", "abbraccaddabbra"),
        ("AAAA", "A+", "b", "", "b"),
        ("AAAA", "A+?", "b", "", "bbbb"),
        ("darted", "^(.*?)d(.*)$", "$1c$2", "", "carted"),
        ("abc", "(b)", "<$0>", "", "a<b>c"),
        ("abc", "(b)", "$10", "", "ab0c"),
        ("abc", "b", "$1", "", "ac"),
        ("abc", "b", "\\$\\\\", "", "a$\\c"),
        ("a.c", ".", "$", "q", "a$c"),
        ("abc", ".*?", "x", "", None),
        ("abc", "b", "$", "", None),
        ("abc", "b", "\\n", "", None),
        ("abc", "^", "x", "m", None),
    ],
)
def test_replacing_is_that_of_xpath(text: str, pattern: str, replacement: str, flags: str, expected: str | None) -> None:
    assert call("replace", text, pattern, replacement, flags) == expected


def test_a_delimiter_that_matches_nothing_gives_null() -> None:
    assert "matches the empty string" in reason("split", "abc", "")
    assert call("split", "", ",") == [""]


PLAIN = st.text(alphabet="ab(|)*?[]-^.{}1,\\$+", max_size=10)


@given(st.text(alphabet="ab-", max_size=6), st.text(alphabet="ab|", max_size=6))
def test_simple_patterns_agree_with_pythons(text: str, pattern: str) -> None:
    assert call("matches", text, pattern) is (re.search(pattern, text) is not None)


@given(PLAIN, st.sampled_from(["", "i", "x", "m", "s", "q"]))
def test_any_pattern_gives_a_boolean_or_null_or_is_too_large(pattern: str, flags: str) -> None:
    found: Any = None
    with suppress(LimitExceeded):
        found = call("matches", "ab-1", pattern, flags)
    assert found in (True, False, None)


@given(st.text(max_size=8), st.text(max_size=8))
def test_with_flag_q_a_pattern_is_the_text_itself(text: str, pattern: str) -> None:
    assert call("matches", text, pattern, "q") is (pattern in text)


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(.*a){20}b", "(a+b?)+c$"])
def test_matching_ends_in_time(pattern: str) -> None:
    run = new_run(Limits(regex_seconds=0.1))
    began = time.perf_counter()
    with suppress(LimitExceeded):
        call("matches", "a" * 60 + "b" + "a" * 200, pattern, run=run)
    assert time.perf_counter() - began < 2


def test_a_pattern_that_backtracks_without_end_is_given_up() -> None:
    with pytest.raises(LimitExceeded, match=r"more than 0\.05 seconds"):
        call("matches", "a" * 60 + "b", "(a|aa)+$", run=new_run(Limits(regex_seconds=0.05)))


@pytest.mark.parametrize(
    "pattern", ["((a{1000}){1000}){1000}", "a{100001}", "(" * 60 + "a" + ")" * 60, "a" * 10_001, "(ab){5000}"]
)
def test_patterns_that_are_too_large_are_refused(pattern: str) -> None:
    with pytest.raises(LimitExceeded, match="regular expression"):
        call("matches", "a", pattern)


def test_strings_that_are_too_long_are_refused() -> None:
    run = new_run(Limits(text_length=1000))
    with pytest.raises(LimitExceeded, match="string of"):
        call("replace", "a" * 100, "a", "b" * 100, run=run)
    with pytest.raises(LimitExceeded, match="string of"):
        call("string join", ["a" * 100] * 5, "b" * 200, run=run)
    with pytest.raises(LimitExceeded, match="list of"):
        call("split", ",".join("a" * 100), ",", run=new_run(Limits(list_size=50)))


def test_time_spent_on_patterns_counts_as_steps() -> None:
    run = new_run()
    before = run.steps
    call("matches", "b" * 3000 + "a", "[^a]+$", run=run)
    assert before - run.steps > 100
