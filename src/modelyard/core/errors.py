"""The one family of errors. Each says what was wrong, where (`field`) and what to do (`hint`).

    ModelyardError
    ├── InvalidInput            422  a value has the wrong type, form or range
    │   ├── InvalidArtifact     422  a model file is corrupt, hostile or of no known format
    │   └── TooLarge            413  more bytes, rows or fields than allowed
    ├── Unauthenticated         401  no token, or one that is unknown, expired or revoked
    ├── NotFound                404  no such record, or not one of yours
    ├── Conflict                409  the request is fine, the state is not
    │   ├── AlreadyExists       409
    │   ├── StaleRevision       409  somebody else changed the record first
    │   ├── WrongState          409
    │   ├── IdempotencyMismatch 409  the same key came with another request
    │   └── Fenced              409  a lease or a job has another holder by now (core.leases)
    ├── Refused                 403  understood and not allowed; always recorded in the audit log
    │   ├── Forbidden           403  policy denies the action to this actor
    │   ├── NotApproved         403  gate, approval or release is missing, expired or revoked
    │   └── Untrusted           403  a signature, digest or chain does not verify
    ├── Unavailable             503  try again later
    │   ├── Busy                503  a lock, queue or database did not yield in time
    │   └── StorageFull         507  the disk or the bucket takes no more
    └── TimedOut                504  work did not end within its limit

`code` is stable and never reused; `status` is what HTTP answers with (RFC 9110). `modelyard.api` maps the family to
problem details (RFC 9457) in one place, `modelyard.cli` to exit codes in one place.
"""

from __future__ import annotations

from typing import Any, ClassVar

LONGEST_FIELD = 200


class ModelyardError(Exception):
    """The root. `detail` is a sentence, `field` a dotted path into the input, `hint` what to do next. Of a field that somebody
    named at length the beginning is told."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field and field[:LONGEST_FIELD]
        self.hint = hint

    def __str__(self) -> str:
        where = f" (at {self.field})" if self.field else ""
        return f"{self.detail}{where}" + (f" — {self.hint}" if self.hint else "")


class InvalidInput(ModelyardError):
    code, status = "invalid_input", 422


class InvalidArtifact(InvalidInput):
    code = "invalid_artifact"


class TooLarge(InvalidInput):
    code, status = "too_large", 413


class Unauthenticated(ModelyardError):
    code, status = "unauthenticated", 401


class NotFound(ModelyardError):
    code, status = "not_found", 404


class Conflict(ModelyardError):
    code, status = "conflict", 409


class AlreadyExists(Conflict):
    code = "already_exists"


class StaleRevision(Conflict):
    code = "stale_revision"


class WrongState(Conflict):
    code = "wrong_state"


class IdempotencyMismatch(Conflict):
    code = "idempotency_mismatch"


class Refused(ModelyardError):
    """`recorded` says that it is in the audit log already; whoever tells it to the outside records it otherwise. `part` is the
    request that was refused, where that was a part of another."""

    code, status = "refused", 403
    recorded = False
    part: Any = None


class Forbidden(Refused):
    code = "forbidden"


class NotApproved(Refused):
    code = "not_approved"


class Untrusted(Refused):
    code = "untrusted"


class Unavailable(ModelyardError):
    code, status = "unavailable", 503


class Busy(Unavailable):
    code = "busy"


class StorageFull(Unavailable):
    code, status = "storage_full", 507


class TimedOut(ModelyardError):
    code, status = "timed_out", 504


def family() -> dict[str, type[ModelyardError]]:
    """Every error by its code, for clients that turn problem details back into exceptions."""
    found: dict[str, type[ModelyardError]] = {}
    waiting: list[type[ModelyardError]] = [ModelyardError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found
