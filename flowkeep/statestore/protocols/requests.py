"""Runs before Temporal hears of them."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from flowkeep.contracts import NewRun
from flowkeep.contracts.records import PendingRun


class WrittenRequest(Protocol):
    """What became of a request."""

    @property
    def created(self) -> bool:
        """False if the run existed already under this id."""
        ...

    @property
    def used_before(self) -> bool:
        """Whether the ledger knows that the workflow_id was another run's before."""
        ...


class RequestRepository(Protocol):
    """Requests of runs, in one statement."""

    async def record(
        self,
        tenant_id: str,
        new: NewRun,
        *,
        secrets: Mapping[UUID, dict[str, Any] | str] | None = None,
    ) -> WrittenRequest:
        """Record a run before Temporal hears of it: row, event `created`, arguments, secrets.

        Args:
            tenant_id: Whose run.
            new: The request.
            secrets: What `extract_secrets` took out of its arguments.

        Raises:
            OpenRunExists: If another run with this workflow_id is open; nothing was written.
            Conflict: If the id was a run's that is deleted or archived.
            InvalidInput: If something cannot be stored; names the field.
        """
        ...

    def steps(
        self,
        tenant_id: str,
        new: NewRun,
        *,
        secrets: Mapping[UUID, dict[str, Any] | str] | None = None,
        channel: str | None = None,
    ) -> Generator[tuple[str, dict[str, str]], Sequence[Mapping[str, Any]], WrittenRequest]:
        """Return the statements of `record`, for a connection of the caller's own.

        Args:
            tenant_id: Whose run.
            new: The request.
            secrets: See `record`.
            channel: Where the run is announced when the transaction commits.
        """
        ...


class PendingRequestRepository(Protocol):
    """Part of `store.system`: requests of all tenants that are still to be started."""

    async def claim_due_requests(
        self, namespace: str, *, older_than_seconds: float, lease_seconds: float, limit: int
    ) -> Sequence[PendingRun]:
        """Take up requests that nobody is starting, the oldest first; each goes to one caller.

        Args:
            namespace: Temporal namespace.
            older_than_seconds: Age from which nobody else can be starting one.
            lease_seconds: For how long one that was taken up is left alone.
            limit: Most of them, 1 to 10,000.
        """
        ...

    async def claim_new_requests(
        self, namespace: str, run_ids: Sequence[UUID]
    ) -> Sequence[PendingRun]:
        """Take up requests that were just announced; of several callers one gets each."""
        ...

    async def give_back_requests(self, run_ids: Sequence[UUID]) -> None:
        """Let a try not count, because Temporal was away."""
        ...
