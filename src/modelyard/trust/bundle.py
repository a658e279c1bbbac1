"""Offline bundles: one audit record with the proof that the log of a signed checkpoint holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modelyard.core.digests import canonical
from modelyard.trust.checkpoint import Checkpoint, verify_checkpoint
from modelyard.trust.errors import Malformed
from modelyard.trust.keys import TrustRoots
from modelyard.trust.merkle import leaf_hash, verify_inclusion
from modelyard.trust.strict import read_base64, read_json, read_model, write_base64

GREATEST_BUNDLE = 4 << 20
TLOG_PROOF = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class InclusionBundle:
    """`record` is the record's canonical JSON, whose bytes are the leaf; `checkpoint` is the signed note."""

    record: bytes
    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def to_json(self) -> bytes:
        """Canonical JSON; the record and the note stand in it as text, byte for byte."""
        form = _Form(
            record=self.record.decode(),
            index=self.index,
            proof=tuple(write_base64(step) for step in self.proof),
            checkpoint=self.checkpoint.decode(),
        )
        return canonical(form.model_dump(mode="json"))

    @classmethod
    def from_json(cls, data: bytes) -> InclusionBundle:
        """Raises Malformed."""
        form = read_model(_Form, data, "bundle", GREATEST_BUNDLE)
        proof = tuple(read_base64(step, f"proof.{number}") for number, step in enumerate(form.proof))
        try:
            return cls(form.record.encode(), form.index, proof, form.checkpoint.encode())
        except UnicodeEncodeError as error:
            raise Malformed("bundle: text that is not Unicode") from error

    def to_tlog_proof(self) -> bytes:
        """The same proof without the record, as a `.tlog-proof` (https://c2sp.org/tlog-proof) for other people's tools."""
        steps = "".join(f"{write_base64(step)}\n" for step in self.proof)
        return f"{TLOG_PROOF}\nindex {self.index}\n{steps}\n".encode() + self.checkpoint


@dataclass(frozen=True)
class VerifiedRecord:
    """A record that the log of a verified checkpoint holds at that index."""

    record: dict[str, Any]
    index: int
    checkpoint: Checkpoint
    key_ids: tuple[str, ...]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    record: str
    index: int = Field(ge=0)
    proof: tuple[str, ...] = Field(max_length=64)
    checkpoint: str


def verify_bundle(bundle: InclusionBundle, roots: TrustRoots, origin: str | None = None) -> VerifiedRecord:
    """The record, when the log of a trusted checkpoint (of `origin`, when given) holds exactly these bytes at this
    index. Needs nothing but its arguments. Raises an Untrusted of `trust.errors`."""
    record = read_json(bundle.record, "record", GREATEST_BUNDLE)
    trusted = verify_checkpoint(bundle.checkpoint, roots, origin)
    checkpoint = trusted.checkpoint
    verify_inclusion(leaf_hash(bundle.record), bundle.index, checkpoint.size, bundle.proof, checkpoint.root)
    return VerifiedRecord(record, bundle.index, checkpoint, trusted.key_ids)
