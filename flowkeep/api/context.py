"""What a route gets: the client of whoever calls, and what all routes share."""

from typing import Annotated
from uuid import uuid4

from fastapi import Depends, Header, Query, Request

from flowkeep.api.admission import admit
from flowkeep.api.idempotency import claim
from flowkeep.clients.backend import Backend
from flowkeep.clients.direct.client import DirectClient
from flowkeep.errors import InvalidInput

REQUEST_ID = "X-Request-Id"


def request_id(request: Request) -> str:
    """Return the name of a request: what the caller or a proxy gave, else a new one."""
    known = getattr(request.state, "request_id", None)
    if known is None:
        known = request.state.request_id = str(uuid4())
    return str(known)


async def client(request: Request) -> DirectClient:
    """Return the direct client of whoever makes a request.

    Raises:
        Unauthenticated: If the request does not show who makes it.
        NotFound: If it names a tenant that is not theirs.
        TooManyRequests: If they call too often.
        Conflict: If its idempotency key was used for another request.
    """
    backend: Backend = request.app.state.backend
    admitted = await admit(request, request_id(request), backend.store)
    request.state.caller = admitted.caller
    caller = await claim(request, admitted.caller, backend.store)
    request.state.caller = caller
    made = DirectClient(backend.store, backend.temporal, backend.settings, caller)
    if admitted.entered:
        async with made.journal.writing("tenant.enter", "tenant", made.principal.tenant_id):
            pass
    return made


Client = Annotated[DirectClient, Depends(client)]
"""The nouns of the service, as whoever makes the request."""

Limit = Annotated[int, Query(ge=1, le=100, description="Rows per page.")]
Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=500)]


async def expected_revision(
    if_match: Annotated[
        str | None,
        Header(description='The ETag that was read, for example `"3"`: fail if it has changed.'),
    ] = None,
) -> int | None:
    """Return the revision that If-Match names; None where anything will do.

    Raises:
        InvalidInput: If it is no ETag of ours.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput(f"If-Match {if_match!r} is no ETag", hint="send the one that was read")
    return int(text)


Expected = Annotated[int | None, Depends(expected_revision)]
"""The revision that the caller has read."""


def etag(revision: int) -> str:
    """Return the ETag of a revision."""
    return f'"{revision}"'
