"""What the recorder and the reconciler write."""

from collections.abc import Sequence
from typing import Protocol

from flowkeep.contracts import (
    Attempt,
    PauseRequest,
    Run,
    RunRef,
    SegmentClose,
)


class SystemRepository(Protocol):
    """Forms without a tenant, for the recorder and the reconciler: the record names its own."""

    async def record(self, attempts: Sequence[Attempt], *, durable: bool = True) -> int:
        """Record a batch in one transaction; returns how many attempt rows were written.

        Runs and segments that are not known yet are created first (event `adopted`); a pending
        run becomes `running`. Repeating a batch changes nothing.

        Args:
            attempts: In any order, of any tenant, with repeats.
            durable: False lets the commit return before the log is on disk: for what Temporal's
                history can give back after a crash of the database server.

        Raises:
            LedgerUnavailable: If the ledger is away: try the whole batch again.
            Forbidden: If an attempt names a run of another tenant. Nothing was written; split the
                batch to find it. The same goes for every other error.
        """
        ...

    async def close_segment(self, close: SegmentClose) -> Run:
        """Record how one Temporal execution ended, and the run's outcome unless it goes on.

        The run is left open when the close is tentative, says `running` (continued as new), or
        when a later execution of the run is known.
        """
        ...

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Run:
        """Record that the workflow paused or resumed; repeating it changes nothing."""
        ...
