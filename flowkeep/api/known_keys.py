"""API keys that were shown lately, so that not every request asks the ledger."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from flowkeep.api.turns import Turns
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
MOST_WAITING = 64
"""Most unknown keys that wait for that."""
OF_ONE_NETWORK = 2
"""Most of them that one network has waiting: it cannot fill the queue for others."""
_NOTED = timedelta(minutes=1)


class KnownKeys:
    """Finds keys, and notes behind the answer that they are used.

    Only keys that are usable are remembered, so wrong ones cannot drive them out; nor can they make
    those that are known wait. A key stays known until the ledger says that it is not usable: an
    outage makes it no stranger.

    Args:
        keys: The ledger's keys.
        clock: Seconds that only grow.
    """

    def __init__(self, keys: ApiKeyRepository, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[ApiKey, float]] = OrderedDict()
        self._asking: dict[bytes, _Question] = {}
        self._turns = Turns(at_a_time=AT_A_TIME, waiting=MOST_WAITING, of_one=OF_ONE_NETWORK)
        self._notes: set[asyncio.Task[None]] = set()

    @property
    def unknown(self) -> int:
        """How many unknown keys the ledger is asked about, or will be when it is their turn."""
        return self._turns.here

    async def find(self, secret: str, network: str = "") -> ApiKey:
        """Return the key that a secret belongs to.

        Args:
            secret: What was shown.
            network: Where it was shown.

        Raises:
            Unauthenticated: If there is none, or it has expired or was revoked.
            TooManyRequests: If it is unknown, and too many unknown ones wait already.
        """
        # Not the secret itself: what is in memory may end in a dump of it.
        name = hashlib.sha256(secret.encode(errors="replace")).digest()
        turn = nullcontext() if name in self._known else self._turns.taken(network)
        return await self._remembered(name, lambda: self._keys.authenticate(secret), turn)

    async def confirm(self, key_id: UUID) -> ApiKey:
        """Return the key that a session began with.

        Raises:
            Unauthenticated: If it is gone, has expired or was revoked.
        """
        # The session names it, which we have signed: that is no guess.
        return await self._remembered(
            key_id.bytes, lambda: self._keys.confirm(key_id), nullcontext()
        )

    async def _remembered(
        self,
        name: bytes,
        ask: Callable[[], Awaitable[ApiKey]],
        turn: AbstractAsyncContextManager[None],
    ) -> ApiKey:
        known = self._known.get(name)
        if known is not None and self._clock() < known[1]:
            if known[0].state(datetime.now(UTC)) != "active":
                raise Unauthenticated("the API key is expired")
            return known[0]
        question = self._asking.get(name) or self._begin(name, ask, turn)
        question.waiting += 1
        try:
            return await asyncio.shield(question.task)  # others may wait for it too
        finally:
            question.waiting -= 1
            if not question.waiting and not question.begun:
                question.task.cancel()  # its place in the queue is for others
                self._forget(name, question)

    def _begin(
        self,
        name: bytes,
        ask: Callable[[], Awaitable[ApiKey]],
        turn: AbstractAsyncContextManager[None],
    ) -> "_Question":
        async def answer() -> ApiKey:
            async with turn:
                question.begun = True
                return await self._ask(name, ask)

        task = asyncio.create_task(answer(), name="flowkeep-key")
        question = self._asking[name] = _Question(task)
        task.add_done_callback(lambda done: self._asked(name, question))
        return question

    async def _ask(self, name: bytes, ask: Callable[[], Awaitable[ApiKey]]) -> ApiKey:
        asked_at = self._clock()
        try:
            key = await ask()
        except Unauthenticated:
            self._known.pop(name, None)
            raise
        self._known[name] = (key, asked_at + KEPT_SECONDS)
        self._known.move_to_end(name)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        self._note(key)
        return key

    def _asked(self, name: bytes, question: "_Question") -> None:
        self._forget(name, question)
        if not question.task.cancelled():
            question.task.exception()  # where nobody waits any more, nobody misses it

    def _forget(self, name: bytes, question: "_Question") -> None:
        if self._asking.get(name) is question:
            del self._asking[name]

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
        asking = [question.task for question in self._asking.values()]
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.gather(*self._notes)


@dataclass(eq=False, slots=True)
class _Question:
    """What the ledger is being asked, or will be.

    Attributes:
        task: Gives the answer.
        waiting: How many requests wait for it.
        begun: Whether it is at the ledger.
    """

    task: asyncio.Task[ApiKey]
    waiting: int = 0
    begun: bool = False
