"""One connection to a server: requests that are tried again when that is safe, and problems that become exceptions.

A request may be tried again when it only reads, when it carries an idempotency key, or when it uploads a blob (which is named
by its content). Then a lost connection, a time-out and an answer of 503 lead to another attempt: at most `attempts` in all,
with growing pauses, or as long as `Retry-After` asks (never longer than `LONGEST_PAUSE`).
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from modelyard.client.routes import COMMANDS, PREFIX
from modelyard.core.errors import (
    Conflict,
    InvalidInput,
    ModelyardError,
    NotFound,
    Refused,
    StorageFull,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
    family,
)

LONGEST_PAUSE = 30.0
LARGEST_PAGE = 200
Json = dict[str, Any]
Body = Callable[[], Iterator[bytes]]
_BY_STATUS: dict[int, type[ModelyardError]] = {
    401: Unauthenticated,
    403: Refused,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    503: Unavailable,
    504: TimedOut,
    507: StorageFull,
}


class Connection:
    """HTTP to one server, on behalf of one token. Closes its sockets as a context manager."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        attempts: int = 4,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise InvalidInput(f"{url!r} is not an address", field="url", hint="for example http://127.0.0.1:7900") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise InvalidInput(f"{url!r} is not an address", field="url", hint="for example http://127.0.0.1:7900")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise InvalidInput("the token has characters that no token has", field="token", hint="copy it again, whole")
        self.url = url.rstrip("/")
        self._attempts = max(1, attempts)
        self._pause = pause
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=limits)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path below the API's prefix (or from the root, with a leading `//`)."""
        return _json(self.request("GET", path, params=params))

    def change(
        self, action: str, fields: Mapping[str, Any], *, reason: str = "", dry_run: bool = False, key: str | None = None
    ) -> Json:
        """Do a command. Without `key` a fresh one is made, so that an attempt after a lost answer changes nothing twice."""
        route = COMMANDS[action]
        body = dict(fields)
        path = route.path.format(**{name: quote(str(body.pop(name)), safe="") for name in route.parameters})
        params = {"reason": reason or None, "dry_run": "true" if dry_run else None}
        answer = self.request(route.method, path, params=params, json=body, key=key or uuid.uuid4().hex)
        found: Json = _json(answer)
        return found

    def pages(self, collection: str, *, limit: int | None = None, **params: Any) -> Iterator[Json]:
        """Records of a collection, page by page as they are consumed; at most `limit` of them."""
        after: str | None = None
        left = limit
        while left is None or left > 0:
            size = LARGEST_PAGE if left is None else min(left, LARGEST_PAGE)
            page = self.get(f"/{collection}", limit=size, after=after, **params)
            yield from page["items"]
            after = page.get("next")
            if after is None:
                return
            left = None if left is None else left - len(page["items"])

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: Body | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """An answer that is no problem. `content` is called once for each attempt. Raises the error that the server told."""
        again = method == "GET" or key is not None or content is not None
        target = path[1:] if path.startswith("//") else PREFIX + path
        more = dict(headers or {}) | ({"Idempotency-Key": key} if key else {})
        kept = {name: value for name, value in (params or {}).items() if value is not None and value != ""}

        def attempt() -> httpx.Response:
            request = self._http.build_request(
                method,
                target,
                params=kept or None,
                json=json,
                content=content() if content else None,
                headers=more,
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            )
            return self._http.send(request)

        answer = self._attempted(attempt, again)
        if answer.is_error or answer.is_redirect:
            raise problem(answer)
        return answer

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """An answer whose body is read as it comes."""
        try:
            with self._http.stream("GET", PREFIX + path) as answer:
                if answer.is_error:
                    answer.read()
                    raise problem(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._lost(error) from error

    def posted(self, path: str, body: Any, *, params: Mapping[str, Any], timeout: float) -> Iterator[bytes]:
        """The answer to a search, as it comes. Raises Unavailable when it breaks off."""
        kept = {name: value for name, value in params.items() if value is not None and value != ""}
        try:
            with self._http.stream("POST", PREFIX + path, json=body, params=kept or None, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise problem(answer)
                yield from answer.iter_bytes(1 << 20)
        except httpx.TransportError as error:
            raise self._lost(error) from error

    def _attempted(self, attempt: Callable[[], httpx.Response], again: bool) -> httpx.Response:
        for number in range(1, self._attempts + 1):
            last = number == self._attempts
            try:
                answer = attempt()
            except httpx.TransportError as error:
                # A refused connection was never a request, so it may be tried again whatever it was; a time-out is not,
                # because whoever waited a whole time-out should not wait four.
                if last or isinstance(error, httpx.TimeoutException) or not (again or isinstance(error, httpx.ConnectError)):
                    raise self._lost(error) from error
                self._pause(_backoff(number))
                continue
            except (httpx.InvalidURL, UnicodeEncodeError) as error:
                raise InvalidInput(f"this cannot be sent: {error}") from error
            if answer.status_code != 503 or last or not again:
                return answer
            self._pause(_asked_pause(answer, number))
        raise AssertionError("unreachable: there is at least one attempt")

    def _lost(self, error: httpx.TransportError) -> ModelyardError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unavailable(
                f"no server answers at {self.url}",
                hint="start one with `modelyard up`, or set MODELYARD_URL to where it is",
            )
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(f"{self.url} did not answer in time", hint="`modelyard doctor` says what is wrong")
        return Unavailable(f"the connection to {self.url} broke: {error or type(error).__name__}", hint="try again")


def problem(answer: httpx.Response) -> ModelyardError:
    """The exception for an answer with problem details (RFC 9457), or for one without."""
    try:
        told = answer.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    code, status = str(told.get("code", "")), answer.status_code
    kind = family().get(code) or _BY_STATUS.get(status) or (InvalidInput if status < 500 else ModelyardError)
    if status >= 502 and not told:
        kind = Unavailable
    # A runtime tells errors as the Open Inference Protocol does: {"error": "…"}.
    detail = str(told.get("detail") or told.get("error") or f"{answer.request.url} answered {status} {answer.reason_phrase}")
    more = "; ".join(f"{e.get('field')}: {e.get('detail')}" for e in _faults(told)[1:5])
    error = kind(
        detail + (f"; {more}" if more else ""),
        field=_text(told.get("field")),
        hint=_text(told.get("hint")) or _hint(told, answer),
    )
    if code and code != kind.code:
        error.__dict__["code"] = code
    return error


def _hint(told: Json, answer: httpx.Response) -> str | None:
    """What to do when an answer is not of this API at all."""
    if told:
        return None
    return f"is {answer.request.url.host}:{answer.request.url.port or ''} a Modelyard server? `modelyard doctor` looks"


def _faults(told: Json) -> list[Json]:
    faults = told.get("errors")
    return [e for e in faults if isinstance(e, dict)] if isinstance(faults, list) else []


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Unavailable(
            f"{answer.request.url} answered with something that is not JSON", hint="is this the address of a Modelyard server?"
        ) from error


def _backoff(number: int) -> float:
    ceiling: float = min(LONGEST_PAUSE, 0.1 * 2.0**number)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads retries, no secret


def _asked_pause(answer: httpx.Response, number: int) -> float:
    try:
        asked = float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return _backoff(number)
    return min(max(asked, 0.0), LONGEST_PAUSE)
