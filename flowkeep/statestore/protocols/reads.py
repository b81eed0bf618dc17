"""What can be asked about runs."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Event, Pause, Run, Segment
from flowkeep.statestore.protocols.run_lists import RunLists


class RunReads(RunLists, Protocol):
    """Questions about runs."""

    async def get(self, tenant_id: str, run_id: UUID) -> Run:
        """Return a run with its inputs and outputs.

        Raises:
            NotFound: If the tenant has no such run.
        """
        ...

    async def get_run_by_id(self, tenant_id: str, app_id: str | None, run_id: UUID) -> Run | None:
        """Return a run of an app (None: of any app), or None where the tenant has no such run."""
        ...

    async def list_events(
        self, tenant_id: str, run_id: UUID, limit: int = 50, before: int | None = None
    ) -> Sequence[Event]:
        """Return the newest events of a run, newest first.

        Args:
            tenant_id: Whose run.
            run_id: The run; an unknown one has no events.
            limit: Most events to return, up to 1000; zero or less returns none.
            before: Only events with a smaller `seq`.
        """
        ...

    async def list_segments(self, tenant_id: str, run_id: UUID) -> Sequence[Segment]:
        """Return the newest 1000 Temporal executions of a run, oldest first."""
        ...

    async def list_pauses(self, tenant_id: str, run_id: UUID) -> Sequence[Pause]:
        """Return the newest 1000 pauses of a run, newest first; an open one has no resumed_at."""
        ...
