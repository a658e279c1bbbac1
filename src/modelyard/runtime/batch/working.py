"""One part of a batch, from its rows to its published answers: scored, logged, published, each durable before the next.

    pending/000012.parquet     answers, whole and durable      ── nothing of the part is in the log before this is there
    pending/000012.json        how many, by whom
    (decision log)             the part's decisions, a slice at a time
    <out>/part-….parquet       the answers, moved into place
    done/000012.json           nothing is left to do

Whoever begins a part anew goes on after the last of these steps that is there. Ids depend on batch, part and row alone, so that
a slice that reached the log is seen there and never written twice. Who is erased while the batch is under way is left out of
what is not done yet, so that a slice of which the log shows nothing any more has nothing to be logged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.core.clock import Clock, SystemClock
from modelyard.core.errors import InvalidInput
from modelyard.core.faults import Faults, NoFaults
from modelyard.decisions import DecisionReader, Pseudonyms, exclusive, packing, write_atomically
from modelyard.decisions.answers import rewrite
from modelyard.decisions.errors import storage_error
from modelyard.decisions.files import sync_file, sync_folder
from modelyard.runtime.batch.erased import Erased
from modelyard.runtime.batch.idents import decision_ids, id_numbers
from modelyard.runtime.batch.logged import BatchLog, Slice
from modelyard.runtime.batch.model import REJECTS, SLICE, Invalid, Part, PartReport, Place, Plan
from modelyard.runtime.batch.protecting import Shield
from modelyard.runtime.batch.reading import Inputs, ReadPart
from modelyard.runtime.batch.released import Plane, constant_of, pseudonym_key, require_in_time, still_allowed
from modelyard.runtime.batch.scoring import ADDED, Answered, Scorer, output_array


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know, wherever it is: the plan, the place, and the snapshot to verify for itself."""

    plan: Plan
    place: Place
    snapshot: bytes

    def encode(self) -> bytes:
        """As JSON on one line."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def decode(cls, data: bytes) -> Setup:
        """From `encode`."""
        return msgspec.json.decode(data, type=cls, dec_hook=lambda kind, value: kind(value))


@dataclass(slots=True)
class Scored:
    """A slice of a part: its rows as they were read, and what was answered."""

    table: Any
    first: int
    numbers: Any
    answered: Answered
    ids: Any = None


class Begun:
    """A part that has been answered in memory, and whose lock is held. One that is left before it was given to `Worker.end` lets
    the lock go and has changed nothing."""

    def __init__(self, rest: Callable[[], PartReport], held: ExitStack) -> None:
        self._rest, self._held, self._taken = rest, held, False

    def end(self) -> PartReport:
        with self._held:
            return self._rest()

    def take(self) -> Callable[[], PartReport]:
        """Its end, for a thread that does it."""
        self._taken = True
        return self.end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._taken:
            self._held.close()


class Worker:
    """Does parts, one after another. Loads each model once. Raises as `Plane.current` and `still_allowed` do.

    What waits for the disk (making answers durable, logging them, moving them into place) is done by a thread of its own, for one
    part at a time and in their order, while the next part is read and answered. Used by one thread."""

    def __init__(self, setup: Setup, *, clock: Clock | None = None, faults: Faults | None = None) -> None:
        self._plan, self._clock, self._faults = setup.plan, clock or SystemClock(), faults or NoFaults()
        plane = Plane(setup.place, self._clock)
        order = setup.plan.order
        allowed = plane.current(setup.snapshot, order.endpoint)
        self._arms = still_allowed(setup.plan, allowed)
        self._models, predictors = plane.predictors(self._arms)
        constant = constant_of(allowed) if order.invalid is Invalid.FALLBACK else None
        routes = allowed.endpoint.routes
        self.scorer = Scorer(order, setup.plan.pins, predictors, routes.sticky_salt, constant, routes.policy)
        pseudonyms = Pseudonyms(pseudonym_key(setup.place))
        shield = Shield(self.scorer.protected, pseudonyms, setup.place)
        self._log = BatchLog(setup.place.log, setup.plan, allowed, pseudonyms, shield, self._faults)
        self._reader = DecisionReader(setup.place.log)
        self._erased = Erased(setup.place.log, setup.plan, pseudonyms)
        self._folder = setup.plan.folder
        self._inputs = Inputs()
        self._durable = ThreadPoolExecutor(1, "durable")
        self._last: Future[PartReport] | None = None

    def close(self) -> None:
        """Wait for what is being made durable, seal the log and let the models go. Idempotent."""
        self._durable.shutdown()
        self._inputs.close()
        self._log.close()
        self._models.close()

    def frame(self, part: Part, first: int, table: Any) -> Any:
        """Answers for rows that are handed over, not read: `first` is the number of their first row in the part. They are logged
        before this returns, once, however often the same rows are handed over. Raises as `do`."""
        require_in_time(self._arms, self._clock.now())
        piece = Scored(table, first, None, self._erased.left_out(table, self.scorer.answer(table, self._name(part, first))))
        if piece.answered.faults and self._plan.order.invalid is Invalid.FAIL:
            raise self._misfit(part, piece)
        answers = self._table(part, piece, self.scorer.schema(table.schema))
        with exclusive(self._folder / "locks" / f"{part.number:06d}"):
            self._log_once(part, piece)
        return answers

    def do(self, part: Part) -> PartReport:
        """Bring a part to its end, from wherever it is. Only one process does so at a time; others wait for it.

        Raises InvalidInput (rows that do not fit, a file that has changed), NotApproved, StorageFull, and what models raise."""
        with self.begin(part) as begun:
            return self.end(begun).result()

    def begin(self, part: Part) -> Begun:
        """Do of a part what needs the processor; nothing of it counts before `end`. Meanwhile the part before comes to its end:
        what became of that is raised here, too."""
        with ExitStack() as held:
            held.enter_context(exclusive(self._folder / "locks" / f"{part.number:06d}"))
            rest = self._begun(part)
            self.finish()
            return Begun(rest, held.pop_all())

    def end(self, begun: Begun) -> Future[PartReport]:
        """Let the rest be done: the report is there when the part is at its end."""
        self._last = self._durable.submit(begun.take())
        return self._last

    def finish(self) -> None:
        """Wait for the part that is being made durable. Raises what became of it."""
        if self._last is not None:
            self._last.result()

    def _begun(self, part: Part) -> Callable[[], PartReport]:
        """What is left of a part when this has done what needs the processor."""
        done = self._report("done", part)
        if done is not None:
            return lambda: done
        require_in_time(self._arms, self._clock.now())
        report = self._report("pending", part)
        if report is None:
            began = perf_counter()
            read = self._read(part)
            slices = self._answered(part, read)
            self._write(part, slices)
            return lambda: self._scored(part, read, slices, began)
        if self._pending(part).exists():  # it leaves its place only after all of the part has been logged
            report = self._log_missing(part, report)
        return lambda: self._logged(part, report)

    def _scored(self, part: Part, read: ReadPart, slices: list[Scored], began: float) -> PartReport:
        report = self._kept(part, read, slices, began)
        self._faults.reach("batch.part.scored")
        if self._forget_erased(part, [(piece.first, piece.table) for piece in slices]):
            slices = [replace(p, answered=self._erased.left_out(p.table, p.answered), ids=None) for p in slices]
            report = self._recounted(part, report, slices)
        for piece in slices:
            self._log_slice(part, piece)
        return self._logged(part, report)

    def _logged(self, part: Part, report: PartReport) -> PartReport:
        self._faults.reach("batch.part.logged")
        self._publish(part)
        self._faults.reach("batch.part.published")
        self._state("pending", part).replace(self._state("done", part))
        return report

    def _state(self, step: str, part: Part) -> Path:
        return self._folder / step / f"{part.number:06d}.json"

    def _path(self, part: Part) -> str:
        """Where the rows of a part come from: a file, or the partition of a frame."""
        return self._plan.files[part.file].path if self._plan.files else f"partition {part.number}"

    def _pending(self, part: Part) -> Path:
        return self._folder / "pending" / f"{part.number:06d}.parquet"

    def _unsynced(self, part: Part) -> Path:
        return self._pending(part).with_suffix(".tmp")

    def _report(self, step: str, part: Part) -> PartReport | None:
        try:
            return msgspec.json.decode(self._state(step, part).read_bytes(), type=PartReport)
        except FileNotFoundError:
            return None

    def _kept(self, part: Part, read: ReadPart, slices: list[Scored], began: float) -> PartReport:
        """Make the answers to all rows of a part durable, and what is told of it."""
        pending = self._pending(part)
        try:
            sync_file(self._unsynced(part))
            self._unsynced(part).replace(pending)
        except OSError as error:
            raise storage_error(error, pending) from error
        rejected = self._reject(part, read, slices)
        report = PartReport(
            number=part.number,
            read=read.table.num_rows + len(read.malformed),
            rejected=rejected,
            **self._counts(slices),
            seconds=perf_counter() - began,
            size=pending.stat().st_size,
        )
        write_atomically(self._state("pending", part), msgspec.json.encode(report))
        return report

    def _counts(self, slices: list[Scored]) -> dict[str, Any]:
        """What a report says of the rows that were answered."""
        counts: Counter[str] = Counter()
        for piece in slices:
            counts.update(self._by_arm(piece))
        answered = sum(counts.values())
        return {"answered": answered, "logged": self._log.wanted(answered), "arms": dict(counts)}

    def _read(self, part: Part) -> ReadPart:
        file = self._plan.files[part.file]
        read = self._inputs.read(file, part, self.scorer.columns(self._inputs.schema(file).names), self.scorer.specs)
        found = read.table.num_rows + len(read.malformed)
        if part.rows is not None and found != part.rows:
            raise InvalidInput(f"{file.path} has changed since the batch began", field="inputs", hint="score it as a new batch")
        if read.malformed and self._plan.order.invalid is Invalid.FALLBACK:
            return read.with_all_lines()
        if read.malformed and self._plan.order.invalid is Invalid.FAIL:
            line = read.malformed[0]
            raise InvalidInput(f"{file.path}, row {part.row + line.row}: {line.reason}", field="inputs", hint=_LEAVE_OUT)
        return read

    def _answered(self, part: Part, read: ReadPart) -> list[Scored]:
        slices = []
        for first in range(0, read.table.num_rows, SLICE):
            table = read.table.slice(first, SLICE)
            broken = {m.row - first: m.reason for m in read.broken if first <= m.row < first + table.num_rows}
            try:
                scored = self.scorer.answer(table, self._name(part, first), read.parse, broken)
            except InvalidInput as error:
                raise InvalidInput(f"{self._path(part)}: {error.detail}", field=error.field, hint=error.hint) from error
            answered = self._erased.left_out(table, scored)
            numbers = None if read.rows is None else read.rows[first : first + SLICE]
            piece = Scored(table, first, numbers, answered)
            if answered.faults and self._plan.order.invalid is Invalid.FAIL:
                raise self._misfit(part, piece)
            slices.append(piece)
        return slices

    def _name(self, part: Part, first: int) -> str:
        """What a slice is called where its rows are drawn without a key."""
        return f"{self._plan.id}:{part.number}:{first}"

    def _misfit(self, part: Part, piece: Scored) -> InvalidInput:
        fault = min(piece.answered.faults, key=lambda f: f.row)
        where = f"{self._path(part)}, row {part.row + _number(piece, fault.row)}"
        more = len({f.row for f in piece.answered.faults}) - 1
        others = f" ({more} more rows of the same part do not fit)" if more else ""
        hint = _LEAVE_OUT if self._plan.files else None
        return InvalidInput(f"{where}: {fault.field!r} {fault.reason}{others}", field=fault.field, hint=hint)

    def _by_arm(self, piece: Scored) -> dict[str, int]:
        arms, names = piece.answered.arms, [pin.name for pin in self._plan.pins]
        if arms is None:
            return {names[0]: _count(piece)}
        found: Counter[str] = Counter()
        for place, count in zip(*np.unique(arms, return_counts=True), strict=True):
            found["" if place < 0 else names[place]] += int(count)
        return found

    def _write(self, part: Part, slices: list[Scored]) -> None:
        """The answers as a Parquet file under a name that counts for nothing: it is not durable yet."""
        import pyarrow.parquet as pq

        schema = self.scorer.schema(self._inputs.schema(self._plan.files[part.file]))
        path = self._unsynced(part)
        try:
            with pq.ParquetWriter(
                path,
                schema,
                use_dictionary=self._repeating(schema, slices),
                column_encoding={"decision_id": "DELTA_BYTE_ARRAY"},
                write_statistics=[name for name in schema.names if name not in ADDED],
                store_schema=False,
            ) as writer:
                for piece in slices:
                    writer.write_table(self._table(part, piece, schema))
        except OSError as error:
            raise storage_error(error, path) from error

    @staticmethod
    def _repeating(schema: Any, slices: list[Scored]) -> list[str]:
        """Columns that are worth a dictionary: where the first rows are mostly different, looking for repeats only takes time."""
        first = slices[0].table.slice(0, _LOOK_AT) if slices else None
        kept = [] if first is None else [name for name in schema.names if name in first.column_names]
        alike = [name for name in kept if _repeats(first[name])] if first is not None else []
        return ["arm", "version", *alike]

    def _table(self, part: Part, piece: Scored, schema: Any) -> Any:
        answered = piece.answered
        rows = _count(piece)
        kept = piece.table.select(self.scorer.keep(piece.table.column_names)) if rows else piece.table
        kept = kept if answered.rows is None else kept.take(pa.array(answered.rows))
        columns = [kept[field.name] if field.name in kept.column_names else None for field in schema]
        made = {spec.name: output_array(answered.outputs[spec.name], spec) for spec in self.scorer.outputs}
        made["decision_id"] = self._ids(part, piece)
        made |= self._words(answered.arms, rows)
        names = schema.names
        arrays = [made.get(name, column) for name, column in zip(names, columns, strict=True)]
        return pa.Table.from_arrays([_as(array, f.type) for array, f in zip(arrays, schema, strict=True)], schema=schema)

    def _words(self, arms: Any | None, rows: int) -> dict[str, Any]:
        """Arm and version of each row; null where the constant answered."""
        places = np.zeros(rows, np.int32) if arms is None else arms.astype(np.int32)
        indices = pa.array(places, mask=places < 0) if arms is not None else pa.array(places)
        names = pa.array([pin.name for pin in self._plan.pins])
        versions = pa.array([pin.version for pin in self._plan.pins])
        make = pa.DictionaryArray.from_arrays
        return {"arm": make(indices, names), "version": make(indices, versions)}

    def _ids(self, part: Part, piece: Scored) -> Any:
        """Ids by the number of the row in its part, so that they stay when other rows do not fit. Made once a slice."""
        if piece.ids is None:
            ids = decision_ids(self._plan.id, part.number, piece.first, piece.table.num_rows)
            piece.ids = ids if piece.answered.rows is None else ids.take(pa.array(piece.answered.rows))
        return piece.ids

    def _packed_ids(self, part: Part, piece: Scored) -> Any:
        """The same for the log."""
        numbers = id_numbers(self._plan.id, part.number, piece.first, piece.table.num_rows)
        return packing.ids(numbers if piece.answered.rows is None else numbers[piece.answered.rows])

    def _reject(self, part: Part, read: ReadPart, slices: list[Scored]) -> int:
        """Tell of every row that got no answer, or the constant's: file, row and reason. How many got none."""
        file = self._path(part)
        lines = [{"file": file, "row": part.row + m.row, "field": None, "reason": m.reason} for m in read.malformed]
        rows = len(lines)
        for piece in slices:
            for fault in piece.answered.faults:
                number = part.row + _number(piece, fault.row)
                lines.append({"file": file, "row": number, "field": fault.field, "reason": fault.reason})
            rows += piece.table.num_rows - _count(piece)
        if lines:
            lines.sort(key=lambda line: int(str(line["row"])))
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            write_atomically(self._folder / "pending" / f"{part.number:06d}.rejects", text)
        return rows

    def _log_slice(self, part: Part, piece: Scored) -> None:
        if not self._log.wanted(_count(piece)):
            return
        numbers = piece.answered.rows
        if piece.numbers is not None:
            numbers = piece.numbers if numbers is None else piece.numbers[numbers]
        start = part.row if piece.numbers is not None else part.row + piece.first
        self._log.append(
            Slice(
                ids=self._packed_ids(part, piece),
                count=_count(piece),
                outputs={s.name: output_array(piece.answered.outputs[s.name], s) for s in self.scorer.outputs},
                table=piece.table,
                fitted=piece.answered.fitted,
                rows=piece.answered.rows,
                numbers=numbers,
                start=start,
                path=self._path(part),
                arms=piece.answered.arms,
                seconds=piece.answered.seconds,
                specs=self.scorer.specs,
            )
        )
        self._faults.reach("batch.slice.logged")

    def _log_missing(self, part: Part, report: PartReport) -> PartReport:
        """Log those slices of a scored part that are not in the log yet: their answers are those that are durable, but for those
        to who was erased meanwhile, which are left out from now on. The report of what is left."""
        slices = self._from_pending(part)
        report = self._recounted(part, report, slices)
        for piece in slices:
            self._log_once(part, piece)
        return report

    def _recounted(self, part: Part, report: PartReport, slices: list[Scored]) -> PartReport:
        """The report without those who were erased meanwhile, durable."""
        counts = self._counts(slices)
        gone = report.answered - counts["answered"]
        if gone:
            report = msgspec.structs.replace(report, rejected=report.rejected + gone, **counts)
            write_atomically(self._state("pending", part), msgspec.json.encode(report))
        return report

    def _log_once(self, part: Part, piece: Scored) -> None:
        """A slice is logged whole or not at all; any of its rows tells, since some may have been erased meanwhile."""
        wanted = self._log.sampled(self._ids(part, piece))
        if len(wanted) and not self._reader.known(wanted.to_pylist()):
            self._log_slice(part, piece)

    def _from_pending(self, part: Part) -> list[Scored]:
        """The slices of a part with the answers that were made durable, without asking a model again. Those to who was erased
        meanwhile leave the file first."""
        import pyarrow.parquet as pq

        from modelyard.runtime.batch.fitting import fit

        read = self._read(part)
        tables = [(first, read.table.slice(first, SLICE)) for first in range(0, read.table.num_rows, SLICE)]
        self._forget_erased(part, tables)
        kept = pq.read_table(self._pending(part), use_threads=False, partitioning=None)
        found = []
        for first, table in tables:
            fitted = fit(table, self.scorer.specs, parse=read.parse)
            ids = decision_ids(self._plan.id, part.number, first, table.num_rows)
            rows = np.flatnonzero(pc.is_in(ids, value_set=kept["decision_id"]).to_numpy(zero_copy_only=False))
            mine, kept = kept.slice(0, len(rows)), kept.slice(len(rows))
            numbers = None if read.rows is None else read.rows[first : first + SLICE]
            outputs = {s.name: _numpy(mine[s.name], s.shape) for s in self.scorer.outputs}
            arms = self._arms_of(mine)
            if arms is not None and (arms < 0).any():
                arms = np.where(arms < 0, self.scorer.stand_ins(table, self._name(part, first))[rows], arms)
            answered = Answered(outputs, None if len(rows) == table.num_rows else rows, arms, fitted, 0.0)
            found.append(Scored(table, first, numbers, answered))
        return found

    def _forget_erased(self, part: Part, tables: Sequence[tuple[int, Any]]) -> bool:
        """Take the answers to who was erased out of the file with a part's answers. Whether there may have been some."""
        gone: list[str] = []
        for first, table in tables:
            mask = self._erased.among(table)
            if mask is not None:
                gone += decision_ids(self._plan.id, part.number, first, table.num_rows).filter(pa.array(mask)).to_pylist()
        if gone:
            try:
                rewrite(self._pending(part), gone)
            except OSError as error:
                raise storage_error(error, self._pending(part)) from error
        return bool(gone)

    def _arms_of(self, kept: Any) -> Any | None:
        """Which pin answered each row; None when the first one answered them all."""
        names, words = [pin.name for pin in self._plan.pins], kept["arm"].to_pylist()
        if not set(words) - {names[0]}:
            return None
        return np.array([-1 if word is None else names.index(word) for word in words], np.int64)

    def _publish(self, part: Part) -> None:
        """Move answers and rejects to where people look for them. Repeats nothing that is done."""
        name = f"{part.number:06d}"
        out = Path(self._plan.order.out)
        rejects = self._folder / "pending" / f"{name}.rejects"
        if rejects.exists():
            (out / REJECTS).mkdir(exist_ok=True)
            rejects.replace(out / REJECTS / f"{self._plan.id}-{name}.jsonl")
        if self._pending(part).exists():
            self._pending(part).replace(published(self._plan, part))
        sync_folder(out)  # what is marked as done must be found there, even after the power was cut


def published(plan: Plan, part: Part) -> Path:
    """Where the answers of a part are to be found."""
    return Path(plan.order.out) / f"part-{part.number:06d}-{plan.id.rpartition('_')[2][-12:]}.parquet"


_LOOK_AT = 1000
_LEAVE_OUT = "--invalid skip leaves such rows out and tells of each"


def _count(piece: Scored) -> int:
    rows = piece.answered.rows
    return piece.table.num_rows if rows is None else len(rows)


def _number(piece: Scored, row: int) -> int:
    """The number within its part of a row of the slice."""
    return piece.first + row if piece.numbers is None else int(piece.numbers[row])


def _repeats(column: Any) -> bool:
    if pa.types.is_nested(column.type):
        return False
    if pa.types.is_dictionary(column.type):
        return True
    return bool(pc.count_distinct(column).as_py() * 2 <= len(column))


def _as(array: Any, kind: Any) -> Any:
    return array if array.type == kind else array.cast(kind)


def _numpy(column: Any, shape: tuple[int, ...]) -> Any:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not shape:
        return whole.to_numpy(zero_copy_only=False)
    return whole.flatten().to_numpy(zero_copy_only=False).reshape(len(whole), *shape)
