"""What the recorder and the reconciler write."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import (
    Attempt,
    Page,
    PauseRequest,
    Run,
    RunRef,
    RunStarted,
    SegmentClose,
)
from flowkeep.contracts.erasure import Erased
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.contracts.rotation import KeyUse, Rotation
from flowkeep.statestore.protocols.reconciliation import ReconciliationRepository
from flowkeep.statestore.protocols.recorded import RecordedRepository
from flowkeep.statestore.protocols.run_marks import RunMarkRepository
from flowkeep.statestore.protocols.schedules import ScheduleRecordRepository
from flowkeep.statestore.protocols.statistics import SystemStatisticsRepository
from flowkeep.statestore.protocols.steps import StepRepository
from flowkeep.statestore.protocols.verification import LedgerCheckRepository
from flowkeep.statestore.protocols.webhooks import DeliveryRecordRepository


class SystemRepository(
    ReconciliationRepository,
    SystemStatisticsRepository,
    LedgerCheckRepository,
    RecordedRepository,
    StepRepository,
    ScheduleRecordRepository,
    DeliveryRecordRepository,
    RunMarkRepository,
    Protocol,
):
    """Forms without a tenant, for the recorder and the reconciler: the record names its own."""

    async def record(
        self,
        attempts: Sequence[Attempt],
        *,
        closes: Sequence[SegmentClose] = (),
        starts: Sequence[RunStarted] = (),
        durable: bool = True,
    ) -> int:
        """Record a batch in one transaction; returns how many attempt rows were written.

        Runs and segments that are not known yet are created first (event `adopted`); a pending
        run becomes `running`. Repeating a batch changes nothing. Records of runs that were deleted
        or archived since come too late and are dropped.

        Args:
            attempts: In any order, of any tenant, with repeats.
            closes: Ends of executions, written after the attempts; see `close_segment`. Those of
                runs that were deleted or archived since are dropped.
            starts: Requested runs that Temporal accepted, written before the attempts. One whose
                run is no longer pending only makes its execution known.
            durable: False lets the commit return before the log is on disk: for what Temporal's
                history can give back after a crash of the database server.

        Raises:
            LedgerUnavailable: If the ledger is away: try the whole batch again.
            Forbidden: If an attempt names a run of another tenant. Nothing was written; split the
                batch to find it. The same goes for every other error.
        """
        ...

    async def tenants_with_policies(self) -> Sequence[str]:
        """Return the tenants whose retention policies may remove runs."""
        ...

    async def close_segment(self, close: SegmentClose) -> Run:
        """Record how one Temporal execution ended, and the run's outcome unless it goes on.

        The run is left open when the close is tentative, says `running` (continued as new), or
        when a later execution of the run is known. Of several reports by workflow code the latest
        holds: an end that the server refused is reported again; the server's word beats them all.
        What an attempt shows to have been refused is dropped.

        Raises:
            NotFound: If the run was deleted or archived since: the record comes too late.
        """
        ...

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Run:
        """Record that the workflow paused or resumed; repeating it changes nothing.

        Raises:
            NotFound: If the run was deleted or archived since: the record comes too late.
        """
        ...

    async def definition_owner(self, definition_id: UUID) -> tuple[str, str | None] | None:
        """Return tenant and owner of a definition, a hidden one too; None without one."""
        ...

    async def pin_definition(self, run: RunRef, definition_id: UUID) -> int:
        """Let a child run pin the newest version of a definition; returns the version.

        A run that pins a definition already keeps its version.

        Raises:
            NotFound: If the run is gone, or its tenant sees no such definition.
            InvalidInput: If the definition is disabled or a draft.
        """
        ...

    async def note_tasks(self, run: RunRef, told: TaskNotes) -> None:
        """Record what workflow code tells of tasks that no activity carries out.

        Their `temporal_run_id` is that of the first of the executions that continue each other as
        new: a retry or a reset begins rows of its own, ends what earlier executions left open, and
        a reset marks what it undid as superseded. What the run waits for goes with them. Told
        again, nothing changes.

        Raises:
            NotFound: If the run was deleted or archived since: the record comes too late.
        """
        ...

    async def secret_keys(self) -> Sequence[KeyUse]:
        """Return the keys that are configured or encrypt a stored secret, the newest first.

        Raises:
            ConfigurationError: If no key is configured, or one is malformed.
        """
        ...

    async def rotate_secrets(
        self, batch_size: int = 500, *, on_progress: Callable[[Rotation], None] | None = None
    ) -> Rotation:
        """Encrypt with the newest key every secret, of any tenant, that another key encrypts.

        Each batch is one short transaction. Stopped in the middle, every secret is encrypted with
        either key, and the next call does the rest. Two at the same time share the work; what one
        of them finds locked it counts as busy.

        Args:
            batch_size: Secrets per transaction, 1 to 10,000.
            on_progress: Called after each batch with what was done so far.

        Raises:
            ConfigurationError: If stored secrets need a key that is not configured; names the key
                ids. Nothing was changed.
            InvalidInput: If the batch size does not fit.
        """
        ...

    async def list_tenants(self, *, limit: int = 100, after: str | None = None) -> Page[str]:
        """Return the names of tenants that have anything in the ledger, in its order.

        Args:
            limit: Page size, 1 to 100.
            after: The name that the page before ended with.
        """
        ...

    async def erase_tenant(
        self,
        tenant_id: str,
        *,
        batch_size: int = 200,
        dry_run: bool = False,
        force: bool = False,
        despite_hold: bool = False,
        keep_files: bool = False,
        on_progress: Callable[[Erased], None] | None = None,
    ) -> Erased:
        """Remove everything of a tenant: rows in every table, archived runs, stored files.

        Every batch is one short transaction; stopped anywhere, the next call does the rest. What
        stays for a while is a tombstone per run, an id and the tenant's name, so that late records
        do not bring a run back. Whoever still starts runs for the tenant is to be stopped before.

        Args:
            tenant_id: The tenant; one that has nothing is fine.
            batch_size: Rows per transaction, 1 to 10,000.
            dry_run: Only count; the counts equal what the same call would remove.
            force: Take open runs too. Their executions in Temporal are not ended:
                `WorkflowClient.erase_tenant` does that.
            despite_hold: Take runs under a legal hold too.
            keep_files: Leave alone what runs stored as files.
            on_progress: Called after each batch with what is gone so far.

        Raises:
            Conflict: If runs are open or under a legal hold, if archived runs lie in another
                place than this process is configured for, or if the tenant's folder of files
                is not its own. What was found before the first change changed nothing.
        """
        ...
