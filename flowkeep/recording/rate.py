"""How often something may be asked."""

import asyncio
import time


class Rate:
    """Lets so many calls per second through, the first second's worth at once.

    Args:
        per_second: Calls per second on average; above zero.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the next call may be made."""
        now = time.monotonic()
        # A second of calls that were not made may be made up for.
        self._next = max(self._next + self._interval, now - 1.0)
        if self._next > now:
            await asyncio.sleep(self._next - now)
