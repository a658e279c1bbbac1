"""What keeps persons out of the log, in a real runtime: no reason quotes a protected value, who is erased is gone soon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pytest
from runtime_stage import SIGNATURE, ControlPlane, RunningRuntime, onnx_model
from structlog.testing import capture_logs

from modelyard.core.clock import SystemClock
from modelyard.decisions import Compactor, DecisionIds, DecisionLog, DecisionReader, Erasures, Keeper, Pseudonyms, Rows, Window
from modelyard.decisions.protection import Cipher
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.runtime.answering import Answering
from modelyard.runtime.asked import Asked
from modelyard.runtime.calls import Hidden
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.limits import Admission
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.protocol import Parameters
from modelyard.runtime.replay import Asking, Question, Replayed
from modelyard.runtime.shadows import Shadows
from modelyard.runtime.spool import UseSpool
from modelyard.runtime.uses import FallbackUses
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import Arm, ArmRole, Constant, EndpointPolicy, OnInvalid, Protection

ENDPOINTS = ("plain", "private", "broken", "broken-private", "unread")
ROOMS = Signature(
    inputs=(
        FieldSpec(name="room", type=DataType.INT64, role=Role.IDENTIFIER),
        FieldSpec(name="income", type=DataType.INT64, maximum=70_000),
    ),
    outputs=SIGNATURE.outputs,
)
PROTECT = {"role:identifier": Protection.HASH, "income": Protection.ENCRYPT}
SECRETS = ("88123", "99456")
DIGITS = ("id", "manifest", "release", "decision_time", "latency", "queue_time")
"""Columns of so many digits that a secret's may be among them by chance."""


@cache
def rooms_model() -> bytes:
    """prediction = the room-th of ten numbers: a room that is not there fails in the engine, whose error quotes it."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Slice", ["input", "zero", "one", "one"], ["first"]),
        helper.make_node("Cast", ["first"], ["room"], to=TensorProto.INT64),
        helper.make_node("Gather", ["numbers", "room"], ["score"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("numbers", TensorProto.FLOAT, [10], [float(n) for n in range(10)]),
    ]
    nodes[0].input[:] = ["input", "zero", "one", "one"]
    takes = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])]
    gives = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "rooms", takes, gives, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def arm(plane: ControlPlane, data: bytes, name: str, **more: Any) -> Arm:
    manifest = plane.version(data, ROOMS)
    release = plane.release(manifest, name, endpoints=ENDPOINTS, **more)
    return Arm(name=name, role=ArmRole.CHAMPION, release=release, manifest=manifest.digest(), share=1.0)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRuntime]:
    folder = tmp_path_factory.mktemp("custody")
    plane = ControlPlane(folder)
    linear, failing = arm(plane, onnx_model(0.0), "linear"), arm(plane, rooms_model(), "rooms")
    ended = arm(plane, onnx_model(0.0), "ended", until=datetime.now(UTC) - timedelta(seconds=1))
    private = EndpointPolicy(invalid=OnInvalid.FALLBACK, protect=PROTECT)
    plain = EndpointPolicy(invalid=OnInvalid.FALLBACK)
    constant = Constant(outputs={"prediction": -1.0})
    served = {"plain": (linear, plain), "private": (linear, private), "broken": (failing, plain),
              "broken-private": (failing, private), "unread": (ended, private)}  # fmt: skip
    plane.publish(*[plane.endpoint(one, name=name, policy=policy, constant=constant) for name, (one, policy) in served.items()])
    running = RunningRuntime(plane, folder / "home")
    running.at_epoch(1)
    yield running
    assert running.stop() == 0


def ask(runtime: RunningRuntime, endpoint: str, inputs: dict[str, Any], subject: str | None = None) -> dict[str, Any]:
    """The one decision of a request as the log has it."""
    tensors = [{"name": n, "shape": [1], "datatype": "INT64", "data": [v]} for n, v in inputs.items()]
    body = {"inputs": tensors} | ({} if subject is None else {"parameters": {"subject": subject}})
    answer: httpx.Response = runtime.client.post(f"/v2/models/{endpoint}/infer", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = DecisionReader(runtime.home / "decisions").get(answer.json()["parameters"]["decision_ids"][0]) or {}
    return found


@pytest.mark.parametrize(
    ("endpoint", "inputs", "why"),
    [
        ("private", {"room": 88123, "income": 99456}, "income"),
        ("private", {"room": "no. 88123", "income": 1}, "room"),
        ("private", {"room": 88123, "incom": 99456}, "invalid"),
        ("broken-private", {"room": 88123, "income": 1}, "rooms: "),
        ("unread", {"room": 88123, "income": 99456}, ""),
        ("unread", {"room": 88123, "incom": 99456}, ""),
    ],
)
def test_no_row_of_the_log_quotes_what_is_protected(
    runtime: RunningRuntime, endpoint: str, inputs: dict[str, Any], why: str
) -> None:
    row = ask(runtime, endpoint, inputs)
    assert row["role"] == "constant"
    assert why in row["reason"], "what it was is told, though not with which value"
    texts = json.dumps({name: str(value) for name, value in row.items() if name not in DIGITS})
    assert not [secret for secret in SECRETS if secret in texts], texts


def test_without_protection_reasons_quote_what_was_wrong(runtime: RunningRuntime) -> None:
    assert "88123" in ask(runtime, "broken", {"room": 88123, "income": 1})["reason"]
    assert "incom" in ask(runtime, "plain", {"room": 88123, "incom": 99456})["reason"]
    assert json.loads(ask(runtime, "plain", {"room": 88123, "incom": 99456})["inputs"])["incom"] == 99456


def test_an_erasure_ends_while_the_runtime_goes_on(runtime: RunningRuntime) -> None:
    root = runtime.home / "decisions"
    theirs = ask(runtime, "plain", {"room": 1, "income": 2}, subject="Erika Mustermann")
    other = ask(runtime, "plain", {"room": 1, "income": 2}, subject="somebody else")
    keeper, until = Keeper(root), datetime.now(UTC)
    assert len(keeper.erase([theirs["subject"]], until).pending) == 1
    reader = DecisionReader(root)
    assert reader.known([theirs["id"], other["id"]]) == {other["id"]}
    runtime.until(lambda: not keeper.erase([theirs["subject"]], until).pending, "the open segment was not sealed")
    assert keeper.verify_erased([theirs["subject"]]) == 0
    for text in (theirs["subject"], theirs["id"]):
        found = [p.name for p in root.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]
        assert set(found) <= {"erasures.json"}
    later = ask(runtime, "plain", {"room": 1, "income": 2}, subject="somebody else")
    assert reader.known([other["id"], later["id"]]) == {other["id"], later["id"]}


class Erasing(LogWriter):
    """A log's writer beside which somebody is erased, just before or just after its first rows are logged."""

    def __init__(self, log: DecisionLog, root: Path, when: str, subject: str) -> None:
        super().__init__(log)
        self._root, self._when, self._subject = root, when, subject

    async def append(self, groups: Sequence[Rows]) -> None:
        if self._when == "before":
            self._erase()
        await super().append(groups)
        if self._when == "after":
            self._erase()

    def _erase(self) -> None:
        if self._subject not in Erasures(self._root).subjects():
            Keeper(self._root).erase([self._subject], datetime.now(UTC))


COUNT = 300
"""Rows of a replay: it asks for them in two groups."""


@pytest.mark.parametrize("when", ["never", "before", "after"])
def test_replayed_rows_are_the_same_persons_and_go_with_them(tmp_path: Path, when: str) -> None:
    root, runtime = tmp_path / "log", served(tmp_path)
    table = runtime.app.table
    assert table is not None
    endpoint, ids, hidden = table.endpoints["private"], DecisionIds(), Hidden(Pseudonyms(b"k" * 32), Cipher([b"c" * 32]))
    whose = ["Erika" if n in (0, 1, COUNT - 1) else f"person {n}" for n in range(COUNT)]
    erika = hidden.pseudonyms.of("subject", "Erika")
    reader = DecisionReader(root)

    async def work() -> Replayed:
        uses = FallbackUses("test", UseSpool(tmp_path / "uses.jsonl"), SystemClock())
        answering = Answering(writer, ids, hidden, Metrics(), lambda *_: None, 1000, Admission(10, 1 << 20), uses)
        named = Parameters(routing_keys=list(whose), subject=list(whose), event_time="2026-01-02T03:04:05Z")
        given = {"room": list(range(COUNT)), "income": [99456.0] * COUNT}
        await answering.answer(table, endpoint, Asked(given, COUNT, parameters=named), perf_counter())
        (shadow,) = endpoint.shadows
        asking = Asking(reader, shadow, endpoint, table, erasing, hidden)
        return await asking.replay(Question(endpoint="private", version="4", rate=1e6))

    with DecisionLog(root, "replay") as log:
        writer, erasing = LogWriter(log), Erasing(log, root, when, erika)
        done = asyncio.run(work())
        writer.close()
        erasing.close()
    runtime.stop()
    missed = {"never": 0, "before": 1, "after": 1}[when]
    assert (done.answered, done.gone, done.unfit) == (COUNT - missed, missed, {})
    rows = {row["id"]: row for row in reader.scan(Window(endpoint="private", shadows=True)).to_pylist()}
    shadows = [row for row in rows.values() if row["role"] == "shadow"]
    gone = 0 if when == "never" else 3
    assert (len(shadows), len(rows)) == (COUNT - gone, 2 * (COUNT - gone))
    for row in shadows:
        first = rows[row["shadow_of"]]
        assert all(row[name] == first[name] is not None for name in ("unit", "subject", "event_time", "decision_time"))
        assert json.loads(row["inputs"]) == {"room": json.loads(first["inputs"])["room"], "income": None}
        assert json.loads(first["inputs"])["income"].startswith("enc:")
        assert json.loads(first["output"])["prediction"].startswith("hash:"), "the shadow has an output of the same field"
        assert (json.loads(row["output"])["prediction"] or "hash:").startswith("hash:")
    if when != "never":
        Compactor(root).run()
        assert Keeper(root).verify_erased([erika]) == 0
        files = [p for p in root.rglob("*") if p.is_file() and p.name != "erasures.json"]
        assert not [p.name for p in files if erika.encode() in p.read_bytes()]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_slow_shadow_s_rows_go_with_the_decision_that_they_stand_beside(tmp_path: Path, when: str) -> None:
    root, runtime = tmp_path / "log", served(tmp_path)
    hidden = Hidden(Pseudonyms(b"k" * 32), Cipher([b"c" * 32]))
    erika, reader = hidden.pseudonyms.of("subject", "Erika"), DecisionReader(root)
    with DecisionLog(root, "shadowing") as log:
        writer, erasing = LogWriter(log), Erasing(log, root, when, erika)
        ids = asyncio.run(mirrored(runtime, writer, erasing, hidden, Metrics(), tmp_path))
        writer.close()
        erasing.close()
    runtime.stop()
    first, shadow = reader.scan(Window(endpoint="private", shadows=True)).to_pylist()
    assert (first["id"], shadow["shadow_of"]) == (ids[1], ids[1]), "one row of the other person's is left, with its shadow's"
    assert shadow["decision_time"] == first["decision_time"]
    Compactor(root).run()
    assert Keeper(root).verify_erased([erika]) == 0


def test_a_failing_shadow_does_not_quote_what_is_protected(tmp_path: Path) -> None:
    runtime, metrics = served(tmp_path, rooms_model()), Metrics()
    with DecisionLog(tmp_path / "log", "shadowing") as log, capture_logs() as told:
        writer = LogWriter(log)
        asyncio.run(mirrored(runtime, writer, writer, Hidden(Pseudonyms(b"k" * 32), Cipher([b"c" * 32])), metrics, tmp_path))
        writer.close()
    runtime.stop()
    assert metrics.shadow_failed == 1
    (warning,) = [each for each in told if each["event"] == "shadow failed"]
    assert warning["arm"] == "shadow"
    assert warning["detail"] != ""
    assert not [secret for secret in SECRETS if secret in str(told)], told


async def mirrored(
    runtime: Runtime, writer: LogWriter, shadow_log: LogWriter, hidden: Hidden, metrics: Metrics, folder: Path
) -> list[str]:
    """Two persons' decisions, and what the shadow makes of them; the ids of the decisions."""
    table, ids = runtime.app.table, DecisionIds()
    assert table is not None
    uses = FallbackUses("test", UseSpool(folder / "uses.jsonl"), SystemClock())
    answering = Answering(writer, ids, hidden, metrics, lambda *_: None, 1000, Admission(10, 1 << 20), uses)
    shadows = Shadows(shadow_log, ids, hidden, metrics, 1000)
    named = Parameters(subject=["Erika", "somebody else"])
    asked = Asked({"room": [88123, 88123], "income": [99456.0, 99456.0]}, 2, parameters=named)
    said, call = await answering.answer(table, table.endpoints["private"], asked, perf_counter())
    shadows.mirror(call, said.ids)
    async with asyncio.timeout(20):
        while not metrics.shadow_failed and not metrics.decisions["private", "shadow", "shadow"]:
            await asyncio.sleep(0)
    await shadows.stop()
    return said.ids


def served(folder: Path, shadow: bytes | None = None) -> Runtime:
    """An endpoint with a shadow, that encrypts an input that may be missing and hashes the answer."""
    plane = ControlPlane(folder)
    income = FieldSpec(name="income", type=DataType.FP32, nullable=True)
    signature = ROOMS.model_copy(update={"inputs": (ROOMS.inputs[0], income)})
    protect = {"income": Protection.ENCRYPT, "prediction": Protection.HASH}
    arms = []
    for role, data in ((ArmRole.CHAMPION, onnx_model(0.0)), (ArmRole.SHADOW, shadow or onnx_model(1.0))):
        manifest = plane.version(data, signature)
        release = plane.release(manifest, role.value, endpoints=("private",))
        arms.append(Arm(name=role.value, role=role, release=release, manifest=manifest.digest(), share=1.0))
    plane.publish(plane.endpoint(*arms, name="private", policy=EndpointPolicy(protect=protect)))
    runtime = Runtime(Settings(folder / "home", str(plane.published), plane.roots, "replaying"))
    runtime.step()
    return runtime
