"""Sessions of browsers: a signed cookie, and a token against forged requests."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer
from pydantic import ValidationError

from flowkeep.api.loopback import is_loopback
from flowkeep.contracts.api.access import Principal
from flowkeep.contracts.record import Record
from flowkeep.errors import Forbidden, InvalidInput, Unauthenticated
from flowkeep.settings import Settings
from flowkeep.statestore.keyring import Keyring

COOKIE = "flowkeep_session"
CSRF_HEADER = "X-CSRF-Token"
_PATH = "/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_MOST_BYTES = 3800
"""Browsers drop cookies of more than 4096 bytes, name and attributes included."""


class Ticket(Record):
    """What a cookie holds, signed but readable.

    Attributes:
        csrf: What requests that change something must send beside the cookie.
        ends: When the session ends.
        key_id: The API key that it began with; it ends with the key, and has the key's rights.
        principal: Whom the bearer token named that it began with.
    """

    csrf: str
    ends: datetime
    key_id: UUID | None = None
    principal: Principal | None = None


class Sessions:
    """Signs and reads cookies. Nothing is stored: a session ends by its time, or with its key.

    Args:
        settings: The keys of secrets, from which the signing keys are derived, so that they
            rotate together; and how long sessions last.
    """

    def __init__(self, settings: Settings) -> None:
        self._lifetime = timedelta(hours=settings.api.session_hours)
        self._serializer: URLSafeSerializer | None = None
        if settings.database.secret_key is not None:
            Keyring.from_settings(settings.database)  # says what is wrong with a malformed one
            words = settings.database.secret_key.get_secret_value().split(",")
            keys = [_derived(word.strip()) for word in words if word.strip()]
            self._serializer = URLSafeSerializer(
                keys[::-1],  # the last one signs
                salt="flowkeep.session",
                signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
            )

    def begin(self, principal: Principal, ends: datetime | None) -> tuple[Ticket, str]:
        """Return a new session and its cookie.

        Args:
            principal: Whom a key or a token named.
            ends: When that ends.

        Raises:
            Forbidden: If the service has no key to sign with.
            InvalidInput: If the token grants more than a cookie can hold.
        """
        if self._serializer is None:
            raise Forbidden(
                "this service has no sessions", hint="give it FLOWKEEP_SECRET_KEY, or send the key"
            )
        latest = datetime.now(UTC) + self._lifetime
        ticket = Ticket(
            csrf=secrets.token_urlsafe(24),
            ends=latest if ends is None else min(latest, ends),
            key_id=principal.key_id,
            principal=principal if principal.key_id is None else None,
        )
        cookie = self._serializer.dumps(ticket.model_dump_json(exclude_none=True))
        if len(cookie) > _MOST_BYTES:
            raise InvalidInput("the token names too many apps for a session", hint="send it itself")
        return ticket, str(cookie)

    def read(self, request: Request) -> Ticket:
        """Return the session of a request that has the cookie.

        Raises:
            Unauthenticated: If the cookie is not ours, or the session has ended.
        """
        ticket = self._opened(request.cookies[COOKIE])
        if ticket is None or ticket.ends <= datetime.now(UTC):
            raise Unauthenticated("the session has ended", hint="begin a new one")
        return ticket

    def guard(self, request: Request, ticket: Ticket) -> None:
        """Refuse a request that another page may have forged with a session's cookie.

        Raises:
            Forbidden: If it would change something and lacks the token of the session.
        """
        given = request.headers.get(CSRF_HEADER, "").encode()
        if request.method not in _SAFE and not hmac.compare_digest(given, ticket.csrf.encode()):
            raise Forbidden(
                f"the header {CSRF_HEADER} is missing or not this session's",
                hint="send `csrf_token` of GET /api/v1/session",
                code="CSRF_TOKEN",
            )

    def _opened(self, cookie: str) -> Ticket | None:
        if self._serializer is None:
            return None
        try:
            return Ticket.model_validate_json(self._serializer.loads(cookie))
        except (BadData, ValidationError):
            return None


def set_cookie(request: Request, response: Response, ticket: Ticket, cookie: str) -> None:
    """Give a session to a browser.

    Args:
        request: Says where the browser thinks we are: only on this machine a cookie may travel
            without TLS.
        response: Takes the cookie.
        ticket: The session.
        cookie: What `Sessions.begin` returned.
    """
    response.set_cookie(
        COOKIE,
        cookie,
        expires=ticket.ends,
        path=_PATH,
        secure=not is_loopback(host_of(request)),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(request: Request, response: Response) -> None:
    """Take the session away from a browser."""
    response.delete_cookie(
        COOKIE,
        path=_PATH,
        secure=not is_loopback(host_of(request)),
        httponly=True,
        samesite="lax",
    )


def host_of(request: Request) -> str | None:
    """Return the host that a request names; None for one that cannot be read."""
    try:
        return urlsplit(f"//{request.headers['Host']}").hostname
    except (KeyError, ValueError):
        return None


def _derived(key: str) -> bytes:
    """Return a key of its own purpose (RFC 5869), so that no signature tells of the other."""
    kdf = HKDF(SHA256(), length=32, salt=None, info=b"flowkeep session")
    return kdf.derive(key.encode())
