"""Whatever a stranger sends, the application answers with the protocol's errors and never with a failure of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from exchanges import Caller
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_stage import ControlPlane

from modelyard.core.errors import StorageFull
from modelyard.decisions import Rows
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.routing import Shares, draw
from tests.conftest import examples


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("fuzz")
    plane = ControlPlane(folder)
    plane.publish(plane.endpoint(plane.arm(10.0, "1", share=0.5), plane.arm(20.0, "2", "challenger", 0.5)))
    made = Runtime(Settings(home=folder / "home", source=str(plane.published), trust_roots=plane.roots, name="fuzz"))
    made.step()
    yield made
    made.stop()


def ask(runtime: Runtime, body: bytes, path: str = "/v2/models/hold/infer", method: str = "POST") -> Caller:
    exchange = Caller(body, path, method)
    asyncio.run(exchange.ask(runtime.app))
    return exchange


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
tensor = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "c", ""]) | anything,
        "shape": st.lists(st.integers(-2, 3), max_size=3) | anything,
        "datatype": st.sampled_from(["FP32", "FP64", "INT64", "BYTES", "BOOL", ""]) | anything,
        "data": st.lists(st.floats() | st.integers() | st.none(), max_size=4) | anything,
    },
)
request_like = st.fixed_dictionaries(
    {"inputs": st.lists(tensor, max_size=3) | anything},
    optional={
        "id": st.text(max_size=3) | anything,
        "parameters": st.fixed_dictionaries(
            {},
            optional={
                "routing_key": anything,
                "routing_keys": st.lists(st.text(max_size=3), max_size=3) | anything,
                "event_time": st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"]) | anything,
                "subject": anything,
            },
        ),
        "outputs": anything,
    },
)


@given(body=st.binary(max_size=80) | request_like.map(lambda d: json.dumps(d).encode()))
@settings(max_examples=examples(150, hunt=400), deadline=None)
def test_no_body_makes_the_application_fail(runtime: Runtime, body: bytes) -> None:
    exchange = ask(runtime, body)
    assert exchange.status in {200, 400}
    if exchange.status != 200:
        assert list(json.loads(exchange.answer)) == ["error"]


@given(
    path=st.lists(st.sampled_from(["v2", "models", "hold", "versions", "1", "infer", "ready", "", "..", "ü"]), max_size=7),
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
)
@settings(max_examples=examples(100, hunt=200), deadline=None)
def test_no_path_makes_the_application_fail(runtime: Runtime, path: list[str], method: str) -> None:
    exchange = ask(runtime, b"{}", "/" + "/".join(path), method)
    assert exchange.status in {200, 400, 404, 405}


@given(
    a=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    keys=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_valid_request_is_answered_right(runtime: Runtime, a: list[float], keys: bool) -> None:
    tensors = [
        {"name": "b", "shape": [len(a)], "datatype": "FP32", "data": [1.0] * len(a)},
        {"name": "a", "shape": [len(a)], "datatype": "FP32", "data": a},
    ]
    body: dict[str, Any] = {"inputs": tensors}
    if keys:
        body["parameters"] = {"routing_keys": [f"{value}" for value in a]}
    exchange = ask(runtime, json.dumps(body).encode())
    assert exchange.status == 200
    answer = json.loads(exchange.answer)
    bias = {p: {"1": 10.0, "2": 20.0}[g["version"]] for g in answer["parameters"]["groups"] for p in g.get("rows", range(len(a)))}
    for place, value in enumerate(answer["outputs"][0]["data"]):
        expected = a[place] + 1.0 + bias[place]
        assert value is None or value == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_an_answer_that_cannot_be_logged_is_not_given(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(groups: list[Rows]) -> list[StorageFull]:
        return [StorageFull("the disk takes no more")] * len(groups)

    monkeypatch.setattr(runtime._decisions, "commit", full)
    good = {"name": "a", "shape": [1], "datatype": "FP32", "data": [1.0]}
    exchange = ask(runtime, json.dumps({"inputs": [good, good | {"name": "b"}]}).encode())
    assert exchange.status == 507
    assert "takes no more" in json.loads(exchange.answer)["error"]


@given(
    parts=st.lists(st.integers(0, 10), min_size=1, max_size=5).filter(lambda parts: sum(parts) > 0),
    keys=st.lists(st.text(), max_size=30),
    salt=st.text(),
)
def test_shares_cover_everything_and_zero_gets_nothing(parts: list[int], keys: list[str], salt: str) -> None:
    shares = Shares([part / sum(parts) for part in parts])
    for number in [0.0, 1 - 2**-53, *(draw(salt, key) for key in keys)]:
        assert 0 <= number < 1
        assert parts[shares.arm(number)] > 0
