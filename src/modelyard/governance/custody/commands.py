"""What can be done about the decision log. Subjects are pseudonyms: who gives these commands has turned identifiers into them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from modelyard.catalog.profile import Tier
from modelyard.catalog.texts import Line
from modelyard.core.digests import DIGEST
from modelyard.core.messages import Command
from modelyard.governance.custody.model import CopyTold, Days, Proof, Pseudonym, Removed, Salt

MOST_REVEALED = 1000
MOST_IMPORTED = 10_000
Id = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class SetRetention(Command):
    """Say how long decisions of a use case, or of a tier, are kept; without `days` for ever. `by_tier` takes the own rule of a
    use case back. Removals follow at the next application."""

    action: ClassVar[str] = "governance.set_retention"

    use_case: Name | None = None
    tier: Tier | None = None
    days: Days | None = None
    by_tier: bool = False

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if (self.use_case is None) == (self.tier is None):
            raise ValueError("give a use case or a tier, and not both")
        if self.by_tier and (self.days is not None or self.use_case is None):
            raise ValueError("by_tier takes back a use case's own rule, so it comes without days and without a tier")
        return self


class ApplyRetention(Command):
    """Remove what is no longer kept, of one use case or of all. A worker does it; the run tells what went."""

    action: ClassVar[str] = "governance.apply_retention"

    use_case: Name | None = None


class RecordRetention(Command):
    """What a run removed, or why it failed."""

    action: ClassVar[str] = "governance.record_retention"

    run: Id
    removed: tuple[Removed, ...] = ()
    error: Annotated[str, Field(max_length=2000)] | None = None


class PlaceHold(Command):
    """Keep decisions while a matter is open: of a use case, a time (decided from `since` on, before `until`), a subject. It beats
    retention and erasure."""

    action: ClassVar[str] = "governance.place_hold"

    matter: Annotated[Line, Field(min_length=1)]
    use_case: Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    subject: Pseudonym | None = None
    salt: Salt | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.use_case is None and self.subject is None:
            raise ValueError("a hold is on a use case, a subject, or both")
        if (self.subject is None) != (self.salt is None):
            raise ValueError("a subject comes with a salt")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ValueError("the hold ends before it begins")
        return self


class LiftHold(Command):
    """End a hold. Erasures that it kept back go on."""

    action: ClassVar[str] = "governance.lift_hold"

    hold: Id


class RequestErasure(Command):
    """Erase the decisions and outcomes of a person. Readers stop showing them at once; files are rewritten by a worker."""

    action: ClassVar[str] = "governance.request_erasure"

    subject: Pseudonym
    salt: Salt


class ErasureTold(BaseModel):
    """An erasure as it is told elsewhere: whose decisions made until then are gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Pseudonym
    until: AwareDatetime


class ImportErasures(Command):
    """Apply erasures that were made elsewhere, or before an older state of this installation was restored. `known` ones are
    those left out because they are applied already."""

    action: ClassVar[str] = "governance.import_erasures"

    erasures: Annotated[tuple[ErasureTold, ...], Field(max_length=MOST_IMPORTED)]
    salt: Salt
    known: Annotated[int, Field(ge=0)] = 0


class JudgeErasure(Command):
    """Whether an erasure may go on: `considered` are the holds that were looked at, `met` those among them that have rows of the
    person. Refused when there is a hold that was not looked at."""

    action: ClassVar[str] = "governance.judge_erasure"

    erasure: Id
    considered: tuple[Id, ...] = ()
    met: tuple[Id, ...] = ()


class RecordErasure(Command):
    """How far a worker has come: with `pending` writers and batches or without; with a `proof` of nothing left it is done.
    `copies` are news of files that batches wrote."""

    action: ClassVar[str] = "governance.record_erasure"

    erasure: Id
    decisions: Annotated[int, Field(ge=0)] = 0
    outcomes: Annotated[int, Field(ge=0)] = 0
    pending: tuple[str, ...] = ()
    trouble: Annotated[str, Field(max_length=2000)] = ""
    copies: tuple[CopyTold, ...] = ()
    proof: Proof | None = None


class ExportDecisions(Command):
    """Take decisions out in a file; told, so that an erasure can name where copies may be."""

    action: ClassVar[str] = "governance.export_decisions"

    form: Annotated[str, Field(pattern=r"^(arrow|parquet|csv|jsonl)$")]
    endpoint: Name | None = None
    use_case: Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    narrowed: bool = False
    outcomes: bool = False


class RevealDecisions(Command):
    """See protected fields of these decisions in clear. It needs a reason."""

    action: ClassVar[str] = "governance.reveal_decisions"

    decisions: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MOST_REVEALED)]


class BackfillDecisions(Command):
    """Put decisions that were made elsewhere into the log, marked as such."""

    action: ClassVar[str] = "governance.backfill_decisions"

    source: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")]
    endpoint: Name
    use_case: Name
    content: Annotated[str, Field(pattern=DIGEST.pattern)]
    accepted: Annotated[int, Field(ge=0)]
    repeated: Annotated[int, Field(ge=0)]
    earliest: AwareDatetime | None = None
    latest: AwareDatetime | None = None
