"""What the recorder writes, and what it writes to."""

from collections.abc import Sequence
from typing import Any, Protocol

from flowkeep.contracts import Attempt, PauseRequest, RunRef, RunStarted, SegmentClose

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

    async def reconcile_all_soon(self, executions: Sequence[Execution]) -> int:
        """Have executions compared with Temporal as soon as possible."""
        ...
