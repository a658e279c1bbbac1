"""The control plane's HTTP application."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard import __version__
from modelyard.api import (
    backfill,
    collections,
    commands,
    custody,
    decisions,
    files,
    jobs,
    log,
    problems,
    processes,
    runtime,
    views,
)
from modelyard.api.access import PlatformHere
from modelyard.bootstrap import Platform
from modelyard.core.errors import TooLarge
from modelyard.core.records import Query
from modelyard.delivery.model import ROUTES

GREATEST_BODY = 64 << 20
SMALL_BODY = 1 << 20
PREFIX = "/api/v1"
UPLOADS = f"{PREFIX}/blobs"


def create_app(platform: Platform) -> FastAPI:
    """The application for a platform that is wired already."""
    app = FastAPI(
        title="Modelyard",
        version=__version__,
        description="The governed life of every model: inventory, evidence, approvals, releases, delivery, monitoring.",
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.platform = platform
    problems.install(app)
    app.add_middleware(Bounded)
    for routes in (views.routes, files.routes, processes.routes):
        app.include_router(routes, prefix=PREFIX)
    commands.add_routes(app, PREFIX)
    for routes in (decisions.routes, backfill.routes, custody.routes, log.routes, jobs.routes, runtime.routes):
        app.include_router(routes, prefix=PREFIX)
    collections.add_routes(app, PREFIX)
    app.include_router(_health())
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


class Bounded:
    """Refuses bodies that are larger than any command can be: announced ones at once, others when they get there, as bodies are
    read before anybody is asked who they are. Uploads have their own limit. An answer that comes before the whole body was read
    reads and drops a small rest, or says that the connection ends: the server closes it, and a caller who was not told would
    lose their next request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        limit = None if scope["path"] == UPLOADS else GREATEST_BODY
        size = int(announced) if announced.isascii() and announced.isdigit() and "transfer-encoding" not in headers else None
        body = _Body(receive, limit, size)
        if limit is not None and size is not None and size > limit:
            refusal = TooLarge(f"the body has {announced} bytes, more than {limit}", field="body")
            await problems.problem(refusal)(scope, body.receive, body.telling(send))
            return
        await self._app(scope, body.receive, body.telling(send))


class _Body:
    """A request's body of a size that is known or not, and whether all of it was read."""

    def __init__(self, receive: Receive, limit: int | None, size: int | None) -> None:
        self._receive, self._limit, self._unread = receive, limit, size != 0
        self._small = size is not None and size <= SMALL_BODY
        self._read = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._limit is not None and self._read > self._limit:
            # The one error that the framework lets through from the midst of a body.
            raise HTTPException(413, f"the body has more than {self._limit} bytes")
        self._unread = self._unread and message.get("more_body", False)
        return message

    def telling(self, send: Send) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and self._unread:
                while self._small and self._unread:
                    self._unread = (await self._receive()).get("more_body", False)
                if self._unread:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        return told


def _health() -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/health/live", operation_id="live", summary="The process answers")
    def live() -> dict[str, str]:
        return {"status": "live", "version": __version__}

    @routes.get(
        "/health/ready",
        operation_id="ready",
        summary="The database answers",
        responses={503: {"model": problems.Problem, "description": "The database does not answer"}},
    )
    def ready(here: PlatformHere) -> dict[str, str]:
        with here.storage.reading() as tx:
            tx.find(ROUTES, Query(limit=1, sort="id"))
        return {"status": "ready", "version": __version__}

    return routes


def _described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with the bearer token as the way to be known."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                _problems_as_problems(operation)
                if path.startswith("/api/"):
                    operation["security"] = [{"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema


def _problems_as_problems(operation: dict[str, Any]) -> None:
    """Faults are documented with the media type that they have."""
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if status.startswith(("4", "5")) and "application/json" in content:
            response["content"] = {problems.MEDIA_TYPE: content["application/json"]}
