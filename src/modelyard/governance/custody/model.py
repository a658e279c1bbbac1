"""Records of custody: rules, holds, runs, erasures, and what went out of the log or came in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modelyard.catalog.profile import Tier
from modelyard.core.digests import DIGEST, digest_of
from modelyard.core.records import Record, Table

PSEUDONYM = r"^[0-9a-f]{32}$"
SALT = r"^[0-9a-f]{32}$"
LONGEST_DAYS = 36_500
LEAST_DAYS: Mapping[Tier | None, int] = {None: 183, Tier.HIGH: 183, Tier.MEDIUM: 1, Tier.LOW: 1}
"""Regulation (EU) 2024/1689, article 26(6): logs of a high-risk system are kept for six months at least. What was not assessed
counts as high."""

Pseudonym = Annotated[str, Field(pattern=PSEUDONYM)]
Salt = Annotated[str, Field(pattern=SALT)]
Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]


def salted(salt: str, subject: str) -> str:
    """What records keep of a subject: it can be compared with a pseudonym, and told by nobody who has none."""
    return digest_of([salt, subject])


class Retention(Record):
    """How long decisions are kept. `scope` is `use_case:<id>` or `tier:<tier>`; without `days` they are kept for ever. A use
    case without a rule of its own follows that of its tier; where there is none either, for ever."""

    scope: str
    use_case: str | None = None
    tier: Tier | None = None
    days: int | None = None
    reason: str = ""
    set_by: str


class InForce(BaseModel):
    """What holds for a use case now. `source` is the rule's scope, absent when nobody has made one."""

    model_config = ConfigDict(frozen=True)

    use_case_id: str
    use_case: str
    tier: Tier | None
    days: int | None
    source: str | None

    def digest(self) -> str:
        """The digest of the policy that a removal was done by."""
        return digest_of(self.model_dump(mode="json"))

    def before(self, now: datetime) -> datetime | None:
        """Decisions of before this moment are no longer kept; None: all are."""
        return None if self.days is None else now - timedelta(days=self.days)


class HoldState(StrEnum):
    ACTIVE = "active"
    LIFTED = "lifted"


class LegalHold(Record):
    """What must not go while a matter is open: decisions of a use case (of all, without one), of a time (decided from `since` on
    and before `until`), about a subject. `too_late_for` are erasures that were under way when it was placed."""

    use_case_id: str | None = None
    use_case: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject_digest: str | None = None
    salt: str = ""
    matter: str
    reason: str = ""
    state: HoldState = HoldState.ACTIVE
    placed_by: str
    too_late_for: tuple[str, ...] = ()
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_reason: str = ""


class Removed(BaseModel):
    """What a run took from one use case: `rows` decided before `before` and their `outcomes`, under the policy of that digest,
    around these holds. What `pending` writers have in an open segment goes the next time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str
    before: datetime
    days: int
    rows: int = Field(ge=0)
    outcomes: int = Field(default=0, ge=0)
    pending: tuple[str, ...] = ()
    policy: str = Field(pattern=DIGEST.pattern)
    holds: tuple[str, ...] = ()


class RunState(StrEnum):
    ASKED = "asked"
    DONE = "done"
    FAILED = "failed"


class RetentionRun(Record):
    """One application of retention: asked for by a person, or every day by the platform."""

    state: RunState = RunState.ASKED
    use_case: str | None = None
    asked_by: str
    removed: tuple[Removed, ...] = ()
    rows: int = 0
    error: str | None = None
    finished_at: datetime | None = None


class ErasureState(StrEnum):
    """`requested`: nothing done yet; `deferred`: a hold keeps it; `hidden`: readers show none of it, files are being rewritten;
    `done`: nothing is left, as counted afterwards."""

    REQUESTED = "requested"
    DEFERRED = "deferred"
    HIDDEN = "hidden"
    DONE = "done"


class Proof(BaseModel):
    """How it was shown: so many traces are `left` in any file of the log and the outcomes, counted at `at`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: int = Field(ge=0)
    at: datetime


class CopyFate(StrEnum):
    """`found`: it has rows of the person, and will be rewritten; `rewritten`: they are gone from it; `removed`: an artifact that
    had such rows, and is gone as a whole; `gone`: it was written once and is not there any more; `waiting`: its batch has to end
    first; `by_hand`: the platform cannot reach or change it, a person must; `seen`: nothing of the person in it (never kept)."""

    FOUND = "found"
    REWRITTEN = "rewritten"
    REMOVED = "removed"
    GONE = "gone"
    WAITING = "waiting"
    BY_HAND = "by_hand"
    SEEN = "seen"


class CopyTold(BaseModel):
    """A file that a batch wrote, below the folder of its answers or as the digest of an artifact (empty: the batch itself), with
    the rows of the person in it, and what became of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: str
    file: str = ""
    rows: int = Field(default=0, ge=0)
    fate: CopyFate
    why: str = ""


class Erasure(Record):
    """The erasure of one person's decisions and outcomes up to `until`. `holds` keep it back while it is deferred. `exports` are
    those made before, which may hold copies: their receivers have to erase them. `decisions` and `outcomes` count removed rows;
    `pending` writers have segments that are still open, and `pending` batches files that are; `copies` tells what became of each
    file that batches wrote and that had rows of the person; `trouble` says what stopped the last attempt. The person is told by
    `subject_digest`, salted; by nothing else here."""

    subject_digest: str = Field(pattern=DIGEST.pattern)
    salt: str
    until: datetime
    state: ErasureState = ErasureState.REQUESTED
    requested_by: str
    reason: str = ""
    imported: bool = False
    holds: tuple[str, ...] = ()
    why: str = ""
    hidden_at: datetime | None = None
    pending: tuple[str, ...] = ()
    trouble: str = ""
    decisions: int = 0
    outcomes: int = 0
    exports: tuple[str, ...] = ()
    copies: tuple[CopyTold, ...] = ()
    proof: Proof | None = None
    done_at: datetime | None = None

    def digest(self) -> str:
        """As of every record; an erasure that touched no copies has the digest that it had before it told of them."""
        return digest_of(self.model_dump(mode="json", exclude=set() if self.copies else {"copies"}))


class NamedSubject(Record):
    """The pseudonym that an open erasure or an active hold is about, under the same id; removed when that is closed."""

    subject: str


class DecisionExport(Record):
    """Decisions that were taken out in a file: who, what and in which form, not the rows. `narrowed` says that they were those of
    one person or key."""

    by: str
    form: str
    endpoint: str | None = None
    use_case: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    narrowed: bool = False
    outcomes: bool = False
    reason: str = ""


class Disclosure(Record):
    """Protected fields of these decisions that somebody was shown in clear, and why."""

    by: str
    decisions: tuple[str, ...]
    reason: str


class Backfilled(Record):
    """Decisions made elsewhere that were put into the log: `accepted` new ones, `repeated` ones it had already. `content` is the
    digest of what was sent."""

    source: str
    endpoint: str
    use_case: str
    content: str = Field(pattern=DIGEST.pattern)
    accepted: int
    repeated: int
    earliest: datetime | None = None
    latest: datetime | None = None
    by: str


RETENTIONS: Table[Retention] = Table(
    "retentions", Retention, indexed=("scope", "use_case", "tier"), unique=(("organisation", "scope"),)
)
HOLDS: Table[LegalHold] = Table("legal_holds", LegalHold, indexed=("use_case", "state", "matter"), text=("matter", "reason"))
RETENTION_RUNS: Table[RetentionRun] = Table("retention_runs", RetentionRun, indexed=("state", "use_case", "asked_by"))
ERASURES: Table[Erasure] = Table("erasures", Erasure, indexed=("state", "requested_by", "subject_digest"))
EXPORTS: Table[DecisionExport] = Table(
    "decision_exports", DecisionExport, indexed=("by", "endpoint", "use_case"), append_only=True
)
DISCLOSURES: Table[Disclosure] = Table("disclosures", Disclosure, indexed=("by",), append_only=True)
BACKFILLS: Table[Backfilled] = Table(
    "backfills", Backfilled, indexed=("source", "endpoint", "use_case", "content", "by"), append_only=True
)
NAMED_SUBJECTS: Table[NamedSubject] = Table("named_subjects", NamedSubject)
"""A queue beside erasures and holds: what is closed leaves no pseudonym in the database."""

EXPLAINED_TABLES: tuple[Table[Any], ...] = (
    RETENTIONS,
    HOLDS,
    RETENTION_RUNS,
    ERASURES,
    EXPORTS,
    DISCLOSURES,
    BACKFILLS,
)
TABLES: tuple[Table[Any], ...] = (*EXPLAINED_TABLES, NAMED_SUBJECTS)
