"""Content types: what a body says that it is, and whether that is read here."""

from __future__ import annotations

from collections.abc import Collection

from modelyard.runtime.asked import Headers, ReplyHeaders
from modelyard.runtime.errors import UnsupportedMedia

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
OCTETS = "application/octet-stream"
CSV = "text/csv"
PROBLEM = "application/problem+json"
EVENTS = "text/event-stream"

JSON_HEADERS: ReplyHeaders = [("content-type", JSON)]
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def media_type(headers: Headers, accepted: Collection[str]) -> str:
    """The body's content type, one of `accepted`; JSON when the header is missing. Raises UnsupportedMedia for other types, and
    for text that is not UTF-8."""
    given = headers.get("content-type")
    if not given or given == JSON:
        return JSON
    kind, *parameters = (part.strip() for part in given.lower().split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _CHARSETS:
            raise UnsupportedMedia(f"text in {value.strip()[:40]} is not read here", field="content-type", hint="charset=utf-8")
    if kind.endswith("+json") or kind == "text/json":
        kind = JSON
    if kind not in accepted:
        raise UnsupportedMedia(
            f"content type {given[:80]!r} is not read here", field="content-type", hint=f"one of {', '.join(accepted)}"
        )
    return kind


def wants_events(headers: Headers) -> bool:
    """Whether the caller asks for the answer as server-sent events."""
    wanted = headers.get("accept")
    return wanted is not None and EVENTS in wanted
