"""Requests that may be repeated: the header Idempotency-Key.

The first request under a key is carried out, and its answer kept for a day; the same request again
gets the same answer. A key belongs to a caller, and means one method, path and body, asked with the
same roles: who may do less by now is not shown what they could do once.
"""

import asyncio
import contextlib
import hashlib
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.contracts.api.access import Caller, Principal
from flowkeep.contracts.api.idempotency import Claim, Claimed, KeptAnswer
from flowkeep.errors import Conflict, FlowkeepError, InvalidInput
from flowkeep.statestore.store import Store

_log = structlog.get_logger(__name__)

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
LEASE_SECONDS = 15.0
"""How long after its process died a request is carried out by nobody else."""
MOST_BYTES = 256 * 1024
"""Biggest answer that is kept."""
_LONGEST_KEY = 255
_PASSING = frozenset((401, 403, 404, 429))
"""Refusals that may be otherwise in a moment; like all of 500 and above they are not kept."""
_DROPPED = frozenset((b"content-length", b"date", b"server", b"connection"))


class Replayed(Exception):
    """The request was answered before.

    Args:
        answer: The first answer.
    """

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__("answered before")
        self.answer = answer


async def claim(request: Request, caller: Caller, store: Store) -> Caller:
    """Begin a request that came with a key; without one nothing happens.

    Returns:
        The caller, with what ids of new objects are derived from.

    Raises:
        Replayed: If it was answered before.
        Conflict: If the key was used for another request, its answer is not kept, or it is
            carried out at this moment.
        InvalidInput: If it is no key.
    """
    key = request.headers.get(KEY_HEADER)
    if request.method != "POST" or key is None:
        return caller
    _check(key)
    tenant, subject = caller.principal.tenant_id, caller.principal.subject
    name = f"{request.method} {request.url.path}"
    found = await store.idempotency.claim(
        tenant,
        subject,
        key,
        request=name,
        digest=await _digest(request, caller.principal),
        lease_seconds=LEASE_SECONDS,
    )
    _refuse(found)
    request.state.idempotency = _Held.begin(store, (tenant, subject, key), found.holder)
    derived = derive_id(tenant, subject, key, found.created_at)
    return caller.model_copy(update={"request_key": derived})


def request_key(request: Request) -> UUID | None:
    """Return the id that an object which the request makes is to have, if it came with a key.

    Repeating the request gives the same id, also after its process died before it answered; the
    nouns find it as `caller.request_key`.
    """
    caller: Caller = request.state.caller
    return caller.request_key


async def withhold_answer(request: Request) -> None:
    """Keep the answer of this route out of the ledger, because it is secret: a dependency."""
    request.state.withheld = True


def derive_id(tenant_id: str, subject: str, key: str, at: datetime) -> UUID:
    """Derive an id from a key, shaped like a UUIDv7 (RFC 9562, section 5.7).

    Args:
        tenant_id: The caller's tenant.
        subject: The caller.
        key: The key.
        at: When it was first used; a key that is used again after it expired gives another id.
    """
    named = "\x00".join((tenant_id, subject, key, at.isoformat())).encode()
    rest = int.from_bytes(hashlib.sha256(named).digest()[:10], "big")
    value = int(at.timestamp() * 1000) << 80 | rest
    value = value & ~(0xF << 76) | 0x7 << 76  # version 7
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)  # variant of RFC 9562


async def replay(_request: Request, found: Exception) -> Response:
    """Return the first answer: the handler of `Replayed`."""
    assert isinstance(found, Replayed)
    answer = Response(found.answer.body, status_code=found.answer.status)
    for name, value in found.answer.headers:
        answer.headers[name] = value
    answer.headers[REPLAYED_HEADER] = "true"
    return answer


def _check(key: str) -> None:
    if not 0 < len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidInput(
            f"{KEY_HEADER} is {key[:80]!r}",
            hint=f"send 1 to {_LONGEST_KEY} printable ASCII characters, a UUID for example",
        )


async def _digest(request: Request, principal: Principal) -> str:
    made = hashlib.sha256(request.url.query.encode())
    made.update(b"\x00")
    made.update(_rights(principal))
    made.update(b"\x00")
    made.update(await request.body())
    return made.hexdigest()


def _rights(principal: Principal) -> bytes:
    """Return what a caller may do, as a text that is the same for the same rights."""
    rights = principal.role, sorted(principal.app_roles.items()), principal.system
    return json.dumps(rights).encode()


def _refuse(found: Claim) -> None:
    """Raise what the caller is told unless the request is theirs to carry out."""
    if found.found is Claimed.ANSWERED and found.answer is not None:
        raise Replayed(found.answer)
    if found.found is Claimed.REUSED:
        raise Conflict(
            f"the {KEY_HEADER} was used for another request ({found.request})",
            hint="use a new key for a new request, and when your roles have changed; send the same"
            " one with the same body",
            code="IDEMPOTENCY_KEY_REUSED",
        )
    if found.found is Claimed.WITHHELD:
        raise Conflict(
            "this request was carried out, but its answer is not kept: it was secret or too big",
            hint="look up what it made",
            code="IDEMPOTENCY_ANSWER_WITHHELD",
        )
    if found.found is Claimed.RUNNING:
        left = (found.lease_until - datetime.now(UTC)).total_seconds()
        error = Conflict(
            "the first request with this key is being carried out",
            hint="repeat it as late as Retry-After says",
            code="IDEMPOTENCY_IN_PROGRESS",
        )
        wait = max(1, min(math.ceil(left), math.ceil(LEASE_SECONDS)))
        error.__dict__["headers"] = {"Retry-After": str(wait)}
        raise error


class _Held:
    """A request that this process carries out: its lease is renewed until it is answered."""

    def __init__(self, store: Store, name: tuple[str, str, str], holder: UUID) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    def begin(cls, store: Store, name: tuple[str, str, str], holder: UUID) -> "_Held":
        held = cls(store, name, holder)
        held._renewing = asyncio.create_task(held._renew(), name="flowkeep-idempotency")
        return held

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with contextlib.suppress(FlowkeepError):  # the next try may do
                await self._store.idempotency.renew(
                    *self._name, self._holder, lease_seconds=LEASE_SECONDS
                )

    async def finish(self, status: int, kept: KeptAnswer | None) -> None:
        """Keep the answer before it is sent, or let the request be carried out again."""
        await self._stop()
        try:
            if status >= 500 or status in _PASSING:
                await self._store.idempotency.release(*self._name, self._holder)
            else:
                await self._store.idempotency.answer(*self._name, self._holder, kept)
        except FlowkeepError as error:
            # Who repeats it will have it carried out again, under the same ids.
            _log.warning("an answer was not kept", code=error.code)

    async def _stop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None


@dataclass
class _Answer:
    """What the app answers, held back until the ledger has it."""

    send: Send
    state: dict[str, Any]
    start: Message | None = None
    body: bytearray = field(default_factory=bytearray)
    through: bool = False

    async def take(self, message: Message) -> None:
        held: _Held | None = self.state.get("idempotency")
        if held is None or self.through:
            await self.send(message)
            return
        if message["type"] == "http.response.start":
            self.start = message
            return
        assert self.start is not None
        self.body += message.get("body", b"")
        more = message.get("more_body", False)
        if more and len(self.body) <= MOST_BYTES:
            return
        self.through = True
        await held.finish(self.start["status"], None if more else self._kept())
        await self.send(self.start)
        await self.send({"type": "http.response.body", "body": bytes(self.body), "more_body": more})

    def _kept(self) -> KeptAnswer | None:
        assert self.start is not None
        headers = [
            (name.lower(), value)
            for name, value in self.start["headers"]
            if name.lower() not in _DROPPED
        ]
        secret = self.state.get("withheld") or any(name == b"set-cookie" for name, _ in headers)
        if secret or len(self.body) > MOST_BYTES:
            return None
        texts = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        return KeptAnswer(status=self.start["status"], headers=texts, body=bytes(self.body))


class IdempotencyMiddleware:
    """Keeps the answers of requests that came with a key.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        plain = scope["type"] != "http" or scope["method"] != "POST"
        if plain or KEY_HEADER not in Headers(scope=scope):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, scope.setdefault("state", {}))
        try:
            await self._app(scope, receive, answer.take)
        finally:
            held: _Held | None = answer.state.get("idempotency")
            if held is not None and not answer.through:
                await held.finish(500, None)
