"""Streams of events: how many a caller has open, and whether they still may have them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime

from fastapi import Request

from flowkeep.api.authentication import Authenticator, Shown
from flowkeep.api.context import Client
from flowkeep.api.problems import problem_of
from flowkeep.api.rates import name_of, refused
from flowkeep.contracts.api.access import Principal
from flowkeep.contracts.api.watching import HEARTBEAT, RunUpdate
from flowkeep.errors import FlowkeepError, Forbidden, Unauthenticated

CHECK_SECONDS = 0.5
"""How old a look at the caller may be when something is to be told, and be it that nothing happens,
which comes every one and a half seconds. A key that was found is believed for three: so a stream
ends within five seconds after its key was revoked."""
HEARTBEAT_SECONDS = 15.0
_LOOK_SECONDS = 1.0
"""Longest that a look may take: a slow ledger holds up nothing that can be told."""
_RETRY_SECONDS = 5


class Streams:
    """Counts the streams of this process.

    Args:
        most: Streams that one caller may have open.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def opened(self, principal: Principal) -> Iterator[None]:
        """Count one stream of a caller until the end of the block.

        Raises:
            TooManyRequests: If the caller has as many as they may.
        """
        if principal.via == "local":
            yield
            return
        who = name_of(principal)
        if self._open[who] >= self._most:
            raise refused(
                f"this key has {self._most} streams of events open",
                "close one, or share one among those who watch",
                {"Retry-After": str(_RETRY_SECONDS)},
            )
        self._open[who] += 1
        try:
            yield
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]


async def stream_place(request: Request, client: Client) -> AsyncIterator[None]:
    """Hold the place of a stream until its answer is complete: a dependency.

    Raises:
        TooManyRequests: If the caller has as many open as they may.
    """
    streams: Streams = request.app.state.streams
    with streams.opened(client.principal):
        yield


async def frames(
    request: Request, client: Client, updates: AsyncGenerator[RunUpdate | None]
) -> AsyncIterator[bytes]:
    """Yield updates as server-sent events, for as long as the caller may be told.

    Args:
        request: Shows who watches.
        client: The nouns as they have them.
        updates: What happens; null after a moment in which nothing did.
    """
    standing = _Standing(request)
    told_at = time.monotonic()
    async with aclosing(updates):
        async for update in updates:
            refusal = await standing.refusal()
            if refusal is not None:
                client.journal.denied(refusal, "request", client.caller.target)
                yield RunUpdate(kind="problem", problem=problem_of(request, refusal)).frame
                return
            if update is not None:
                yield update.frame
            elif time.monotonic() - told_at >= HEARTBEAT_SECONDS:
                yield HEARTBEAT
            else:
                continue
            told_at = time.monotonic()


class _Standing:
    """Whether who opened a stream would still be let in.

    Args:
        request: Shows who they are.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._due = 0.0
        shown: Shown | None = getattr(request.state, "shown", None)
        self._ends: datetime | None = None if shown is None else shown.ends

    async def refusal(self) -> FlowkeepError | None:
        """Return why they would not, by a look that is not too old."""
        if self._ends is not None and self._ends <= datetime.now(UTC):
            return Unauthenticated("the key or token is expired")
        if time.monotonic() < self._due:
            return None
        authenticator: Authenticator = self._request.app.state.authenticator
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                shown = await authenticator.identify(self._request)
        except (Unauthenticated, Forbidden) as error:
            return error
        except (FlowkeepError, TimeoutError):
            pass  # nobody can tell now: what ends by itself ends all the same
        else:
            self._ends = shown.ends
        self._due = time.monotonic() + CHECK_SECONDS
        return None
