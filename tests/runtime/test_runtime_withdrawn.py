"""Whoever waits when routes change goes by the new ones: for a turn at the endpoint, or in the queue of a slow model."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alike_stage import Asked, Player, Stage
from runtime_stage import SIGNATURE

from modelyard.decisions import Window
from modelyard.kinds.contract import Batch
from modelyard.runtime.errors import Withdrawn
from modelyard.trust.statements import ArmRole, EndpointPolicy

BODY = json.dumps({"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [1.0]} for n in ("a", "b")]}).encode()


class Versions(Stage):
    """An endpoint of two versions: v1 answers when it is let, v2 at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun, self.let = threading.Event(), threading.Event()
        self.v1 = self.apart("v1", Player(SIGNATURE, self._late))
        self.v2 = self.apart("v2", Player(SIGNATURE, said))

    def close(self) -> None:
        self.let.set()
        super().close()

    def play(self, work: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(work, 30))

    def versions(self, callers: list[Asked]) -> list[str | int]:
        """Who answered each, or with which status."""
        return [json.loads(c.answer)["model_version"] if c.status == 200 else c.status for c in callers]

    def in_the_log(self) -> list[tuple[str, int]]:
        found = self._reader.scan(Window(), ["version", "epoch"]).to_pylist()
        return sorted((row["version"], row["epoch"]) for row in found)

    def _late(self, batch: Batch, rows: int) -> Batch:
        self.begun.set()
        assert self.let.wait(20)
        return said(batch, rows)


def said(batch: Batch, _: int) -> Batch:
    return {"prediction": batch["a"] + batch["b"]}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Versions]:
    made = Versions(tmp_path)
    yield made
    made.close()


def caller() -> Asked:
    return Asked(BODY, "/v2/models/hold/infer", headers={"content-type": "application/json", "content-length": str(len(BODY))})


async def begin(stage: Versions, callers: list[Asked]) -> list[asyncio.Task[None]]:
    """All of them under way: v1 is asked for the first, the others wait."""
    tasks = [asyncio.ensure_future(callers[0].ask(stage.app))]
    while not stage.begun.is_set():
        await asyncio.sleep(0.001)
    tasks += [asyncio.ensure_future(one.ask(stage.app)) for one in callers[1:]]
    waiting = stage.app._answering.admission
    while stage.v1.model.waiting + waiting.waiting < len(callers) - 1:
        await asyncio.sleep(0.001)
    return tasks


def test_who_waits_for_a_slow_model_is_answered_by_the_one_in_force(stage: Versions) -> None:
    """At once, not when the slow call has ended; who is being answered is answered."""
    stage.route([stage.v1], epoch=1)
    callers = [caller() for _ in range(4)]

    async def work() -> None:
        first, *others = await begin(stage, callers)
        await asyncio.to_thread(stage.route, [stage.v2], epoch=2)
        await asyncio.gather(*others)
        assert not first.done()
        stage.let.set()
        await first

    stage.play(work())
    assert stage.versions(callers) == ["v1", "v2", "v2", "v2"]
    assert stage.in_the_log() == [("v1", 1), ("v2", 2), ("v2", 2), ("v2", 2)]


def test_who_waits_for_a_turn_at_the_endpoint_is_answered_by_the_one_in_force(stage: Versions) -> None:
    policy = EndpointPolicy(concurrency=1, queue=10)
    stage.route([stage.v1], epoch=1, policy=policy)
    callers = [caller() for _ in range(4)]

    async def work() -> None:
        tasks = await begin(stage, callers)
        await asyncio.to_thread(stage.route, [stage.v2], epoch=2, policy=policy)
        stage.let.set()
        await asyncio.gather(*tasks)

    stage.play(work())
    assert stage.versions(callers) == ["v1", "v2", "v2", "v2"]
    assert stage.in_the_log() == [("v1", 1), ("v2", 2), ("v2", 2), ("v2", 2)]


def test_who_waits_stays_where_the_arm_does(stage: Versions) -> None:
    """Routes that were only signed again, or changed beside the arm, send nobody anywhere."""
    stage.route([stage.v1], epoch=1)
    callers = [caller() for _ in range(3)]

    async def work() -> None:
        tasks = await begin(stage, callers)
        await asyncio.to_thread(stage.route, [stage.v1, replace(stage.v2, role=ArmRole.FALLBACK)], epoch=2)
        assert stage.v1.model.waiting == 2
        stage.let.set()
        await asyncio.gather(*tasks)

    stage.play(work())
    assert stage.versions(callers) == ["v1", "v1", "v1"]


def test_who_waits_where_the_endpoint_is_no_more_is_told_so(stage: Versions) -> None:
    stage.route([stage.v1], epoch=1)
    callers = [caller() for _ in range(3)]

    async def work() -> None:
        first, *others = await begin(stage, callers)
        await asyncio.to_thread(stage.route, [], epoch=2)
        await asyncio.gather(*others)
        stage.let.set()
        await first

    stage.play(work())
    assert stage.versions(callers) == ["v1", 404, 404]
    assert stage.in_the_log() == [("v1", 1)]


def test_what_stands_no_more_is_not_asked_though_nobody_said_that_routes_changed(stage: Versions) -> None:
    """A request that came by older routes and reaches the queue after the change."""
    stands = [True, True]

    async def work() -> list[Any]:
        ask = stage.v1.model.answer
        tasks = [asyncio.ensure_future(ask([[1.0], [1.0]], 1, stands=lambda place=place: stands[place])) for place in (0, 1)]
        late = asyncio.ensure_future(ask([[1.0], [1.0]], 1, stands=lambda: False))
        stands[1] = False
        stage.let.set()
        return await asyncio.gather(*tasks, late, return_exceptions=True)

    kept, *sent = stage.play(work())
    assert kept.outputs == {"prediction": [2.0]}
    assert [type(each) for each in sent] == [Withdrawn, Withdrawn]
