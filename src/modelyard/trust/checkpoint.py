"""Signed checkpoints of the audit log, in the form of https://c2sp.org/tlog-checkpoint, so that others can check them.

    modelyard.example/audit/default          origin: the log's name, also the name under which it signs
    20852163                                 size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=   root hash
    time 2026-01-01T00:00:00.000000Z         extension line: when the checkpoint was made

A checkpoint is verified at its own time: an audit key that has expired since still verifies what it signed while it was
valid, so that old logs stay readable. A revoked key verifies nothing. The checkpoints that it signed are covered again
by a newer one, signed with another key, that extends them (`verify_extension`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelyard.core.errors import InvalidInput, Untrusted
from modelyard.trust.errors import Malformed, UnknownKey, WrongStatement
from modelyard.trust.keys import Purpose, Signer, TrustRoot, TrustRoots
from modelyard.trust.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from modelyard.trust.note import Note, is_name, read_note, sign_note
from modelyard.trust.strict import read_base64, write_base64

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_TIME = "time "


@dataclass(frozen=True)
class Checkpoint:
    """The audit log of `origin` had `size` records and this root at this time. Raises InvalidInput when it cannot be."""

    origin: str
    size: int
    root: bytes
    time: datetime

    def __post_init__(self) -> None:
        if not is_name(self.origin):
            raise InvalidInput("the origin is empty or holds a space or a plus", field="origin")
        if self.size < 0 or len(self.root) != HASH_SIZE or (self.size == 0 and self.root != EMPTY_ROOT):
            raise InvalidInput("no tree has this size and this root", field="root")
        if self.time.tzinfo is None:
            raise InvalidInput("the time has no zone", field="time")

    def text(self) -> str:
        """The note's text: what is signed."""
        return f"{self.origin}\n{self.size}\n{write_base64(self.root)}\n{_TIME}{_write_time(self.time)}\n"


@dataclass(frozen=True)
class VerifiedCheckpoint:
    """A checkpoint that trusted audit keys signed."""

    checkpoint: Checkpoint
    key_ids: tuple[str, ...]


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> bytes:
    """The checkpoint as a signed note."""
    return sign_note(checkpoint.text(), checkpoint.origin, *signers)


def parse_checkpoint(note: bytes) -> Checkpoint:
    """What a note claims, with nothing verified. Raises Malformed."""
    return _read_text(read_note(note).text)


def verify_checkpoint(note: bytes, roots: TrustRoots, origin: str | None = None) -> VerifiedCheckpoint:
    """The checkpoint, when at least one audit root that was valid at its time signed it; signatures by strangers, such
    as witnesses, are passed over. Raises an Untrusted of `trust.errors`; WrongStatement when it is of another log than
    `origin`."""
    parsed = read_note(note)
    checkpoint = _read_text(parsed.text)
    if origin is not None and checkpoint.origin != origin:
        raise WrongStatement(f"a checkpoint of {checkpoint.origin}, not of {origin}", field="origin")
    signers = _trusted_signers(parsed, checkpoint, roots)
    return VerifiedCheckpoint(checkpoint, tuple(root.key_id for root in signers))


def verify_extension(older: Checkpoint, newer: Checkpoint, proof: Sequence[bytes]) -> None:
    """Returns when the log of `newer` begins with the whole log of `older`, so that trust in the newer covers the older.
    Raises WrongStatement for two different logs, BadProof otherwise."""
    if older.origin != newer.origin:
        raise WrongStatement(f"{newer.origin} and {older.origin} are different logs", field="origin")
    verify_consistency(older.size, newer.size, older.root, newer.root, proof)


def _trusted_signers(note: Note, checkpoint: Checkpoint, roots: TrustRoots) -> list[TrustRoot]:
    found: list[TrustRoot] = []
    failures: list[Untrusted] = []
    for root in roots.roots:
        if not note.signed_by(checkpoint.origin, root.key):
            continue
        try:
            root.check(Purpose.AUDIT, checkpoint.time)
        except Untrusted as failure:
            failures.append(failure)
        else:
            found.append(root)
    if not found and failures:
        raise failures[0]
    if not found:
        raise UnknownKey(f"no trust root here signed this checkpoint of {checkpoint.origin}")
    return found


def _read_text(text: str) -> Checkpoint:
    lines = text[:-1].split("\n")
    if len(lines) != 4:
        raise Malformed(f"checkpoint: 4 lines are expected, not {len(lines)}")
    origin, size, root, time = lines
    if not _SIZE.fullmatch(size):
        raise Malformed("checkpoint: the size is not a decimal number in its shortest form", field="size")
    try:
        return Checkpoint(origin, int(size), read_base64(root, "checkpoint: root"), _read_time(time))
    except InvalidInput as error:
        raise Malformed(f"checkpoint: {error.detail}", field=error.field) from error


def _write_time(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _read_time(line: str) -> datetime:
    """The one text form of a time, and no other: the signature covers bytes, people compare moments."""
    try:
        time = datetime.fromisoformat(line.removeprefix(_TIME))
    except ValueError as error:
        raise Malformed("checkpoint: the fourth line is not a time", field="time") from error
    if time.tzinfo is None or line != _TIME + _write_time(time):
        raise Malformed("checkpoint: the time is not in the form `time 2026-01-01T00:00:00.000000Z`", field="time")
    return time
