"""Heartbeats that run by themselves while an activity works."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

_SHARE_OF_TIMEOUT = 1 / 3
_LONGEST_INTERVAL_SECONDS = 5.0


class Heartbeat:
    """Beats from the event loop and repeats the newest details.

    Blocking work runs in threads, so the loop is free to beat; when nothing reports progress for
    `no_progress_seconds` it falls silent, the server's heartbeat timeout fires and the attempt is
    retried. That is how a hung thread is noticed.

    Args:
        timeout_seconds: The activity's heartbeat timeout.
        no_progress_seconds: Longest silence of the activity itself.
        details: What the last attempt had reported, repeated until there is news.
        send: Sends one from the event loop; that of the activity which runs now when left out.
    """

    def __init__(
        self,
        timeout_seconds: float,
        no_progress_seconds: float,
        details: Sequence[Any],
        send: Callable[..., None] | None = None,
    ) -> None:
        self._interval = min(timeout_seconds * _SHARE_OF_TIMEOUT, _LONGEST_INTERVAL_SECONDS)
        self._no_progress_seconds = no_progress_seconds
        self._details = tuple(details)
        self._progress_at = time.monotonic()
        self._beating = False
        self._task: asyncio.Task[None] | None = None
        self._send = send or _sender()

    def heard(self, details: Sequence[Any]) -> None:
        """Take note of a heartbeat that the activity itself sent."""
        if not self._beating:
            self._details = tuple(details)
            self._progress_at = time.monotonic()

    def progressed(self) -> None:
        """Take note of progress without details."""
        self._progress_at = time.monotonic()

    def allow_silence(self, seconds: float) -> None:
        """Be patient for longer, where something else bounds how long nothing may come.

        Args:
            seconds: Longest silence that is no reason to give up.
        """
        self._no_progress_seconds = max(self._no_progress_seconds, seconds)

    def start(self) -> None:
        """Begin to beat; needs the activity's context."""
        self._task = asyncio.create_task(self._run(), name="flowkeep-heartbeat")

    async def stop(self) -> None:
        """Stop beating."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            silent = time.monotonic() - self._progress_at
            if silent > self._no_progress_seconds:
                activity.logger.error(
                    "no progress for %.0f s: heartbeats stop, so that this attempt is retried",
                    silent,
                )
                return
            self._beat()

    def _beat(self) -> None:
        self._beating = True
        try:
            if self._send is not None:
                self._send(*self._details)
        finally:
            self._beating = False


def heartbeat_of(info: activity.Info) -> Callable[..., None] | None:
    """Return what sends heartbeats of the attempt that runs now, if it has any to send."""
    return None if info.is_local or not info.heartbeat_timeout else _sender()


def _sender() -> Callable[..., None] | None:
    # Taken now: for a plain function the SDK soon replaces it by one that waits for this very
    # loop, and that must never be called on it.
    return activity._Context.current().heartbeat  # noqa: SLF001 - no public way to it
