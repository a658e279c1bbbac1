"""Strict YAML: what it reads, what it writes, and that no text breaks it."""

from __future__ import annotations

import string

import pytest
from catalog_yard import refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.catalog.errors import InvalidManifestFile
from modelyard.catalog.yaml_text import GREATEST_FILE, read, write

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5), max_leaves=20
)
tricky = st.sampled_from(["no", "0o17", "1e3", "0x1f", "~", "null", "1_000", "12:30", "2013-01-01", "- a", "a: b", "#", "*a"])


@given(values | st.lists(tricky) | st.dictionaries(tricky, tricky))
@settings(max_examples=120, deadline=None)
def test_what_is_written_is_read_back(value: object) -> None:
    found = read(write(value), "f").value
    assert found == value
    assert repr(found) == repr(value)


@given(st.text(st.sampled_from(string.ascii_lowercase[:4] + " \n\t-:[]{}&*!|>'\"#%@,?~0.\\\x00\ud800é"), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    refused = refusal(read, text)
    if refused is None:
        assert text.strip()
    else:
        assert all(p.line >= 1 and p.column >= 1 and p.message for p in refused.problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: 0o17", {"a": 15}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 2013-01-01", {"a": "2013-01-01"}),
        ("a:", {"a": None}),
        ("a: '1'", {"a": "1"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
    ],
)
def test_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    assert read(text, "f").value == value


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3", "given twice", 3),
        ("a: {b: 1,\n b: 2}", "given twice", 2),
        ("a: !!python/object/apply:os.system [ls]", "tags", 1),
        ("a: !x 1", "tags", 1),
        ("a: .nan", "finite", 1),
        ("a: 1e999", "finite", 1),
        ("a: " + "9" * 5000, "too many digits", 1),
        ("b: &x {a: 1}\nc:\n  <<: *x", "merge", 3),
        ("a: &x [*x]", "contains itself", 1),
        ("a: *nope", "anchor", 1),
        ("? [1]\n: 2", "key must be a text", 1),
        ("1: 2", "key must be a text", 1),
        ("a: 1\n---\nb: 2", "second document", 3),
        ("", "empty", 1),
        ("# nothing", "empty", 1),
        ("a: [1, 2", "expected", 1),
        ("\ta: 1", "cannot start any token", 1),
        ("a: 1\nb: \x01", "character", 2),
        ("[" * 1000, "nested deeper", 1),
        ("a: " + "{b: " * 100, "nested deeper", 1),
        ("x: " + "y" * GREATEST_FILE, "larger", 1),
        ("é" * (GREATEST_FILE // 2 + 1), "larger", 1),
    ],
)
def test_what_it_refuses_and_where(text: str, message: str, line: int) -> None:
    with pytest.raises(InvalidManifestFile, match=message) as caught:
        read(text, "model.yaml")
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == ("model.yaml", line)


def test_aliases_that_multiply_are_bounded() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    with pytest.raises(InvalidManifestFile, match="more than 50000 values"):
        read(laughs, "f")


def test_aliases_that_pile_up_are_bounded() -> None:
    tower = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))
    with pytest.raises(InvalidManifestFile, match="nested deeper"):
        read(tower, "f")


def test_places_point_at_keys_and_items() -> None:
    document = read("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", "f")
    assert document.place(("a", "b")) == (2, 3)
    assert document.place(("a", "c", 1, "y")) == (5, 7)
    assert document.place(("a", "nothing", "here")) == (1, 1)
