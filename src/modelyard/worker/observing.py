"""Logged decisions seen happening again: the version's artifact in a child process, fed with the inputs of the log."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.bootstrap import Platform
from modelyard.catalog.model import VERSIONS
from modelyard.core.errors import NotFound
from modelyard.core.records import equals, first
from modelyard.evaluation.registration import fetch
from modelyard.kinds.contract import Batch
from modelyard.kinds.manifest import VersionManifest
from modelyard.kinds.sandbox import observe_isolated
from modelyard.kinds.signature import DataType, FieldSpec
from modelyard.monitoring.columns import Objects, objects


class SandboxObserver:
    """The observer of `modelyard.monitoring` that a worker gives."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def observe(self, manifest: str, inputs: Sequence[str | None]) -> Sequence[str | None]:
        """See `modelyard.monitoring.ports.Observer`. Raises NotFound when no version has the manifest."""
        served = self._manifest(manifest)
        rows, _ = objects(inputs)
        readable = [place for place, row in enumerate(rows) if row]
        found: list[str | None] = [None] * len(rows)
        if not readable:
            return found
        seen = self._seen(served, batch_of([rows[place] for place in readable], served.signature.inputs))
        for number, place in enumerate(readable):
            found[place] = json.dumps({name: column[number] for name, column in seen.items()})
        return found

    def _manifest(self, manifest: str) -> VersionManifest:
        with self._platform.storage.reading() as tx:
            version = first(tx, VERSIONS, equals("manifest_digest", manifest))
        if version is None:
            raise NotFound(f"no version has the manifest {manifest}", field="manifest")
        return version.manifest

    def _seen(self, served: VersionManifest, batch: Batch) -> Batch:
        platform = self._platform
        with tempfile.TemporaryDirectory(prefix="modelyard-observe-") as folder:
            path = Path(folder) / (served.serving.filename or "model")
            artifact = fetch(platform.blobs, served.serving.digest, path)
            return observe_isolated(artifact, served.signature, batch, platform.policy, kind=served.kind, limits=platform.limits)


def batch_of(rows: Objects, fields: Sequence[FieldSpec]) -> Batch:
    """Logged inputs as a model takes them. Whole numbers and booleans that may be missing stay Python objects."""
    return {spec.name: _column([row.get(spec.name) for row in rows], spec) for spec in fields}


def _column(values: list[Any], spec: FieldSpec) -> np.ndarray[Any, Any]:
    if spec.type is DataType.BYTES or (spec.nullable and spec.type.numpy.kind in "iub"):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array(values, dtype=spec.type.numpy)
