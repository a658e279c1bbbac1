"""What a folder with a `modelyard.yaml` says of itself: the manifest, the git commit, and the digests of the files it names.

found = gather(Path("."))
found.manifest.model.name, found.artifact, found.git.commit, found.data[0].digest
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.catalog.manifest_file import FILE_NAME, DataSection, ManifestFile, VersionSection, parse
from modelyard.catalog.model import DataReference, GitFacts, Recipe
from modelyard.catalog.working_copy import git_facts
from modelyard.core.digests import canonical
from modelyard.core.errors import InvalidInput

GIT_TIME = 20.0
GREATEST_MANIFEST = 4 << 20
PART = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class WorkingCopy:
    """A manifest with the facts beside it. Paths are absolute; `git` is None outside a repository or before its first commit."""

    manifest: ManifestFile
    folder: Path
    git: GitFacts | None
    data: tuple[DataReference, ...]
    metrics: dict[str, Any]

    @property
    def version(self) -> VersionSection:
        if self.manifest.version is None:
            raise InvalidInput(f"{FILE_NAME} has no `version` section", field="version", hint="say at least its `artifact`")
        return self.manifest.version

    @property
    def artifact(self) -> Path:
        return self.folder / self.version.artifact

    @property
    def sample(self) -> Path | None:
        return None if self.version.sample is None else self.folder / self.version.sample

    @property
    def lock(self) -> Path | None:
        return None if self.version.lock is None else self.folder / self.version.lock

    def recipe(self) -> Recipe | None:
        said = self.version.recipe
        return None if said is None else Recipe(command=said.command, python=said.python, parameters=said.parameters)

    def declared(self) -> dict[str, Any]:
        """The signature's declared fields as JSON. An input's attributes that are left out are taken from the sample."""
        said = self.version.signature
        amended = any(field.type is None for field in said.inputs)
        seen: dict[str, Any] = {}
        if amended and self.sample is not None:
            from modelyard.kinds.infer import infer

            seen = {f.name: f.model_dump(mode="json", exclude_defaults=True) for f in infer(self.sample).inputs}
        sides = {
            "inputs": [seen.get(f.name, {}) | f.model_dump(mode="json", exclude_none=True) for f in said.inputs],
            "outputs": [f.model_dump(mode="json", exclude_none=True) for f in said.outputs],
        }
        return {side: fields for side, fields in sides.items() if fields}


def gather(path: Path) -> WorkingCopy:
    """Read a manifest (or the one in a folder) and everything it names. Raises InvalidInput with every problem it has."""
    file = path / FILE_NAME if path.is_dir() else path
    manifest = parse(_text(file), str(file))
    folder = file.parent.absolute()
    version = manifest.version
    return WorkingCopy(
        manifest=manifest,
        folder=folder,
        git=git_of(folder),
        data=() if version is None else tuple(data_reference(folder, section) for section in version.data),
        metrics={} if version is None else _metrics(folder, version),
    )


def git_of(folder: Path) -> GitFacts | None:
    """The commit that a folder is at; None when it is in no repository, has no commit yet or there is no git."""
    status = _git(folder, "status", "--porcelain=v2", "--branch")
    return None if status is None else git_facts(status, _git(folder, "config", "--get", "remote.origin.url") or "")


def data_reference(folder: Path, section: DataSection) -> DataReference:
    """The reference to data: a file or folder here gets its digest and size. Raises InvalidInput when it is not there."""
    fields = section.model_dump(exclude={"path", "uri"}, exclude_unset=True)
    if section.path is None:
        return DataReference(**fields, uri=section.uri or "")
    where = folder / section.path
    found, size = digest_of_path(where)
    return DataReference(
        **fields | {"digest": found, "size": size, "rows": section.rows or _parquet_rows(where)}, uri=section.path
    )


def digest_of_path(path: Path) -> tuple[str, int]:
    """The digest and the size in bytes of a file, or of a folder: the digest of its files' names and digests, in order.

    Links are not followed out of the folder: a link in it is refused with InvalidInput."""
    if path.is_file():
        return _digest_of_file(path), path.stat().st_size
    if not path.is_dir():
        raise InvalidInput(f"{path} is not there", field="path")
    listing: dict[str, str] = {}
    size = 0
    for file in _files(path):
        listing[file.relative_to(path).as_posix()] = _digest_of_file(file)
        size += file.stat().st_size
    return "sha256:" + hashlib.sha256(canonical(listing)).hexdigest(), size


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """The path itself, or a folder as a zip that has the same bytes whenever the folder's files have."""
    if not path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="modelyard-pack-") as folder:
        packed = Path(folder) / f"{path.resolve().name}.zip"
        with zipfile.ZipFile(packed, "w") as bundle:
            for file in _files(path):
                entry = zipfile.ZipInfo(file.relative_to(path).as_posix(), date_time=_EPOCH)
                entry.external_attr = 0o644 << 16
                with file.open("rb") as source, bundle.open(entry, "w", force_zip64=True) as target:
                    while part := source.read(PART):
                        target.write(part)
        yield packed


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*"))
    for path in found:
        if path.is_symlink():
            raise InvalidInput(f"{path} is a link", field="path", hint="put the file itself there")
    return [path for path in found if path.is_file()]


def _digest_of_file(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(PART):
            found.update(part)
    return f"sha256:{found.hexdigest()}"


def _parquet_rows(path: Path) -> int | None:
    """How many rows a Parquet file says it has; None for other files."""
    if path.suffix.lower() not in (".parquet", ".pq") or not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise InvalidInput(f"{path} is not a Parquet file: {error}", field="path") from error


def _metrics(folder: Path, version: VersionSection) -> dict[str, Any]:
    """Metrics as `{"name": {"value": …}}`, from the manifest or from the JSON file it names."""
    said: Any = version.metrics
    if isinstance(said, str):
        try:
            said = json.loads(_text(folder / said))
        except ValueError as error:
            raise InvalidInput(f"{version.metrics} is not JSON: {error}", field="version.metrics") from error
        if not isinstance(said, dict):
            raise InvalidInput(f"{version.metrics} is not an object of names and numbers", field="version.metrics")
    return {
        name: {"value": v} if isinstance(v, int | float) else v if isinstance(v, dict) else v.model_dump()
        for name, v in said.items()
    }


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > GREATEST_MANIFEST:
            raise InvalidInput(f"{path} has more than {GREATEST_MANIFEST >> 20} MiB", field="path")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} is not there", field="path", hint="`modelyard init` writes a first one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", field="path") from error


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None when it cannot say. Hooks, pagers and monitors of the repository's own choice are not run."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIME, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
