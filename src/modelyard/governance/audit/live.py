"""Are the live records what the audit log says of them? Every audited change tells the record's digest before and after: for
each record these make a chain, and its end is what must be there now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelyard.core.messages import AUDIT
from modelyard.core.records import Record, Storage, Table, Transaction
from modelyard.governance.audit.model import AUDIT_LEAVES
from modelyard.governance.audit.reading import Contents, read_all
from modelyard.governance.audit.report import Finding, Tampering


@dataclass
class _History:
    """The states of one record by digest: `entered` and `left` by which audit record. None is not being there.

    The chain is followed by digests, not by time or place in the log, as clocks of several machines differ.
    """

    entered: dict[str | None, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def last(self) -> str:
        """The audit record that made the state that was never left."""
        ends = [change for state, change in self.entered.items() if state is None or state not in self.left]
        return ends[-1] if ends else "its last change"

    def forks(self) -> bool:
        return sum(state is not None and state not in self.left for state in self.entered) > 1


def verify_records(storage: Storage, tables: Iterable[Table[Any]]) -> tuple[Finding, ...]:
    """Live records that were edited, removed, set back or added behind the log's back. `tables` are those that change
    through commands alone. The answer is worth as much as the log: `verify` it first."""
    with storage.reading() as tx:
        histories = _histories(tx)
        return tuple(finding for table in tables for finding in _check(tx, table, histories[table.name]))


def _histories(tx: Transaction) -> defaultdict[str, dict[str, _History]]:
    """By table and record id."""
    found: defaultdict[str, dict[str, _History]] = defaultdict(dict)
    known = read_all(tx, AUDIT_LEAVES, ()).records
    for audit in read_all(tx, AUDIT, known).records.values():
        for change in audit.changes:
            history = found[change.table].setdefault(change.id, _History())
            history.entered[change.after] = audit.id
            if change.before is not None:
                history.left[change.before] = audit.id
    return found


def _check(tx: Transaction, table: Table[Any], histories: dict[str, _History]) -> Iterable[Finding]:
    contents = read_all(tx, table, histories)
    wrong = [*_mess(contents), *_differences(contents, histories), *_breaks(contents, histories)]
    return (Finding(what=what, table=table.name, record=record, detail=detail) for what, record, detail in wrong)


_Wrong = tuple[Tampering, str | None, str]


def _mess(contents: Contents[Any]) -> Iterable[_Wrong]:
    for record_id in contents.unreadable:
        yield Tampering.ALTERED, record_id, "it cannot be read any more"
    for record_id in contents.doubled:
        yield Tampering.UNEXPLAINED, record_id, "several rows claim this id"
    for before in contents.strangers:
        yield Tampering.UNEXPLAINED, None, f"a row that is no record stands after {before or 'the start'}"


def _differences(contents: Contents[Any], histories: dict[str, _History]) -> Iterable[_Wrong]:
    """Records that are there, and should not be or should be otherwise."""
    for record_id, record in contents.records.items():
        history, state = histories.get(record_id), _digest(record)
        if history is None:
            yield Tampering.UNEXPLAINED, record_id, "no audit record tells of it"
        elif state not in history.entered:
            yield Tampering.ALTERED, record_id, f"it is not as {history.last()} left it"
        elif state in history.left:
            yield Tampering.ALTERED, record_id, f"it was set back to how it was before {history.left[state]}"


def _breaks(contents: Contents[Any], histories: dict[str, _History]) -> Iterable[_Wrong]:
    """Records that should be there and are not, and chains that do not hold together."""
    present = {*contents.records, *contents.unreadable}
    for record_id, history in histories.items():
        if record_id not in present and None not in history.entered:
            yield Tampering.REMOVED, record_id, f"it should be as {history.last()} left it"
        edited_before = [change for state, change in history.left.items() if state not in history.entered]
        for change in edited_before:
            yield Tampering.ALTERED, record_id, f"it was edited some time before {change} changed it"
        if history.forks() and not edited_before:
            yield Tampering.ALTERED, record_id, f"it was set back some time before {history.last()}"


def _digest(record: Record) -> str:
    """The record's digest; of a record that has none (a number that is not one), a text that is no digest."""
    try:
        return record.digest()
    except ValueError:
        return ""
