"""What callers get from a running runtime: answers by the protocol, each of them a logged decision."""

from __future__ import annotations

import math
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from runtime_stage import ControlPlane, RunningRuntime, onnx_model

from modelyard.decisions import DecisionReader, Window
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.trust.statements import Arm, ArmRole, Constant

A = {"name": "a", "shape": [1], "datatype": "FP32", "data": [1.0]}
B = {"name": "b", "shape": [1], "datatype": "FP32", "data": [2.0]}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRuntime]:
    folder = tmp_path_factory.mktemp("serving")
    plane = ControlPlane(folder)
    champion = plane.arm(10.0, "1", share=0.7)
    challenger = plane.arm(20.0, "2", "challenger", 0.3)
    shade = plane.arm(40.0, "4", "shadow", 1.0)
    vector = Signature(
        inputs=(FieldSpec(name="input", type=DataType.FP32, shape=(3,)),),
        outputs=(FieldSpec(name="score", type=DataType.FP32),),
    )
    mixed = Signature(
        inputs=(
            FieldSpec(name="n", type=DataType.FP64, nullable=True),
            FieldSpec(name="c", type=DataType.INT64, allowed=(1, 2)),
        ),
        outputs=(FieldSpec(name="prediction", type=DataType.FP32),),
    )

    def single(name: str, signature: Signature, fields: int) -> Any:
        manifest = plane.version(onnx_model(0.0, fields), signature)
        release = plane.release(manifest, "1", endpoints=(name,))
        arm = Arm(name="only", role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)
        return plane.endpoint(arm, name=name)

    vector = vector.model_copy(update={"outputs": (FieldSpec(name="prediction", type=DataType.FP32),)})
    plane.publish(
        plane.endpoint(champion, challenger, shade, sticky_salt="pepper"),
        single("vector", vector, 3),
        single("mixed", mixed, 2),
        plane.endpoint(name="fixed", constant=Constant(outputs={"prediction": 0.5, "label": "no"})),
        plane.endpoint(name="nobody"),
    )
    running = RunningRuntime(plane, folder / "home", None, "--largest-body", "200000")
    running.at_epoch(1)
    yield running
    assert running.stop() == 0


def decisions(runtime: RunningRuntime) -> DecisionReader:
    return DecisionReader(runtime.home / "decisions")


def post(runtime: RunningRuntime, body: Any, path: str = "hold/infer", **headers: str) -> Any:
    if isinstance(body, (bytes, str)):
        return runtime.client.post(f"/v2/models/{path}", content=body, headers=headers)
    return runtime.client.post(f"/v2/models/{path}", json=body, headers=headers)


def test_an_answer_is_a_logged_decision_with_all_its_fields(runtime: RunningRuntime) -> None:
    body = {
        "id": "call-7",
        "inputs": [A, B],
        "parameters": {"routing_key": "alice", "event_time": "2013-02-01T10:00:00-05:00", "subject": "passenger 9"},
    }
    response = post(runtime, body, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert response.status_code == 200
    answer = response.json()
    assert (answer["model_name"], answer["id"]) == ("hold", "call-7")
    group = answer["parameters"]["groups"][0]
    expected = {"champion": 13.0, "challenger": 23.0}[group["arm"]]
    assert answer["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [1], "data": [expected]}]
    row = decisions(runtime).get(answer["parameters"]["decision_ids"][0])
    assert row is not None
    assert row["inputs"] == '{"a":1.0,"b":2.0}'
    assert row["output"] == f'{{"prediction":{expected}}}'
    assert row["answered_arm"] == row["requested_arm"] == row["role"] == group["arm"]
    assert row["probability"] == {"champion": 0.7, "challenger": 0.3}[group["arm"]]
    assert (row["organisation"], row["use_case"], row["endpoint"]) == ("default", "connections", "hold")
    assert (row["request"], row["trace"], row["epoch"]) == ("call-7", "0af7651916cd43dd8448eb211c80319c", 1)
    assert row["version"] == group["version"] == answer["model_version"]
    assert row["manifest"].startswith("sha256:")
    assert row["release"].startswith("sha256:")
    assert row["event_time"].isoformat() == "2013-02-01T15:00:00+00:00"
    assert row["latency"] >= row["queue_time"] >= 0
    assert row["unit"] != row["subject"]
    assert "alice" not in str(row)
    assert "passenger" not in str(row)


def test_a_batch_is_many_decisions_split_by_key_and_joined_in_order(runtime: RunningRuntime) -> None:
    keys = [f"customer {n}" for n in range(500)]
    answer = runtime.infer(500, routing_keys=keys).json()
    values = answer["outputs"][0]["data"]
    ids = answer["parameters"]["decision_ids"]
    assert len(set(ids)) == 500 == len(values)
    assert ids == sorted(ids)
    placed = {p: g for g in answer["parameters"]["groups"] for p in g["rows"]}
    for place, value in enumerate(values):
        assert value == place + 1.0 + {"champion": 10.0, "challenger": 20.0}[placed[place]["arm"]]
    share = sum(g["arm"] == "challenger" for g in placed.values()) / 500
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 500)
    table = {row["id"]: row for row in decisions(runtime).find(ids).to_pylist()}
    assert all(table[i]["answered_arm"] == placed[p]["arm"] for p, i in enumerate(ids))
    assert len({row["unit"] for row in table.values()}) == 500
    again = runtime.infer(500, routing_keys=keys).json()
    assert again["outputs"] == answer["outputs"]


def test_without_a_key_the_request_is_drawn_as_one(runtime: RunningRuntime) -> None:
    arms = Counter()
    for _ in range(60):
        groups = runtime.infer(3).json()["parameters"]["groups"]
        assert len(groups) == 1
        arms[groups[0]["arm"]] += 1
    assert len(arms) == 2


def test_shadows_answer_beside_and_never_to_a_caller(runtime: RunningRuntime) -> None:
    ids = runtime.infer(4).json()["parameters"]["decision_ids"]

    def shaded() -> list[dict[str, Any]]:
        rows = decisions(runtime).scan(Window(arms=("shadow",))).to_pylist()
        return [row for row in rows if row["shadow_of"] in ids]

    runtime.until(lambda: len(shaded()) == 4, "no shadow answered")
    assert [row["shadow_of"] for row in shaded()] == ids
    assert {row["role"] for row in shaded()} == {"shadow"}
    assert [row["output"] for row in shaded()] == [f'{{"prediction":{41.0 + n}}}' for n in range(4)]


def test_a_version_can_be_asked_for_if_it_is_champion_or_challenger(runtime: RunningRuntime) -> None:
    assert runtime.infer(version="2").json()["outputs"][0]["data"] == [21.0]
    assert runtime.infer(version="1").json()["outputs"][0]["data"] == [11.0]
    for absent in ("4", "9", "%2e%2e"):
        response = runtime.infer(version=absent)
        assert response.status_code == 404
        assert "version" in response.json()["error"]


def test_metadata_health_status_and_metrics(runtime: RunningRuntime) -> None:
    get = runtime.client.get
    assert get("/v2").json()["name"] == "modelyard"
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    described = get("/v2/models/hold").json()
    assert described["versions"] == ["1", "2"]
    assert described["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1]}
    assert get("/v2/models/vector").json()["inputs"][0]["shape"] == [-1, 3]
    assert get("/v2/models/hold/versions/2").status_code == 200
    assert get("/v2/models/hold/ready").json() == {"name": "hold", "ready": True}
    assert get("/v2/models/nobody/ready").status_code == 503
    assert get("/v2/models/absent/ready").status_code == 404
    status = get("/status").json()
    assert [arm["role"] for arm in status["endpoints"][0]["arms"]] == ["champion", "challenger", "shadow"]
    runtime.infer()
    text = get("/metrics").text
    assert 'modelyard_requests_total{endpoint="hold",status="200"}' in text
    assert "modelyard_epoch 1.0" in text
    assert 'modelyard_request_seconds_bucket{endpoint="hold",le="+Inf"}' in text


def test_vectors_nested_lists_and_nulls(runtime: RunningRuntime) -> None:
    flat = {"name": "input", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
    nested = flat | {"data": [[1, 2, 3], [4, 5, 6]]}
    for tensor in (flat, nested):
        answer = post(runtime, {"inputs": [tensor]}, "vector/infer").json()
        assert answer["outputs"][0]["data"] == [6.0, 15.0]
        logged = decisions(runtime).find(answer["parameters"]["decision_ids"], ["inputs"])["inputs"].to_pylist()
        assert logged == ['{"input":[1.0,2.0,3.0]}', '{"input":[4.0,5.0,6.0]}']
    tensors = [
        {"name": "c", "shape": [2, 1], "datatype": "INT32", "data": [1, 2]},
        {"name": "n", "shape": [2], "datatype": "FP64", "data": [None, 3.5]},
    ]
    answer = post(runtime, {"inputs": tensors}, "mixed/infer").json()
    assert answer["outputs"][0]["data"] == [None, 5.5]
    logged = decisions(runtime).find(answer["parameters"]["decision_ids"], ["inputs"])["inputs"].to_pylist()
    assert logged == ['{"n":null,"c":1}', '{"n":3.5,"c":2}']


def test_an_endpoint_may_live_on_its_constant(runtime: RunningRuntime) -> None:
    answer = post(runtime, {"inputs": [{"name": "x", "shape": [2], "datatype": "BYTES", "data": ["u", "v"]}]}, "fixed/infer")
    assert answer.status_code == 200
    outputs = {o["name"]: (o["datatype"], o["data"]) for o in answer.json()["outputs"]}
    assert outputs == {"prediction": ("FP64", [0.5, 0.5]), "label": ("BYTES", ["no", "no"])}
    row = decisions(runtime).get(answer.json()["parameters"]["decision_ids"][1])
    assert row is not None
    assert (row["role"], row["answered_arm"], row["inputs"]) == ("constant", None, '{"x":"v"}')
    assert "no champion" in row["reason"]
    nobody = post(runtime, {"inputs": [A]}, "nobody/infer")
    assert nobody.status_code == 503
    assert "cannot answer" in nobody.json()["error"]


def test_outputs_can_be_selected(runtime: RunningRuntime) -> None:
    asked = post(runtime, {"inputs": [A, B], "outputs": [{"name": "prediction"}]})
    assert [o["name"] for o in asked.json()["outputs"]] == ["prediction"]
    wrong = post(runtime, {"inputs": [A, B], "outputs": [{"name": "nothing"}]})
    assert wrong.status_code == 400
    assert "nothing" in wrong.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "not an inference request"),
        (b"{", 400, "not an inference request"),
        (b"\xff\xfe", 400, "not an inference request"),
        (b"[" * 5000, 400, "not an inference request"),
        ({"inputs": []}, 400, "no inputs"),
        ({"inputs": [A]}, 400, "'b' is missing"),
        ({"inputs": [A, B, A]}, 400, "twice"),
        ({"inputs": [A, B, A | {"name": "z"}]}, 400, "unknown input 'z'"),
        ({"inputs": [A, B | {"datatype": "BYTES", "data": ["x"]}]}, 400, "'b' should be FP32"),
        ({"inputs": [A, B | {"data": ["x"]}]}, 400, "'b' is not right"),
        ({"inputs": [A, B | {"data": [None]}]}, 400, "'b' is not right"),
        ({"inputs": [A, B | {"data": [True]}]}, 400, "'b' is not right"),
        ({"inputs": [A, B | {"data": [1e300]}]}, 400, "'b' is not right"),
        ({"inputs": [A, B | {"data": [101]}]}, 400, "outside -100 to 100"),
        ({"inputs": [A, B | {"data": [1, 2]}]}, 400, "has 2 values"),
        ({"inputs": [A, B | {"shape": [2], "data": [1, 2]}]}, 400, "2 rows"),
        ({"inputs": [A, B | {"shape": [-1]}]}, 400, "shape"),
        ({"inputs": [A, B | {"shape": []}]}, 400, "shape"),
        ({"inputs": [A | {"shape": [0], "data": []}, B]}, 400, "0 rows"),
        ({"inputs": [A | {"shape": [10**9]}, B]}, 400, "rows"),
        ({"inputs": [A, B], "parameters": {"routing_keys": ["a", "b"]}}, 400, "2 values for 1 rows"),
        ({"inputs": [A, B], "parameters": {"routing_keys": ["a"], "routing_key": "a"}}, 400, "not both"),
        ({"inputs": [A, B], "parameters": {"event_time": "yesterday"}}, 400, "ISO 8601"),
        ({"inputs": [A, B], "parameters": {"event_time": "2026-01-01T00:00:00"}}, 400, "offset"),
        (b'{"pad":"' + b"x" * 200_000 + b'"}', 413, "larger than"),
    ],
)  # fmt: skip
def test_a_bad_request_is_told_what_is_wrong(runtime: RunningRuntime, body: Any, status: int, told: str) -> None:
    response = post(runtime, body)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert told in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "size", "status"), [("hold/infer", 200_500, 413), ("a/b/c/d/infer", 50, 404), ("hold", 50, 405)]
)
def test_a_refusal_before_the_body_leaves_the_connection_usable(
    runtime: RunningRuntime, path: str, size: int, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", runtime.port), timeout=10) as sender:
        sender.sendall(f"POST /v2/models/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\nx".encode())
        sender.sendall(b"x" * (size - 1))
        assert sender.recv(1000).split(b" ")[1] == str(status).encode()
        sender.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert sender.recv(1000).split(b" ")[1] == b"200"


def test_a_refusal_of_a_body_not_worth_reading_says_that_the_connection_ends(runtime: RunningRuntime) -> None:
    with socket.create_connection(("127.0.0.1", runtime.port), timeout=10) as sender:
        sender.sendall(b"POST /v2/models/hold/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n")
        answer = sender.recv(1000)
    assert answer.split(b" ")[1] == b"413"
    assert b"connection: close" in answer


def test_bad_values_for_other_types(runtime: RunningRuntime) -> None:
    n = {"name": "n", "shape": [1], "datatype": "FP64", "data": [1.0]}
    for values, told in (([3], "not an allowed value"), ([1.5], "is not right"), ([1 << 70], "is not right")):
        c = {"name": "c", "shape": [1], "datatype": "INT64", "data": values}
        response = post(runtime, {"inputs": [n, c]}, "mixed/infer")
        assert response.status_code == 400
        assert told in response.json()["error"]


def test_other_protocol_errors(runtime: RunningRuntime) -> None:
    assert post(runtime, {"inputs": [A, B]}, "absent/infer").status_code == 404
    assert post(runtime, b"{}", **{"content-type": "text/plain"}).status_code == 415
    assert post(runtime, b"{}", **{"inference-header-content-length": "2"}).status_code == 400
    assert runtime.client.get("/v2/models/hold/infer").status_code == 405
    assert runtime.client.post("/v2").status_code == 405
    assert runtime.client.get("/nothing").status_code == 404
    assert runtime.client.get("/v2/models/hold/a/b/c").status_code == 404

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    chunked = runtime.client.post("/v2/models/hold/infer", content=pieces())
    assert chunked.status_code == 413
