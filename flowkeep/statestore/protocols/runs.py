"""Runs and the commands that change them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from flowkeep.contracts import (
    ErrorInfo,
    Event,
    NewRun,
    PauseRequest,
    Run,
    RunStatus,
    Source,
)
from flowkeep.statestore.protocols.reads import RunReads
from flowkeep.statestore.protocols.run_deletes import RunDeletes
from flowkeep.statestore.protocols.statistics import RunCounts


class RunRepository(RunReads, RunCounts, RunDeletes, Protocol):
    """Runs and the commands that change them.

    Every command locks the row, checks `expected_revision` when given (`RevisionMismatch`), bumps
    the revision, appends its event and returns the run as stored. A move that is not allowed
    raises `AlreadyTerminal`, `CancelPending` or `IllegalTransition`. A command with nothing to do
    writes nothing.
    """

    async def create(self, tenant_id: str, run: NewRun) -> Run:
        """Record a run before Temporal hears of it: arguments, row and event `created`.

        Repeating it with the same id and content returns the stored run.

        Raises:
            OpenRunExists: If another run with this workflow_id is open; carries its `run_id`.
            Conflict: If the id is taken by a run with other content.
            Forbidden: If the id is taken in another tenant.
            InvalidInput: If something cannot be stored; names the path.
        """
        ...

    async def save(self, tenant_id: str, run: Run) -> Run:
        """Insert a run, or bring the stored one to its content; safe to repeat.

        A revision older than the stored one changes nothing; tenant, app, created_at and counters
        of a stored run never change.

        Raises:
            RevisionMismatch: If the passed revision is ahead of the stored one.
        """
        ...

    async def update_with_revision(
        self, tenant_id: str, run: Run, *, actor: str | None = None
    ) -> Run:
        """Compare the revision and set everything that may change; the event follows from it.

        Raises:
            RevisionMismatch: If somebody else changed it first; nothing was written.
            InvalidInput: If a field that never changes differs; names it.
        """
        ...

    async def update_and_append(
        self,
        tenant_id: str,
        run: Run,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
    ) -> tuple[Run, Event]:
        """Like `update_with_revision`, with an event of the caller's choice."""
        ...

    async def modify(
        self,
        tenant_id: str,
        run_id: UUID,
        fn: Callable[[Run], Run | Awaitable[Run]],
        *,
        attempts: int = 5,
        actor: str | None = None,
    ) -> Run:
        """Read, change by `fn`, write; read again when somebody else was first.

        Raises:
            RevisionMismatch: After `attempts` tries.
        """
        ...

    async def append_event(
        self,
        tenant_id: str,
        run_id: UUID,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
    ) -> Event:
        """Append an audit event without changing the run.

        Raises:
            NotFound: If there is no such run.
        """
        ...

    async def mark_running(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        temporal_run_id: str | None = None,
        started_at: datetime | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Say that Temporal accepted the run; records its first segment when the id is given.

        Repeating it on a run that has moved on changes nothing and raises nothing.
        """
        ...

    async def request_cancel(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        reason: str | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Note that somebody wants the run cancelled; from now on only `cancelled` is left."""
        ...

    async def set_waiting(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        wait: Mapping[str, Any] | None = None,
        pause: PauseRequest | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Move a running run to `waiting`; with `pause` it is paused and an open pause is kept."""
        ...

    async def resume(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        patch: Mapping[str, Any] | None = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Move a waiting run back to `running`, close its pause and merge `patch` into its state.

        Raises:
            IllegalTransition: If the run does not wait.
        """
        ...

    async def patch_state(
        self,
        tenant_id: str,
        run_id: UUID,
        patch: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """Set the keys of `patch` in the run's state, clear those in `remove`, leave the rest."""
        ...

    async def finish(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        outputs: Any = None,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """End a running run as `succeeded`; repeating it may only fill empty outputs."""
        ...

    async def fail(
        self,
        tenant_id: str,
        run_id: UUID,
        *,
        error: ErrorInfo | None = None,
        failure_reason: str | None = None,
        status: RunStatus = RunStatus.FAILED,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> Run:
        """End an open run as `failed`, `cancelled` or `timed_out`."""
        ...

    async def record_outcome(
        self,
        tenant_id: str,
        run_id: UUID,
        status: RunStatus,
        *,
        source: Source,
        closed_at: datetime,
        outputs: Any = None,
        error: ErrorInfo | None = None,
        failure_reason: str | None = None,
        actor: str | None = None,
    ) -> Run:
        """Record Temporal's own outcome: from any open status to any terminal one.

        A terminal status that a weaker source reported is corrected (event
        `outcome_corrected`); else the first one stays and only empty outputs and error are filled.
        """
        ...
