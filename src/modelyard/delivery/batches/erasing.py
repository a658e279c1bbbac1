"""Rows of the erased leave what batches wrote: files of their folders, Delta tables, and answers that were kept as artifacts."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from modelyard.core.blobs import Blobs
from modelyard.core.errors import ModelyardError
from modelyard.core.records import Storage, equals, every, first
from modelyard.decisions import try_lock
from modelyard.decisions.answers import DeltaAnswers, by_part, hits, part_name, rewrite, unreachable
from modelyard.delivery.batches.model import BATCHES, Batch, BatchState
from modelyard.governance.custody.model import CopyFate, CopyTold
from modelyard.jobs.model import JOB_ARTIFACTS, Artifact

_UNDER_WAY = (BatchState.QUEUED, BatchState.RUNNING)
_FULL = (errno.ENOSPC, errno.EDQUOT)
"""What passes: the file is tried again."""
_WORK = "_modelyard"
_UNFINISHED = "the part was never published: remove the batch's folder, or score again without the person"


@dataclass(frozen=True)
class BatchCopies:
    """The files of one organisation's batches."""

    storage: Storage
    blobs: Blobs
    organisation: str

    def find(self, decisions: Sequence[str], batches: Sequence[str] | None = None) -> list[CopyTold]:
        """See `HeldCopies`."""
        with self.storage.reading() as tx:
            known = list(every(tx, BATCHES, equals("organisation", self.organisation))) if decisions else []
        parts = {b.id: by_part(b.id, decisions) for b in known if batches is None or b.id in batches}
        return [told for batch in known if parts.get(batch.id) for told in self._of_batch(batch, parts[batch.id])]

    def _of_batch(self, batch: Batch, parts: dict[int, list[str]]) -> Iterator[CopyTold]:
        yield self._state(batch)
        if batch.state in _UNDER_WAY:
            return
        if batch.order.get("format") == "delta":
            yield from _in_table(batch, parts)
        else:
            yield from (_in_file(batch, part, ids) for part, ids in parts.items())
        yield from (told for part, ids in parts.items() for told in self._kept(batch, part, ids))

    @staticmethod
    def _state(batch: Batch) -> CopyTold:
        """Whether the batch itself has to be waited for."""
        if batch.state in _UNDER_WAY:
            return CopyTold(batch=batch.id, fate=CopyFate.WAITING, why=f"the batch is {batch.state.value}")
        return CopyTold(batch=batch.id, fate=CopyFate.SEEN)

    def _kept(self, batch: Batch, part: int, ids: list[str]) -> Iterator[CopyTold]:
        """Answers of the part that attempts of the job have kept."""
        with self.storage.reading() as tx:
            name = part_name(batch.id, part)
            found: list[Artifact] = list(every(tx, JOB_ARTIFACTS, equals("job", batch.job), equals("name", name)))
        for digest in sorted({artifact.blob for artifact in found}):
            try:
                rows = self._rows(digest, ids) if self.blobs.exists(digest) else None
            except (OSError, pa.ArrowException, KeyError, ModelyardError) as error:
                yield _by_hand(batch, digest, error)
                continue
            if rows is None or rows:
                yield CopyTold(
                    batch=batch.id, file=digest, rows=rows or 0, fate=CopyFate.GONE if rows is None else CopyFate.FOUND
                )

    def _rows(self, digest: str, ids: list[str]) -> int:
        path = self.blobs.path(digest)
        return hits(pa.BufferReader(b"".join(self.blobs.open(digest))) if path is None else path, ids)

    def rewrite(self, found: CopyTold, decisions: Sequence[str]) -> CopyTold:
        """See `HeldCopies`. Artifacts are named by their content, so one with rows of the erased is removed."""
        with self.storage.reading() as tx:
            batch = first(tx, BATCHES, equals("organisation", self.organisation), equals("id", found.batch))
        ids = [] if batch is None else [one for of in by_part(batch.id, decisions).values() for one in of]
        if batch is None or not ids:
            return found.model_copy(update={"fate": CopyFate.BY_HAND, "why": "the batch is not known any more"})
        try:
            return self._rewritten(batch, found, ids)
        except FileNotFoundError:
            return found.model_copy(update={"fate": CopyFate.GONE})
        except _trouble() as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                return found.model_copy(update={"why": str(error)[:500]})
            return found.model_copy(update={"fate": CopyFate.BY_HAND, "why": str(error)[:500]})

    def _rewritten(self, batch: Batch, found: CopyTold, ids: list[str]) -> CopyTold:
        done = found.model_copy(update={"fate": CopyFate.REWRITTEN, "why": ""})
        if found.file.startswith("sha256:"):
            if self.blobs.exists(found.file):
                self.blobs.remove(found.file)
            return done.model_copy(update={"fate": CopyFate.REMOVED})
        out = Path(str(batch.order["out"]))
        with _turn(out) as mine:
            if not mine:
                return found.model_copy(update={"why": "another batch writes into the folder"})
            if batch.order.get("format") == "delta":
                DeltaAnswers(out).rewrite(ids, {"modelyard.erasure": "rows of decisions that were erased"})
            elif hits(out / found.file, ids):
                rewrite(out / found.file, ids)
        return done


def _trouble() -> tuple[type[Exception], ...]:
    return (*unreachable(), ModelyardError)


@contextmanager
def _turn(out: Path) -> Iterator[bool]:
    """Nobody scores into the folder meanwhile, unless somebody does already."""
    if not (out / _WORK).is_dir():
        yield True
        return
    lock = try_lock(out / _WORK / "lock")
    if lock is None:
        yield False
        return
    with lock:
        yield True


def _in_file(batch: Batch, part: int, ids: list[str]) -> CopyTold:
    """What there is of a part in a folder of Parquet files."""
    out, name = Path(str(batch.order["out"])), part_name(batch.id, part)
    path = out / name
    try:
        if path.is_symlink():
            return _by_hand(batch, name, OSError("it is a link to another file"))
        if not path.exists():
            unfinished = out / _WORK / batch.id / "pending" / f"{part:06d}.parquet"
            return (
                _by_hand(batch, str(unfinished.relative_to(out)), OSError(_UNFINISHED))
                if unfinished.exists()
                else CopyTold(batch=batch.id, file=name, fate=CopyFate.GONE)
            )
        rows = hits(path, ids)
    except (OSError, pa.ArrowException, KeyError) as error:
        return _by_hand(batch, name, error)
    return CopyTold(batch=batch.id, file=name, rows=rows, fate=CopyFate.FOUND if rows else CopyFate.SEEN)


def _in_table(batch: Batch, parts: dict[int, list[str]]) -> Iterator[CopyTold]:
    """What there is of all parts in a Delta table, and in files that did not get into it."""
    out = Path(str(batch.order["out"]))
    ids = [one for of in parts.values() for one in of]
    if not (out / "_delta_log").is_dir():
        yield from _outside(batch, out, parts, set())
        return
    try:
        table = DeltaAnswers(out)
        found, known = table.hit(ids), set(table.files())
    except unreachable() as error:
        yield _by_hand(batch, "_delta_log", error)
        return
    yield from (CopyTold(batch=batch.id, file=p.name, rows=rows, fate=CopyFate.FOUND) for p, rows in found.items())
    if batch.state is not BatchState.DONE:
        yield from _outside(batch, out, parts, known)


def _outside(batch: Batch, out: Path, parts: dict[int, list[str]], known: set[Path]) -> Iterator[CopyTold]:
    for part in parts:
        path = out / part_name(batch.id, part)
        if path not in known:
            unfinished = out / _WORK / batch.id / "pending" / f"{part:06d}.parquet"
            there = next((p for p in (path, unfinished) if p.exists()), None)
            if there is None:
                yield CopyTold(batch=batch.id, file=path.name, fate=CopyFate.GONE)
            else:
                yield _by_hand(batch, str(there.relative_to(out)), OSError("it never became part of the table"))


def _by_hand(batch: Batch, file: str, error: Exception) -> CopyTold:
    return CopyTold(batch=batch.id, file=file, fate=CopyFate.BY_HAND, why=str(error)[:500])
