"""The Open Inference Protocol over gRPC, driven by Triton's own client and by bare calls against a real runtime."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import InferenceServerException

from modelyard.core.errors import InvalidInput
from modelyard.decisions import DecisionReader
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.runtime import tensors
from modelyard.runtime.asked import Column, Said
from modelyard.runtime.grpc import requests
from modelyard.runtime.grpc.health import MOST_WATCHERS
from modelyard.runtime.grpc.messages import HEALTH_SERVICE, SERVICE, messages
from modelyard.trust.statements import Arm, ArmRole
from tests.runtime.runtime_stage import ControlPlane, RunningRuntime, onnx_model

VECTOR = Signature(
    inputs=(FieldSpec(name="x", type=DataType.FP32, shape=(3,)),),
    outputs=(FieldSpec(name="prediction", type=DataType.FP32, role=Role.SCORE),),
)


class Served:
    """A runtime with its gRPC port, and the client."""

    def __init__(self, folder: Path) -> None:
        self.plane = ControlPlane(folder)
        vector = self.plane.version(onnx_model(0.5, fields=3), VECTOR)
        released = self.plane.release(vector, "7", endpoints=("vector",))
        arm = Arm(name="v7", role=ArmRole.CHAMPION, release=released, manifest=vector.digest(), share=1.0)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.runtime = RunningRuntime(self.plane, folder / "home", None, "--grpc-port", self.address.partition(":")[2])
        self._arms = self.plane.arm(10.0), arm
        epoch = self.plane.publish(*self.standing())
        self.runtime.at_epoch(epoch)
        self.client = triton.InferenceServerClient(self.address)
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(self.address, options=options)

    def standing(self) -> tuple[Any, ...]:
        """The endpoints that are always there."""
        first, vector = self._arms
        return self.plane.endpoint(first), self.plane.endpoint(vector, name="vector"), self.plane.endpoint(name="empty")

    def call(self, method: str, request: Any, answer: str, service: str = SERVICE, **more: Any) -> Any:
        """One bare call, for what Triton's client does not send."""
        kind = messages()[answer]
        rpc = self.channel.unary_unary(f"/{service}/{method}", lambda message: message.SerializeToString(), kind.FromString)
        return rpc(request, timeout=10, **more)

    def infer(self, a: list[float], model: str = "hold", **more: Any) -> Any:
        return self.client.infer(model, [tensor("a", np.array(a, "f4")), tensor("b", np.zeros(len(a), "f4"))], **more)

    def stop(self) -> None:
        self.client.close()
        self.channel.close()
        assert self.runtime.stop() == 0


def tensor(name: str, values: Any) -> triton.InferInput:
    kinds = {"float32": "FP32", "int16": "INT16", "float64": "FP64", "object": "BYTES"}
    made = triton.InferInput(name, list(values.shape), kinds[str(values.dtype)])
    made.set_data_from_numpy(values)
    return made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("grpc"))
    yield made
    made.stop()


def test_health_and_metadata(served: Served) -> None:
    client = served.client
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("hold")
    assert client.is_model_ready("hold", "1")
    assert not client.is_model_ready("empty")
    assert client.get_server_metadata().name == "modelyard"
    found = client.get_model_metadata("vector")
    assert (found.name, list(found.versions), found.platform) == ("vector", ["7"], "modelyard")
    assert [(i.name, i.datatype, list(i.shape)) for i in found.inputs] == [("x", "FP32", [-1, 3])]
    assert [(o.name, o.datatype, list(o.shape)) for o in found.outputs] == [("prediction", "FP32", [-1])]


def test_raw_is_answered_raw_and_is_in_the_log(served: Served) -> None:
    answer = served.infer([1, 2], request_id="mine", parameters={"routing_key": "k", "subject": '["s1", "s2"]'})
    assert answer.as_numpy("prediction").tolist() == [11.0, 12.0]
    message = answer.get_response()
    assert (message.id, message.model_name, message.model_version) == ("mine", "hold", "1")
    assert message.raw_output_contents
    ids = json.loads(message.parameters["decision_ids"].string_param)
    rows = DecisionReader(served.runtime.home / "decisions").find(ids).to_pylist()
    assert [json.loads(row["output"])["prediction"] for row in rows] == [11.0, 12.0]
    assert {row["request"] for row in rows} == {"mine"}
    assert len({row["subject"] for row in rows}) == 2
    assert message.parameters["epoch"].int64_param == rows[0]["epoch"]


def test_typed_contents_are_answered_typed(served: Served) -> None:
    request = messages()["ModelInferRequest"](model_name="vector", model_version="7")
    request.inputs.add(name="x", datatype="FP32", shape=[2, 3]).contents.fp32_contents.extend([1, 2, 3, 4, 5, 6])
    request.outputs.add(name="prediction")
    answer = served.call("ModelInfer", request, "ModelInferResponse")
    assert list(answer.outputs[0].contents.fp32_contents) == [6.5, 15.5]
    assert list(answer.outputs[0].shape) == [2]
    assert not answer.raw_output_contents


def test_a_vector_and_whole_numbers(served: Served) -> None:
    answer = served.client.infer("vector", [tensor("x", np.arange(6, dtype="f4").reshape(2, 3))])
    assert answer.as_numpy("prediction").tolist() == [3.5, 12.5]
    widened = [tensor("a", np.array([3], "i2")), tensor("b", np.array([0], "f8"))]
    assert served.client.infer("hold", widened).as_numpy("prediction").tolist() == [13.0]


def test_more_than_the_usual_four_megabytes(served: Served) -> None:
    rows = 100_000
    answer = served.client.infer("vector", [tensor("x", np.ones((rows, 3), "f4"))])
    assert answer.as_numpy("prediction").shape == (rows,)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda r: r.ClearField("inputs"), "INVALID_ARGUMENT", "no inputs"),
        (lambda r: setattr(r, "model_name", "nobody"), "NOT_FOUND", "no endpoint 'nobody'"),
        (lambda r: setattr(r, "model_name", "empty"), "UNAVAILABLE", "no champion"),
        (lambda r: setattr(r, "model_version", "99"), "NOT_FOUND", "version '99'"),
        (lambda r: setattr(r.inputs[0], "name", "y"), "INVALID_ARGUMENT", "unknown input 'y'"),
        (lambda r: setattr(r.inputs[0], "datatype", "BF16"), "INVALID_ARGUMENT", "'BF16'"),
        (lambda r: setattr(r.inputs[0], "datatype", "FP16"), "INVALID_ARGUMENT", "raw_input_contents"),
        (lambda r: r.inputs[0].shape.__setitem__(0, 5), "INVALID_ARGUMENT", "asks for 15"),
        (lambda r: r.inputs[0].shape.__setitem__(0, -1), "INVALID_ARGUMENT", "at least one"),
        (lambda r: r.inputs[0].shape.__setitem__(0, 1 << 62), "INVALID_ARGUMENT", "1 to 100000 are answered at once"),
        (lambda r: r.inputs[0].shape.__setitem__(1, 1 << 62), "INVALID_ARGUMENT", "its shape asks for"),
        (lambda r: r.raw_input_contents.append(b"123"), "INVALID_ARGUMENT", "beside raw"),
        (lambda r: r.inputs.add().CopyFrom(r.inputs[0]), "INVALID_ARGUMENT", "given twice"),
        (lambda r: r.outputs.add(name="nothing"), "INVALID_ARGUMENT", "no output 'nothing'"),
        (lambda r: r.parameters["routing_keys"].__setattr__("string_param", "[1, 2"), "INVALID_ARGUMENT", "no JSON"),
        (lambda r: r.parameters["event_time"].__setattr__("bool_param", True), "INVALID_ARGUMENT", "parameters"),
    ],
)
def test_errors_say_what_is_wrong(served: Served, change: Any, code: str, words: str) -> None:
    request = messages()["ModelInferRequest"](model_name="vector")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([1, 2, 3])
    change(request)
    with pytest.raises(grpc.RpcError) as raised:
        served.call("ModelInfer", request, "ModelInferResponse")
    assert raised.value.code().name == code
    assert words in raised.value.details()


@pytest.mark.parametrize(("value", "words"), [(np.inf, "infinite in row 1"), (np.nan, "input 'a'")])
def test_numbers_that_json_cannot_carry(served: Served, value: float, words: str) -> None:
    """The log is JSON: what a model was given must be what the log says."""
    with pytest.raises(InferenceServerException, match=words):
        served.infer([1.0, value])


@pytest.mark.parametrize("unlogged", [True, False])
def test_an_answer_that_is_not_in_the_log_says_so(unlogged: bool) -> None:
    said = Said("hold", "1", "r", ["dec_1"], [], 7, 1, [Column("prediction", "FP32", (), [1.5])], unlogged)
    response = requests.write(said, raw=True)
    assert ("unlogged" in response.parameters) is unlogged
    assert response.parameters["unlogged"].bool_param is unlogged


def test_triton_sees_errors_too(served: Served) -> None:
    with pytest.raises(InferenceServerException, match="missing"):
        served.client.infer("hold", [tensor("a", np.array([1], "f4"))])


def test_the_health_service(served: Served) -> None:
    def status(service: str) -> int:
        asked = messages()["HealthCheckRequest"](service=service)
        found: int = served.call("Check", asked, "HealthCheckResponse", HEALTH_SERVICE).status
        return found

    assert [status(""), status(SERVICE), status("hold"), status("empty")] == [1, 1, 1, 2]
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        status("nobody")


def watched(served: Served, service: str) -> Any:
    """The stream of a service's states; `cancel` ends it."""
    kind = messages()["HealthCheckResponse"]
    rpc = served.channel.unary_stream(f"/{HEALTH_SERVICE}/Watch", lambda message: message.SerializeToString(), kind.FromString)
    return rpc(messages()["HealthCheckRequest"](service=service), timeout=30)


def test_a_change_of_health_is_told_to_who_watches(served: Served) -> None:
    watches = {service: watched(served, service) for service in ("", "hold", "empty", "later")}
    assert {service: next(watch).status for service, watch in watches.items()} == {"": 1, "hold": 1, "empty": 2, "later": 3}
    standing = served.standing()
    served.plane.publish(*standing, served.plane.endpoint(served.plane.arm(1.0, endpoints=("later",)), name="later"))
    assert next(watches["later"]).status == 1
    served.plane.publish(*standing)
    assert next(watches["later"]).status == 3
    for watch in watches.values():
        watch.cancel()


def test_who_watches_holds_up_nobody(served: Served) -> None:
    watches = [watched(served, "") for _ in range(MOST_WATCHERS)]
    assert [next(watch).status for watch in watches] == [1] * MOST_WATCHERS
    with pytest.raises(grpc.RpcError, match="callers watch already") as refused:
        next(watched(served, ""))
    assert refused.value.code().name == "RESOURCE_EXHAUSTED"
    assert served.infer([1.0]).as_numpy("prediction").tolist() == [11.0]
    assert served.client.is_server_ready()
    for watch in watches:
        watch.cancel()
    served.runtime.until(lambda: has_a_place(served), "the places were not given back")


def has_a_place(served: Served) -> bool:
    watch = watched(served, "")
    try:
        return bool(next(watch).status == 1)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    finally:
        watch.cancel()


@pytest.mark.parametrize(
    ("shape", "words"),
    [([1_000_000], "1 to 100000 are answered at once"), ([1], "more values than the 1"), ([1, 999_999], "more values than the")],
)
def test_a_million_empty_texts_are_refused_before_they_are_read(served: Served, shape: list[int], words: str) -> None:
    request = messages()["ModelInferRequest"](model_name="vector")
    request.inputs.add(name="x", datatype="BYTES", shape=shape)
    request.raw_input_contents.append(bytes(4_000_000))
    assert requests.many(request) is (shape != [1])
    with pytest.raises(grpc.RpcError, match=words) as raised:
        served.call("ModelInfer", request, "ModelInferResponse")
    assert raised.value.code().name == "INVALID_ARGUMENT"
    if shape != [1, 999_999]:
        began = process_time()
        with pytest.raises(InvalidInput, match=words):
            requests.read(request)
        assert process_time() - began < 0.05, "half a second is what a million texts take"


def test_a_body_that_is_no_message(served: Served) -> None:
    rpc = served.channel.unary_unary(f"/{SERVICE}/ModelInfer")
    with pytest.raises(grpc.RpcError):
        rpc(b"\xff\xff\xff\xff", timeout=10)
    assert served.client.is_server_live()


def test_without_a_snapshot_it_is_live_and_not_ready(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    runtime = RunningRuntime(plane, tmp_path / "home", None, "--grpc-port", str(port))
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        with pytest.raises(InferenceServerException, match="no route snapshot"):
            client.infer("hold", [tensor("a", np.array([1], "f4"))])
    assert runtime.stop() == 0


_NUMERIC = ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP32", "FP64", "BOOL"]


@given(st.data())
def test_tensors_come_back_as_they_went(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([*_NUMERIC, "FP16"]))
    shape = data.draw(arrays.array_shapes(max_dims=3, max_side=4))
    values = data.draw(arrays.arrays(DataType(kind).numpy, shape))
    raw = tensors.from_raw("x", kind, shape, tensors.to_raw(kind, values))
    np.testing.assert_array_equal(raw, values)
    if kind in tensors.TYPED:
        contents = messages()["InferTensorContents"]()
        tensors.into_contents(kind, values, contents)
        sent = messages()["InferTensorContents"].FromString(contents.SerializeToString())
        np.testing.assert_array_equal(tensors.from_contents("x", kind, shape, sent), values)


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_texts_come_back_as_they_went(texts: list[str]) -> None:
    assert tensors.from_raw("x", "BYTES", [len(texts)], tensors.to_raw("BYTES", texts)) == texts
    assert tensors.to_raw("BYTES", [text.encode() for text in texts]) == tensors.to_raw("BYTES", texts)


@pytest.mark.parametrize("raw", [True, False])
def test_whole_numbers_that_are_missing_are_told_with_the_decisions_that_were_logged(raw: bool) -> None:
    ids = [f"dec_{number}" for number in range(25)]
    said = Said("hold", "1", "mine", ids, [], 1, 25, [Column("count", "INT64", (), [None] * 25)])
    with pytest.raises(InvalidInput, match=r"INT64 has missing values.*dec_0, dec_1.* and 5 more") as caught:
        requests.write(said, raw)
    assert caught.value.hint == "ask over HTTP in JSON"
    assert "HTTP" in str(caught.value)


_NOT_OF_THEIR_TYPE = [
    ("INT32", [1.5]), ("INT32", [1 << 31]), ("INT64", [float(1 << 63)]), ("UINT8", [-1]), ("INT64", ["3"]), ("BOOL", [2]),
    ("BOOL", ["no"]), ("FP32", [1e300]), ("FP16", [7e4]), ("FP32", ["1.5"]), ("FP64", [10**400]), ("FP32", [{}]),
    ("INT32", np.array([1.5])), ("INT32", np.array([np.nan])), ("UINT32", np.array([-1])), ("FP32", np.array([1e300])),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), _NOT_OF_THEIR_TYPE)
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.filterwarnings("error")
def test_what_a_model_says_is_never_cut_to_its_type(kind: str, values: Any, raw: bool) -> None:
    said = Said("hold", "1", "mine", ["dec_1"], [], 1, 1, [Column("count", kind, (), values)])
    with pytest.raises(InvalidInput, match=rf"the model answered what an output of {kind} cannot carry.*dec_1") as caught:
        requests.write(said, raw)
    assert caught.value.hint == "ask over HTTP in JSON"


@pytest.mark.parametrize(
    ("kind", "values", "carried"),
    [
        ("INT32", [2.0, -3], [2, -3]),
        ("FP32", [0.1, 7, None, float("inf")], [np.float32(0.1), 7, np.nan, np.inf]),
        ("UINT64", [(1 << 64) - 1], [(1 << 64) - 1]),
        ("BOOL", [1, False], [True, False]),
        ("FP32", np.array([0.1, -np.inf]), [np.float32(0.1), -np.inf]),
        ("INT8", np.array([-128.0, 127.0]), [-128, 127]),
    ],
)
def test_the_same_number_may_be_written_otherwise(kind: str, values: Any, carried: list[Any]) -> None:
    sent = tensors.from_raw("x", kind, [len(carried)], tensors.to_raw(kind, values))
    np.testing.assert_array_equal(sent, np.array(carried, DataType(kind).numpy))
