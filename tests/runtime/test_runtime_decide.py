"""Records of named fields: one or many, bare or with what goes beside them, and every way to get them wrong."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from forms_stage import CALLED_INPUTS, PERSON, Served
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.runtime.forms.decide import Decide
from modelyard.runtime.inputs import InputPlan
from tests.conftest import examples

ANNA = {"age": 41, "income": 52000.5, "region": "élan", "member": True, "scores": [0.5, 1.0]}
BOB = {"age": 7, "region": "north", "member": False, "scores": [0, 1]}

LATIN = json.dumps(ANNA, ensure_ascii=False).encode("latin-1")


def post(served: Served, body: Any, endpoint: str = "person", **headers: str) -> Any:
    if isinstance(body, bytes):
        return served.client.post(f"/decide/{endpoint}", content=body, headers={"content-type": "application/json"} | headers)
    return served.client.post(f"/decide/{endpoint}", json=body, headers=headers)


def test_one_record_is_one_decision(served: Served) -> None:
    response = post(served, ANNA)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    identity = answer.pop("decision_id")
    outputs = {f"{name}_out": value for name, value in ANNA.items()}
    assert answer == {"outputs": outputs, "version": "1", "arm": "echo", "role": "champion"}
    logged = served.decision(identity)
    assert json.loads(logged["inputs"]) == ANNA
    assert json.loads(logged["output"]) == outputs


def test_many_records_are_answered_with_a_list(served: Served) -> None:
    for body in ([ANNA, BOB], {"records": [ANNA, BOB]}):
        answers = post(served, body).json()
        assert [answer["outputs"]["age_out"] for answer in answers] == [41, 7]
        assert answers[1]["outputs"]["income_out"] is None, "what may be null may be left out"
        assert len({answer["decision_id"] for answer in answers}) == 2
    assert isinstance(post(served, [ANNA]).json(), list)


def test_key_subject_time_and_id_go_beside_the_inputs(served: Served) -> None:
    beside = {"inputs": ANNA, "key": "c-17", "subject": 9, "event_time": "2026-02-01T10:00:00Z", "id": "order 1"}
    answer = post(served, beside | {"outputs": ["region_out"]}).json()
    assert (answer["id"], answer["outputs"]) == ("order 1", {"region_out": "élan"})
    logged = served.decision(answer["decision_id"])
    assert (logged["request"], logged["event_time"].isoformat()) == ("order 1", "2026-02-01T10:00:00+00:00")
    assert logged["unit"] != logged["subject"] is not None


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0999-12-31T23:59:59Z"])
def test_a_time_that_readers_of_the_log_could_not_read_is_refused(served: Served, when: str) -> None:
    refused = post(served, {"inputs": ANNA, "event_time": when})
    assert (refused.status_code, refused.json()["field"]) == (400, "parameters.event_time")
    assert "years 1000 to 8999" in refused.json()["detail"]
    assert served.client.post("/decide/person", json={"inputs": ANNA, "event_time": "1912-01-01T00:00:00Z"}).status_code == 200


@pytest.mark.parametrize("subject", ["", ["somebody", ""]])
def test_a_person_without_a_name_is_nobody_to_log(served: Served, subject: Any) -> None:
    """All of them would have one pseudonym, and be erased together."""
    refused = post(served, {"records": [ANNA, ANNA], "subject": subject})
    assert (refused.status_code, refused.json()["field"]) == (400, "parameters.subject")
    assert "has no name" in refused.json()["detail"]


def test_keys_of_many_records_stick_to_their_arms(served: Served) -> None:
    keys = [f"c-{n}" for n in range(40)]
    body = {"records": [{"a": n, "b": 0} for n in range(40)], "key": keys}
    first, second = post(served, body, "hold").json(), post(served, body, "hold").json()
    assert [a["arm"] for a in first] == [a["arm"] for a in second]
    assert {a["arm"] for a in first} == {"champion", "challenger"}
    for n, answer in enumerate(first):
        assert answer["outputs"]["prediction"] == n + {"champion": 10, "challenger": 20}[answer["arm"]]
        assert answer["version"] == {"champion": "1", "challenger": "2"}[answer["arm"]]
    assert post(served, {"a": 0, "b": 0}, "hold/versions/2").json()["outputs"] == {"prediction": 20.0}


def test_fields_called_inputs_and_records_are_fields_all_the_same(served: Served) -> None:
    record = {"inputs": [1, 2], "records": [3]}
    wanted = {"inputs_out": [1.0, 2.0], "records_out": [3.0]}
    for body in (record, {"inputs": record}, {"inputs": record, "key": "k"}):
        assert post(served, body, "odd").json()["outputs"] == wanted, body
    assert post(served, {"records": [record]}, "odd").json()[0]["outputs"] == wanted
    assert [spec.name for spec in CALLED_INPUTS.inputs] == ["inputs", "records"]


def test_an_endpoint_that_lives_on_its_constant_takes_any_record(served: Served) -> None:
    answer = post(served, {"whatever": "x"}, "fixed").json()
    assert answer["outputs"] == {"prediction": 0.5, "label": "no"}
    assert (answer["arm"], answer["role"]) == (None, "constant")
    assert "no champion" in answer["reason"]


@pytest.mark.parametrize(
    ("body", "field", "row", "told"),
    [
        (ANNA | {"age": "old"}, "age", 0, "got `str`"),
        (ANNA | {"age": None}, "age", 0, "got `null`"),
        (ANNA | {"age": 41.5}, "age", 0, "got `float`"),
        (ANNA | {"age": 1 << 40}, "age", 0, "Expected `int`"),
        (ANNA | {"age": 200}, "age", None, "outside 0 to 130"),
        (ANNA | {"region": "west"}, "region", None, "not an allowed value"),
        (ANNA | {"region": {"x": 1}}, "region", 0, "got `object`"),
        (ANNA | {"member": 1}, "member", 0, "got `int`"),
        (ANNA | {"scores": [1]}, "scores", None, "2 values a row"),
        (ANNA | {"scores": 1}, "scores", 0, "Expected `array`"),
        (ANNA | {"scores": [1, 1e39]}, "scores", 0, "Expected `float`"),
        (ANNA | {"income": True}, "income", 0, "got `bool`"),
        (ANNA | {"shoe": 43}, "shoe", None, "unknown input 'shoe'"),
        ({"age": 1}, "region", None, "missing"),
        ([ANNA, BOB, BOB | {"age": "x"}], "age", 2, "in row 2"),
        ([ANNA, {"age": 1}], "region", 1, "got `null` in row 1"),
        ([ANNA, {"shoe": 43} | BOB], "shoe", None, "unknown input 'shoe'"),
        ({"inputs": ANNA, "records": [ANNA]}, "records", None, "not both"),
        ({"inputs": ANNA, "keys": 1}, None, None, "unknown field `keys`"),
        ({"inputs": ANNA, "event_time": "soon"}, "parameters.event_time", None, "ISO 8601"),
        ({"records": [ANNA], "key": ["a", "b"]}, "parameters.routing_keys", None, "2 values for 1 rows"),
        ({"inputs": ANNA, "outputs": ["nothing"]}, "outputs", None, "no output 'nothing'"),
        ({"records": []}, "records", None, "no records"),
        ([], "records", None, "no records"),
        ([1], None, None, "Expected `object`"),
        ({}, "age", None, "missing"),
        (b'{"age": 1, "age": 2}', "age", None, "given twice"),
        (b'{"inputs": {"age": 1, "age": 2}}', "age", None, "given twice"),
        (b'{"inputs": {"age": 1}, "key": "a", "key": "b"}', "key", None, "given twice"),
        (b'[{"age": 1}, {"region": "a:b", "age": 1, "\\u0061ge": 2}]', "age", None, "given twice"),
        (b'{"age": %b}' % (b"1" * 5000), "age", 0, "out of range"),
        (b'{"age": %b, "age": 1}' % (b"1" * 5000), "age", None, "given twice"),
        (b'{"age": 1e400}', "age", 0, "right"),
        (b'{"inputs": {"age": 1}, "key": %b}' % (b"1" * 5000), None, None, "out of range"),
        (b"17", None, None, "not a record"),
        (b"", None, None, "not a record"),
        (b'{"age": 1', None, None, "not a record"),
        (b'{"age": NaN}', None, None, "not a record"),
        (b'{"age": 1} {"age": 2}', None, None, "not a record"),
        (LATIN, "region", None, "utf-8"),
        (b'{"region": "\\ud800"}', None, None, "not a record"),
        (b'{"age":' + b"[" * 20_000, None, None, "not a record"),
        (b"[" * 20_000, None, None, "not a record"),
    ],
)  # fmt: skip
def test_a_wrong_record_is_told_by_field_and_row(
    served: Served, body: Any, field: str | None, row: int | None, told: str
) -> None:
    response = post(served, body)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    problem = response.json()
    assert told in problem["detail"], problem
    assert problem["title"]
    assert problem["type"].endswith(problem["code"])
    assert (problem["status"], problem.get("field")) == (400, field), problem
    if row is not None:
        assert problem["row"] == row


def test_other_errors_are_problems_too(served: Served) -> None:
    for response, status, code in (
        (post(served, ANNA, "absent"), 404, "not_found"),
        (post(served, ANNA, "a/b/c/d"), 404, "not_found"),
        (served.client.get("/decide/person"), 405, "method_not_allowed"),
        (post(served, b"a,b\n1,2", **{"content-type": "text/csv"}), 415, "unsupported_media"),
        (post(served, b"{}", **{"content-type": "application/json; charset=latin-1"}), 415, "unsupported_media"),
    ):
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"
    assert served.client.get("/decide/person").headers["allow"] == "POST"
    assert "application/json" in post(served, b"", **{"content-type": "text/csv"}).json()["hint"]
    assert post(served, b" \n[]", **{"content-type": "application/vnd.acme+json; charset=UTF-8"}).json()["detail"] == "no records"


class Bare:
    def get(self, name: str) -> str | None:
        return None


SPECS = {spec.name: spec for spec in PERSON.inputs}
PLAN = InputPlan(PERSON)
person = st.fixed_dictionaries(
    {
        "age": st.integers(0, 130),
        "region": st.sampled_from(["north", "south", "élan"]),
        "member": st.booleans(),
        "scores": st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
    },
    optional={"income": st.none() | st.floats(allow_nan=False, allow_infinity=False)},
)


@given(records=st.lists(person, min_size=1, max_size=5), pretty=st.booleans())
@settings(max_examples=examples(60, hunt=1000))
def test_all_ways_to_write_records_are_read_the_same(records: list[dict[str, Any]], pretty: bool) -> None:
    wanted = [[record.get(name) for record in records] for name in SPECS]
    ways: list[Any] = [records, {"records": records, "key": [f"k:{n}" for n in range(len(records))]}]
    if len(records) == 1:
        ways += [records[0], {"inputs": records[0], "id": "a:b"}]
    for way in ways:
        body = json.dumps(way, indent=2 if pretty else None).encode()
        asked = Decide().read(body, Bare(), SPECS)
        rows, columns = PLAN.read(asked.given)
        assert (rows, columns) == (asked.rows, wanted)


def test_bodies_made_to_be_slow_are_refused_soon() -> None:
    """Few bytes that stand for many values, or would be compared each with each."""
    strangers = json.dumps([{f"n{n}": 1} for n in range(50_000)]).encode()
    empties = b"[" + b"{}," * 700_000 + b"{}]"
    twins = json.dumps({f"n{n}": 1 for n in range(50_000)}).encode()[:-1] + b',"n49999":2}'
    cases = ((strangers, SPECS, "unknown input 'n0', and 49999 others"), (empties, SPECS, "700001 rows"))
    for body, specs, told in (*cases, (strangers, {}, "missing in row 1"), (twins, SPECS, "'n49999' is given twice")):
        started = time.process_time()
        with pytest.raises(InvalidInput, match=told):
            Decide().read(body, Bare(), specs)
        assert time.process_time() - started < 5


text = st.text(st.characters(codec="utf-8"), max_size=4)
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
anything = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
near = st.dictionaries(st.sampled_from([*SPECS, "inputs", "records", "key", "id", "a:b"]) | text, anything, max_size=6)


@given(body=st.lists(near | person, max_size=3) | near | st.fixed_dictionaries({"inputs": near, "key": anything}) | anything)
@settings(max_examples=examples(200, hunt=5000))
def test_whatever_comes_is_read_or_refused(body: Any) -> None:
    text = json.dumps(body).encode()
    with suppress(InvalidInput):
        asked = Decide().read(text, Bare(), SPECS)
        rows, _ = PLAN.read(asked.given)
        assert rows == asked.rows


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(["a", "b", "a:", ":"]), st.sampled_from(["1", '"x:y"', "[1,2]", "null"])), max_size=4
    )
)
@settings(max_examples=examples(100, hunt=1000))
def test_members_given_twice_are_found_exactly(pairs: list[tuple[str, str]]) -> None:
    colon = "\\u003a"
    names = [json.dumps(name).replace(":", colon) for name, _ in pairs]
    written = "{" + ", ".join(f"{name} : {value}" for name, (_, value) in zip(names, pairs, strict=True)) + "}"
    twice = len({name for name, _ in pairs}) < len(pairs)
    with pytest.raises(InvalidInput, match="given twice") if twice else suppress(InvalidInput):
        Decide().read(written.encode(), Bare(), {})
