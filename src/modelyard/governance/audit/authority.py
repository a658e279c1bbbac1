"""What can be relied on: the leaves that a trusted checkpoint vouches for, whoever still has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelyard.core.errors import Untrusted
from modelyard.governance.audit.ports import LogEntry
from modelyard.governance.audit.report import NOTHING, Finding, Tampering
from modelyard.trust import Checkpoint, CompactRange, TrustRoots, parse_checkpoint, verify_checkpoint
from modelyard.trust.errors import EarlyKey, ExpiredKey, RevokedKey, UnknownKey, WrongPurpose

_UNTRUSTED_KEY = (UnknownKey, RevokedKey, ExpiredKey, EarlyKey, WrongPurpose)


@dataclass
class Authority:
    """The leaf hashes under the largest trusted checkpoint that the export or the database leads to; its name; and what is
    wrong with the export."""

    name: str = NOTHING
    leaves: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def authority(
    notes: list[bytes], entries: list[LogEntry], placed: list[bytes], roots: TrustRoots, origin: str | None
) -> Authority:
    """`placed` are the database's own leaf hashes: they count only where they lead to a signed root."""
    found = Authority()
    trusted, doubtful = _checked(notes, roots, origin, found)
    exported = [entry.leaf for entry in entries]
    sizes = {checkpoint.size for checkpoint in trusted}
    export_roots, placed_roots = _roots(exported, sizes), _roots(placed, sizes)
    for checkpoint in sorted(trusted, key=lambda c: (c.size, c.time), reverse=True):
        by_export = export_roots.get(checkpoint.size) == checkpoint.root
        if not by_export:
            found.findings.append(_export_differs(checkpoint, exported, placed))
        if by_export or placed_roots.get(checkpoint.size) == checkpoint.root:
            found.leaves = (exported if by_export else placed)[: checkpoint.size]
            found.name = f"{checkpoint.origin}, {checkpoint.size} records, {checkpoint.time.isoformat()}"
            break
    found.findings.extend(_contradictions(found.leaves, trusted, doubtful))
    return found


def _checked(
    notes: list[bytes], roots: TrustRoots, origin: str | None, found: Authority
) -> tuple[list[Checkpoint], list[Checkpoint]]:
    """Checkpoints that trusted keys signed, and those by keys that are not trusted (any more); others are findings."""
    trusted: list[Checkpoint] = []
    doubtful: list[Checkpoint] = []
    for number, note in enumerate(notes):
        try:
            trusted.append(verify_checkpoint(note, roots, origin).checkpoint)
        except _UNTRUSTED_KEY:
            doubtful.append(parse_checkpoint(note))
        except Untrusted as error:
            found.findings.append(_about_checkpoint(f"checkpoint {number}", error.detail))
    return trusted, doubtful


def _contradictions(leaves: list[bytes], trusted: list[Checkpoint], doubtful: list[Checkpoint]) -> Iterable[Finding]:
    """Older checkpoints must be beginnings of the log that is relied on; one by an untrusted key must be covered by it."""
    roots = _roots(leaves, {checkpoint.size for checkpoint in (*trusted, *doubtful)})
    for checkpoint in (*trusted, *doubtful):
        beyond = checkpoint.size > len(leaves)
        name = f"checkpoint of size {checkpoint.size}"
        if not beyond and roots[checkpoint.size] != checkpoint.root:
            yield _about_checkpoint(name, "it contradicts the others")
        elif beyond and checkpoint in doubtful:
            yield _about_checkpoint(name, "no key that is trusted signed it, and no later checkpoint covers it")


def _roots(leaves: list[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The tree's root at each of the sizes that the leaves reach."""
    tree, found = CompactRange(), {}
    if 0 in sizes:
        found[0] = tree.root()
    for leaf in leaves:
        tree = tree.append(leaf)
        if tree.size in sizes:
            found[tree.size] = tree.root()
    return found


def _about_checkpoint(name: str, detail: str) -> Finding:
    return Finding(what=Tampering.CHECKPOINT, table="export", record=name, detail=detail)


def _export_differs(checkpoint: Checkpoint, exported: list[bytes], placed: list[bytes]) -> Finding:
    if len(exported) < checkpoint.size:
        detail = f"{checkpoint.size} leaves were signed, {len(exported)} can be read in the export"
        return Finding(what=Tampering.EXPORT, table="export", position=len(exported), detail=detail)
    differing = (place for place, (ours, theirs) in enumerate(zip(placed, exported, strict=False)) if ours != theirs)
    detail = f"the exported leaves are not those of the signed checkpoint of size {checkpoint.size}"
    return Finding(what=Tampering.EXPORT, table="export", position=next(differing, None), detail=detail)
