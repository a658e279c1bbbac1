"""What holds for all wire forms: probes and metadata, content types, bodies of every bad kind, and nothing fails with 500."""

from __future__ import annotations

import json
import socket
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tritonclient.http as triton
from forms_stage import Served
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

from tests.conftest import examples


def infer(served: Served, body: Any, endpoint: str = "hold", **headers: str) -> Any:
    path = f"/v2/models/{endpoint}/infer"
    if isinstance(body, bytes):
        return served.client.post(path, content=body, headers=headers)
    return served.client.post(path, json=body, headers=headers)


def tensor(name: str, data: Any = (1.0,), **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "FP32", "data": list(data)} | more


AB = {"inputs": [tensor("a"), tensor("b")]}


def test_tritons_client_asks_all_that_it_can(served: Served) -> None:
    client = triton.InferenceServerClient(served.url)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("hold")
    assert client.is_model_ready("hold", "2")
    assert not client.is_model_ready("hold", "9")
    assert not client.is_model_ready("absent")
    server = client.get_server_metadata()
    assert server["name"] == "modelyard"
    assert "binary_tensor_data" in server["extensions"]
    assert client.get_model_metadata("hold", "1")["versions"] == ["1", "2"]
    index = client.get_model_repository_index()
    assert {"name": "hold", "version": "2", "state": "READY", "reason": ""} in index
    for refused in (lambda: client.load_model("hold"), lambda: client.unload_model("hold")):
        with pytest.raises(InferenceServerException, match="decided by releases"):
            refused()
    client.close()


def test_the_repository_index_may_be_asked_for_what_is_ready(served: Served) -> None:
    ready = served.client.post("/v2/repository/index", json={"ready": True}).json()
    assert {row["state"] for row in ready} == {"READY"}
    assert served.client.post("/v2/repository/index", content=b"{").status_code == 400
    assert served.client.post("/v2/repository/other", json={}).status_code == 404
    assert served.client.get("/v2/repository/index").status_code == 404


@pytest.mark.parametrize(
    "path", ["/v2/health/live", "/v2/health/ready", "/v2/models/hold/ready", "/v2/models/hold/versions/1/ready"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_probes_take_any_method_and_an_unasked_body(served: Served, path: str, method: str) -> None:
    for content in (b"", b"{}", b"not json at all"):
        response = served.client.request(method, path, content=content)
        assert response.status_code == 200
        assert bool(response.content) is (method != "HEAD")
    with socket.create_connection(("127.0.0.1", served.runtime.port), timeout=10) as caller:
        for _ in range(2):  # on one connection: a body left unread would be taken for the next request
            caller.sendall(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}".encode())
            assert caller.recv(4000).startswith(b"HTTP/1.1 200")


def test_what_is_not_there_and_what_is_not_asked_so(served: Served) -> None:
    assert served.client.get("/v2/models/hold/infer").headers["allow"] == "POST"
    assert served.client.delete("/v2/models/hold").status_code == 405
    assert served.client.put("/v2/health/live").status_code == 405
    assert served.client.head("/v2/models/absent").status_code == 404
    assert served.client.post("/v2/models/a/b/c/infer", json=AB).json() == {"error": "there is no such path"}
    assert served.client.post("/endpoints/a/b/c/d/invocations", json={}).json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_request_parameters_outputs_and_ids_pass_through(served: Served) -> None:
    body = AB | {
        "id": "ü-1",
        "parameters": {"unheard": 1.5, "priority": 3, "timeout": 0},
        "inputs": [tensor("a", parameters={"content_type": "np"}), tensor("b", [[1.0]], shape=[1, 1])],
        "outputs": [{"name": "prediction", "parameters": {"anything": True}}],
    }
    answer = infer(served, body).json()
    assert answer["id"] == "ü-1"
    assert [o["name"] for o in answer["outputs"]] == ["prediction"]
    assert set(answer["parameters"]) >= {"decision_ids", "groups", "epoch"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("Application/JSON; Charset=\"UTF-8\"", 200),
        ("application/octet-stream", 200),
        ("application/vnd.kserve+json", 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/csv", 415),
        (";;;", 415),
        ("x" * 5000, 415),
    ],
)  # fmt: skip
def test_content_types(served: Served, kind: str | None, status: int) -> None:
    response = infer(served, json.dumps(AB).encode(), **({"content-type": kind} if kind else {}))
    assert response.status_code == status
    if status == 415:
        assert "application/json, application/octet-stream" in response.json()["error"] or "utf-8" in response.json()["error"]


def test_headers_that_come_twice(served: Served) -> None:
    text = json.dumps(AB).encode()

    def sent(*fields: str) -> bytes:
        with socket.create_connection(("127.0.0.1", served.runtime.port), timeout=10) as caller:
            lines = ["POST /v2/models/hold/infer HTTP/1.1", "host: x", "connection: close", *fields]
            caller.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + text)
            return caller.recv(4000)

    length = f"content-length: {len(text)}"
    assert sent(length, "content-type: application/json", "content-type: text/plain").split(b" ")[1] in (b"200", b"415")
    for second in (length.replace(str(len(text)), "3"), "transfer-encoding: chunked"):
        assert sent(length, second).split(b" ")[1] == b"400"
    head = "inference-header-content-length: "
    assert sent(length, head + "5", head + str(len(text))).split(b" ")[1] == b"400"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"inputs": [{"name": "a"', "truncated"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b'{"inputs": [{"name": "\xff", "shape": [1], "datatype": "FP32", "data": [1]}]}', "not an inference request"),
        (b'{"inputs": [{"name": "\\ud800", "shape": [1], "datatype": "FP32", "data": [1]}]}', "not an inference request"),
        ({"inputs": [tensor("a"), tensor("b", ["NaN"])]}, "'b' is not right"),
        (json.dumps({"inputs": [tensor("a"), tensor("b", [float("nan")])]}).encode(), "not an inference request"),
        (json.dumps({"inputs": [tensor("a"), tensor("b", [float("inf")])]}).encode(), "not an inference request"),
        (json.dumps(AB).replace("1.0", "1e999", 1).encode(), "out of range"),
        ({"inputs": [tensor("a"), tensor("b", [10**400])]}, "'b' is not right"),
        ({"inputs": [tensor("a", shape=[1 << 64]), tensor("b")]}, "shape[0]"),
        ({"inputs": [tensor("a", shape=[0.5]), tensor("b")]}, "not an inference request"),
        ({"inputs": [tensor("a", datatype="BF16"), tensor("b")]}, "not BF16"),
        ({"inputs": [tensor("a", shape=[1, 2]), tensor("b")]}, "shape"),
        ({"inputs": [tensor("a"), tensor("b", [[[[[[1]]]]]])]}, "200"),
        (b'{"inputs":' + b"[" * 100_000, "not an inference request"),
        (b'{"x":' * 50_000, "not an inference request"),
        (AB | {"id": 7}, "Expected `str"),
        (AB | {"parameters": {"timeout": "soon"}}, "timeout"),
        (AB | {"outputs": [{"name": "prediction", "parameters": {"binary_data": 1}}]}, "binary_data"),
    ],
)  # fmt: skip
def test_bad_bodies_are_told_what_is_wrong(served: Served, body: Any, told: str) -> None:
    response = infer(served, body)
    if told == "200":  # nested as the protocol allows, however deep
        assert response.status_code == 200
        return
    assert (response.status_code, list(response.json())) == (400, ["error"]), response.text
    assert told in response.json()["error"]


def test_members_of_a_tensor_that_come_twice_count_as_the_last(served: Served) -> None:
    text = json.dumps(AB).replace('"data": [1.0]', '"data": [5.0], "data": [1.0]', 1)
    assert infer(served, text.encode()).json()["outputs"][0]["data"][0] in (12.0, 22.0)


def test_more_rows_than_are_answered_at_once_are_refused_in_every_form(served: Served) -> None:
    rows = 1_000_000
    data = b"[" + b"1," * (rows - 1) + b"1]"
    tensors = b",".join(b'{"name":"%b","shape":[%d],"datatype":"FP32","data":%b}' % (n, rows, data) for n in (b"a", b"b"))
    for path, body in (
        ("/v2/models/hold/infer", b'{"inputs":[' + tensors + b"]}"),
        ("/endpoints/hold/invocations", b'{"inputs":{"a":%b,"b":%b}}' % (data, data)),
    ):
        response = served.client.post(path, content=body, headers={"content-type": "application/json"})
        assert response.status_code in (400, 413), path
        assert "1000000 rows" in response.text
    records = served.client.post("/decide/hold", content=b"[" + b"{}," * 2_100_000 + b"{}]")
    assert (records.status_code, records.json()["code"]) == (413, "too_large")


def test_a_body_that_never_comes_whole_hurts_nobody(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.runtime.port), timeout=10) as caller:
        caller.sendall(b"POST /v2/models/hold/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
        assert infer(served, AB).status_code == 200
        caller.shutdown(socket.SHUT_WR)
        caller.recv(4000)
    assert infer(served, AB).status_code == 200


ROWS: list[tuple[Any, Any]] = [(1, 2), (None, 2), (3, 4)]


def test_rows_that_do_not_fit_are_answered_as_the_endpoint_says(served: Served) -> None:
    """By its policy a fallback answers for them; whatever the form, the others are answered as ever."""
    table = pa.table({"income": [row[0] for row in ROWS], "debt": [row[1] for row in ROWS]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    raw = np.array([np.nan if a is None else a for a, _ in ROWS], "f4").tobytes() + np.array([b for _, b in ROWS], "f4").tobytes()
    inputs = [tensor(n, shape=[3], parameters={"binary_data_size": 12}) for n in ("income", "debt")]
    head = json.dumps({"inputs": [{k: v for k, v in one.items() if k != "data"} for one in inputs]}).encode()
    post = served.client.post
    records = [{"income": a, "debt": b} if a is not None else {"debt": b} for a, b in ROWS]
    split = {"columns": ["income", "debt"], "data": ROWS}
    values = [
        [one["outputs"]["limit"] for one in post("/decide/lenient", json=records).json()],
        post("/endpoints/lenient/invocations", json={"dataframe_split": split}).json()["predictions"],
        post(
            "/endpoints/lenient/invocations", content=b"income,debt\n1,2\nmuch,2\n3,4\n", headers={"content-type": "text/csv"}
        ).json()["predictions"],
        infer(served, head + raw, "lenient", **{"inference-header-content-length": str(len(head))}).json()["outputs"][0]["data"],
        pa.ipc.open_stream(
            post("/decide/lenient", content=sink.getvalue().to_pybytes(), headers={"content-type": KINDS[1]}).content
        )
        .read_all()["limit"]
        .to_pylist(),
    ]
    assert values == [[3.5, 0.0, 7.5]] * 5
    (_, marked, _) = post("/decide/lenient", json=records).json()
    assert (marked["arm"], marked["role"]) == (None, "constant")
    assert "income" in marked["reason"]


WAYS = {
    "/v2/models/hold/infer": [json.dumps(AB).encode(), json.dumps(AB | {"outputs": [{"name": "prediction"}]}).encode()],
    "/decide/person": [b'{"inputs":{"age":1,"region":"north","member":true,"scores":[1,2]},"key":"k"}', b'[{"age":1}]'],
    "/endpoints/hold/invocations": [b'{"dataframe_split":{"columns":["a","b"],"data":[[1,2]]}}', b'{"inputs":[[1,2]]}'],
}
KINDS = ["application/json", "application/vnd.apache.arrow.stream", "text/csv", "application/octet-stream"]


@given(data=st.data())
@settings(max_examples=examples(120, hunt=5000))
def test_no_damage_makes_any_form_fail(served: Served, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(WAYS)))
    body = bytearray(data.draw(st.sampled_from(WAYS[path])))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"[", b"}", b'"', b"-", b"1e9", b"\xff"])
        )
    headers = {"content-type": data.draw(st.sampled_from(KINDS))}
    if data.draw(st.booleans()):
        headers["inference-header-content-length"] = str(data.draw(st.integers(-1, len(body) + 1)))
    if data.draw(st.booleans()):
        headers["content-encoding"] = data.draw(st.sampled_from(["gzip", "zstd", "br", "deflate"]))
        if data.draw(st.booleans()):
            body = bytearray(pa.compress(bytes(body), "gzip", asbytes=True))
    response = served.client.post(path, content=bytes(body), headers=headers)
    assert response.status_code in (200, 400, 415), response.text
