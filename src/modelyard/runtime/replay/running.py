"""A replay from question to result: what may be asked is found as a batch finds it, loaded here, and asked until its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

import msgspec
import structlog

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import Busy, ModelyardError, NotApproved, NotFound, Unavailable, Untrusted
from modelyard.decisions import DecisionLog, DecisionReader, Pseudonyms
from modelyard.decisions.errors import storage_error
from modelyard.decisions.protection import Cipher
from modelyard.kinds.sandbox import HostedPredictor
from modelyard.runtime.batch.model import Place
from modelyard.runtime.batch.protecting import data_key
from modelyard.runtime.batch.released import Allowed, Plane, pseudonym_key
from modelyard.runtime.calls import Hidden
from modelyard.runtime.engine import ModelServer
from modelyard.runtime.errors import SourceDown
from modelyard.runtime.replay.asking import Asking
from modelyard.runtime.replay.model import Progress, Question, Replayed
from modelyard.runtime.routing import Shares
from modelyard.runtime.table import ServedEndpoint, ServingArm, Table
from modelyard.runtime.writer import LogWriter
from modelyard.trust import AllowedArm
from modelyard.trust.releases import permits
from modelyard.trust.statements import ArmRole

_LOOK_EVERY = 2.0
_START = 300.0
"""Seconds that a model with an environment of its own may take to start."""
_log = structlog.get_logger("modelyard.runtime.replay")


@dataclass
class Replays:
    """Runs replays at a place. `told` is called after each group of rows; `stop`, once set, ends the replay before the next."""

    place: Place
    told: Callable[[Progress], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(default_factory=SystemClock)

    def run(self, question: Question) -> Replayed:
        """Ask the version what the window's decisions were asked, log its answers as a shadow's, and compare.

        Raises InvalidInput for what does not fit, NotFound without a log or endpoint, NotApproved or an Untrusted when the
        version may not be asked (any more), NoAnswer when the routes are too old, Busy while another process replays the same,
        SourceDown, Unavailable, StorageFull. What was logged until then stays, and the same question goes on from there.
        """
        question = msgspec.structs.replace(question, until=question.until or self.clock.now())
        question.check()
        if not self.place.log.is_dir():
            raise NotFound(
                f"there is no decision log at {self.place.log}", field="home", hint="replay where the runtime logs its decisions"
            )
        plane = Plane(self.place, self.clock)
        allowed = plane.now(question.endpoint)
        allowed.require_fresh(self.clock.now())
        chosen = permitted(allowed, question.version, self.clock.now())
        models = plane.models()
        try:
            return self._replay(plane, allowed, chosen, _ready(models.get(chosen)), question)
        finally:
            models.close()

    def _replay(self, plane: Plane, allowed: Allowed, chosen: AllowedArm, model: ModelServer, question: Question) -> Replayed:
        arm = _serving(chosen, model)
        watch = _Watch(plane, allowed, chosen, self.clock)
        with _opened(self.place, question.id(arm.manifest)) as log:
            writer = LogWriter(log)
            asking = Asking(
                reader=DecisionReader(self.place.log),
                arm=arm,
                endpoint=_endpoint(allowed, arm),
                table=_table(allowed),
                log=writer,
                hidden=_hidden(self.place),
                stop=self.stop,
                look=watch.look,
                told=self.told,
            )
            try:
                return asyncio.run(asking.replay(question))
            finally:
                writer.close()


class _Watch:
    """Looks for newer routes and orders while rows are asked. A version that may not be asked any more ends the replay."""

    def __init__(self, plane: Plane, allowed: Allowed, chosen: AllowedArm, clock: Clock) -> None:
        self._plane, self._allowed, self._chosen, self._clock = plane, allowed, chosen, clock
        self._next = monotonic() + _LOOK_EVERY

    def look(self) -> None:
        """Raises NotApproved or NoAnswer when the replay has to end."""
        if monotonic() >= self._next or self._plane.ordered():
            self._next = monotonic() + _LOOK_EVERY
            self._renew()
        self._allowed.require_fresh(self._clock.now())

    def _renew(self) -> None:
        try:
            newer = self._plane.newer(self._allowed)
        except (SourceDown, Untrusted) as error:
            _log.warning("no newer routes to be had", detail=error.detail)
            return
        if newer is not None:
            self._require_same(permitted(newer, self._chosen.arm.manifest, self._clock.now()))
            self._allowed = newer

    def _require_same(self, arm: AllowedArm) -> None:
        if (arm.arm.name, arm.arm.release) != (self._chosen.arm.name, self._chosen.arm.release):
            raise NotApproved(
                "the version has another arm or release by now", field="version", hint="give the same command again to go on"
            )


def permitted(allowed: Allowed, version: str, now: datetime) -> AllowedArm:
    """The arm of that version (its id or manifest digest), if it may answer as a shadow: a shadow if there is one. Its answers
    reach no caller, so that the share it is released for does not bound what it is asked. Raises NotApproved saying why not."""
    named = [arm for arm in allowed.endpoint.arms if version in (arm.release.release.version, arm.arm.manifest)]
    named.sort(key=lambda arm: arm.arm.role is not ArmRole.SHADOW)
    if not named:
        raise _not_there(allowed, version)
    routes = allowed.endpoint.routes
    refused: ModelyardError | None = None
    for arm in named:
        try:
            permits(
                arm.release,
                endpoint=routes.name,
                use_case=routes.use_case,
                stage=routes.stage,
                role=ArmRole.SHADOW,
                share=min(arm.arm.share, arm.release.release.greatest_share),
                at=now,
            )
        except NotApproved as error:
            refused = error
        else:
            return arm
    assert refused is not None
    raise NotApproved(
        f"version {version!r:.80} may not be replayed: {refused.detail}",
        field="version",
        hint="have it released for the role shadow",
    ) from refused


def _not_there(allowed: Allowed, version: str) -> NotApproved:
    endpoint = allowed.endpoint.routes.name
    why = [f"{r.arm}: {r.detail}" for r in allowed.check.refusals if r.endpoint == endpoint and r.arm is not None]
    told = f" (refused: {'; '.join(why)})" if why else ""
    return NotApproved(
        f"version {version!r:.80} is on no arm of endpoint {endpoint!r} that may serve{told}",
        field="version",
        hint=f"a shadow reaches no caller: modelyard deploy {endpoint} RELEASE --role shadow --share 0",
    )


def _ready(model: ModelServer) -> ModelServer:
    """The model, once its process has started. Raises Unavailable when it does not."""
    predictor = model.predictor
    if isinstance(predictor, HostedPredictor):
        predictor.wait(_START)
        if not model.ready():
            raise Unavailable(f"the model did not start: {model.progress}", field="version")
    return model


def _serving(chosen: AllowedArm, model: ModelServer) -> ServingArm:
    arm, release = chosen.arm, chosen.release.release
    until = chosen.until.timestamp()
    return ServingArm(arm.name, ArmRole.SHADOW, arm.share, release.version, arm.manifest, arm.release, until, model)


def _endpoint(allowed: Allowed, arm: ServingArm) -> ServedEndpoint:
    """The endpoint with this arm alone, as a shadow. Its age is judged by the watch, which sees newer routes."""
    return ServedEndpoint(
        routes=allowed.endpoint.routes, live=(), shares=Shares([]), fallbacks=(), shadows=(arm,), stale_at=float("inf")
    )


def _table(allowed: Allowed) -> Table:
    check = allowed.check
    return Table(check.epoch, check.digest, allowed.organisation, check.issued_at, {}, {})


def _hidden(place: Place) -> Hidden:
    return Hidden(Pseudonyms(pseudonym_key(place)), Cipher.from_text(data_key(place)))


def _opened(place: Place, name: str) -> Any:
    """The log for this replay's rows. Its writer's name keeps a second run of the same replay out. Raises Busy."""
    try:
        return DecisionLog(place.log, name)
    except Busy as error:
        raise Busy(f"another process replays the same: {name}", hint="wait for it, or name this one: --again NAME") from error
    except OSError as error:
        raise storage_error(error, place.log) from error
