"""The child runs of a chunked `map`, which pause and resume with their parent."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from flowkeep.contracts import MapChunkInput, MapResult
from flowkeep.contracts.identity import MAP_CHUNK_TYPE


class Chunks:
    """Chunks in progress.

    Args:
        paused: Tells whether the parent is paused.
    """

    def __init__(self, paused: Callable[[], bool]) -> None:
        self._paused = paused
        self._running: dict[str, workflow.ChildWorkflowHandle[Any, MapResult]] = {}

    async def run(self, part: MapChunkInput, workflow_id: str) -> MapResult:
        """Execute one chunk as a child run."""
        handle: workflow.ChildWorkflowHandle[Any, MapResult] = await workflow.start_child_workflow(
            MAP_CHUNK_TYPE, part, id=workflow_id, result_type=MapResult
        )
        self._running[workflow_id] = handle
        try:
            if self._paused():  # since before it could be told
                await _tell(handle, "pause", None)
            return await handle
        finally:
            del self._running[workflow_id]

    async def tell(self, signal: str, argument: Any) -> None:
        """Pass a signal on to every chunk in progress."""
        for handle in list(self._running.values()):
            await _tell(handle, signal, argument)


async def _tell(
    handle: workflow.ChildWorkflowHandle[Any, MapResult], signal: str, argument: Any
) -> None:
    with suppress(FailureError):  # it has ended in the meantime
        await handle.signal(signal, argument)
