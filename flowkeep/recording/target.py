"""What the recorder writes to."""

from collections.abc import Sequence
from typing import Any, Protocol

from flowkeep.contracts import Attempt, PauseRequest, RunRef, RunStarted, SegmentClose


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

    async def close_segment(self, close: SegmentClose) -> Any:
        """Record how an execution ended."""
        ...

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Any:
        """Open or end a pause."""
        ...
