"""The database's log, place by place, against the leaves that can be relied on."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.core.messages import AUDIT, AUDIT_PENDING, AuditRecord
from modelyard.core.records import Transaction, equals, every, first
from modelyard.governance.audit.model import AUDIT_HEAD, AUDIT_LEAVES, HEAD_ID, Leaf, TreeHead, leaf_of
from modelyard.governance.audit.ports import LogEntry
from modelyard.governance.audit.reading import Contents, read_all
from modelyard.governance.audit.report import Finding, Tampering
from modelyard.trust import CompactRange


@dataclass(frozen=True)
class Log:
    """The log as the database has it: records, leaves, the head, and what still waits for a place."""

    records: Contents[AuditRecord]
    leaves: Contents[Leaf]
    waiting: frozenset[str]
    head: TreeHead | None
    hashes: dict[str, bytes]
    by_hash: dict[bytes, str]
    places: dict[int, Leaf]

    @classmethod
    def read(cls, tx: Transaction, entries: list[LogEntry]) -> Log:
        """Everything, in one consistent view; the export's ids help to name what cannot be read."""
        exported = [entry.record for entry in entries]
        leaves = read_all(tx, AUDIT_LEAVES, exported)
        waiting = frozenset(pending.id for pending in every(tx, AUDIT_PENDING))
        records = read_all(tx, AUDIT, {*exported, *leaves.records, *leaves.unreadable, *waiting})
        hashes = {record_id: leaf_of(record) for record_id, record in records.records.items()}
        return cls(
            records=records,
            leaves=leaves,
            waiting=waiting,
            head=first(tx, AUDIT_HEAD, equals("id", HEAD_ID)),
            hashes=hashes,
            by_hash={leaf: record_id for record_id, leaf in hashes.items()},
            places={leaf.position: leaf for leaf in leaves.records.values()},
        )

    def placed(self) -> list[bytes]:
        """The leaf hashes from position 0 on, as far as there is no gap."""
        found: list[bytes] = []
        while (leaf := self.places.get(len(found))) is not None:
            found.append(hash_of(leaf))
        return found

    def intact(self) -> list[AuditRecord]:
        """Records that are what their leaves say."""
        return [
            self.records.records[leaf.id] for leaf in self.leaves.records.values() if self.hashes.get(leaf.id) == hash_of(leaf)
        ]


def hash_of(leaf: Leaf) -> bytes:
    """The bytes of a leaf's hash; of a text that is not hex, bytes that are the hash of nothing."""
    try:
        return bytes.fromhex(leaf.leaf_hash)
    except ValueError:
        return b""


def compare(log: Log, relied_on: list[bytes], entries: list[LogEntry]) -> list[Finding]:
    """What is wrong with the log, every place and every record named."""
    comparison = _Comparison(log, relied_on, entries)
    comparison.check_places()
    comparison.check_head()
    comparison.check_strangers()
    return comparison.findings


class _Comparison:
    def __init__(self, log: Log, relied_on: list[bytes], entries: list[LogEntry]) -> None:
        self._log, self._leaves = log, relied_on
        self._vouched = frozenset(relied_on)
        self._exported = {entry.position: entry.record for entry in entries}
        self._known = frozenset(self._exported.values())
        self.findings: list[Finding] = []

    def check_places(self) -> None:
        kept = max((place + 1 for place in self._log.places), default=0)
        for place in range(max(kept, len(self._leaves))):
            if place in self._log.places:
                self._check_place(place, self._log.places[place])
            else:
                self._tell_gap(place, Tampering.TRUNCATED if place >= kept else Tampering.REMOVED)

    def _check_place(self, place: int, leaf: Leaf) -> None:
        signed = self._leaves[place] if place < len(self._leaves) else hash_of(leaf)
        actual, rightful = self._log.hashes.get(leaf.id), self._log.by_hash.get(signed)
        stood = self._exported.get(place, leaf.id)
        if actual == signed == hash_of(leaf):
            return
        if actual == signed:
            self._tell(Tampering.ALTERED, leaf.id, place, "its leaf was changed; the record is as signed", AUDIT_LEAVES.name)
        elif rightful is not None:
            self._tell(Tampering.REORDERED, rightful, place, f"its place is held by {leaf.id}")
        else:
            self._tell_lost(stood, place, "" if stood == leaf.id else f"; its place is held by {leaf.id}")
        if place < len(self._leaves) and leaf.id not in self._known and actual not in self._vouched and stood != leaf.id:
            self._tell(Tampering.INSERTED, leaf.id, place, "it stands in a place that was another record's")

    def _tell_lost(self, record_id: str, place: int, holder: str) -> None:
        """No record is as the one that was signed for this place."""
        if record_id in self._log.hashes:
            self._tell(Tampering.ALTERED, record_id, place, f"the record is not the one that was signed{holder}")
        elif record_id in self._log.records.unreadable:
            self._tell(Tampering.ALTERED, record_id, place, f"the record cannot be read any more{holder}")
        else:
            self._tell(Tampering.REMOVED, record_id, place, f"the record is gone{holder or '; its leaf is still there'}")

    def _tell_gap(self, place: int, what: Tampering) -> None:
        signed = self._leaves[place] if place < len(self._leaves) else b""
        survivor, exported = self._log.by_hash.get(signed), self._exported.get(place)
        if exported in self._log.leaves.unreadable:
            self._tell(Tampering.ALTERED, exported, place, "its leaf cannot be read any more", AUDIT_LEAVES.name)
        elif survivor is not None:
            self._tell(what, survivor, place, "its place in the log is gone; the record is still there", AUDIT_LEAVES.name)
        elif exported in self._log.records.records:
            self._tell(what, exported, place, "its place in the log is gone, and the record is not the one that was signed")
        else:
            self._tell(what, exported, place, "record and leaf are gone")

    def check_head(self) -> None:
        """The head follows from the leaves: it is only looked at when these are in order."""
        if self.findings:
            return
        tree, head = CompactRange(), self._log.head
        for leaf in self._log.placed():
            tree = tree.append(leaf)
        told = (head.size, head.peaks) if head else (0, ())
        if told != (tree.size, tuple(peak.hex() for peak in tree.peaks)):
            detail = f"it tells of {told[0]} leaves that are not the log's {tree.size}"
            self._tell(Tampering.ALTERED, HEAD_ID, None, detail, AUDIT_HEAD.name)

    def check_strangers(self) -> None:
        """What has no place in the log, and what is in a table without being what belongs there."""
        log, gone = self._log, self._log.waiting - self._log.records.records.keys()
        covered = {record for place, record in self._exported.items() if place < len(self._leaves)}
        placed = {*log.leaves.records, *log.leaves.unreadable, *covered}
        for record_id, actual in log.hashes.items():
            if record_id not in placed and record_id not in log.waiting and actual not in self._vouched:
                self._tell(Tampering.INSERTED, record_id, None, "it was never given a place in the log and waits for none")
        for record_id in sorted(gone - set(log.records.unreadable)):
            self._tell(Tampering.REMOVED, record_id, None, "it was gone before it got its place")
        for record_id in sorted(set(log.records.unreadable) - placed):
            self._tell(Tampering.ALTERED, record_id, None, "the record cannot be read any more")
        for table, contents in ((AUDIT.name, log.records), (AUDIT_LEAVES.name, log.leaves)):
            self._tell_mess(table, contents)

    def _tell_mess(self, table: str, contents: Contents[AuditRecord] | Contents[Leaf]) -> None:
        for record_id in contents.doubled:
            self._tell(Tampering.INSERTED, record_id, None, "several rows claim this id", table)
        for before in contents.strangers:
            self._tell(Tampering.INSERTED, None, None, f"a row that is no record stands after {before or 'the start'}", table)

    def _tell(self, what: Tampering, record: str | None, place: int | None, detail: str, table: str = AUDIT.name) -> None:
        self.findings.append(Finding(what=what, table=table, record=record, position=place, detail=detail))
