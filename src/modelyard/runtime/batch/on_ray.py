"""Parts on a Ray cluster: actors that run the very same worker. They must see the same folders as this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import structlog

from modelyard.core.errors import InvalidInput, Unavailable
from modelyard.runtime.batch.carried import MOST_ATTEMPTS, CarriedError, PartLost
from modelyard.runtime.batch.model import Part, PartReport
from modelyard.runtime.batch.working import Setup, Worker

_log = structlog.get_logger("modelyard.runtime.batch")


class RayWorker:
    """A worker as an actor: bytes in, bytes out, so that Ray need not know our types."""

    def __init__(self, setup: bytes) -> None:
        self._worker = Worker(Setup.decode(setup))

    def do(self, part: bytes) -> bytes:
        try:
            return msgspec.json.encode(self._worker.do(msgspec.json.decode(part, type=Part)))
        except Exception as error:  # noqa: BLE001  raised again where the part came from
            return msgspec.json.encode(CarriedError.of(error))

    def close(self) -> None:
        self._worker.close()


class OnRay:
    """Actors on the cluster at `address` (Ray's own rules without one), one a processor unless told how many."""

    def __init__(self, count: int | None, address: str | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise InvalidInput("Ray is not installed", field="engine", hint="pip install 'modelyard[ray]'") from error
        self._ray, self._count, self._address = ray, count, address

    def run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
        ray = self._ray
        ours = not ray.is_initialized()
        if ours:
            try:
                ray.init(address=self._address, log_to_driver=False, include_dashboard=False, configure_logging=False)
            except (ConnectionError, OSError, RuntimeError) as error:
                raise Unavailable(f"no Ray cluster at {self._address or 'this machine'}: {error}", field="ray_address") from error
        try:
            yield from self._run(setup, parts)
        finally:
            if ours:
                ray.shutdown()

    def _run(self, setup: Setup, parts: Sequence[Part]) -> Iterator[PartReport]:
        ray, sent = self._ray, setup.encode()
        make = ray.remote(num_cpus=1)(RayWorker)
        count = self._count or max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting, attempts = deque(parts), dict.fromkeys((p.number for p in parts), 0)
        busy: dict[Any, tuple[Any, Part]] = {}
        idle = [make.remote(sent) for _ in range(min(count, len(parts)))]
        try:
            while waiting or busy:
                while waiting and idle:
                    actor, part = idle.pop(), waiting.popleft()
                    busy[actor.do.remote(msgspec.json.encode(part))] = (actor, part)
                done, _ = ray.wait(list(busy), num_returns=1)
                actor, part = busy.pop(done[0])
                report = self._told(done[0], part, attempts)
                if report is None:
                    waiting.appendleft(part)
                    idle.append(make.remote(sent))
                else:
                    idle.append(actor)
                    yield report
        finally:
            _close(ray, [*idle, *(actor for actor, _ in busy.values())], whole=not busy)

    def _told(self, reference: Any, part: Part, attempts: dict[int, int]) -> PartReport | None:
        """The report; None when the actor has died and the part is to be tried again."""
        try:
            answer: bytes = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            attempts[part.number] += 1
            _log.warning("an actor of the batch has ended", part=part.number, attempt=attempts[part.number])
            if attempts[part.number] >= MOST_ATTEMPTS:
                raise PartLost(f"part {part.number} ended its actor {MOST_ATTEMPTS} times: {error}") from error
            return None
        told = msgspec.json.decode(answer, type=PartReport | CarriedError)
        if isinstance(told, CarriedError):
            raise told.error()
        return told


def _close(ray: Any, actors: Sequence[Any], *, whole: bool) -> None:
    """Let actors seal their logs when all is done; otherwise end them: the next run goes on from wherever they were."""
    if whole:
        for reference in [actor.close.remote() for actor in actors]:
            try:
                ray.get(reference)
            except ray.exceptions.RayActorError as error:
                _log.warning("an actor ended before it had sealed its log; another writer does it", detail=str(error))
    for actor in actors:
        ray.kill(actor)
