"""Routes are signed from the rows of endpoints: a row that was edited behind the audit log's back must not be.

Every change of an endpoint is in the audit log with the record's digests before and after. A row is genuine when some audit
record left it so and none has changed it since.
"""

from __future__ import annotations

from collections.abc import Iterable

from modelyard.core.bus import Work, record_audit
from modelyard.core.digests import digest_of
from modelyard.core.errors import Untrusted
from modelyard.core.messages import AUDIT, AuditOutcome, AuditRecord
from modelyard.core.records import Query, Transaction, equals, every, first
from modelyard.delivery.model import ENDPOINTS, Endpoint

RECENT = 5


def require_genuine(tx: Transaction, endpoint: Endpoint) -> Endpoint:
    """Raises Untrusted: changing an edited row would have the log vouch for the edit."""
    if not is_genuine(tx, endpoint):
        raise Untrusted(
            f"endpoint {endpoint.name} is not as the audit log left it",
            field="endpoint",
            hint="run `modelyard audit verify`; the endpoint is served again when its record is as it was",
        )
    return endpoint


def is_genuine(tx: Transaction, endpoint: Endpoint) -> bool:
    """Whether the endpoint is as its last change left it. Says nothing of changes that are not committed yet."""
    about = (
        equals("organisation", endpoint.organisation),
        equals("subject_type", "endpoint"),
        equals("subject_id", endpoint.name),
        equals("outcome", AuditOutcome.DONE),
    )
    recent = tx.find(AUDIT, Query(where=about, sort="created_at", descending=True, limit=RECENT)).items
    # The newest by time are not the newest when a clock has stepped back: before anything is refused, all are read.
    return _explained(endpoint, recent) or _explained(endpoint, every(tx, AUDIT, *about))


def note_edited(work: Work, endpoint: Endpoint) -> None:
    """Put the refusal to sign an edited endpoint into the audit log, once for each state that it was found in."""
    record_id = f"aud_{digest_of([endpoint.organisation, endpoint.id, endpoint.digest()])[7:39]}"
    if first(work.tx, AUDIT, equals("id", record_id)) is not None:
        return
    record = AuditRecord(
        **work.new("aud") | {"id": record_id},
        actor=work.actor.id,
        actor_kind=work.actor.kind,
        action=work.request.command.action,
        outcome=AuditOutcome.REFUSED,
        subject_type="endpoint",
        subject_id=endpoint.name,
        command_digest=digest_of(work.request.command.model_dump(mode="json")),
        policy_set="none",
        error_code=Untrusted.code,
        error_detail=f"left out of the routes: endpoint {endpoint.name} is not as the audit log left it",
    )
    record_audit(work.tx, record)


def _explained(endpoint: Endpoint, records: Iterable[AuditRecord]) -> bool:
    state = endpoint.digest()
    changes = [c for r in records for c in r.changes if (c.table, c.id) == (ENDPOINTS.name, endpoint.id)]
    return any(c.after == state for c in changes) and all(c.before != state for c in changes)
