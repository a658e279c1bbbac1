"""Shadows beside each other: one that hangs holds up no other, and takes no more room than it may."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alike_stage import Asked, Player, Said, Stage
from runtime_stage import SIGNATURE

from modelyard.decisions import Window
from modelyard.decisions.schema import DECISIONS
from modelyard.kinds.contract import Batch
from modelyard.trust.statements import ArmRole, EndpointPolicy, Protection

CAPACITY = 300
BODY = json.dumps({"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]}).encode()


class Shadowed(Stage):
    """A champion with two shadows, of which the first answers when it is let."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let = threading.Event()
        self.shadows = self.runtime._shadows
        self.shadows._capacity = CAPACITY
        roles = {"champion": ArmRole.CHAMPION, "slow": ArmRole.SHADOW, "quick": ArmRole.SHADOW}
        self.route([self.apart(name, Player(SIGNATURE, self._saying(name), role)) for name, role in roles.items()])

    def close(self) -> None:
        self.let.set()
        super().close()

    def by(self, arm: str) -> int:
        return self.app._metrics.decisions["hold", arm, "shadow"]

    async def asked(self, times: int) -> None:
        headers = {"content-type": "application/json", "content-length": str(len(BODY))}
        callers = [Asked(BODY, "/v2/models/hold/infer", headers=headers) for _ in range(times)]
        await asyncio.gather(*(one.ask(self.app) for one in callers))
        assert {one.status for one in callers} == {200}

    def _saying(self, name: str) -> Said:
        def says(batch: Batch, _: int) -> Batch:
            if name == "slow":
                assert self.let.wait(20)
            return {"prediction": batch["a"] + batch["b"]}

        return says


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Shadowed]:
    made = Shadowed(tmp_path)
    yield made
    made.close()


async def until(stage: Shadowed, arm: str, count: int) -> None:
    async with asyncio.timeout(20):
        while stage.by(arm) < count:
            await asyncio.sleep(0.001)


def test_a_shadow_that_hangs_holds_up_no_other(stage: Shadowed) -> None:
    async def work() -> None:
        await stage.asked(100)
        await until(stage, "quick", 100)
        assert stage.by("slow") == 0
        stage.let.set()
        await until(stage, "slow", 100)

    stage._loop.run_until_complete(work())
    assert stage.shadows.status() == {"waiting_rows": 0, "capacity": CAPACITY, "dropped": 0}
    rows = stage._reader.scan(Window(shadows=True), ["version", "shadow_of"]).to_pylist()
    shadowed = [row["shadow_of"] for row in rows if row["version"] == "slow"]
    assert len(set(shadowed)) == len(shadowed) == 100
    assert sorted(shadowed) == sorted(row["shadow_of"] for row in rows if row["version"] == "quick")


def test_what_the_first_answers_need_is_made_before_the_routes_are_in_force(stage: Shadowed) -> None:
    """It loads libraries: in the event loop that held up all callers for a sixth of a second."""
    assert stage.app.table is not None
    [endpoint] = stage.app.table.endpoints.values()
    made = dict(endpoint._stamps)
    stage._loop.run_until_complete(stage.asked(3))
    assert made
    assert endpoint._stamps == made


def test_what_waits_for_one_shadow_leaves_room_for_the_others_and_drops_are_counted(stage: Shadowed) -> None:
    async def work() -> None:
        for _ in range(10):
            await stage.asked(40)
            await until(stage, "quick", stage.app._metrics.decisions["hold", "champion", "champion"])
        waiting = stage.shadows.status()["waiting_rows"]
        assert waiting == CAPACITY // 2
        await stage.shadows.stop()

    stage._loop.run_until_complete(work())
    assert stage.by("quick") == 400
    assert stage.by("slow") == 0
    assert stage.shadows.status()["dropped"] == 400, "those beyond its room, those in it, and those that were being answered"


RECORD = {"inputs": {"a": 1.5, "b": 2.0}, "key": "k-1", "subject": "p-1", "event_time": "2026-01-01T12:00:00Z", "id": "call"}
TRACED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def summed(batch: Batch, _: int) -> Batch:
    return {"prediction": batch["a"] + batch["b"]}


def mirrored(stage: Stage, content_type: str, share: float, **terms: Any) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Sixteen requests with keys of their own: each row of the champion, and the one that the shadow made beside it."""
    roles = ((ArmRole.CHAMPION, 1.0), (ArmRole.SHADOW, share))
    arms = [stage._arm(Player(SIGNATURE, summed, role, chance), role.value) for role, chance in roles]
    stage.route(arms, sticky_salt="salt", **terms)
    stage._path = "/decide/hold"

    async def work() -> list[str]:
        bodies = [json.dumps(RECORD | {"key": f"k-{n}"}).encode() for n in range(16)]
        headers = {"content-type": content_type, **TRACED}
        callers = [Asked(b, "/decide/hold", headers=headers | {"content-length": str(len(b))}) for b in bodies]
        await asyncio.gather(*(one.ask(stage.app) for one in callers))
        async with asyncio.timeout(20):
            while stage.runtime._shadows._queues:
                await asyncio.sleep(0.001)
        return [json.loads(one.plain)["decision_id"] for one in callers]

    asked = stage._loop.run_until_complete(work())
    rows = stage._reader.scan(Window(shadows=True), list(DECISIONS.names)).to_pylist()
    beside = {row["shadow_of"]: row for row in rows if row["shadow_of"] is not None}
    champions = {row["id"]: row for row in rows}
    return [(champions[one], beside.get(one)) for one in asked]


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(
    "policy", [EndpointPolicy(), EndpointPolicy(protect={"a": Protection.HASH, "prediction": Protection.MASK}, sticky_by="a")]
)
def test_what_shadows_log_is_the_same_on_both_ways(tmp_path: Path, share: float, policy: EndpointPolicy) -> None:
    stage = Stage(tmp_path)
    differ = ("id", "shadow_of", "decision_time", "latency", "queue_time")
    told = []
    for how, quickly in ((stage.quick, 16), (stage.general, 0)):
        before = stage.quickly
        pairs = mirrored(stage, how["content-type"], share, policy=policy)
        assert stage.quickly - before == quickly
        assert [row["decision_time"] for _, row in pairs if row] == [row["decision_time"] for row, beside in pairs if beside]
        told.append([[row and {k: v for k, v in row.items() if k not in differ} for row in pair] for pair in pairs])
    stage.close()
    assert told[0] == told[1]
    shadowed = [pair for pair in told[0] if pair[1]]
    assert len(shadowed) == 16 if share == 1 else 0 < len(shadowed) < 16
    for row, beside in shadowed:
        same = ("unit", "subject", "event_time", "request", "trace", "inputs", "output")
        assert [beside[name] for name in same] == [row[name] for name in same]
        assert beside["role"] == "shadow"
