"""Who asks: the bearer token becomes an actor; reads are authorised by the type of what is read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from modelyard.bootstrap import Platform
from modelyard.core.errors import Forbidden, Unauthenticated
from modelyard.core.messages import Actor
from modelyard.governance.identity.model import within
from modelyard.governance.identity.service import authenticate


async def platform(request: Request) -> Platform:
    """The platform that this process serves. Not a plain function: each of those takes a thread at every request."""
    found: Platform = request.app.state.platform
    return found


PlatformHere = Annotated[Platform, Depends(platform)]


def actor(
    request: Request,
    here: PlatformHere,
    authorization: Annotated[str | None, Header(description="`Bearer` and a token", include_in_schema=False)] = None,
) -> Actor:
    """The actor of the request. Raises Unauthenticated."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("there is no bearer token", hint="send `Authorization: Bearer <token>`")
    with here.storage.reading() as tx:
        found = authenticate(tx, token.strip(), here.clock.now())
    request.state.actor = found  # whoever records a refusal asks who was refused
    return found


Asker = Annotated[Actor, Depends(actor)]


def require_scope(asker: Actor, action: str) -> None:
    """For what changes no record and so has no command: raises Forbidden when the presented token is narrowed to other things."""
    if not within(asker.scopes, action):
        raise Forbidden(f"this token may not do {action}", hint="present a token with that scope")


def require_read(here: Platform, asker: Actor, resource_type: str) -> None:
    """Raises Forbidden when policy does not let the actor read records of that type."""
    with here.storage.reading() as tx:
        here.authorizer.authorise_read(tx, asker, resource_type)
