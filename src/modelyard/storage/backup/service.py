"""Backup and restore of one installation.

    report = backup(place, Path("/backups/monday.tar"))      while everything runs
    restore(Path("/backups/monday.tar"), elsewhere)          into an empty place, SQLite or PostgreSQL, whichever it was

The parts are taken in the order that keeps them true to each other: outcomes before the decisions they are about, these before
the database that knows their versions, the exported checkpoints before the log they are held against (a log may be ahead of its
export, never behind), blobs last, as blobs are only ever added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from modelyard.core.errors import WrongState
from modelyard.core.records import Table
from modelyard.decisions.schema import DECISION_TABLE, OUTCOME_TABLE
from modelyard.storage.backup import files, rows
from modelyard.storage.backup.archive import Archive, Manifest, clear_errors, flush_folder, remove, writing
from modelyard.storage.backup.erasures import reapply
from modelyard.storage.blobs import blobs_at

STAGE = ".restoring"


@dataclass(frozen=True)
class Installation:
    """Where everything of an installation is. `database` and `blobs` are addresses; `runtime` holds the runtime's decision log
    and its secret for pseudonyms. What lies in `home` moves with it."""

    home: Path
    database: str
    tables: tuple[Table[Any], ...]
    blobs: str
    outcomes: Path
    audit: Path
    keys: Path
    runtime: Path

    @property
    def decisions(self) -> Path:
        return self.runtime / "decisions"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that are no part of another one."""
        own = (self.home, self.outcomes, self.audit, self.keys, self.runtime)
        return tuple(f for f in dict.fromkeys(own) if not any(other in f.parents for other in own))

    def staged(self) -> Installation:
        """The same with every folder's content in a sub-folder of it."""

        def at(path: Path) -> Path:
            top = next(f for f in self.folders if f == path or f in path.parents)
            return top / STAGE / path.relative_to(top)

        file = rows.sqlite_file(self.database)
        database = self.database
        if file is not None and self.home in file.parents:
            database = sa.make_url(database).set(database=str(at(file))).render_as_string(hide_password=False)
        local = self.home in Path(self.blobs).parents
        return replace(
            self,
            home=at(self.home),
            database=database,
            blobs=str(at(Path(self.blobs))) if local else self.blobs,
            outcomes=at(self.outcomes),
            audit=at(self.audit),
            keys=at(self.keys),
            runtime=at(self.runtime),
        )


class BackupReport(BaseModel):
    """What was written, or read back; `erased` decisions of it were not kept. `digest` is the manifest's: note it down elsewhere
    to know the backup again."""

    model_config = ConfigDict(frozen=True)

    path: Path
    digest: str
    taken_at: str
    schema_revision: str
    tables: int
    rows: int
    blobs: int
    decisions: int
    outcomes: int
    checkpoints: int
    files: int
    bytes: int
    private_keys: bool
    erased: int = 0


def backup(place: Installation, to: Path, *, keys: bool = False) -> BackupReport:
    """Write an archive at `to` (a folder, or a tar file when the name ends in `.tar`) while the platform runs. Private keys
    only with `keys`. Raises AlreadyExists, StorageFull, Unavailable, and Untrusted when what is kept does not verify."""
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    with writing(to) as writer:
        outcomes = files.add_log(place.outcomes, OUTCOME_TABLE, "outcomes", writer)
        decisions = files.add_log(place.decisions, DECISION_TABLE, "decisions", writer)
        checkpoints = files.add_checkpoints(place.audit, writer)
        files.add_keys(place.keys, place.runtime, writer, private=keys)
        schema, counted = rows.dump(place.database, place.tables, writer)
        blobs = files.add_blobs(blobs_at(place.blobs), writer)
        facts: dict[str, str | int | bool] = {
            "taken_at": taken_at,
            "version": version("modelyard"),
            "schema": schema,
            "blobs": blobs,
            "decisions": decisions,
            "outcomes": outcomes,
            "checkpoints": checkpoints,
            "private_keys": keys,
        }
        manifest = writer.close(facts, counted)
    return _report(to, manifest)


def restore(source: Path, into: Installation, erased: Mapping[str, datetime] | None = None) -> BackupReport:
    """Bring an installation back into an empty place. The whole archive is verified before anything is written; when
    something fails later, nothing stays. Who was `erased` since (pseudonyms, with the moment up to which) is not in it.
    Raises Untrusted for a damaged archive, WrongState for a place that is not empty."""
    with Archive(source) as archive, _clear_place(into) as stage:
        archive.verify()
        with clear_errors(into.home):
            for folder in stage.folders:
                folder.mkdir(parents=True, mode=0o700)
            files.put_files(archive, "outcomes", stage.outcomes)
            files.put_files(archive, "decisions", stage.decisions)
            files.put_files(archive, "audit", stage.audit)
            files.put_keys(archive, stage.keys, stage.runtime)
            gone = reapply(stage.decisions, stage.outcomes, erased or {})
        files.put_blobs(archive, blobs_at(stage.blobs))
        rows.load(stage.database, stage.tables, archive)
        with clear_errors(into.home):
            for folder in into.folders:
                _move_up(folder)
        return _report(source, archive.manifest).model_copy(update={"erased": gone})


@contextmanager
def _clear_place(into: Installation) -> Iterator[Installation]:
    """The stage beside an empty place; what is left of it goes, however the block ends."""
    made = [folder for folder in into.folders if not folder.exists()]
    with clear_errors(into.home):
        for folder in into.folders:
            _require_empty(folder)
            remove(folder / STAGE)
    try:
        yield into.staged()
    finally:
        for folder in into.folders:
            remove(folder / STAGE)
            if folder in made and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _require_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WrongState(f"{folder} is no folder", field="home")
    found = [path.name for path in folder.iterdir() if path.name != STAGE] if folder.exists() else []
    if found:
        raise WrongState(
            f"{folder} is not empty: it holds {sorted(found)[0]}",
            field="home",
            hint="a restore never overwrites anything: name an empty folder",
        )


def _move_up(folder: Path) -> None:
    """A folder may be a mount point, which cannot be replaced: what was staged in it moves up, the database last."""
    staged = sorted((folder / STAGE).iterdir(), key=lambda path: (path.is_file(), path.name))
    for path in staged:
        path.rename(folder / path.name)
    (folder / STAGE).rmdir()
    flush_folder(folder)


def _report(path: Path, manifest: Manifest) -> BackupReport:
    facts: dict[str, Any] = manifest.facts
    return BackupReport(
        path=path,
        digest=manifest.digest(),
        taken_at=facts["taken_at"],
        schema_revision=facts["schema"],
        tables=len(manifest.rows),
        rows=sum(manifest.rows.values()),
        blobs=facts["blobs"],
        decisions=facts["decisions"],
        outcomes=facts["outcomes"],
        checkpoints=facts["checkpoints"],
        files=len(manifest.files),
        bytes=sum(entry.size for entry in manifest.files.values()),
        private_keys=facts["private_keys"],
    )
