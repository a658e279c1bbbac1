"""Each policy of an endpoint, against a real runtime: what callers get, what the log says, what the metrics count."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime, onnx_model

from modelyard.core.errors import InvalidInput
from modelyard.decisions import DecisionReader, Window
from modelyard.decisions.protection import Cipher, unprotect
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.runtime.calls import faults
from modelyard.runtime.routing import draw
from modelyard.trust.statements import (
    Arm,
    ArmRole,
    ColdStart,
    Constant,
    EndpointPolicy,
    OnInvalid,
    OnUnlogged,
    Protection,
    RoutingRule,
)

CONSTANT = Constant(outputs={"prediction": -1.0})
PERSON = Signature(
    inputs=(
        FieldSpec(name="customer", type=DataType.INT64, role=Role.IDENTIFIER),
        FieldSpec(name="income", type=DataType.INT64),
        FieldSpec(name="age", type=DataType.INT64, role=Role.PROTECTED),
        FieldSpec(name="seats", type=DataType.INT64),
    ),
    outputs=SIGNATURE.outputs,
)


@cache
def slow_model(bias: float, size: int = 1600) -> bytes:
    """prediction = a + b + bias, after two matrices of that size were multiplied: some tenths of a second."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("RandomUniform", [], ["noise"], shape=[size, size]),
        helper.make_node("MatMul", ["noise", "noise"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "zero"], ["nothing"]),
        helper.make_node("Gemm", ["input", "weights", "bias"], ["sum"]),
        helper.make_node("Add", ["sum", "nothing"], ["score"]),
    ]
    constants = [
        helper.make_tensor("weights", TensorProto.FLOAT, [2, 1], [1.0, 1.0]),
        helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
    ]
    takes = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])]
    gives = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "slow", takes, gives, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def arm(plane: ControlPlane, data: bytes, name: str, role: str, share: float, signature: Signature = SIGNATURE) -> Arm:
    manifest = plane.version(data, signature)
    release = plane.release(manifest, name, endpoints=ENDPOINTS)
    return Arm(name=name, role=ArmRole(role), release=release, manifest=manifest.digest(), share=share)


ENDPOINTS = (
    "late",
    "alone",
    "narrow",
    "lenient",
    "strict",
    "ruled",
    "sticky",
    "private",
    "batched",
    "careless",
    "careful",
    "mixed",
    "mirrored",
)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRuntime]:
    folder = tmp_path_factory.mktemp("policies")
    plane = ControlPlane(folder)
    slow = arm(plane, slow_model(10.0), "slow", "champion", 1.0)
    slower = arm(plane, slow_model(10.0, 2600), "slow", "champion", 1.0)
    quick = arm(plane, onnx_model(20.0), "quick", "fallback", 0.0)
    champion = arm(plane, onnx_model(10.0), "champion", "champion", 1.0)
    half = champion.model_copy(update={"share": 0.5})
    other = arm(plane, onnx_model(30.0), "other", "challenger", 0.5)
    person = arm(plane, onnx_model(0.0, 4), "person", "champion", 1.0, PERSON)
    rules = (
        RoutingRule(when="a > 100 and b < 5", arm="other"),
        RoutingRule(when="a > 50", arm="champion"),
        RoutingRule(when='a + "text" > 3', arm="champion"),
        RoutingRule(when="a > 1", arm="nobody"),
        RoutingRule(when="a >", arm="other"),
    )
    protect = {
        "role:identifier": Protection.HASH, "income": Protection.ENCRYPT, "role:protected": Protection.MASK,
        "prediction": Protection.HASH,
    }  # fmt: skip
    shadow = arm(plane, onnx_model(50.0), "shadow", "shadow", 0.5)
    policies = {
        "mirrored": ((champion, shadow), EndpointPolicy(invalid=OnInvalid.FALLBACK, sticky_by="a")),
        "late": ((slower, quick), EndpointPolicy(timeout=0.2)),
        "alone": ((slow,), EndpointPolicy()),
        "narrow": ((slow,), EndpointPolicy(concurrency=1, queue=1)),
        "lenient": ((champion,), EndpointPolicy(invalid=OnInvalid.FALLBACK)),
        "strict": ((champion,), EndpointPolicy(invalid=OnInvalid.FALLBACK)),
        "ruled": ((half, other), EndpointPolicy(rules=rules)),
        "sticky": ((half, other), EndpointPolicy(sticky_by="a")),
        "private": ((person,), EndpointPolicy(protect=protect)),
        "batched": ((champion,), EndpointPolicy(latency_target=0.5, cold_start=ColdStart.FALLBACK)),
        "careless": ((champion,), EndpointPolicy(unlogged=OnUnlogged.ANSWER)),
        "careful": ((champion,), EndpointPolicy()),
        "mixed": ((half, other), EndpointPolicy(invalid=OnInvalid.FALLBACK, sticky_by="a", rules=rules)),
    }
    constants = {"lenient": CONSTANT, "mixed": CONSTANT, "mirrored": CONSTANT}
    plane.publish(
        *[
            plane.endpoint(*arms, name=name, policy=policy, constant=constants.get(name))
            for name, (arms, policy) in policies.items()
        ]
    )
    running = RunningRuntime(plane, folder / "home")
    running.at_epoch(1)
    yield running
    assert running.stop() == 0


def ask(runtime: RunningRuntime, endpoint: str, a: list[float], b: list[float] | None = None, **headers: str) -> httpx.Response:
    inputs = [
        {"name": name, "shape": [len(a)], "datatype": "FP32", "data": values}
        for name, values in (("a", a), ("b", b or [0.0] * len(a)))
    ]
    return runtime.client.post(f"/v2/models/{endpoint}/infer", json={"inputs": inputs}, headers=headers)


def rows(runtime: RunningRuntime, answer: httpx.Response) -> list[dict[str, Any]]:
    ids = answer.json()["parameters"]["decision_ids"]
    found = {row["id"]: row for row in DecisionReader(runtime.home / "decisions").find(ids).to_pylist()}
    return [found[one] for one in ids]


def metric(runtime: RunningRuntime, name: str) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in runtime.client.get("/metrics").text.splitlines() if line.startswith(name)
    )


def queue(runtime: RunningRuntime, endpoint: str, arm: str) -> dict[str, Any]:
    status = runtime.client.get("/status").json()
    found: dict[str, Any] = next(e for e in status["endpoints"] if e["name"] == endpoint)["queues"][arm]
    return found


def test_an_arm_that_is_too_slow_is_left_and_its_late_answer_dropped(runtime: RunningRuntime) -> None:
    answer = ask(runtime, "late", [1.0])
    assert answer.json()["outputs"][0]["data"] == [21.0]
    group = answer.json()["parameters"]["groups"][0]
    assert (group["arm"], group["role"]) == ("quick", "fallback")
    assert "slow: took longer than 0.2 s" in group["reason"]
    (row,) = rows(runtime, answer)
    assert (row["requested_arm"], row["answered_arm"], row["probability"]) == ("slow", "quick", 1.0)
    assert metric(runtime, 'modelyard_arm_timeouts_total{endpoint="late",arm="slow"}') >= 1
    used = 'modelyard_fallbacks_total{endpoint="late",arm="slow",answered_by="quick",reason="timeout"}'
    assert metric(runtime, used) >= 1
    runtime.until(lambda: queue(runtime, "late", "slow")["late"] >= 1, "the late answer was not counted")


def test_what_cannot_be_answered_in_the_callers_time_is_given_up(runtime: RunningRuntime) -> None:
    assert ask(runtime, "alone", [1.0]).json()["outputs"][0]["data"] == [11.0]
    calls = queue(runtime, "alone", "slow")["calls"]
    for _ in range(3):
        refused = ask(runtime, "alone", [1.0], **{"x-timeout-ms": "1"})
        assert (refused.status_code, list(refused.json())) == (504, ["error"])
    assert queue(runtime, "alone", "slow")["calls"] == calls
    wrong = ask(runtime, "alone", [1.0], **{"x-timeout-ms": "soon"})
    assert wrong.status_code == 400
    assert "milliseconds" in wrong.json()["error"]


def test_what_waits_past_its_deadline_leaves_the_queue(runtime: RunningRuntime) -> None:
    before = queue(runtime, "narrow", "slow")["calls"]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, runtime, "narrow", [1.0])
        runtime.until(lambda: gate(runtime, "narrow")["inside"] == 1, "the first request did not come in")
        waiting = pool.submit(ask, runtime, "narrow", [1.0], None, **{"x-timeout-ms": "30"})
        assert waiting.result().status_code == 504
        assert first.result().status_code == 200
    assert queue(runtime, "narrow", "slow")["calls"] == before + 1
    assert gate(runtime, "narrow") | {"inside": 0, "waiting": 0, "late": 1} == gate(runtime, "narrow")


def gate(runtime: RunningRuntime, endpoint: str) -> dict[str, int]:
    found: dict[str, int] = runtime.client.get("/status").json()["load"]["endpoints"].get(endpoint, {"inside": 0})
    return found


def test_beyond_the_queue_callers_are_told_when_to_come_again(runtime: RunningRuntime) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(runtime, "narrow", [1.0]), range(8)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert "ask again in" in answer.json()["error"]
    assert metric(runtime, "modelyard_requests_shed") == sum(a.status_code == 503 for a in answers)
    assert ask(runtime, "narrow", [1.0]).status_code == 200


def test_rows_that_do_not_fit_are_answered_by_what_stands_in(runtime: RunningRuntime) -> None:
    answer = ask(runtime, "lenient", [1.0, 2.0, 3.0, 4.0], [0.0, 500.0, 0.0, -101.0])
    assert answer.json()["outputs"][0]["data"] == [11.0, -1.0, 13.0, -1.0]
    logged = rows(runtime, answer)
    assert [row["role"] for row in logged] == ["champion", "constant", "champion", "constant"]
    assert [row["reason"] for row in logged][::2] == [None, None]
    assert all("outside -100 to 100" in row["reason"] for row in logged[1::2])
    assert json.loads(logged[1]["inputs"]) == {"a": 2.0, "b": 500.0}
    unknown = {"inputs": [{"name": "z", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
    answer = runtime.client.post("/v2/models/lenient/infer", json=unknown)
    assert answer.json()["outputs"][0]["data"] == [-1.0]
    assert "unknown input" in answer.json()["parameters"]["groups"][0]["reason"]
    used = 'modelyard_fallbacks_total{endpoint="lenient",arm="champion",answered_by="constant",reason="invalid"}'
    assert metric(runtime, used) == 3


def test_a_row_that_does_not_fit_takes_neither_rule_nor_key_from_the_others(runtime: RunningRuntime) -> None:
    fits = [101.0, *(float(n) / 100 for n in range(20))]
    alone = rows(runtime, ask(runtime, "mixed", fits))
    beside = rows(runtime, ask(runtime, "mixed", [*fits, 102.0, 0.5], [0.0] * len(fits) + [500.0, -500.0]))
    what = ("answered_arm", "requested_arm", "probability", "unit")
    assert [[row[name] for name in what] for row in beside[:-2]] == [[row[name] for name in what] for row in alone]
    assert (alone[0]["answered_arm"], alone[0]["probability"]) == ("other", 1.0)
    assert {row["answered_arm"] for row in alone} == {"champion", "other"}
    assert [row["role"] for row in beside[-2:]] == ["constant", "constant"]
    assert all(row["unit"] and row["probability"] == 0.5 for row in beside[-2:])


def test_each_row_that_does_not_fit_is_told_its_own_fault(runtime: RunningRuntime) -> None:
    def asked(values: list[Any]) -> list[tuple[str | None, str]]:
        records = [{"a": 1.0, "b": 0.0}, *[{"a": a, "b": b} for a, b in values]]
        answers = runtime.client.post("/decide/lenient", json=records).json()
        assert (answers[0]["role"], {one["role"] for one in answers[1:]}) == ("champion", {"constant"})
        found = DecisionReader(runtime.home / "decisions")
        return [(one["reason"], (found.get(one["decision_id"]) or {})["reason"]) for one in answers[1:]]

    beyond, text = "champion: input 'b' is outside -100 to 100", "champion: input 'a' is not right: Expected `float`, got `str`"
    assert asked([(1.0, 500.0), ("x", 0.0), (1.0, -500.0)]) == [(beyond, beyond), (text, text), (beyond, beyond)]
    assert asked([("x", 0.0)] * 2) == [(text, text)] * 2


def test_a_shadow_answers_the_rows_that_are_its_share_and_fit(runtime: RunningRuntime) -> None:
    """Row by row, and a row that does not fit keeps none of the others from it."""

    def mirrored(decisions: list[str]) -> set[int]:
        count = 'modelyard_decisions_total{endpoint="mirrored",arm="shadow",role="shadow"}'
        runtime.until(lambda: metric(runtime, count) >= expected[0], "no shadow answered")
        found = (
            DecisionReader(runtime.home / "decisions").as_arrow(Window(endpoint="mirrored", shadows=True)).read_all().to_pylist()
        )
        return {decisions.index(row["shadow_of"]) for row in found if row["shadow_of"] in decisions}

    expected = [0]
    values = [float(n) for n in range(30)]
    share = {n for n, value in enumerate(values) if draw("\0shadow", str(value)) < 0.5}
    for bad in (set[int](), {min(share)}):
        answer = ask(runtime, "mirrored", values, [500.0 if n in bad else 0.0 for n in range(30)])
        expected[0] += len(share - bad)
        assert mirrored(answer.json()["parameters"]["decision_ids"]) == share - bad
    assert metric(runtime, "modelyard_shadow_failed_total") == 0


def test_many_different_faults_are_told_by_their_field() -> None:
    def bad(*details: tuple[str, str]) -> dict[int, InvalidInput]:
        return {place: InvalidInput(detail, field=field) for place, (field, detail) in enumerate(details)}

    few = bad(("a", "7 is not allowed"), ("b", "too much"), ("a", "7 is not allowed"))
    assert [(e.detail, places) for e, places in faults(few, [0, 1, 2])] == [("7 is not allowed", [0, 2]), ("too much", [1])]
    many = bad(*[("ab"[n % 2], f"{n} is not allowed") for n in range(50)])
    told = [(e.detail, e.field, places) for e, places in faults(many, range(50))]
    assert told == [("input 'a' is not right", "a", [*range(0, 50, 2)]), ("input 'b' is not right", "b", [*range(1, 50, 2)])]
    wide = bad(*[(f"f{n}", f"{n} is not allowed") for n in range(50)])
    assert [(e.field, places) for e, places in faults(wide, range(50))] == [(None, [*range(50)])]


def test_when_nothing_stands_in_a_row_that_does_not_fit_is_refused(runtime: RunningRuntime) -> None:
    refused = ask(runtime, "strict", [1.0, 2.0], [0.0, 500.0])
    assert refused.status_code == 400
    assert "outside -100 to 100" in refused.json()["error"]


def test_rules_send_rows_before_shares_are_drawn(runtime: RunningRuntime) -> None:
    answer = ask(runtime, "ruled", [101.0, 60.0, 101.0], [0.0, 0.0, 7.0])
    assert answer.json()["outputs"][0]["data"] == [131.0, 70.0, 118.0]
    assert [(row["requested_arm"], row["probability"], row["reason"]) for row in rows(runtime, answer)] == [
        ("other", 1.0, None), ("champion", 1.0, None), ("champion", 1.0, None),
    ]  # fmt: skip
    drawn = {ask(runtime, "ruled", [0.0]).json()["outputs"][0]["data"][0] for _ in range(40)}
    assert drawn == {10.0, 30.0}
    (row,) = rows(runtime, ask(runtime, "ruled", [0.0]))
    assert row["probability"] == 0.5
    status = next(e for e in runtime.client.get("/status").json()["endpoints"] if e["name"] == "ruled")
    assert len(status["idle_rules"]) == 2
    assert "'nobody' is no champion or challenger" in status["idle_rules"][0]
    assert metric(runtime, 'modelyard_rule_failures_total{endpoint="ruled",rule="2"}') >= 40


def test_an_input_can_be_the_routing_key(runtime: RunningRuntime) -> None:
    values = [float(n) for n in range(60)]
    first = ask(runtime, "sticky", values)
    assert ask(runtime, "sticky", values).json()["outputs"] == first.json()["outputs"]
    alone = [ask(runtime, "sticky", [value]).json()["outputs"][0]["data"][0] for value in values[:10]]
    assert alone == first.json()["outputs"][0]["data"][:10]
    assert {row["requested_arm"] for row in rows(runtime, first)} == {"champion", "other"}
    assert len({row["unit"] for row in rows(runtime, first)}) == 60


def test_protected_fields_enter_the_log_as_the_policy_says(runtime: RunningRuntime) -> None:
    values = {"customer": 77001, "income": 52000, "age": 41, "seats": 2}
    inputs = [{"name": n, "shape": [1], "datatype": "INT64", "data": [v]} for n, v in values.items()]
    answers = [runtime.client.post("/v2/models/private/infer", json={"inputs": inputs}) for _ in range(2)]
    assert answers[0].json()["outputs"][0]["data"] == [129044.0]
    first, second = [rows(runtime, answer)[0] for answer in answers]
    logged, again = json.loads(first["inputs"]), json.loads(second["inputs"])
    assert (logged["age"], logged["seats"]) == (None, 2)
    assert logged["customer"].startswith("hash:")
    assert logged["customer"] == again["customer"]
    assert logged["income"].startswith("enc:")
    assert logged["income"] != again["income"]
    cipher = Cipher.from_text((runtime.home / "data.key").read_text())
    assert unprotect(logged["income"], cipher) == 52000
    assert json.loads(first["output"])["prediction"].startswith("hash:")
    texts = "".join(row[side] for row in (first, second) for side in ("inputs", "output"))
    assert not any(secret in texts for secret in ("77001", "52000", "129044"))


def test_rows_wait_for_company_no_longer_than_the_target_lets_them(runtime: RunningRuntime) -> None:
    ask(runtime, "batched", [0.0])
    calls = queue(runtime, "batched", "champion")["calls"]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: ask(runtime, "batched", [float(n)]), range(12)))
    assert [answer.json()["outputs"][0]["data"] for answer in answers] == [[n + 10.0] for n in range(12)]
    assert queue(runtime, "batched", "champion")["calls"] - calls < 12


def test_a_log_that_cannot_be_written(runtime: RunningRuntime) -> None:
    for n in range(30):
        ask(runtime, "careful", [float(n)])
    worker = int(Path(f"/proc/{runtime.process.pid}/task/{runtime.process.pid}/children").read_text().split()[0])
    largest = max(path.stat().st_size for path in (runtime.home / "decisions").rglob("*.seg"))
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    try:
        refused = ask(runtime, "careful", [1.0])
        assert (refused.status_code, list(refused.json())) == (507, ["error"])
        for count in (1, 2):
            answer = ask(runtime, "careless", [1.0] * count)
            assert answer.status_code == 200
            assert answer.json()["parameters"]["unlogged"] is True
            assert answer.json()["outputs"][0]["data"] == [11.0] * count
            ids = answer.json()["parameters"]["decision_ids"]
            assert DecisionReader(runtime.home / "decisions").known(ids) == set()
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
    assert metric(runtime, 'modelyard_unlogged_total{endpoint="careless"}') == 3
    assert runtime.client.get("/status").json()["log"]["unwritten"] == 3
    answer = ask(runtime, "careless", [1.0])
    assert "unlogged" not in answer.json()["parameters"]
    assert len(rows(runtime, answer)) == 1
