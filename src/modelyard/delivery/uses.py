"""What runtimes tell of fallbacks: taken in once each, kept, and told on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from modelyard.core.bus import Work
from modelyard.core.digests import digest_of
from modelyard.core.records import equals, first
from modelyard.delivery.commands import FallbackReport, RecordFallbacks
from modelyard.delivery.events import FallbackUsed
from modelyard.delivery.model import FALLBACK_USES, FallbacksUsed


class UsesTaken(BaseModel):
    """What became of reports that a runtime brought: the ids taken in now, and how many were known."""

    model_config = ConfigDict(frozen=True)

    taken: tuple[str, ...]
    known: int


def record_fallbacks(work: Work, command: RecordFallbacks) -> UsesTaken:
    """One record and one event for each report that is not known yet."""
    taken = [use.id for use in command.uses if _keep(work, use)]
    return UsesTaken(taken=tuple(taken), known=len(command.uses) - len(taken))


def _keep(work: Work, use: FallbackReport) -> bool:
    record_id = f"fbu_{digest_of([work.organisation, use.runtime, use.id])[7:39]}"
    if first(work.tx, FALLBACK_USES, equals("id", record_id)) is not None:
        return False
    told = use.model_dump(exclude={"id", "reason"})
    work.add(FALLBACK_USES, FallbacksUsed(**work.new("fbu") | {"id": record_id}, **told, report=use.id, cause=use.reason))
    event = FallbackUsed(**{name: told[name] for name in FallbackUsed.model_fields if name in told}, cause=use.reason)
    work.emit(event, f"endpoint:{use.endpoint}")
    return True
