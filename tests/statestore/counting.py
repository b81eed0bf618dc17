"""Statistics asked by a foreign tenant."""

from collections.abc import Awaitable
from typing import Any

from flowkeep.contracts.statistics import Durations, Figures
from flowkeep.statestore import Store
from tests.statestore.records import OTHER


async def _counted(asked: Awaitable[Figures[Any]]) -> int:
    data = (await asked).data
    return data.count if isinstance(data, Durations) else sum(group.runs for group in data)


def foreign_statistics(store: Store) -> dict[str, Any]:
    """Return, by method, a call with the foreign tenant: each counts nothing."""
    ask = store.statistics
    return {
        "statistics.per_day": (_counted(ask.per_day(OTHER)), "absent"),
        "statistics.durations": (_counted(ask.durations(OTHER)), "absent"),
        "statistics.most_executed": (_counted(ask.most_executed(OTHER)), "absent"),
        "statistics.usage": (_counted(ask.usage(OTHER)), "absent"),
    }
