"""What the recorder writes, and what it writes to."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from flowkeep.contracts import Attempt, PauseRequest, RunRef, RunStarted, SegmentClose
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.contracts.steps import RecordedStep, RecordSteps, StepScope

Reported = Attempt | SegmentClose | RunStarted
"""What is told to the ledger in groups."""

Execution = tuple[str, str]
"""Namespace and Temporal's run id."""


class RecordTarget(Protocol):
    """The part of the ledger that the recorder writes to."""

    async def record(
        self,
        attempts: Sequence[Attempt],
        *,
        closes: Sequence[SegmentClose] = (),
        starts: Sequence[RunStarted] = (),
        durable: bool = True,
    ) -> int:
        """Write a batch in one transaction; returns the rows written."""
        ...

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Any:
        """Open or end a pause."""
        ...

    async def note_tasks(self, run: RunRef, told: TaskNotes) -> None:
        """Record what workflow code tells of tasks that no activity carries out."""
        ...

    async def reconcile_all_soon(self, executions: Sequence[Execution]) -> int:
        """Have executions compared with Temporal as soon as possible."""
        ...


class StepTarget(Protocol):
    """The part of the ledger that steps are written to, and read from."""

    async def open_steps(self, scope: StepScope, run: RunRef) -> list[RecordedStep]:
        """Take an activity's steps over, and return what was recorded."""
        ...

    def recording_steps(self) -> AbstractAsyncContextManager[RecordSteps]:
        """Hold a connection on which steps are committed, group after group."""
        ...

    async def step_output(self, tenant_id: str, digest: bytes) -> str:
        """Return a result that was too big for its row."""
        ...
