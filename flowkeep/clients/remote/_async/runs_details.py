"""What belongs to one run: its tasks, events, executions, pauses and values."""

from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.runs_part import AsyncRunsPart
from flowkeep.contracts import Event, Pause, Segment, Task
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.progress import RunProgress
from flowkeep.contracts.tasks import TaskLists

_TASKS = TypeAdapter(Listing[Task])
_TASK = TypeAdapter(Task)
_NAMES = TypeAdapter(TaskLists)
_EVENTS = TypeAdapter(Listing[Event])
_SEGMENTS = TypeAdapter(Listing[Segment])
_PAUSES = TypeAdapter(Listing[Pause])
_PROGRESS = TypeAdapter(RunProgress)
_VALUE = TypeAdapter(Any)
RunValue = Literal["inputs", "outputs", "state"]


class AsyncRunDetails(AsyncRunsPart):
    """Part of `client.runs`: what belongs to one run."""

    async def tasks(
        self, run_id: UUID, *, steps: bool = True, limit: int = 100, cursor: str | None = None
    ) -> Listing[Task]:
        """Return a page of the run's tasks, each by its newest attempt."""
        query = {"steps": steps, "limit": limit, "cursor": cursor}
        found: Listing[Task] = await self._of(run_id, "tasks", _TASKS, query)
        return found

    async def attempts(
        self,
        run_id: UUID,
        activity_id: str | None = None,
        *,
        temporal_run_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[Task]:
        """Return a page of attempts, by (temporal_run_id, activity_id, attempt)."""
        query = {
            "activity_id": activity_id,
            "temporal_run_id": temporal_run_id,
            "limit": limit,
            "cursor": cursor,
        }
        found: Listing[Task] = await self._of(run_id, "attempts", _TASKS, query)
        return found

    async def attempt(
        self,
        run_id: UUID,
        activity_id: str,
        attempt: int,
        *,
        temporal_run_id: str | None = None,
    ) -> Task:
        """Return one attempt of a task with its input and output."""
        path = f"tasks/{quote(activity_id, safe='')}/attempts/{attempt}"
        found: Task = await self._of(run_id, path, _TASK, {"temporal_run_id": temporal_run_id})
        return found

    async def task_names(self, run_id: UUID) -> TaskLists:
        """Return the names of the run's tasks by where they stand."""
        found: TaskLists = await self._of(run_id, "task-names", _NAMES)
        return found

    async def events(
        self, run_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Listing[Event]:
        """Return a page of the run's audit events, newest first."""
        query = {"limit": limit, "cursor": cursor}
        found: Listing[Event] = await self._of(run_id, "events", _EVENTS, query)
        return found

    async def segments(self, run_id: UUID) -> Listing[Segment]:
        """Return the run's Temporal executions, oldest first."""
        found: Listing[Segment] = await self._of(run_id, "segments", _SEGMENTS)
        return found

    async def pauses(self, run_id: UUID) -> Listing[Pause]:
        """Return the run's pauses, newest first."""
        found: Listing[Pause] = await self._of(run_id, "pauses", _PAUSES)
        return found

    async def progress(self, run_id: UUID) -> RunProgress:
        """Return how far the run is."""
        found: RunProgress = await self._of(run_id, "progress", _PROGRESS)
        return found

    async def value(self, run_id: UUID, name: RunValue) -> Any:
        """Return the inputs, outputs or state of a run, however big."""
        return await self._of(run_id, f"payloads/{name}", _VALUE)
