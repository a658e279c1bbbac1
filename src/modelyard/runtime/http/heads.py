"""The head of a request: put together from what the parser finds, bounded, and judged once it is whole."""

from __future__ import annotations

from urllib.parse import unquote

from httptools import HttpRequestParser

MOST_HEADERS = 256
_KNOWN = {
    name: name.decode().lower()
    for lower in (b"host", b"content-type", b"content-length", b"accept", b"user-agent", b"connection", b"accept-encoding")
    for name in (lower, b"-".join(part.capitalize() for part in lower.split(b"-")))
}


class Head:
    """Address and headers, names in lower case, values of one name joined by commas; no more than `largest` bytes are kept."""

    __slots__ = ("_count", "_hosts", "_largest", "_size", "_url", "headers")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._url = b""
        self._count = self._hosts = self._size = 0
        self.headers: dict[str, str] = {}

    def address(self, piece: bytes) -> None:
        """A piece of the address."""
        self._url += piece
        self._size += len(piece)

    def header(self, name: bytes, value: bytes) -> None:
        """A header, whole."""
        self._size += len(name) + len(value)
        self._count += 1
        if self._count > MOST_HEADERS or self._size > self._largest:
            return  # it is refused; joining what has one name would take ever longer
        known = _KNOWN.get(name) or name.lower().decode("latin-1")
        told = value.decode("latin-1")
        if known == "host":
            self._hosts += 1
        self.headers[known] = f"{self.headers[known]}, {told}" if known in self.headers else told

    @property
    def expects(self) -> bool:
        """Whether the caller waits to be told to go on before it sends the body."""
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def path(self) -> str:
        """The path that was asked for, without its query, and without what a proxy's form puts before it."""
        url = self._url
        if url[:1] != b"/":
            _, found, rest = url.partition(b"://")
            url = b"/" + rest.partition(b"/")[2] if found else url
        path = url.partition(b"?")[0].partition(b"#")[0]
        return unquote(path.decode("latin-1"), "utf-8", "replace") if b"%" in path else path.decode("latin-1")

    def wrong(self, parser: HttpRequestParser) -> tuple[int, str] | None:
        """The status and the sentence for a head that is not taken."""
        if self._count > MOST_HEADERS or self._size > self._largest:
            return 431, f"the head has more than {MOST_HEADERS} headers, or {self._largest} bytes"
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            return 400, f"version {version} of HTTP is not spoken here"
        if self._hosts != 1 and (version == "1.1" or self._hosts):
            return 400, f"a request names the host that it asks once, this one {self._hosts} times"
        if parser.should_upgrade() and self.headers.get("content-length", "0") != "0":
            return 400, "a request with a body cannot ask for another protocol: leave out Upgrade"
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            return 501, "a body is sent whole or chunked: other transfer encodings are not understood"
        return None
