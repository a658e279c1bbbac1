"""Two ways to the control plane: a folder that it publishes to, and its HTTP interface."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from modelyard.core.errors import NotFound, Untrusted
from modelyard.runtime.errors import SourceDown, TokenRefused
from modelyard.runtime.ports import FallbackUse, OrderReport, RefusalRecord

if TYPE_CHECKING:
    import httpx

_PIECE = 1 << 20
_LOOK_EVERY = 0.2


class FolderSource:
    """`routes.dsse.json`, `releases/<hex>.dsse.json`, `manifests/<hex>.json` and `blobs/sha256/<2 hex>/<hex>` below a folder.

    A folder takes nothing in: what is reported stays with the runtime.
    """

    def __init__(self, folder: Path, stop: threading.Event) -> None:
        self._folder, self._stop = folder, stop
        self._seen: bytes | None = None

    def routes(self, after: int, wait: float) -> bytes | None:
        end = monotonic() + wait
        while True:
            found = self._read(self._folder / "routes.dsse.json", optional=True)
            if found is not None and found != self._seen:
                self._seen = found
                return found
            if monotonic() >= end or self._stop.wait(min(_LOOK_EVERY, max(0.0, end - monotonic()))):
                return None

    def release(self, digest: str) -> bytes:
        found = self._read(self._folder / "releases" / f"{_hex(digest)}.dsse.json")
        assert found is not None
        return found

    def blob(self, digest: str) -> Iterator[bytes]:
        name = _hex(digest)
        manifest = self._folder / "manifests" / f"{name}.json"
        path = manifest if manifest.exists() else self._folder / "blobs" / "sha256" / name[:2] / name
        try:
            with path.open("rb") as handle:
                while piece := handle.read(_PIECE):
                    yield piece
        except FileNotFoundError as error:
            raise NotFound(f"there is no blob {digest}") from error
        except OSError as error:
            raise SourceDown(f"cannot read {path.name}: {error.strerror}") from error

    def report(self, refusals: Sequence[RefusalRecord]) -> set[str]:
        return set()

    def report_fallbacks(self, uses: Sequence[FallbackUse]) -> set[str]:
        return set()

    def report_orders(self, orders: Sequence[OrderReport]) -> set[str]:
        return set()

    def _read(self, path: Path, optional: bool = False) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            if optional:
                return None
            raise NotFound(f"there is no {path.name}") from error
        except OSError as error:
            raise SourceDown(f"cannot read {path.name}: {error.strerror}") from error


class HttpSource:
    """The control plane's `/api/v1/runtime/…`, with a bearer token."""

    def __init__(self, base: str, token: str | None) -> None:
        import httpx

        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=f"{base.rstrip('/')}/api/v1/runtime", headers=headers, timeout=10.0, follow_redirects=True
        )

    def routes(self, after: int, wait: float) -> bytes | None:
        answer = self._get("/routes", {"after": str(after), "wait": f"{wait:g}"}, timeout=wait + 10)
        return None if answer.status_code == 304 else answer.content

    def release(self, digest: str) -> bytes:
        return self._get(f"/releases/{digest}", {}).content

    def blob(self, digest: str) -> Iterator[bytes]:
        import httpx

        try:
            with self._client.stream("GET", f"/blobs/{digest}") as answer:
                if answer.status_code >= 400:
                    answer.read()
                _check(answer)
                yield from answer.iter_bytes(_PIECE)
        except httpx.HTTPError as error:
            raise SourceDown(f"the control plane does not answer: {error!r}") from error

    def report(self, refusals: Sequence[RefusalRecord]) -> set[str]:
        self._post("/refusals", list(refusals))
        return {refusal.id for refusal in refusals}

    def report_fallbacks(self, uses: Sequence[FallbackUse]) -> set[str]:
        self._post("/fallbacks", list(uses))
        return {use.id for use in uses}

    def report_orders(self, orders: Sequence[OrderReport]) -> set[str]:
        settled = self._post("/orders", list(orders)).json()["outcomes"]
        return {order.digest for order in orders if order.digest in settled}

    def _post(self, path: str, records: Sequence[msgspec.Struct]) -> httpx.Response:
        import httpx

        body = msgspec.json.encode(records)
        try:
            answer = self._client.post(path, content=body, headers={"content-type": "application/json"})
        except httpx.HTTPError as error:
            raise SourceDown(f"the control plane does not answer: {error!r}") from error
        _check(answer)
        return answer

    def _get(self, path: str, params: dict[str, str], timeout: float = 10.0) -> httpx.Response:
        import httpx

        try:
            answer = self._client.get(path, params=params, timeout=timeout)
        except httpx.HTTPError as error:
            raise SourceDown(f"the control plane does not answer: {error!r}") from error
        _check(answer)
        return answer


def _check(answer: httpx.Response) -> None:
    status = answer.status_code
    if status == 404:
        raise NotFound(f"the control plane has no {answer.request.url.path}")
    if status == 403 and b'"untrusted"' in answer.content:
        raise Untrusted(f"the control plane's own {answer.request.url.path} is damaged", field="digest")
    if status in {401, 403}:
        raise TokenRefused(f"the control plane answered {status}", hint="check the runtime's token")
    if status not in {200, 201, 202, 204, 304}:
        raise SourceDown(f"the control plane answered {status}")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
