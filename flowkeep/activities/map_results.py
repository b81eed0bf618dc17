"""Results of a chunked `map`: stored by its chunks, read back by whoever has the reference."""

from collections.abc import Iterator
from typing import Any

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.storage.names import safe_segment


class MapActivities(ActivitiesInterface):
    """What the workflow `MapChunk` needs."""

    @activity.defn(name="flowkeep.store_map_results")
    async def store_map_results(self, reference: str, offset: int, rows: list[Any]) -> int:
        """Store a slice of results as one part; a retry rewrites the same part.

        Args:
            reference: Names the map within the tenant.
            offset: Index of the first row in the whole list.
            rows: Results in item order.

        Returns:
            The number of rows.
        """
        import orjson

        data = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        key = f"{_prefix(self.services.run.tenant_id, reference)}/part-{offset:012d}.jsonl"
        await self.run_blocking(self.services.storage.put, key, data)
        return len(rows)


def read_map_results(storage: Any, tenant_id: str, reference: str) -> Iterator[Any]:
    """Yield the results of a chunked `map` in item order.

    Args:
        storage: Object storage.
        tenant_id: Whose map.
        reference: `MapResult.reference`.
    """
    import orjson

    stored = storage.list(_prefix(tenant_id, reference))
    for key in sorted(item.key for item in stored):
        for line in storage.get(key).splitlines():
            yield orjson.loads(line)


def _prefix(tenant_id: str, reference: str) -> str:
    return f"{safe_segment(tenant_id)}/maps/{reference}"
