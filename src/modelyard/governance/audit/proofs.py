"""Proof for outsiders: one record, and that the signed log holds it. Checked offline with public keys alone."""

from __future__ import annotations

from modelyard.core.errors import Untrusted, WrongState
from modelyard.core.messages import AUDIT, AuditRecord
from modelyard.core.records import Storage
from modelyard.governance.audit.model import entry_of, leaf_of
from modelyard.governance.audit.ports import CheckpointSource
from modelyard.trust import InclusionBundle, MerkleTree, TrustRoots, parse_checkpoint, verify_bundle


def prove(storage: Storage, exported: CheckpointSource, record_id: str) -> InclusionBundle:
    """The record with its path to the latest exported checkpoint. Raises NotFound, WrongState while no checkpoint covers it,
    and Untrusted when the record is not the one that was exported."""
    with storage.reading() as tx:
        record = tx.get(AUDIT, record_id)
    notes, entries = exported.checkpoints(), exported.entries()
    position = next((entry.position for entry in entries if entry.record == record_id), None)
    size = parse_checkpoint(notes[-1]).size if notes else 0
    if position is None or position >= size:
        raise WrongState(f"no exported checkpoint covers {record_id} yet", hint="try again in a second")
    if entries[position].leaf != leaf_of(record) or len(entries) < size:
        raise Untrusted(f"{record_id} is not the record that was exported", hint="run `modelyard audit verify`")
    tree = MerkleTree(lambda place: entries[place].leaf)
    return InclusionBundle(entry_of(record), position, tree.inclusion_proof(position, size), notes[-1])


def check_bundle(data: bytes, roots: TrustRoots, origin: str | None = None) -> AuditRecord:
    """The audit record of a bundle (its JSON), when a trusted checkpoint of the log holds exactly it. Needs no database.
    Raises Untrusted."""
    verified = verify_bundle(InclusionBundle.from_json(data), roots, origin)
    try:
        return AuditRecord.model_validate(verified.record)
    except ValueError as error:
        raise Untrusted("the log holds this entry, but it is no audit record") from error
