"""What a verification found, in words that a person can act on."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

NOTHING = "nothing"


class Tampering(StrEnum):
    """What happened to a record, a place in the log, or the export."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    CHECKPOINT = "checkpoint"  # an exported checkpoint is not what a trusted key signed, or contradicts the others
    EXPORT = "export"  # the exported leaves are not those of the signed checkpoint
    UNEXPLAINED = "unexplained"  # a record that is there without an audit record that says so, or the other way round


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Told):
    """One thing that is wrong. `table` and `record` name the row, `position` the place in the log."""

    what: Tampering
    table: str
    record: str | None = None
    position: int | None = None
    detail: str

    def __str__(self) -> str:
        where = "" if self.position is None else f" at {self.position}"
        return f"{self.what}: {self.table} {self.record or '(unknown id)'}{where}: {self.detail}"


class Report(_Told):
    """`against` says what the log was held against: the origin, size and time of a checkpoint, or `nothing`.

    `covered` records stand under that checkpoint; `uncovered` have a place but no checkpoint yet; `waiting` have no place
    yet. All that is not covered is only known not to contradict itself.
    """

    against: str
    covered: int
    uncovered: int
    waiting: int
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the log is what was signed. Never so without an exported checkpoint."""
        return self.against != NOTHING and not self.findings

    def summary(self) -> str:
        verdict = "in order" if self.ok else f"NOT in order: {len(self.findings)} findings"
        if self.against == NOTHING and not self.findings:
            verdict = "NOT verified: there is no exported checkpoint to hold it against"
        beyond = f"{self.uncovered} not covered yet, {self.waiting} waiting"
        return f"audit log {verdict}; verified against {self.against}; {self.covered} records covered, {beyond}"
