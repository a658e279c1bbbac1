"""One request along both ways: the same application, model and log; the general way is taken because of a header that changes
nothing else."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exchanges import Caller
from runtime_stage import ControlPlane

from modelyard.core.digests import digest
from modelyard.decisions import DecisionReader, Window
from modelyard.kinds.contract import Batch
from modelyard.kinds.signature import Signature
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.engine import ModelServer
from modelyard.runtime.inputs import InputPlan
from modelyard.runtime.routing import Shares
from modelyard.runtime.table import LiveSlot, ServedEndpoint, ServingArm, Table
from modelyard.trust.statements import Arm, ArmRole, Constant, EndpointPolicy, EndpointRoutes

_ID = re.compile(rb"dec_[0-9a-f]{32}")
_DIFFER = {"id", "decision_time", "latency", "queue_time"}
"""Columns of the log that differ from request to request."""

Said = Callable[[Batch, int], Batch]


class Scripted:
    """A model that says what the test wants it to say."""

    def __init__(self, signature: Signature, says: Said) -> None:
        self.signature, self._says = signature, says

    def predict(self, batch: Batch) -> Batch:
        return self._says(batch, len(next(iter(batch.values()))))

    def explain(self, batch: Batch, background: Batch | None = None) -> Any:
        raise NotImplementedError


@dataclass
class Player:
    """An arm: its model's signature and what it says."""

    signature: Signature
    says: Said
    role: ArmRole = ArmRole.CHAMPION
    share: float = 1.0


@dataclass
class Seen:
    """What a caller and the log saw of one request; ids that are made for each answer are left out."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    rows: list[dict[str, Any]]


class Asked(Caller):
    """A request and what came of it."""

    @property
    def plain(self) -> bytes:
        """The answer, not compressed any more."""
        window = {"gzip": 31, "deflate": 15}.get(dict(self.headers).get("content-encoding", ""))
        return self.answer if window is None else zlib.decompress(self.answer, window)

    @property
    def ids(self) -> list[str]:
        return list(dict.fromkeys(found.decode() for found in _ID.findall(self.plain)))


class Stage:
    """A runtime in this process: real engine, real log on the disk."""

    quick: Mapping[str, str] = {"content-type": "application/json"}
    general: Mapping[str, str] = {"content-type": "application/json; charset=us-ascii"}
    """Headers of which the second ones keep a request off the quick way."""

    def __init__(self, folder: Path) -> None:
        plane = ControlPlane(folder)
        settings = Settings(home=folder / "home", source=str(plane.published), trust_roots=plane.roots, name="alike")
        self.runtime = Runtime(settings)
        self.app = self.runtime.app
        self.quickly = self.answered = 0
        self._threads = ThreadPoolExecutor(1)
        self._pools: list[ThreadPoolExecutor] = []
        self._loop = asyncio.new_event_loop()
        self._reader = DecisionReader(settings.home / "decisions")
        self._watch()

    def close(self) -> None:
        self.runtime.stop()
        for pool in (self._threads, *self._pools):
            pool.shutdown()
        self._loop.close()

    def serve(
        self, players: Sequence[Player], name: str = "hold", constant: Constant | None = None,
        policy: EndpointPolicy | None = None, salt: str = "", path: str = "/v2/models/{}/infer",
    ) -> None:  # fmt: skip
        """Answer from these arms from now on."""
        arms = [self._arm(player, f"{player.role.value} {place} 100%s") for place, player in enumerate(players)]
        self.route(arms, name, constant=constant, sticky_salt=salt, policy=policy or EndpointPolicy())
        self._path = path.format(name)

    def route(self, arms: Sequence[ServingArm], name: str = "hold", epoch: int = 7, **terms: Any) -> None:
        """Answer from these arms from now on, each in its role; without any, the endpoint is no more."""
        live = [arm for arm in arms if arm.role in (ArmRole.CHAMPION, ArmRole.CHALLENGER)]
        routes = EndpointRoutes(
            name=name, use_case="likeness", stage="production", tier="low", greatest_age=3600,
            arms=tuple(Arm(name=a.name, role=a.role, release=a.release, manifest=a.manifest, share=a.share) for a in arms),
            **terms,
        )  # fmt: skip
        endpoint = ServedEndpoint(
            routes=routes,
            live=tuple(LiveSlot(arm.name, arm, "") for arm in live),
            shares=Shares([arm.share for arm in live]),
            fallbacks=tuple(arm for arm in arms if arm.role is ArmRole.FALLBACK),
            shadows=tuple(arm for arm in arms if arm.role is ArmRole.SHADOW),
            stale_at=self._end,
        )
        endpoints = {name: endpoint} if arms else {}
        self.app.swap(Table(epoch, digest(b"table"), "default", datetime.now(UTC), endpoints, {}))

    def apart(self, name: str, player: Player) -> ServingArm:
        """An arm whose model is asked in a thread of its own, as slow ones are."""
        pool = ThreadPoolExecutor(1)
        self._pools.append(pool)
        server = ModelServer(Scripted(player.signature, player.says), InputPlan(player.signature), pool, inline=False)
        made = digest(name.encode())
        return ServingArm(name, player.role, player.share, name, made, made, self._end, server)

    def ask(self, bodies: Sequence[bytes], headers: Mapping[str, str]) -> list[Seen]:
        """What came of these requests, all under way at once. What was counted of them is told with the first."""
        exchanges = [Asked(body, self._path, headers={**headers} | {"content-length": str(len(body))}) for body in bodies]
        self._loop.run_until_complete(asyncio.wait_for(self._all(exchanges), 5))
        rows = self._rows([identity for exchange in exchanges for identity in exchange.ids])
        return [
            Seen(one.status, one.headers, _ID.sub(b"dec_", one.plain), [rows[i] for i in one.ids if i in rows])
            for one in exchanges
        ]

    def counted(self) -> dict[str, int]:
        """What the runtime counted, times apart."""
        return {
            line.rpartition(" ")[0]: int(line.rpartition(" ")[2])
            for line in self.app._metrics.text({}).splitlines()
            if line.startswith("modelyard_") and "_request_seconds" not in line
        }

    def logged(self) -> int:
        """How many decisions are in the log."""
        return int(self._reader.scan(Window(), ["id"]).num_rows)

    async def _all(self, exchanges: Sequence[Asked]) -> None:
        await asyncio.gather(*(exchange.ask(self.app) for exchange in exchanges))

    def _rows(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        found = self._reader.find(ids).to_pylist() if ids else []
        return {row["id"]: {name: value for name, value in row.items() if name not in _DIFFER} for row in found}

    def _arm(self, player: Player, name: str) -> ServingArm:
        server = ModelServer(Scripted(player.signature, player.says), InputPlan(player.signature), self._threads)
        server._seconds = 0.0  # quick from the first call on
        made = digest(name.encode())
        return ServingArm(name, player.role, player.share, f"version {name}", made, made, self._end, server)

    @property
    def _end(self) -> float:
        return (datetime.now(UTC) + timedelta(hours=1)).timestamp()

    def _watch(self) -> None:
        """Count what the quick way answered itself."""
        lanes = self.app._lanes
        take, onwards = lanes.take, lanes.onwards

        def taken(*given: Any) -> None:
            self.answered += 1
            self.quickly += 1
            take(*given)

        def gone(*given: Any) -> None:
            self.quickly -= 1
            onwards(*given)

        lanes.take, lanes.onwards = taken, gone  # type: ignore[method-assign]
