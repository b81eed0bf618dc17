"""Turns at the ledger for keys that nobody has seen: few at a time, and no long queue of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowkeep.api.rates import refused

_RETRY_SECONDS = 1


class Turns:
    """Lets a few ask at a time and a number wait; whoever comes beyond these is refused at once.

    Args:
        at_a_time: Those who ask at a time.
        waiting: Those who may wait, of all networks together.
        of_one: Those who may wait of one network.
    """

    def __init__(self, *, at_a_time: int, waiting: int, of_one: int) -> None:
        self._turns = asyncio.Semaphore(at_a_time)
        self._most = at_a_time + waiting
        self._most_of_one = at_a_time + of_one
        self._here: Counter[str] = Counter()

    @property
    def here(self) -> int:
        """How many ask or wait."""
        return self._here.total()

    @asynccontextmanager
    async def taken(self, network: str) -> AsyncIterator[None]:
        """Have a turn until the end of the block.

        Args:
            network: Where it is asked from.

        Raises:
            TooManyRequests: If too many wait already.
        """
        if self._here[network] >= self._most_of_one or self.here >= self._most:
            raise refused(
                "too many keys that were not seen before are being looked at",
                "repeat it as late as Retry-After says",
                {"Retry-After": str(_RETRY_SECONDS)},
            )
        self._here[network] += 1
        try:
            async with self._turns:
                yield
        finally:
            self._here[network] -= 1
            if not self._here[network]:
                del self._here[network]
