"""Who makes a request: an API key, a token of an OpenID provider, a session, or anybody."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from fastapi import Request

from flowkeep.api.known_keys import KnownKeys
from flowkeep.api.loopback import is_loopback
from flowkeep.api.rates import network_of
from flowkeep.api.sessions import COOKIE, CSRF_HEADER, Sessions, Ticket, host_of
from flowkeep.api.tokens import Tokens
from flowkeep.contracts.api.access import Principal
from flowkeep.errors import (
    ConfigurationError,
    FlowkeepError,
    Forbidden,
    NotFound,
    Unauthenticated,
)
from flowkeep.settings import ApiSettings, Settings
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.store import Store

TENANT_HEADER = "Flowkeep-Tenant"
_KEY_BEGINS = "fk_"
_RECENT_SECONDS = 1.0

SECURITY_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`fk_…`), or a token of the service's OpenID provider.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"What POST /session gives; send {CSRF_HEADER} with what changes something.",
    },
}
"""How callers show who they are, for the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of its caller.

    Attributes:
        principal: Who, in the tenant they belong to.
        ends: When what they showed ends by itself.
        ticket: Their session.
    """

    principal: Principal
    ends: datetime | None = None
    ticket: Ticket | None = None


class Authenticator:
    """Finds out who calls. One per process; close it, or use it as a context manager.

    Args:
        settings: Whether the service is open, and how sessions and tokens are read.
        store: The ledger, which has the keys.

    Raises:
        ConfigurationError: If the settings cannot be used.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        check_settings(settings.api)
        self._api = settings.api
        self._keys = KnownKeys(store.api_keys)
        self._tokens = None if settings.api.oidc_issuer is None else Tokens(settings.api)
        self.sessions = Sessions(settings)

    async def identify(self, request: Request) -> Shown:
        """Return who makes a request.

        Raises:
            Unauthenticated: If it does not show that, or what it shows is not valid.
            Forbidden: If a web page of somebody else's makes it.
            TooManyRequests: If too many show keys that nobody has seen.
        """
        given = request.headers.get("Authorization")
        if given is not None:
            return await self._bearer(given, request)
        if self._api.open:
            self._guard_open(request)
            return Shown(Principal.local())
        if COOKIE in request.cookies:
            return await self._session(request)
        raise Unauthenticated("no API key was sent")

    async def _bearer(self, given: str, request: Request) -> Shown:
        scheme, _, secret = given.partition(" ")
        secret = secret.strip()
        if scheme.casefold() != "bearer" or not secret:
            raise Unauthenticated("the header Authorization is not of the form `Bearer …`")
        if self._tokens is not None and not secret.startswith(_KEY_BEGINS):
            principal, ends = await self._tokens.read(secret)
            return Shown(principal, ends)
        address = None if request.client is None else request.client.host
        key = await self._keys.find(secret, network_of(address))
        return Shown(key.principal, key.expires_at)

    async def _session(self, request: Request) -> Shown:
        ticket = self.sessions.read(request)
        if ticket.key_id is not None:
            principal = (await self._keys.confirm(ticket.key_id)).principal
        elif ticket.principal is not None:
            principal = ticket.principal
        else:
            raise Unauthenticated("the session has ended", hint="begin a new one")
        shown = Shown(principal.evolve(via="session"), ticket.ends, ticket)
        request.state.shown = shown  # whose session it is, the audit log hears when it is misused
        self.sessions.guard(request, ticket)
        return shown

    def _guard_open(self, request: Request) -> None:
        """Refuse web pages, which reach an open service through their visitor's browser.

        Their requests name their own origin, or as host a name of theirs that leads here.
        """
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin not in self._api.cors_origins
        if (foreign and not _is_local(origin)) or not is_loopback(host_of(request)):
            raise Forbidden(
                "this service is open to this machine only",
                hint="call it as http://127.0.0.1, or add the page to FLOWKEEP_API_CORS_ORIGINS",
            )

    async def close(self) -> None:
        """Finish what goes on behind the answers."""
        await self._keys.close()
        if self._tokens is not None:
            await self._tokens.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def shows(request: Request) -> bool:
    """Return whether a request shows anything of who makes it."""
    return "Authorization" in request.headers or COOKIE in request.cookies


async def recognise(request: Request) -> bool:
    """Find out from its headers who makes a request, before it is given anything.

    Returns:
        Whether that is known. Where it is not, `authenticate` tells why.
    """
    authenticator: Authenticator = request.app.state.authenticator
    try:
        request.state.shown = await authenticator.identify(request)
        request.state.shown_at = time.monotonic()
    except FlowkeepError as error:
        request.state.unknown = error
        return False
    return True


async def authenticate(request: Request) -> Principal:
    """Return who makes a request, in the tenant they belong to.

    Raises:
        Unauthenticated: If it does not show that.
    """
    unknown: FlowkeepError | None = getattr(request.state, "unknown", None)
    if unknown is not None:
        raise unknown
    # A body may take long to arrive: who was recognised before it is asked again behind it.
    at: float | None = getattr(request.state, "shown_at", None)
    if at is None or time.monotonic() - at > _RECENT_SECONDS:
        authenticator: Authenticator = request.app.state.authenticator
        request.state.shown = await authenticator.identify(request)
    shown: Shown = request.state.shown
    return shown.principal


def within(principal: Principal, request: Request) -> Principal:
    """Return a caller in the tenant that the request names, by default their own.

    Raises:
        NotFound: If it is another one, and they are no system admin.
        InvalidInput: If it is no name.
    """
    given = request.headers.get(TENANT_HEADER)
    if given is None or given == principal.tenant_id:
        return principal
    tenant = inputs.tenant(given.encode("latin-1").decode(errors="replace"))
    if tenant == principal.tenant_id:
        return principal
    if not principal.system:
        raise NotFound(f"tenant {tenant!r} does not exist", hint=f"leave out {TENANT_HEADER}")
    entered: Principal = principal.evolve(tenant_id=tenant, app_roles={})
    return entered


def check_settings(api: ApiSettings) -> None:
    """Refuse settings that let in whom nobody meant.

    Raises:
        ConfigurationError: If the service is open to other machines, or to every web page.
    """
    if api.open and not is_loopback(api.host):
        raise ConfigurationError(
            f"an open service cannot listen on {api.host}",
            hint="let FLOWKEEP_API_HOST be 127.0.0.1, or unset FLOWKEEP_API_OPEN and use keys",
        )
    for origin in api.cors_origins:
        parts = urlsplit(origin)
        if not parts.hostname or f"{parts.scheme}://{parts.netloc}" != origin or "*" in origin:
            raise ConfigurationError(
                f"FLOWKEEP_API_CORS_ORIGINS holds {origin!r}",
                hint="name each origin: scheme, host and port, like https://app.example.com",
            )


def _is_local(origin: str | None) -> bool:
    try:
        return is_loopback(urlsplit(origin or "").hostname)
    except ValueError:
        return False
