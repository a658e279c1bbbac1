"""Triton's binary tensor extension: driven by its own client, by an encoder of our own, and by everything malformed."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from forms_stage import EVERY_TYPE, Served
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import InferenceServerException

from modelyard.core.errors import InvalidInput
from modelyard.kinds.signature import DataType
from modelyard.runtime.asked import Column, Said
from modelyard.runtime.forms import binary
from modelyard.runtime.forms.oip import OpenInference
from tests.conftest import examples

LENGTH = "inference-header-content-length"


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    made = triton.InferenceServerClient(served.url)
    yield made
    made.close()


def tensor(name: str, values: np.ndarray[Any, Any], as_bytes: bool = True) -> Any:
    made = triton.InferInput(name, list(values.shape), "BYTES" if values.dtype == object else DataType.of(values.dtype).value)
    made.set_data_from_numpy(values, binary_data=as_bytes)
    return made


def every(rows: int = 3) -> dict[str, np.ndarray[Any, Any]]:
    """Values at the edges of every data type, by field."""
    made: dict[str, np.ndarray[Any, Any]] = {}
    for spec in EVERY_TYPE.inputs:
        dtype = spec.type.numpy
        if spec.type is DataType.BYTES:
            made[spec.name] = np.array(["", "ü", 'a"b\n'], dtype=object)
        elif dtype.kind == "b":
            made[spec.name] = np.array([True, False, True])
        elif dtype.kind == "f":
            made[spec.name] = np.array([0.0, -1.5, np.finfo(dtype).max], dtype)
        else:
            top = min(np.iinfo(dtype).max, (1 << 63) - 1)
            made[spec.name] = np.array([0, np.iinfo(dtype).min, top], dtype)
    return {name: values[:rows] for name, values in made.items()}


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize("out_as_bytes", [True, False])
def test_every_data_type_comes_back_as_it_went(client: Any, as_bytes: bool, out_as_bytes: bool) -> None:
    wanted = [triton.InferRequestedOutput(f"{name}_out", binary_data=out_as_bytes) for name in every()]
    result = client.infer("every", [tensor(n, v, as_bytes) for n, v in every().items()], outputs=wanted, request_id="r-1")
    assert result.get_response()["id"] == "r-1"
    for name, sent in every().items():
        got = result.as_numpy(f"{name}_out")
        if got.dtype == object and out_as_bytes:
            got = np.array([value.decode() for value in got], dtype=object)
        assert got.dtype == sent.dtype
        assert got.tolist() == sent.tolist()
        has_bytes = "binary_data_size" in result.get_output(f"{name}_out").get("parameters", {})
        assert has_bytes is out_as_bytes


def test_json_and_bytes_may_be_mixed_both_ways(client: Any) -> None:
    inputs = [tensor(n, v, place % 2 == 0) for place, (n, v) in enumerate(every().items())]
    outputs = [
        triton.InferRequestedOutput("int8_out", binary_data=True),
        triton.InferRequestedOutput("fp32_out", binary_data=False),
    ]
    result = client.infer("every", inputs, outputs=outputs)
    assert [o["name"] for o in result.get_response()["outputs"]] == ["int8_out", "fp32_out"]
    assert "data" in result.get_output("fp32_out")
    assert result.as_numpy("int8_out").tolist() == every()["int8"].tolist()


def test_without_named_outputs_the_client_asks_for_bytes_of_all(client: Any) -> None:
    result = client.infer("vector", [tensor("x", np.arange(6, dtype="f4").reshape(2, 3))])
    assert result.as_numpy("prediction").tolist() == [3.5, 12.5]
    assert result.get_output("prediction")["parameters"] == {"binary_data_size": 8}
    assert result.get_response()["model_version"] == "7"
    assert len(result.get_response()["parameters"]["decision_ids"]) == 2


@pytest.mark.parametrize("way", ["gzip", "deflate"])
def test_the_client_compresses_both_ways(client: Any, way: str) -> None:
    rows = 3000
    x = tensor("x", np.ones((rows, 3), "f4"))
    result = client.infer("vector", [x], request_compression_algorithm=way, response_compression_algorithm=way)
    assert result.as_numpy("prediction").tolist() == [3.5] * rows


def test_a_version_and_a_key_can_be_asked_for(client: Any, served: Served) -> None:
    ab = [tensor("a", np.ones(2, "f4")), tensor("b", np.zeros(2, "f4"))]
    assert client.infer("hold", ab, model_version="2").as_numpy("prediction").tolist() == [21.0, 21.0]
    result = client.infer("hold", ab, parameters={"subject": "someone", "unheard": 3})
    identity = result.get_response()["parameters"]["decision_ids"][0]
    assert served.decision(identity)["subject"] is not None
    with pytest.raises(InferenceServerException, match="no champion or challenger"):
        client.infer("hold", ab, model_version="9")


def test_missing_numbers_in_bytes_are_judged_by_the_signature(client: Any, served: Served) -> None:
    person = {
        "age": np.array([30], "i4"),
        "region": np.array(["north"], object),
        "member": np.array([True]),
        "scores": np.array([[1, 2]], "f4"),
    }
    missing = client.infer("person", [tensor(n, v) for n, v in (person | {"income": np.array([np.nan])}).items()])
    assert np.isnan(missing.as_numpy("income_out")[0])
    logged = served.decision(missing.get_response()["parameters"]["decision_ids"][0])
    assert json.loads(logged["inputs"])["income"] is None
    bad = {"income": np.array([np.inf])}, {"income": np.array([1.0]), "scores": np.array([[1, np.nan]], "f4")}
    for change, told in zip(bad, ("income.*infinite in row 0", "scores.*got `null`"), strict=True):
        with pytest.raises(InferenceServerException, match=told):
            client.infer("person", [tensor(n, v) for n, v in (person | change).items()])


def test_bf16_is_refused_with_the_types_that_are_read(served: Served) -> None:
    head = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "BF16", "parameters": {"binary_data_size": 6}}]}
    response = post(served, head, bytes(6), "vector")
    assert response.status_code == 400
    assert "BF16" in response.json()["error"]
    assert "FP16" in response.json()["error"]


def post(served: Served, head: Any, tail: bytes, model: str = "hold", length: str | None = None) -> Any:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    headers = {LENGTH: length if length is not None else str(len(text)), "content-type": "application/octet-stream"}
    return served.client.post(f"/v2/models/{model}/infer", content=text + tail, headers=headers)


def one(name: str, size: Any = 4, **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": size}} | more


GOOD = {"inputs": [one("a"), one("b")]}
AB = struct.pack("<ff", 1.0, 2.0)


def test_the_plain_case_by_hand(served: Served) -> None:
    response = post(served, GOOD | {"parameters": {"binary_data_output": True}}, AB)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    size = int(response.headers[LENGTH])
    head, tail = json.loads(response.content[:size]), response.content[size:]
    assert head["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}]
    assert struct.unpack("<f", tail)[0] in (13.0, 23.0)


@pytest.mark.parametrize(
    ("head", "tail", "length", "told"),
    [
        (GOOD, AB + b"x", None, "1 bytes after the last tensor"),
        (GOOD, AB[:-1], None, "'b' should have 4 bytes, 3 are left"),
        (GOOD, b"", None, "'a' should have 4 bytes, 0 are left"),
        (GOOD, AB, "9999", "the body has only"),
        (GOOD, AB, "-1", "no number of bytes"),
        (GOOD, AB, "1e2", "no number of bytes"),
        (GOOD, AB, "", "no number of bytes"),
        (GOOD, AB, "9" * 5000, "the body has only"),
        (GOOD, AB, "3", "not an inference request"),
        (GOOD, AB, "0", "not an inference request"),
        ({"inputs": [one("a", -4), one("b", 12)]}, AB, None, "binary_data_size is -4"),
        ({"inputs": [one("a", 1 << 70), one("b")]}, AB, None, "should have"),
        ({"inputs": [one("a", 1 << 62), one("b")]}, AB, None, "should have"),
        ({"inputs": [one("a", "4"), one("b")]}, AB, None, "not an inference request"),
        ({"inputs": [one("a"), one("a")]}, AB, None, "given twice"),
        ({"inputs": [one("a", data=[1]), one("b")]}, AB, None, "both `data` and"),
        ({"inputs": [one("a", None), one("b")]}, AB, None, "neither `data` nor"),
        ({"inputs": [one("a", shape=[2]), one("b")]}, AB, None, "its shape asks for 8"),
        ({"inputs": [one("a", shape=[-1]), one("b")]}, AB, None, "shape"),
        ({"inputs": [one("a", shape=[]), one("b")]}, AB, None, "shape"),
        ({"inputs": [one("a", shape=[1 << 40, 1 << 40]), one("b")]}, AB, None, "1099511627776 rows"),
        ({"inputs": [one("a", shape=[1, 1 << 40, 1 << 40]), one("b")]}, AB, None, "its shape asks for"),
        ({"inputs": [one("a", shape=[1] * 100), one("b")]}, AB, None, "length <= 32"),
        ({"inputs": [one("a", datatype="FP128"), one("b")]}, AB, None, "no data type 'FP128'"),
        ({"inputs": [one("a", datatype="BYTES"), one("b")]}, AB, None, "its bytes end within"),
        ({"inputs": [one("a", datatype="BOOL", shape=[4]), one("b")]}, AB, None, "no BOOL"),
        ({"inputs": [one("a", parameters={"shared_memory_region": "x"}), one("b", 8)]}, AB, None, "shared memory"),
        ({"inputs": []}, AB, None, "no inputs"),
        (GOOD | {"outputs": [{"name": "prediction", "parameters": {"classification": 3}}]}, AB, None, "classification"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_told(served: Served, head: Any, tail: bytes, length: str | None, told: str) -> None:
    response = post(served, head, tail, "hold", length)
    assert (response.status_code, list(response.json())) == (400, ["error"]), response.text
    assert told in response.json()["error"]


def test_texts_with_a_length_beyond_the_end_and_texts_that_are_no_utf_8(served: Served) -> None:
    for raw, told in ((struct.pack("<I", 5) + b"abc", "end within a value"), (struct.pack("<I", 2) + b"\xff\xfe", "UTF-8")):
        head = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}]}
        response = post(served, head, raw, "talk")
        assert response.status_code == 400
        assert told in response.json()["error"]


class Bare:
    """The headers of a request."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def get(self, name: str) -> str | None:
        return self._fields.get(name.replace("-", "_"))


NUMBERS = [t for t in DataType if t is not DataType.BYTES]
array = st.sampled_from(NUMBERS).flatmap(
    lambda t: arrays.arrays(
        t.numpy,
        arrays.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements=arrays.from_dtype(t.numpy, allow_nan=False, allow_infinity=False) if t.numpy.kind == "f" else None,
    )
)
texts = st.lists(st.text(max_size=8), min_size=1, max_size=5).map(lambda values: np.array(values, dtype=object))


def encoded(values: np.ndarray[Any, Any]) -> bytes:
    """An encoder of its own, by the words of the extension."""
    if values.dtype == object:
        return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)
    codes = dict(zip(["b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"], "?bBhHiIqQefd", strict=True))
    code = codes[f"{values.dtype.kind}{values.dtype.itemsize}"]
    return struct.pack(f"<{values.size}{code}", *values.reshape(-1).tolist())


@given(tensors=st.lists(array | texts, min_size=1, max_size=4))
@settings(max_examples=examples(60, hunt=1000))
def test_whatever_is_encoded_is_read_the_same(tensors: list[np.ndarray[Any, Any]]) -> None:
    pieces = [encoded(values) for values in tensors]
    head = {
        "inputs": [
            {
                "name": f"t{place}",
                "shape": list(values.shape),
                "datatype": "BYTES" if values.dtype == object else DataType.of(values.dtype).value,
                "parameters": {"binary_data_size": len(pieces[place])},
            }
            for place, values in enumerate(tensors)
        ]
    }
    text = json.dumps(head).encode()
    asked = OpenInference().read(text + b"".join(pieces), Bare(inference_header_content_length=str(len(text))), {})
    for place, values in enumerate(tensors):
        got = asked.given[f"t{place}"]
        flat = got.reshape(-1).tolist() if isinstance(got, np.ndarray) else got
        assert flat == values.reshape(-1).tolist()
        column = Column(f"t{place}", head["inputs"][place]["datatype"], values.shape[1:], values.tolist())
        assert binary.to_bytes(column) == pieces[place]


@pytest.mark.parametrize(("kind", "value"), [("INT32", 1.5), ("FP32", 1e300), ("BOOL", 2), ("INT64", "3")])
@pytest.mark.filterwarnings("error")
def test_what_is_not_of_its_type_stays_in_json(kind: str, value: Any) -> None:
    said = Said("hold", "1", "r", ["dec_1"], [], 7, 1, [Column("odd", kind, (), [value]), Column("even", "FP32", (), [1.5])])
    ask = {"inputs": [{"name": "a", "shape": [1], "datatype": "FP32", "data": [1]}], "parameters": {"binary_data_output": True}}
    form = OpenInference()
    headers, body = form.write(said, form.read(json.dumps(ask).encode(), Bare(), {}))
    length = int(dict(headers)[LENGTH])
    odd, even = json.loads(body[:length])["outputs"]
    assert odd["data"] == [value]
    assert (even["parameters"], body[length:]) == ({"binary_data_size": 4}, struct.pack("<f", 1.5))


@given(data=st.data())
@settings(max_examples=examples(150, hunt=5000))
def test_a_damaged_request_is_refused_or_read_and_never_fails(data: st.DataObject) -> None:
    text = bytearray(json.dumps(GOOD).encode() + AB)
    length = len(text) - len(AB)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "add"]))
        if how == "flip":
            text[place] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del text[place : place + data.draw(st.integers(1, 5))]
        else:
            text[place:place] = data.draw(st.binary(max_size=4))
        if not text:
            break
    length += data.draw(st.integers(-3, 3))
    with suppress(InvalidInput):
        asked = OpenInference().read(bytes(text), Bare(inference_header_content_length=str(length)), {})
        assert asked.given


@pytest.mark.parametrize("header", [{LENGTH: "9"}, {"content-encoding": "gzip, gzip, gzip"}])
def test_headers_that_change_what_the_body_is_are_heeded_for_the_usual_request_too(
    served: Served, header: dict[str, str]
) -> None:
    tensors = [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]
    url = f"http://{served.url}/v2/models/hold/infer"
    content = b" " + json.dumps({"inputs": tensors}).encode()
    json_only = {"content-type": "application/json"}
    with httpx.Client() as http:
        for _ in range(40):  # until both arms are known to be quick, which opens the quick way
            usual = http.post(url, content=content, headers=json_only)
            assert usual.status_code == 200, usual.text
    assert httpx.post(url, content=content, headers=json_only | header).status_code in {400, 415}
