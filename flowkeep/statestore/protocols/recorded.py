"""What is read of one execution to compare it with Temporal, and corrected afterwards."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import SegmentClose, SegmentKind
from flowkeep.contracts.recorded import AttemptRecord, ExecutionRecord


class RecordedRepository(Protocol):
    """One execution as the ledger has it, and corrections that no record can make."""

    async def recorded(
        self,
        namespace: str,
        temporal_run_id: str,
        *,
        run_id: UUID | None = None,
        chunk_of: UUID | None = None,
        attempts: bool = True,
    ) -> ExecutionRecord:
        """Return what the ledger says of one execution and its run.

        Args:
            namespace: Temporal's namespace.
            temporal_run_id: Temporal's id of the execution.
            run_id: The run it should belong to, for when the ledger does not know the execution.
            chunk_of: The run whose map it is part of.
            attempts: Whether to read its attempts too.
        """
        ...

    async def recorded_attempts(
        self, run_id: UUID, executions: Sequence[str]
    ) -> Sequence[AttemptRecord]:
        """Return the attempts of activities that some executions of a run made."""
        ...

    async def mark_superseded(
        self, run_id: UUID, attempts: Sequence[AttemptRecord], *, superseded: bool
    ) -> int:
        """Mark attempts of a run as undone, or take the mark away; returns how many.

        What is marked counts for nothing: the run is counted anew.

        Raises:
            NotFound: If the run was deleted or archived since.
        """
        ...

    async def expect_no_retry(self, run_id: UUID, attempts: Sequence[AttemptRecord]) -> int:
        """Note that no further attempt follows on these; returns how many rows that are.

        A task whose last attempt is among them has ended, and counts so.

        Raises:
            NotFound: If the run was deleted or archived since.
        """
        ...

    async def adopt_segment(
        self,
        run_id: UUID,
        namespace: str,
        temporal_run_id: str,
        kind: SegmentKind,
        started_at: datetime,
    ) -> None:
        """Note an execution of a run that nobody has recorded; the run stays as it is.

        Raises:
            NotFound: If the run was deleted or archived since.
        """
        ...

    async def note_start(
        self, namespace: str, temporal_run_id: str, kind: SegmentKind, started_at: datetime
    ) -> None:
        """Note why and when an execution began, if the ledger knows it.

        The order of a run's executions hangs on it: who recorded them first may not have known.
        """
        ...

    async def reopen(self, run_id: UUID, namespace: str, temporal_run_id: str) -> None:
        """Note that an execution that was recorded as ended runs on.

        Its run is `running` again and forgets how it ended (event `outcome_corrected`).

        Raises:
            NotFound: If the run was deleted or archived since.
            OpenRunExists: If the ledger has another open run of its workflow_id.
        """
        ...

    async def correct_outcome(
        self, close: SegmentClose, *, of_run: bool, keep_outputs: bool = False
    ) -> None:
        """Replace what is recorded of how an execution ended, whoever said it.

        A server that forgot a run, or was set back, may know better later. To be followed by
        `close_segment` with the same record.

        Args:
            close: How it ended.
            of_run: Whether its run ended with it.
            keep_outputs: Leave alone what is recorded of its result.

        Raises:
            NotFound: If the run was deleted or archived since.
        """
        ...
