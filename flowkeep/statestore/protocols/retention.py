"""How long runs are kept, and their removal."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts.retention import RetentionCursor, RetentionPolicy, RetentionReport


class RetentionRepository(Protocol):
    """Retention policies of a tenant, and what they remove.

    A policy is for a tenant, for one of its apps or for one definition; a run belongs to its
    definition's policy, else to its app's, else to the tenant's. Where there is none, runs are
    kept for ever. Taken are runs that ended, were created more than `days` ago, and have no child
    that is still open; the oldest first, chunks of maps with their run.

    A legal hold beats everything: of a run (`runs.set_hold`) or of a policy, whose whole scope it
    holds, whatever more specific policies say. It is in force as soon as it is set.
    """

    async def set_policy(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        days: int | None,
        archive_first: bool = False,
        legal_hold: bool = False,
        expected_revision: int | None = None,
        actor: str | None = None,
    ) -> RetentionPolicy:
        """Set the policy of a tenant, an app or a definition as a whole.

        Setting what is set already writes nothing.

        Args:
            tenant_id: Whose runs.
            app_id: For this app instead of the tenant.
            definition_id: For this definition instead of the tenant.
            days: Days after creation in which ended runs are kept, 0 to 36,500; None for ever.
            archive_first: Move runs to the archive instead of deleting them.
            legal_hold: Remove nothing in this scope.
            expected_revision: Fail unless the stored revision is this one; 0: unless there is none.
            actor: Who sets it.

        Raises:
            InvalidInput: If app and definition are both given, or days do not fit.
            RevisionMismatch: If somebody changed it since it was read.
        """
        ...

    async def get_policy(
        self, tenant_id: str, *, app_id: str | None = None, definition_id: UUID | None = None
    ) -> RetentionPolicy | None:
        """Return the policy of exactly this scope, or None."""
        ...

    async def list_policies(self, tenant_id: str) -> Sequence[RetentionPolicy]:
        """Return all policies of a tenant, the tenant's own first."""
        ...

    async def delete_policy(
        self,
        tenant_id: str,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        expected_revision: int | None = None,
    ) -> bool:
        """Remove the policy of exactly this scope; returns whether there was one.

        Raises:
            RevisionMismatch: If `expected_revision` is given and is not the stored one.
        """
        ...

    async def plan(
        self,
        tenant_id: str,
        *,
        now: datetime | None = None,
        on_progress: Callable[[RetentionReport], None] | None = None,
    ) -> RetentionReport:
        """Count what `apply` would remove; nothing is locked or changed.

        Unless runs change in between, the counts are those of `apply`.

        Args:
            tenant_id: Whose runs.
            now: Count the days back from this time instead of the present.
            on_progress: Called after each window with what was counted so far.

        Raises:
            InvalidInput: If `now` lies in the future or has no time zone.
        """
        ...

    async def apply(
        self,
        tenant_id: str,
        *,
        now: datetime | None = None,
        batch_size: int = 1000,
        max_runs_per_second: float | None = None,
        max_seconds: float | None = None,
        resume: RetentionCursor | None = None,
        on_progress: Callable[[RetentionReport], None] | None = None,
    ) -> RetentionReport:
        """Remove what the policies say, one short transaction per batch.

        Stopped anywhere, each run is either whole or gone, and the next call does the rest. Runs
        that somebody is writing to are left to the next call (`done` is false), and all that are
        left as soon as a policy of the tenant changes. Policies with
        `archive_first` publish, verify and delete bundles, and finish those of the tenant that
        lie there unfinished. At the end, values that nobody refers to for a day and tombstones
        older than 90 days go, too.

        Runs that have to stay are read, too, oldest first. So a call with `max_seconds` gives
        where it came to as `resume` of its report; the next call goes on from there and does not
        read again what lies before. Each call gets on by one window at least. When a policy has
        changed in between, it begins anew.

        Args:
            tenant_id: Whose runs.
            now: Count the days back from this time instead of the present.
            batch_size: Most runs per transaction, 1 to 10,000; fewer where they have many tasks.
            max_runs_per_second: Rest between batches; None for as fast as it goes.
            max_seconds: Begin no further batch after so long; None for as long as it takes.
            resume: `resume` of the report of the call before; None begins with the oldest run.
            on_progress: Called after each batch and window with what was removed so far by
                this call.

        Raises:
            InvalidInput: If a number does not fit, `now` lies in the future, `resume` is no
                cursor, or it is called inside a transaction.
            SourceUnavailable: If runs are to be archived and the storage is away.
        """
        ...
