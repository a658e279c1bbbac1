"""Why the runtime does not answer. All of them reach a caller of the protocol as `{"error": …}`."""

from __future__ import annotations

from modelyard.core.errors import InvalidInput, Refused, Unavailable
from modelyard.runtime.http import BodyBroken


class NoAnswer(Unavailable):
    """No arm, fallback or constant of the endpoint may or can answer now."""

    code = "no_answer"


class Withdrawn(Unavailable):
    """The arm that a request was drawn for is in force no more, and has not been asked: it is drawn anew."""

    code = "withdrawn"


class SourceDown(Unavailable):
    """The control plane (or the folder it publishes to) cannot be reached; try again later."""

    code = "source_down"


class TokenRefused(SourceDown):
    """The control plane answers, and does not take this runtime's token for what was asked."""


class BodyLate(InvalidInput):
    """A body that does not come."""

    code, status = "body_late", 408


class BodyWrong(InvalidInput):
    """What comes after a head is no body."""

    code, status = "body_wrong", 400


class TrailersTooLarge(BodyWrong):
    """More beside a body than is read."""

    code, status = "trailers_too_large", 431


def body_wrong(error: BodyBroken) -> BodyWrong:
    """What the caller is told."""
    return (TrailersTooLarge if error.status == 431 else BodyWrong)(error.why)


class Overloaded(Unavailable):
    """More requests than may be under way or wait. `retry_after` is in how many seconds it is worth to ask again."""

    code = "overloaded"

    def __init__(self, detail: str, retry_after: int = 1, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(detail, field=field, hint=hint or f"ask again in {retry_after} s")
        self.retry_after = retry_after


class IncompatibleOutputs(Refused):
    """An arm does not give the outputs that callers of its endpoint rely on."""

    code = "incompatible_outputs"


class UnsupportedMedia(InvalidInput):
    """A body in a form that is not read here."""

    code, status = "unsupported_media", 415


class MethodNotAllowed(InvalidInput):
    """A path that exists, asked for in a way that it does not answer."""

    code, status = "method_not_allowed", 405
