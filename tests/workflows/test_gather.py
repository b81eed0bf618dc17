"""`gather` outside Temporal: what it does with its members is plain asyncio."""

import asyncio

import pytest

from flowkeep.workflows.fan_out import gather


async def test_a_gather_that_is_thrown_away_does_not_await() -> None:
    """An evicted run's coroutines are closed; one that awaited then would break the eviction."""
    never = asyncio.get_running_loop().create_future()
    waiting = gather(never)
    waiting.send(None)
    waiting.close()
    never.cancel()


async def test_the_first_failure_cancels_and_awaits_the_others() -> None:
    """Siblings have ended, cleanup included, before the failure is raised."""
    ended: list[str] = []

    async def fails() -> None:
        raise ValueError("first")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("waits")

    with pytest.raises(ValueError, match="first"):
        await gather(waits(), fails())
    assert ended == ["waits"]
