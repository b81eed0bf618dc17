"""`/session`."""

from fastapi import APIRouter, Request, Response

from flowkeep.api.authentication import Authenticator, Shown
from flowkeep.api.context import Client
from flowkeep.api.problems import documented
from flowkeep.api.sessions import drop_cookie, set_cookie
from flowkeep.contracts.api.session import Session
from flowkeep.errors import Unauthenticated

router = APIRouter(prefix="/session", tags=["session"], responses=documented())


@router.post("", status_code=201)
async def begin_session(client: Client, request: Request, response: Response) -> Session:
    """Exchange the key or token of the request for a session cookie."""
    shown: Shown = request.state.shown
    if shown.principal.via not in ("key", "token"):
        raise Unauthenticated("a session begins with a key or a token", hint="send it as Bearer")
    authenticator: Authenticator = request.app.state.authenticator
    async with client.journal.writing("session.create", "session", shown.principal.subject):
        ticket, cookie = authenticator.sessions.begin(shown.principal, shown.ends)
        set_cookie(request, response, ticket, cookie)
    return Session(
        principal=shown.principal.evolve(via="session"),
        csrf_token=ticket.csrf,
        expires_at=ticket.ends,
    )


@router.get("")
async def get_session(client: Client, request: Request) -> Session:
    """Tell who one is."""
    ticket = request.state.shown.ticket
    return Session(
        principal=client.principal,
        csrf_token=None if ticket is None else ticket.csrf,
        expires_at=request.state.shown.ends,
    )


@router.delete("", status_code=204, response_class=Response)
async def end_session(client: Client, request: Request) -> Response:
    """Take the cookie away."""
    async with client.journal.writing("session.delete", "session", client.principal.subject):
        response = Response(status_code=204)
        drop_cookie(request, response)
    return response
