"""The manifest of a version: all that a runtime needs to know to serve it, and nothing that may change.

The version's digest is the digest of this document in canonical JSON, so that artifact, signature, environment and lineage
are bound by one value: whoever signs the version digest has signed all of them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import DIGEST, canonical, digest
from modelyard.kinds.contract import Inspection
from modelyard.kinds.signature import Signature

MEDIA_TYPE = "application/vnd.modelyard.version.v1+json"


class ArtifactRef(BaseModel):
    """A file in the blob store. `format` is one of the kind's formats; `size` is in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(pattern=DIGEST.pattern)
    size: int = Field(ge=0)
    format: str
    filename: str = ""


class VersionManifest(BaseModel):
    """What is served. `serving` is the artifact that answers: the original, or its accepted translation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    media_type: str = MEDIA_TYPE
    model: str
    kind: str
    artifact: ArtifactRef
    serving: ArtifactRef
    inspection: Inspection
    signature: Signature
    environment_lock: str | None = None
    recipe: str | None = None
    lineage: str | None = None

    def encode(self) -> bytes:
        """The canonical bytes."""
        return canonical(self.model_dump(mode="json"))

    def digest(self) -> str:
        """The version's digest."""
        return digest(self.encode())
