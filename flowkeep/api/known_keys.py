"""API keys that were shown lately, so that not every request asks the ledger."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from flowkeep.contracts.api.keys import ApiKey
from flowkeep.errors import FlowkeepError, Unauthenticated
from flowkeep.statestore.protocols import ApiKeyRepository

_log = structlog.get_logger(__name__)

KEPT_SECONDS = 3.0
"""How long an answer of the ledger is believed: a revoked key is refused within five seconds."""
MOST = 10_000
"""Most keys in memory; about a kilobyte each."""
AT_A_TIME = 2
"""Most unknown keys that the ledger is asked about at a time: whoever tries many of them leaves
connections for others."""
_NOTED = timedelta(minutes=1)


class KnownKeys:
    """Finds keys, and notes behind the answer that they are used.

    Only keys that are usable are remembered, so wrong ones cannot drive them out; nor can they make
    those that are known wait.

    Args:
        keys: The ledger's keys.
        clock: Seconds that only grow.
    """

    def __init__(self, keys: ApiKeyRepository, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[ApiKey, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[ApiKey]] = {}
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, secret: str) -> ApiKey:
        """Return the key that a secret belongs to.

        Raises:
            Unauthenticated: If there is none, or it has expired or was revoked.
        """
        # Not the secret itself: what is in memory may end in a dump of it.
        name = hashlib.sha256(secret.encode(errors="replace")).digest()
        return await self._remembered(name, lambda: self._keys.authenticate(secret))

    async def confirm(self, key_id: UUID) -> ApiKey:
        """Return the key that a session began with.

        Raises:
            Unauthenticated: If it is gone, has expired or was revoked.
        """
        return await self._remembered(key_id.bytes, lambda: self._keys.confirm(key_id))

    async def _remembered(self, name: bytes, ask: Callable[[], Awaitable[ApiKey]]) -> ApiKey:
        known = self._known.get(name)
        if known is not None and self._clock() < known[1]:
            if known[0].state(datetime.now(UTC)) != "active":
                raise Unauthenticated("the API key is expired")
            return known[0]
        asking = self._asking.get(name)
        if asking is None:
            turn = nullcontext() if self._known.pop(name, None) is not None else self._turns
            asking = asyncio.create_task(self._ask(name, ask, turn), name="flowkeep-key")
            self._asking[name] = asking
            asking.add_done_callback(lambda done: self._asked(name, done))
        return await asyncio.shield(asking)  # others may wait for it too

    async def _ask(
        self,
        name: bytes,
        ask: Callable[[], Awaitable[ApiKey]],
        turn: AbstractAsyncContextManager[None],
    ) -> ApiKey:
        async with turn:
            asked_at = self._clock()
            key = await ask()
        self._known[name] = (key, asked_at + KEPT_SECONDS)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        self._note(key)
        return key

    def _asked(self, name: bytes, done: "asyncio.Task[ApiKey]") -> None:
        del self._asking[name]
        if not done.cancelled():
            done.exception()  # where nobody waits any more, nobody misses it

    def _note(self, key: ApiKey) -> None:
        last = key.last_used_at
        if last is None or datetime.now(UTC) - last > _NOTED:
            task = asyncio.create_task(self._write(key.id), name="flowkeep-key-use")
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _write(self, key_id: UUID) -> None:
        try:
            await self._keys.note_use(key_id)
        except FlowkeepError as error:  # the request that used it has its answer by now
            _log.warning("the use of a key was not noted", key_id=str(key_id), code=error.code)

    async def close(self) -> None:
        """Wait for what is still being asked and noted."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        await asyncio.gather(*self._notes)
