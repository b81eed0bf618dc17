"""Reading server-sent events, over lost connections."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.clients.remote.answers import error_in
from flowkeep.contracts.api.watching import RunUpdate, read_frame
from flowkeep.errors import FlowkeepError, NotFound

_SILENCE_SECONDS = 45.0
"""Longer than the service is ever silent: its heartbeats come every 15 seconds."""
_MOST_FAILURES = 8
_FIRST_WAIT_SECONDS = 0.25
_ENDS = ("end", "gone")


async def follow(
    transport: AsyncTransport, run_id: UUID, after: int | None, interval_seconds: float
) -> AsyncGenerator[RunUpdate]:
    """Yield what a watcher of a run is told until it has ended.

    Args:
        transport: Where the service is.
        run_id: The run.
        after: Number of the last audit event that is known.
        interval_seconds: Time between two looks.

    Raises:
        FlowkeepError: What the service answered.
        ServiceUnavailable: If it cannot be reached, or not any more.
    """
    connected, failures = False, 0
    while True:
        try:
            stream = _stream(transport, run_id, after, interval_seconds)
            async with aclosing(stream) as updates:
                async for update in updates:
                    connected, failures = True, 0
                    if update.event is not None:
                        after = update.event.seq
                    if update.problem is not None:
                        raise error_in(update.problem)
                    if update.kind == "gone":
                        raise NotFound(f"run {run_id} was deleted", hint="nothing is left to watch")
                    yield update
                    if update.kind == "end":
                        return
        except FlowkeepError as error:
            if not connected or not error.retryable or failures >= _MOST_FAILURES:
                raise
        await asyncio.sleep(min(_FIRST_WAIT_SECONDS * 2**failures, 8.0))
        failures += 1


async def _stream(
    transport: AsyncTransport, run_id: UUID, after: int | None, interval_seconds: float
) -> AsyncGenerator[RunUpdate]:
    headers = {"Accept": "text/event-stream"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    path, query = f"/runs/{run_id}/watch", {"interval": interval_seconds}
    async with transport.stream(
        path, query=query, headers=headers, silence_seconds=_SILENCE_SECONDS
    ) as answer:
        lines: list[str] = []
        async for line in answer.aiter_lines():
            if line:
                lines.append(line)
                continue
            update = read_frame(lines)
            lines = []
            if update is not None:
                yield update
