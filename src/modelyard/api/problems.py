"""The one place where errors become HTTP: problem details (RFC 9457) with a stable code, the field at fault and what to do."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from modelyard.core.errors import InvalidInput, ModelyardError, Refused, Unauthenticated, Unavailable
from modelyard.core.messages import Subject

MEDIA_TYPE = "application/problem+json"
TYPE = "https://modelyard.dev/problems/"
_log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """Problem details. `field` is a dotted path into the request, `hint` what to do, `errors` one entry for each fault."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    hint: str | None = None
    errors: list[dict[str, Any]] | None = None


def problem(error: ModelyardError, errors: list[dict[str, Any]] | None = None) -> JSONResponse:
    """The response for an error of the family."""
    body = Problem(
        type=TYPE + error.code,
        title=error.code.replace("_", " "),
        status=error.status,
        detail=error.detail,
        code=error.code,
        field=error.field,
        hint=error.hint,
        errors=errors,
    )
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    if isinstance(error, Unavailable):
        headers["Retry-After"] = "1"
    return JSONResponse(body.model_dump(exclude_none=True), status_code=error.status, media_type=MEDIA_TYPE, headers=headers)


def invalid(faults: list[dict[str, Any]]) -> JSONResponse:
    """The response for a request that does not fit its schema; every fault is told, the first one leads."""
    told = [{"field": _path(f["loc"]), "detail": _safe(f["msg"]), "code": f["type"]} for f in faults[:50]]
    lead = told[0]
    return problem(InvalidInput(lead["detail"], field=lead["field"] or None), told)


def _path(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("body", "query", "path", "header"))


def _safe(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:1000]


def _record(request: Request, error: ModelyardError) -> None:
    """Put a refusal that no command led to (a denied read, an upload) into the audit log, as the bus does for commands."""
    asker = getattr(request.state, "actor", None)
    if not isinstance(error, Refused) or error.recorded or asker is None:
        return
    here = request.app.state.platform
    action = f"http.{request.scope['route'].operation_id}"
    subject = Subject(type="path", id=request.url.path[:300])
    here.bus.record_refusal(asker, here.settings.organisation, action, subject, error)


def install(app: FastAPI) -> None:
    """Map every error that may leave a route."""

    @app.exception_handler(ModelyardError)
    def known(request: Request, error: ModelyardError) -> JSONResponse:
        try:
            _record(request, error)
        except ModelyardError as worse:  # what cannot be recorded is not told as if it had been
            return problem(worse)
        return problem(error)

    @app.exception_handler(RequestValidationError)
    def unfit(request: Request, error: RequestValidationError) -> JSONResponse:
        return invalid(list(error.errors()))

    @app.exception_handler(ValidationError)
    def unfit_inside(request: Request, error: ValidationError) -> JSONResponse:
        return invalid([dict(e) for e in error.errors(include_url=False, include_context=False)])

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "http_error")
        body = Problem(
            type=TYPE + code, title=code.replace("_", " "), status=error.status_code, detail=str(error.detail), code=code
        )
        return JSONResponse(
            body.model_dump(exclude_none=True),
            status_code=error.status_code,
            media_type=MEDIA_TYPE,
            headers=dict(error.headers or {}),
        )

    @app.exception_handler(Exception)
    def unknown(request: Request, error: Exception) -> JSONResponse:
        _log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
        return problem(ModelyardError("the server failed; the error is in its log", hint="tell whoever operates it"))
