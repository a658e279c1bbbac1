"""Is the audit log what was signed? Held against checkpoints that were exported outside the database; changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from modelyard.core.messages import AUDIT, AuditRecord
from modelyard.core.records import Query, Storage, Transaction, Where, equals
from modelyard.governance.audit.authority import authority
from modelyard.governance.audit.comparison import Log, compare
from modelyard.governance.audit.ports import CheckpointSource
from modelyard.governance.audit.report import Finding, Report, Tampering
from modelyard.trust import TrustRoots

COLUMNS = ("organisation", "actor", "action", "outcome", "subject_type", "subject_id")
_AT_ONCE = 200


def verify(storage: Storage, exported: CheckpointSource, roots: TrustRoots, origin: str | None = None) -> Report:
    """Find every altered, removed, reordered, inserted or truncated audit record, and name it. The export is read first, so
    that records which come meanwhile only count as not covered yet. Without an exported checkpoint the report says so."""
    notes, entries = exported.checkpoints(), exported.entries()
    with storage.reading() as tx:
        log = Log.read(tx, entries)
        misfiled = list(_misfiled(tx, log.intact()))
    relied_on = authority(notes, entries, log.placed(), roots, origin)
    return Report(
        against=relied_on.name,
        covered=len(relied_on.leaves),
        uncovered=sum(place >= len(relied_on.leaves) for place in log.places),
        waiting=len(log.waiting),
        findings=(*relied_on.findings, *compare(log, relied_on.leaves, entries), *misfiled),
    )


def _misfiled(tx: Transaction, records: list[AuditRecord]) -> Iterable[Finding]:
    """Records that are as signed, but stand in the database under values that they do not have: searches miss them."""
    alike: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for record in records:
        alike[tuple(getattr(record, name) for name in COLUMNS)].append(record.id)
    for values, ids in alike.items():
        where = [equals(name, value) for name, value in zip(COLUMNS, values, strict=True)]
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            page = tx.find(AUDIT, Query(where=(*where, Where("id", "in", some)), sort="id", limit=_AT_ONCE))
            for record_id in _missing(sorted(some), [item.id for item in page.items]):
                detail = "it is as signed, but filed under values that it does not have: searches miss it"
                yield Finding(what=Tampering.ALTERED, table=AUDIT.name, record=record_id, detail=detail)


def _missing(wanted: list[str], found: list[str]) -> list[str]:
    """Ids that are not found, or not in the place where the database sorts their rows to."""
    if len(found) < len(wanted):
        return [record_id for record_id in wanted if record_id not in found]
    return [record_id for record_id, other in zip(wanted, found, strict=True) if record_id != other]
