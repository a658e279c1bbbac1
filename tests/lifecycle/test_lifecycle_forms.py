"""Forms: a closed subset of JSON Schema; what is filled in is what was asked for."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput, TooLarge
from modelyard.lifecycle.tasks import forms
from tests.conftest import examples

REVIEW: dict[str, Any] = {
    "type": "object",
    "required": ["finding", "address"],
    "properties": {
        "finding": {"type": "string", "minLength": 3, "maxLength": 100},
        "choice": {"enum": ["keep", "stop"], "default": "keep"},
        "share": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "days": {"type": "integer", "default": 7},
        "until": {"type": "string", "format": "date"},
        "sure": {"type": "boolean"},
        "nothing": {"type": ["string", "null"]},
        "names": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "address": {
            "type": "object",
            "required": ["town"],
            "properties": {"town": {}, "country": {"type": "string", "default": "CZ"}},
        },
        "rows": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}},
    },
}
GOOD = {"finding": "fine", "address": {"town": "Brno"}}


def faults(schema: dict[str, Any], data: dict[str, Any]) -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        forms.fill(schema, data)
    return refusal.value


def test_defaults_are_put_in_those_of_what_is_nested_too() -> None:
    filled = forms.fill(REVIEW, GOOD | {"rows": [{}, {"n": 2}]})
    assert filled == {
        "finding": "fine",
        "choice": "keep",
        "days": 7,
        "address": {"town": "Brno", "country": "CZ"},
        "rows": [{"n": 1}, {"n": 2}],
    }


def test_what_was_given_is_left_as_it_was() -> None:
    data: dict[str, Any] = {"finding": "fine", "address": {"town": "Brno"}}
    forms.fill(REVIEW, data)
    assert data == {"finding": "fine", "address": {"town": "Brno"}}
    assert "country" not in REVIEW["properties"]["address"].get("default", {})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"finding": "x"}, "data.finding"),
        ({"finding": None}, "data.finding"),
        ({"choice": "sell"}, "data.choice"),
        ({"share": 1}, "data.share"),
        ({"share": "0.5"}, "data.share"),
        ({"days": 1.5}, "data.days"),
        ({"days": True}, "data.days"),
        ({"until": "tomorrow"}, "data.until"),
        ({"until": "2026-02-30"}, "data.until"),
        ({"sure": "yes"}, "data.sure"),
        ({"nothing": 1}, "data.nothing"),
        ({"names": ["a", 2]}, "data.names.1"),
        ({"names": ["a"] * 4}, "data.names"),
        ({"address": {}}, "data.address.town"),
        ({"address": {"town": 3}}, "data.address.town"),
        ({"address": {"town": "Brno", "street": "x"}}, "data.address.street"),
        ({"rows": [{"m": 1}]}, "data.rows.0.m"),
        ({"approval": "apr_1"}, "data.approval"),
        ({"": 1}, "data."),
    ],
)
def test_a_fault_names_its_field(wrong: dict[str, Any], field: str) -> None:
    assert faults(REVIEW, GOOD | wrong).field == field


def test_every_fault_is_told_at_once() -> None:
    error = faults(REVIEW, {"days": "x", "surprise": 1, "other": 2})
    told = f"{error.field} {error.detail}"
    assert all(name in told for name in ("data.days", "data.surprise", "data.other", "data.finding", "data.address"))


def test_many_faults_are_counted_not_listed() -> None:
    error = faults(REVIEW, GOOD | {f"f{n}": 1 for n in range(500)})
    assert "and 490 more" in error.detail
    assert len(error.detail) < 2000


def test_without_a_form_there_is_nothing_to_fill_in() -> None:
    assert forms.fill(None, {}) == {}
    with pytest.raises(InvalidInput, match="no form"):
        forms.fill(None, {"approval": "apr_1"})


def test_very_much_data_is_too_large() -> None:
    with pytest.raises(TooLarge):
        forms.fill({"type": "object", "properties": {"text": {"type": "string"}}}, {"text": "x" * (2 << 20)})


def test_a_wrong_value_is_not_repeated_at_length() -> None:
    assert len(faults(REVIEW, GOOD | {"until": "x" * 100_000}).detail) < 1000


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        found = {"type": "object", "properties": {"a": found}}
    return found


LOOP: dict[str, Any] = {"type": "object", "properties": {}}
LOOP["properties"]["self"] = LOOP


def field(**of: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": of}}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        True,
        [],
        {},
        {"type": "string"},
        {"type": ["object"]},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {}}, "required": "a"},
        {"type": "object", "properties": {"a": {}}, "required": ["b"]},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "$schema": "http://example.org/schema"},
        {"type": "object", "$schema": {}},
        {"type": "object", "$ref": "#"},
        {"type": "object", "$defs": {}},
        {"type": "object", "allOf": []},
        {"type": "object", "patternProperties": {".*": {}}},
        field(**{"$ref": "#/properties/a"}),
        field(pattern="(a+)+$"),
        field(type="string", format="regex"),
        field(type="string", format=[]),
        field(type="text"),
        field(type={}),
        field(type=[["string"]]),
        field(type=[]),
        field(type="array"),
        field(type="array", items=[{"type": "string"}]),
        field(type="array", items={"$ref": "http://example.org"}),
        field(type="string", minLength="3"),
        field(type="string", minLength=-1),
        field(enum="a"),
        field(type="integer", default="seven"),
        field(enum=["a"], default="b"),
        field(type="object", properties={"b": {"type": "integer"}}, default={"c": 1}),
        field(type="object", properties={}, additionalProperties=True),
        field(description="x" * (300 << 10)),
        nested(9),
        nested(200),
        LOOP,
    ],
    ids=lambda schema: str(schema)[:60],
)
def test_what_is_outside_the_subset_is_no_form(schema: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        forms.check(schema, "forms.review")
    assert (refusal.value.field or "").startswith("forms.review")


@pytest.mark.parametrize("schema", [REVIEW, {"type": "object"}, nested(8), {"type": "object", "$schema": forms.DRAFT}])
def test_what_is_in_the_subset_is_a_form(schema: dict[str, Any]) -> None:
    forms.check(schema, "forms.review")


# --- against a naive reading of the standard ------------------------------------------------------------------------------------

TYPES: dict[str, Any] = {
    "object": lambda v: isinstance(v, Mapping),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: not isinstance(v, bool) and (isinstance(v, int) or (isinstance(v, float) and v == int(v))),
}


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def accepts(schema: Mapping[str, Any], value: Any) -> bool:
    """Draft 2020-12, word by word, for the keywords that forms have; objects are closed as forms say."""
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return all(
        (
            not kinds or any(TYPES[kind](value) for kind in kinds),
            "enum" not in schema or any(same(value, each) for each in schema["enum"]),
            "const" not in schema or same(value, schema["const"]),
            not TYPES["number"](value) or _number(schema, value),
            not isinstance(value, str) or _text(schema, value),
            not isinstance(value, list) or _list(schema, value),
            not isinstance(value, Mapping) or _object(schema, value),
        )
    )


def _number(schema: Mapping[str, Any], value: float) -> bool:
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )


def _text(schema: Mapping[str, Any], value: str) -> bool:
    fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return fits and (schema.get("format") != "date" or _date(value))


def _date(value: str) -> bool:
    try:
        return len(value) == 10 and value.isascii() and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False


def _list(schema: Mapping[str, Any], value: list[Any]) -> bool:
    fits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
    return fits and all(accepts(schema.get("items", {}), item) for item in value)


def _object(schema: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    fields = schema.get("properties", {})
    needed = set(schema.get("required", [])) <= value.keys()
    return needed and all(name in fields and accepts(fields[name], item) for name, item in value.items())


NAMES = st.sampled_from(["a", "b", "c"])
SMALL = st.integers(-2, 4)
LEAVES = st.one_of(
    st.builds(lambda low, high: {"type": "string", "minLength": low, "maxLength": high}, st.integers(0, 2), st.integers(1, 3)),
    st.just({"type": "string", "format": "date"}),
    st.builds(lambda kind, low: {"type": kind, "minimum": low}, st.sampled_from(["number", "integer"]), SMALL),
    st.builds(lambda high: {"type": "number", "exclusiveMaximum": high}, SMALL),
    st.just({"type": "boolean"}),
    st.just({"type": ["integer", "null"]}),
    st.builds(lambda values: {"enum": values}, st.lists(st.one_of(SMALL, st.booleans(), NAMES), min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, st.one_of(SMALL, st.booleans(), NAMES)),
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(NAMES, inner, max_size=3).flatmap(
        lambda fields: st.lists(st.sampled_from(sorted(fields) or [""]), unique=True, max_size=3).map(
            lambda required: {"type": "object", "properties": fields, "required": [name for name in required if name in fields]}
        )
    )


FIELDS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most}, inner, st.integers(0, 3)),
    ),
    max_leaves=5,
)
FORMS = _objects(FIELDS)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    SMALL,
    st.floats(-3, 5, allow_nan=False),
    st.text(max_size=3),
    NAMES,
    st.sampled_from(["2026-02-28", "2026-02-30", "2026-2-8", "20260228"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)), max_leaves=6
)


def fitting(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that nearly fit: random ones hardly ever do."""
    if schema.get("type") == "object":
        return st.fixed_dictionaries({}, optional={name: fitting(of) for name, of in schema["properties"].items()})
    if schema.get("type") == "array":
        return st.lists(fitting(schema["items"]), max_size=4)
    return SCALARS


@settings(max_examples=examples(150, hunt=5000))
@given(st.data())
def test_what_is_accepted_is_what_the_standard_accepts(data: st.DataObject) -> None:
    schema = data.draw(FORMS)
    forms.check(schema, "forms.f")
    value = data.draw(st.one_of(st.dictionaries(NAMES, VALUES, max_size=3), fitting(schema)))
    found = outcome(schema, value)
    assert isinstance(found, dict) == accepts(schema, value)
    assert found == value or str(getattr(found, "field", "")).startswith("data"), "nothing is added without a default"


def outcome(schema: Mapping[str, Any], value: Any) -> dict[str, Any] | InvalidInput:
    try:
        return forms.fill(schema, value)
    except InvalidInput as error:
        return error


@settings(max_examples=examples(100, hunt=3000))
@given(st.recursive(SCALARS, lambda i: st.lists(i, max_size=3) | st.dictionaries(st.sampled_from(sorted(forms.KEYWORDS)), i)))
def test_anything_at_all_is_a_form_or_refused(schema: Any) -> None:
    given_ = {"type": "object", "properties": {"a": schema}}
    try:
        forms.check(given_, "forms.f")
    except InvalidInput:
        return
    found = outcome(given_, {"a": None})
    assert isinstance(found, dict) or (found.field or "").startswith("data")
