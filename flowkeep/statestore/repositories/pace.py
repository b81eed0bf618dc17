"""How fast and how long work in batches goes on."""

import asyncio
import time

from flowkeep.errors import InvalidInput


class Pace:
    """How fast and how long to go on.

    Args:
        max_runs_per_second: None for as fast as it goes.
        max_seconds: None for as long as it takes.

    Raises:
        InvalidInput: If one of them is not above zero.
    """

    def __init__(self, max_runs_per_second: float | None, max_seconds: float | None) -> None:
        for name, value in (
            ("max_runs_per_second", max_runs_per_second),
            ("max_seconds", max_seconds),
        ):
            if value is not None and not value > 0:
                raise InvalidInput(f"{name} is {value!r}", hint="it must be above 0")
        self._rate = max_runs_per_second
        self._started = time.monotonic()
        self._end = None if max_seconds is None else self._started + max_seconds
        self._runs = 0
        self._worked = False

    @property
    def over(self) -> bool:
        """Whether the time is up; never before the first `rest`, so that each call gets on."""
        return self._worked and self._end is not None and time.monotonic() >= self._end

    @property
    def left(self) -> float | None:
        """Seconds until the time is up; None without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    async def rest(self, runs: int = 0) -> None:
        """After a piece of work, wait until so many more runs fit the rate, not beyond the end."""
        self._worked = True
        self._runs += runs
        if self._rate is None:
            return
        due = self._started + self._runs / self._rate
        if self._end is not None:
            due = min(due, self._end)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
