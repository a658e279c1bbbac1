"""Blobs in and out, and the registration of a version from uploaded blobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Request
from fastapi import Query as Parameter
from starlette.requests import ClientDisconnect

from modelyard.api.access import Asker, PlatformHere, require_scope
from modelyard.api.commands import FAULTS
from modelyard.catalog.commands import RegisterVersion
from modelyard.catalog.model import Version
from modelyard.core import bus
from modelyard.core.blobs import BlobInfo
from modelyard.core.digests import DIGEST
from modelyard.core.errors import Forbidden, InvalidInput, ModelyardError
from modelyard.core.messages import Actor
from modelyard.evaluation.registration import Registered, Registration, prepare

MAY_UPLOAD = frozenset({"developer", "validator", "operator", "risk_officer", "business_owner", "system"})
UPLOAD = "blobs.upload"
routes = APIRouter()


@routes.post(
    "/blobs",
    responses=FAULTS,
    tags=["blobs"],
    operation_id="upload_blob",
    summary="Upload a file",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_blob(
    request: Request,
    here: PlatformHere,
    asker: Asker,
    content_digest: Annotated[str | None, Header(description="`sha256:<hex>` that the bytes must have")] = None,
) -> BlobInfo:
    """The body is streamed to the store in bounded memory and visible only when it is whole and verified."""
    _require_uploader(asker, UPLOAD)
    if content_digest is not None and not re.match(DIGEST.pattern, content_digest):
        raise InvalidInput("not a digest", field="content-digest", hint="write sha256: and 64 hex digits")
    pieces = _pieces(request)

    def keep() -> BlobInfo:
        try:
            return here.blobs.put(pieces, expected=content_digest, limit=here.settings.greatest_upload)
        except ModelyardError:
            _let_pass(pieces)
            raise

    return await anyio.to_thread.run_sync(keep)


def _pieces(request: Request) -> Iterator[bytes]:
    """The body, piece by piece, asked for by a thread; the event loop is never more than a piece ahead."""
    stream = request.stream()

    async def following() -> bytes | None:
        return await anext(stream, None)

    try:
        while (piece := anyio.from_thread.run(following)) is not None:
            yield piece
    except ClientDisconnect as error:
        raise InvalidInput("the upload was cut off", hint="send it again") from error


def _let_pass(pieces: Iterator[bytes]) -> None:
    """Let the rest of the body go by, so that the sender gets its answer instead of a broken connection."""
    for _ in pieces:
        continue


def _require_uploader(asker: Actor, action: str) -> None:
    require_scope(asker, action)
    if not asker.roles & MAY_UPLOAD:
        raise Forbidden("uploading needs a role", hint=f"one of {', '.join(sorted(MAY_UPLOAD - {'system'}))}")


@routes.post("/versions", responses=FAULTS, tags=["catalog"], operation_id="register_version", summary="Register a version")
def register_version(
    here: PlatformHere,
    asker: Asker,
    body: Registration,
    reason: Annotated[str, Parameter(max_length=2000)] = "",
    dry_run: Annotated[bool, Parameter()] = False,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Registered:
    """The artifact is examined in a child process, its signature found, a faster form made and compared; then it is let in."""
    _require_uploader(asker, RegisterVersion.action)
    command, differences, translation = prepare(replace(here.desk, dry_run=dry_run), body)
    version = here.bus.handle(
        bus.Request(
            command=command,
            actor=asker,
            organisation=here.settings.organisation,
            idempotency_key=idempotency_key,
            reason=reason,
            dry_run=dry_run,
        )
    )
    assert isinstance(version, Version)
    return Registered(version=version, differences=differences, translation=translation)
