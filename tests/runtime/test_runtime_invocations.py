"""MLflow's scoring protocol: every form of frame and tensor, CSV, probes, and errors in MLflow's shape."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from typing import Any

import msgspec
import pandas as pd
import pytest
from forms_stage import EVERY_TYPE, PERSON, Served
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import FieldSpec
from modelyard.runtime.forms.invocations import Invocations
from modelyard.runtime.inputs import InputPlan
from tests.conftest import examples

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [0.5, 0.25]})
X = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def post(served: Served, body: Any, endpoint: str = "hold", **headers: str) -> Any:
    path = f"/endpoints/{endpoint}/invocations"
    if isinstance(body, bytes):
        return served.client.post(path, content=body, headers={"content-type": "application/json"} | headers)
    return served.client.post(path, json=body, headers=headers)


SPLIT = {"dataframe_split": FRAME.to_dict(orient="split")}


@pytest.mark.parametrize(
    "body",
    [
        SPLIT,
        {"dataframe_split": {"data": FRAME.to_numpy().tolist()}},
        {"dataframe_split": {"columns": ["b", "a"], "index": [7, 9], "data": [[0.5, 1.0], [0.25, 2.0]]}},
        {"dataframe_records": FRAME.to_dict(orient="records")},
        {"instances": FRAME.to_dict(orient="records")},
        {"instances": FRAME.to_numpy().tolist()},
        {"inputs": FRAME.to_dict(orient="list")},
        {"inputs": FRAME.to_numpy().tolist()},
        {"inputs": FRAME.to_dict(orient="records"), "params": {"temperature": 1}},
        FRAME.to_csv(index=False).encode(),
        FRAME.to_csv(index=True).encode(),
        b"\xef\xbb\xbfb,a\r\n0.5,1\r\n\r\n2.5e-1,2\r\n",
    ],
)
def test_all_forms_of_a_frame_are_answered_alike(served: Served, body: Any) -> None:
    headers = {"content-type": "text/csv; charset=utf-8"} if isinstance(body, bytes) else {}
    response = post(served, body, **headers)
    assert response.status_code == 200, response.text
    answer = response.json()
    bias = {"champion": 10, "challenger": 20}[answer["metadata"]["groups"][0]["arm"]]
    assert answer["predictions"] == [1.5 + bias, 2.25 + bias]
    logged = served.decision(answer["metadata"]["decision_ids"][1])
    assert (logged["inputs"], logged["endpoint"]) == ('{"a":2.0,"b":0.25}', "hold")


def test_a_tensor_goes_whole_to_the_only_field(served: Served) -> None:
    for body in ({"inputs": X}, {"instances": X}, {"inputs": {"x": X}}, {"instances": [{"x": row} for row in X]}):
        assert post(served, body, "vector").json()["predictions"] == [6.5, 15.5], body


def test_several_outputs_are_records_and_params_carry_the_subject(served: Served) -> None:
    body = {"inputs": [{"text": "hello"}], "params": {"subject": "s", "routing_key": "k"}}
    person = {"age": 3.0, "income": None, "region": "south", "member": True, "scores": [[1], [2]]}
    answer = post(served, body | {"inputs": [person]}, "person").json()
    wanted = {"age_out": 3, "income_out": None, "region_out": "south", "member_out": True, "scores_out": [1.0, 2.0]}
    assert answer["predictions"] == [wanted]
    logged = served.decision(answer["metadata"]["decision_ids"][0])
    assert logged["subject"] is not None
    assert logged["unit"] is not None


def test_probes(served: Served) -> None:
    for path in ("/ping", "/health"):
        assert (served.client.get(path).status_code, served.client.get(path).text) == (200, "\n")
    assert served.client.get("/version").text[0].isdigit()


def test_without_a_name_there_must_be_one_endpoint(served: Served) -> None:
    response = served.client.post("/invocations", json=SPLIT)
    assert (response.status_code, response.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "/endpoints/hold/invocations" in response.json()["message"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], "an object is needed, not a list"),
        ({}, "exactly one of"),
        (SPLIT | {"inputs": {}}, "exactly one of"),
        ({"messages": []}, "found: messages"),
        ({"dataframe_split": []}, "dataframe_split is"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "different names"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, "row 0 is not a list of 2 values"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], 3]}}, "row 1"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": []}}, "0 rows"),
        ({"dataframe_records": [{"a": 1, "b": 2}, {"a": 1}]}, "'b' is not right: Expected `float`, got `null` - at `$[1]`"),
        ({"dataframe_records": {}}, "list of objects"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "'b' has 2 rows, others have 1"),
        ({"inputs": {"a": ["x"], "b": [1]}}, "'a' is not right"),
        ({"inputs": {"a": [1], "b": [1], "z": [1]}}, "unknown input 'z'"),
        ({"inputs": {"a": [], "b": []}}, "0 rows"),
        ({"inputs": 3}, "a list, or an object of lists"),
        ({"inputs": [[1, 2], [3]]}, "row 1 is not a list of 2"),
        (SPLIT | {"params": {"routing_key": {}}}, "params are not right"),
        (b'{"inputs": {"a": [NaN], "b": [1]}}', "JSON has no NaN"),
        (b"\xff", "not JSON"),
        (b"[" * 30_000, "not JSON"),
    ],
)  # fmt: skip
def test_errors_have_mlflows_shape(served: Served, body: Any, told: str) -> None:
    response = post(served, body)
    assert (response.status_code, list(response.json())) == (400, ["error_code", "message"])
    assert response.json()["error_code"] == "BAD_REQUEST"
    assert told in response.json()["message"]


@pytest.mark.parametrize(
    ("body", "endpoint", "told"),
    [
        (b"", "hold", "no header"),
        (b"\n1,2", "hold", "no header"),
        (b"a,b", "hold", "0 rows"),
        (b"a,a\n1,2", "hold", "given twice"),
        (b"a,b\n1", "hold", "row 0 is not a list of 2"),
        (b"a,b\n1,x", "hold", "Expected `float`, got `str` - at `$[0]`"),
        (b"a,b\n1,", "hold", "'b' is not right"),
        (b"a,b\n1,nan", "hold", "Expected `float`, got `str`"),
        (b"a,b\n1,1_000", "hold", "Expected `float`, got `str`"),
        ("a,b\n1,١٢".encode(), "hold", "Expected `float`, got `str`"),
        (b"age\n" + b"1" * 5000, "person", "'age' is not right: Expected `int`, got `str`"),
        (b"a,b\n1,1e999", "hold", "Expected `float`, got `str`"),
        (b'a,b\n1,"2', "hold", "not CSV"),
        (b"a,b\n1,\xff", "hold", "not CSV"),
        (b"a,b\n1," + b"2" * 200_000, "hold", "not CSV"),
        (b"x\n1", "vector", "a vector, which CSV cannot carry"),
        (b"age\n1.5", "person", "'age' is not right: Expected `int`, got `float`"),
        (b"age,income,region,member\n1,,north,perhaps", "person", "'member' is not right: Expected `bool`, got `str`"),
    ],
)  # fmt: skip
def test_csv_is_told_what_is_wrong_with_it(served: Served, body: bytes, endpoint: str, told: str) -> None:
    response = post(served, body, endpoint, **{"content-type": "text/csv"})
    assert response.status_code == 400, response.text
    assert told in response.json()["message"]


def test_content_types_other_than_mlflows_are_415(served: Served) -> None:
    for kind in (
        "text/plain",
        "text/csv; charset=latin-1",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
    ):
        response = post(served, b"a,b\n1,2", **{"content-type": kind})
        assert response.status_code == 415, kind
        assert "message" in response.json()
    assert served.client.get("/endpoints/hold/invocations").status_code == 405


class Csv:
    def get(self, name: str) -> str | None:
        return "text/csv"


class Json:
    def get(self, name: str) -> str | None:
        return None


SCALARS = tuple(spec for spec in PERSON.inputs if not spec.shape)
PLAN = InputPlan(PERSON.model_copy(update={"inputs": SCALARS}))
row = st.tuples(
    st.integers(0, 130),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["north", "élan"]),
    st.booleans(),
)


@given(rows=st.lists(row, min_size=1, max_size=5))
@settings(max_examples=examples(50, hunt=1000))
def test_csv_is_read_as_it_was_written(rows: list[tuple[Any, ...]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([[spec.name for spec in SCALARS], *rows])
    asked = Invocations().read(out.getvalue().encode(), Csv(), {spec.name: spec for spec in SCALARS})
    assert PLAN.read(asked.given) == (len(rows), [list(column) for column in zip(*rows, strict=True)])


SPECS: dict[str, FieldSpec] = {spec.name: spec for spec in EVERY_TYPE.inputs}


@given(body=st.binary(max_size=60) | st.text(st.sampled_from('int8,bool\n"1.5ex-'), max_size=40).map(str.encode))
@settings(max_examples=examples(150, hunt=5000))
def test_no_csv_makes_it_fail(body: bytes) -> None:
    with suppress(InvalidInput):
        asked = Invocations().read(body, Csv(), SPECS)
        assert asked.rows == len(next(iter(asked.given.values())))


cell = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
nested = st.recursive(cell, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))
form = st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"])


@given(body=st.dictionaries(form, nested | st.fixed_dictionaries({"data": nested}, optional={"columns": nested}), max_size=2))
@settings(max_examples=examples(150, hunt=5000))
def test_no_json_makes_it_fail(body: dict[str, Any]) -> None:
    with suppress(InvalidInput):
        asked = Invocations().read(msgspec.json.encode(body), Json(), SPECS)
        assert asked.rows == len(next(iter(asked.given.values())))
