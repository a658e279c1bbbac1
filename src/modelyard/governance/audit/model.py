"""The audit log as a Merkle tree: where each record stands, and what the tree looks like now."""

from __future__ import annotations

from typing import Any

from modelyard.core.digests import canonical
from modelyard.core.messages import AuditRecord
from modelyard.core.records import Record, Table
from modelyard.trust import CompactRange, leaf_hash

HEAD_ID = "head"


class Leaf(Record):
    """The place of an audit record in the log. `id` is the record's; `leaf_hash` is hex."""

    position: int
    leaf_hash: str


class TreeHead(Record):
    """The tree that all leaves make: its size and the roots of its perfect subtrees (hex). There is one."""

    size: int = 0
    peaks: tuple[str, ...] = ()

    def tree(self) -> CompactRange:
        """Raises ValueError when size and peaks do not belong together."""
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"{self.size} leaves cannot have {len(self.peaks)} peaks")
        return CompactRange(self.size, tuple(bytes.fromhex(peak) for peak in self.peaks))

    def holding(self, tree: CompactRange) -> TreeHead:
        return self.model_copy(update={"size": tree.size, "peaks": tuple(peak.hex() for peak in tree.peaks)})


AUDIT_LEAVES: Table[Leaf] = Table("audit_leaves", Leaf, indexed=("position",), unique=(("position",),), append_only=True)
AUDIT_HEAD: Table[TreeHead] = Table("audit_head", TreeHead)
TABLES: tuple[Table[Any], ...] = (AUDIT_LEAVES, AUDIT_HEAD)


def entry_of(record: AuditRecord) -> bytes:
    """The bytes that the log holds of a record: its canonical JSON."""
    return canonical(record.model_dump(mode="json"))


def leaf_of(record: AuditRecord) -> bytes:
    """The leaf hash of a record (RFC 9162, section 2.1.1)."""
    return leaf_hash(entry_of(record))


def leaf_of_missing(record_id: str) -> bytes:
    """The leaf of a record that was gone before it got its place: the gap itself is put on record."""
    return leaf_hash(canonical({"missing": record_id}))
