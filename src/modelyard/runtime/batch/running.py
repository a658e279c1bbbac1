"""A batch from order to result: begun or gone on with, its parts given to an engine, and its end made known at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import structlog

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import Busy, ModelyardError, NotApproved, Refused, Untrusted, WrongState
from modelyard.core.ids import RandomIds
from modelyard.decisions import try_lock, write_atomically
from modelyard.decisions.errors import storage_error
from modelyard.runtime.batch import delta, finding
from modelyard.runtime.batch.engines import Engine, Inline
from modelyard.runtime.batch.model import WORK, Invalid, Order, Part, PartReport, Place, Plan, Progress, Result
from modelyard.runtime.batch.reading import schema_of
from modelyard.runtime.batch.released import Allowed, Plane, chosen, constant_of, still_allowed
from modelyard.runtime.batch.scoring import Scorer
from modelyard.runtime.batch.working import Setup, published
from modelyard.runtime.errors import NoAnswer, SourceDown
from modelyard.runtime.ports import RefusalRecord

LOOK_EVERY = 2.0
SUCCESS, MANIFEST = "_SUCCESS", "_manifest.json"
_log = structlog.get_logger("modelyard.runtime.batch")


@dataclass
class Batches:
    """Runs batches at a place. `told` is called whenever a part is done."""

    place: Place
    engine: Engine = field(default_factory=Inline)
    told: Callable[[Progress], None] | None = None
    clock: Clock = field(default_factory=SystemClock)

    def run(self, order: Order, batch: str | None = None) -> Result:
        """Score all of the input, or what is left of it. An order that is done already gives its result again.

        Raises InvalidInput or NotFound for what does not fit, WrongState when the folder holds something else, Busy while another
        process works at it, NotApproved, NoAnswer or an Untrusted when nobody may answer, SourceDown, StorageFull.
        """
        order.check()
        order = msgspec.structs.replace(order, out=str(Path(order.out).absolute()))
        try:
            self.place.home.mkdir(parents=True, exist_ok=True)
            (Path(order.out) / WORK).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, Path(order.out)) from error
        lock = try_lock(Path(order.out) / WORK / "lock")
        if lock is None:
            raise Busy(f"another process scores into {order.out}", field="out", hint="wait for it, or give another folder")
        with lock:
            return self._run(order, batch)

    def _run(self, order: Order, batch: str | None) -> Result:
        plane = Plane(self.place, self.clock)
        files = finding.input_files(order.inputs, self.place.lent)
        known = begun(order)
        if known is not None and _same_input(known, files):
            result = _result_of(known)
            if result is not None:
                return result
        elif known is not None:
            self._require_over(known, order)
            known = None
        allowed = plane.now(order.endpoint)
        allowed.require_fresh(self.clock.now())
        plan = known or self._begin(plane, allowed, order, files, batch)
        try:
            still_allowed(plan, allowed)
            return self._finish(plane, allowed, plan)
        except (Refused, NoAnswer) as error:
            _report(plane, plan, error, self.clock)
            raise

    @staticmethod
    def _require_over(known: Plan, order: Order) -> None:
        """An input that has changed is another batch: only a Delta table takes one after the other."""
        if _result_of(known) is None:
            raise WrongState(
                f"the input has changed since batch {known.id} began", field="inputs", hint="give another folder for a new batch"
            )
        if order.format != "delta":
            raise WrongState(f"{order.out} holds batch {known.id} of another input", field="out", hint="give another folder")

    def _begin(self, plane: Plane, allowed: Allowed, order: Order, files: Any, batch: str | None) -> Plan:
        """Decide who answers and cut the input; on return it is known what the batch will be, whoever goes on with it."""
        _require_free(order)
        routes = allowed.endpoint.routes
        plan = Plan(
            id=batch or RandomIds(self.clock).new("bat"),
            started=self.clock.now().isoformat(),
            order=order,
            epoch=allowed.check.epoch,
            snapshot=allowed.check.digest,
            use_case=routes.use_case,
            tier=routes.tier,
            pins=chosen(allowed, order),
            files=files,
            parts=finding.parts_of(files, order.part_rows),
        )
        _require_log(plan)
        schema = _require_fitting(plane, allowed, plan)
        if order.format == "delta":
            delta.require_compatible(Path(order.out), schema)
        for step in ("pending", "done", "locks"):
            (plan.folder / step).mkdir(parents=True, exist_ok=True)
        write_atomically(plan.folder / "plan.json", msgspec.json.encode(plan))
        return plan

    def _finish(self, plane: Plane, allowed: Allowed, plan: Plan) -> Result:
        started = monotonic()
        reports = dict(_done(plan))
        resumed = len(reports)
        left = [part for part in plan.parts if part.number not in reports]
        tally = _Tally(plan, reports)
        watch = _Watch(plane, plan, allowed, self.clock)
        setup = Setup(plan=plan, place=self.place, snapshot=allowed.envelope)
        if left:
            work = self.engine.run(setup, left)
            try:
                for report in work:
                    tally.take(report)
                    if self.told is not None:
                        self.told(tally.progress(monotonic() - started))
                    watch.look()
            finally:
                _close(work)
        return _conclude(plan, tally, resumed, monotonic() - started)


class _Tally:
    """What has been done so far."""

    def __init__(self, plan: Plan, reports: dict[int, PartReport]) -> None:
        self._plan, self.reports = plan, reports
        self._weights = {part.number: part.weight for part in plan.parts}
        self._total = sum(self._weights.values()) or 1
        rows = [part.rows for part in plan.parts]
        self._rows = None if any(r is None for r in rows) else sum(r for r in rows if r is not None)
        self._before = sum(report.read for report in reports.values())

    def take(self, report: PartReport) -> None:
        self.reports[report.number] = report

    def progress(self, seconds: float) -> Progress:
        rows = sum(report.read for report in self.reports.values())
        return Progress(
            batch=self._plan.id,
            parts=len(self.reports),
            of=len(self._plan.parts),
            share=sum(self._weights[number] for number in self.reports) / self._total,
            rows=rows,
            total=self._rows,
            rejected=sum(report.rejected for report in self.reports.values()),
            seconds=seconds,
            here=rows - self._before,
        )


class _Watch:
    """Looks for newer routes while parts are done. An arm that may not serve any more ends the batch."""

    def __init__(self, plane: Plane, plan: Plan, allowed: Allowed, clock: Clock) -> None:
        self._plane, self._plan, self._allowed, self._clock = plane, plan, allowed, clock
        self._next = monotonic() + LOOK_EVERY

    def look(self) -> None:
        """Raises NotApproved or NoAnswer when the batch has to end."""
        if monotonic() < self._next and not self._plane.ordered():
            return
        self._next = monotonic() + LOOK_EVERY
        try:
            newer = self._plane.newer(self._allowed)
        except (SourceDown, Untrusted) as error:
            _log.warning("no newer routes to be had", detail=error.detail)
            newer = None
        if newer is not None:
            still_allowed(self._plan, newer)
            self._allowed = newer
        self._allowed.require_fresh(self._clock.now())


def begun(order: Order) -> Plan | None:
    """The last batch of this order in its folder, done or not."""
    found = []
    for path in (Path(order.out) / WORK).glob("*/plan.json"):
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
        if plan.order.digest == order.digest:
            found.append(plan)
    return max(found, key=lambda plan: plan.started, default=None)


def _result_of(plan: Plan) -> Result | None:
    path = plan.folder / "result.json"
    return msgspec.json.decode(path.read_bytes(), type=Result) if path.exists() else None


def _same_input(plan: Plan, files: Sequence[Any]) -> bool:
    return list(plan.files) == list(files)


def _require_free(order: Order) -> None:
    """A folder of answers holds one batch and nothing else. Raises WrongState."""
    out = Path(order.out)
    if order.format == "delta":
        return
    others = [path.name for path in out.iterdir() if path.name != WORK] + [
        p.parent.name for p in (out / WORK).glob("*/plan.json")
    ]
    if others:
        raise WrongState(
            f"{out} is not empty: {min(others)}", field="out", hint="give a new folder, or the order that began there"
        )


def _require_log(plan: Plan) -> None:
    """Raises NotApproved when less than every decision would be logged where the tier does not permit it."""
    if plan.order.log < 1 and plan.tier != "low":
        raise NotApproved(
            f"endpoint {plan.order.endpoint!r} has tier {plan.tier}: every decision is logged",
            field="log",
            hint="a share is only for tier low",
        )


def _require_fitting(plane: Plane, allowed: Allowed, plan: Plan) -> Any:
    """The schema of the output, the same for every file. Raises InvalidInput before anything is scored."""
    order = plan.order
    constant = constant_of(allowed) if order.invalid is Invalid.FALLBACK else None
    models, predictors = plane.predictors(still_allowed(plan, allowed))
    try:
        routes = allowed.endpoint.routes
        scorer = Scorer(order, plan.pins, predictors, routes.sticky_salt, constant, routes.policy)
        first = None
        for file in plan.files:
            schema = schema_of(file)
            scorer.require_columns(schema.names, file.path)
            made = scorer.schema(schema)
            if first is not None and made != first:
                raise WrongState(
                    f"{file.path} has other columns to keep than {plan.files[0].path}", field="keep", hint="name those to keep"
                )
            first = made
        return first
    finally:
        models.close()


def _done(plan: Plan) -> Iterator[tuple[int, PartReport]]:
    for path in sorted((plan.folder / "done").glob("*.json")):
        report = msgspec.json.decode(path.read_bytes(), type=PartReport)
        yield report.number, report


def _conclude(plan: Plan, tally: _Tally, resumed: int, seconds: float) -> Result:
    """Make the end known: for Delta in one commit, for a folder by its manifest and `_SUCCESS`."""
    reports = [tally.reports[part.number] for part in plan.parts]
    arms: Counter[str] = Counter()
    for report in reports:
        arms.update(report.arms)
    result = Result(
        batch=plan.id,
        endpoint=plan.order.endpoint,
        use_case=plan.use_case,
        epoch=plan.epoch,
        snapshot=plan.snapshot,
        arms=plan.pins,
        input=plan.fingerprint,
        files=len(plan.files),
        parts=len(plan.parts),
        resumed=resumed,
        read=sum(r.read for r in reports),
        answered=sum(r.answered for r in reports),
        rejected=sum(r.rejected for r in reports),
        logged=sum(r.logged for r in reports),
        by_arm=dict(arms),
        out=plan.order.out,
        format=plan.order.format,
        seconds=seconds,
    )
    out = Path(plan.order.out)
    if plan.order.format == "delta":
        delta.commit(out, plan.id, [(published(plan, p), r.answered) for p, r in zip(plan.parts, reports, strict=True)])
    else:
        write_atomically(out / MANIFEST, msgspec.json.format(msgspec.json.encode(_manifest(plan, result, reports)), indent=1))
        write_atomically(out / SUCCESS, b"")
    write_atomically(plan.folder / "result.json", msgspec.json.encode(result))
    return result


def _manifest(plan: Plan, result: Result, reports: Sequence[PartReport]) -> dict[str, Any]:
    parts = [_told(plan, part, report) for part, report in zip(plan.parts, reports, strict=True)]
    return {"result": result, "input": plan.files, "parts": parts}


def _told(plan: Plan, part: Part, report: PartReport) -> dict[str, Any]:
    told = {"file": published(plan, part).name, "input": part.file, "row": part.row}
    return told | {"read": report.read, "answered": report.answered, "rejected": report.rejected, "size": report.size}


def _report(plane: Plane, plan: Plan, error: ModelyardError, clock: Clock) -> None:
    """Tell the control plane what was not allowed, so that it gets into the audit log."""
    key = hashlib.sha256(f"{plan.id}\0{error.code}\0{error.detail}".encode()).hexdigest()[:32]
    record = RefusalRecord(
        id=f"ref_{key}",
        runtime=f"batch-{plan.id}",
        at=clock.now().isoformat(),
        code=error.code,
        detail=error.detail,
        clause=error.field,
        epoch=plan.epoch,
        snapshot=plan.snapshot,
        endpoint=plan.order.endpoint,
        arm=plan.pins[0].name,
        release=plan.pins[0].release,
        manifest=plan.pins[0].manifest,
    )
    try:
        plane.source.report([record])
    except SourceDown as down:
        _log.warning("the refusal could not be reported", detail=down.detail, refusal=error.detail)


def _close(work: Iterator[PartReport]) -> None:
    close = getattr(work, "close", None)
    if close is not None:
        close()
