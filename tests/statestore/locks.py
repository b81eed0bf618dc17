"""Waiting for the moment in which somebody waits for a lock."""

from flowkeep.statestore import Store
from tests.support import eventually


async def waiting(store: Store) -> int:
    """Return how many connections wait for a lock."""
    async with store._scope.read() as session:
        found = await session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        return int(found.scalar_one())


async def blocked(store: Store) -> None:
    """Return as soon as somebody waits for a lock."""

    async def somebody() -> None:
        assert await waiting(store)

    await eventually(somebody)
