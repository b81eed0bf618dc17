"""The child workflow that executes one chunk of a `map`."""

from collections.abc import Iterator, Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic_core import to_json

    from flowkeep.activities.map_results import MapActivities
    from flowkeep.contracts import MapChunkInput, MapResult
    from flowkeep.contracts.identity import MAP_CHUNK_TYPE
    from flowkeep.workflows.base import WorkflowInterface
    from flowkeep.workflows.fan_out import ChunkOptions, windowed

STORE_BYTES = 1024 * 1024
"""Most bytes of results per stored part: half of what Temporal takes in one payload."""

STORE_ROWS = 500


@workflow.defn(name=MAP_CHUNK_TYPE)
class MapChunk(WorkflowInterface):
    """Executes the items of one chunk, stores their results, continues as new when it is long."""

    activities_cls: type[Any] = MapActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        """Declare the activity that stores results; the mapped activity is the caller's own."""
        return [activities.store_map_results]

    @workflow.run
    async def run(self, part: MapChunkInput) -> MapResult:
        """Execute the chunk.

        Args:
            part: Items, activity and options.

        Returns:
            Count and errors; the results lie under the reference.
        """
        results, errors = await windowed(
            self,
            part.activity,
            part.items,
            args=part.args,
            window=part.window,
            on_error=part.on_error,
            offset=part.offset,
            options=ChunkOptions.model_validate(part.options).given(),
            stop=workflow.info().is_continue_as_new_suggested,
        )
        offset = part.offset
        for rows in _slices(results):
            await self.execute("flowkeep.store_map_results", part.reference, offset, rows)
            offset += len(rows)
        errors = {**part.errors, **errors}
        done = len(results)
        if done < len(part.items):
            await self.pause_gate()  # the next execution does not know of a pause
            workflow.continue_as_new(
                part.model_copy(
                    update={
                        "items": part.items[done:],
                        "offset": part.offset + done,
                        "errors": errors,
                        "count": part.count + done,
                    }
                )
            )
        return MapResult(errors=errors, count=part.count + done, reference=part.reference)


def _slices(results: list[Any]) -> Iterator[list[Any]]:
    rows: list[Any] = []
    size = 0
    for result in results:
        length = len(to_json(result, serialize_unknown=True))
        if rows and (size + length > STORE_BYTES or len(rows) >= STORE_ROWS):
            yield rows
            rows, size = [], 0
        rows.append(result)
        size += length
    if rows:
        yield rows
