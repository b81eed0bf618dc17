"""One timer for the earliest of all deadlines of a run."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio import workflow


class Alarm:
    """Rings at the time it was last set to.

    Args:
        ring: Called when that time has come.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._at: datetime | None = None
        self._sleeping: asyncio.Task[None] | None = None

    def set(self, at: datetime | None) -> None:
        """Ring at a time, and at no other; never when it is None."""
        if at == self._at:
            return
        if self._sleeping is not None:
            self._sleeping.cancel()
        self._at = at
        self._sleeping = None if at is None else asyncio.create_task(self._sleep(at))

    async def _sleep(self, at: datetime) -> None:
        await workflow.sleep(max(at - workflow.now(), timedelta()))
        while workflow.now() < at:  # the server's clock may have gone back
            await workflow.sleep(at - workflow.now())
        self._at = self._sleeping = None
        self._ring()
