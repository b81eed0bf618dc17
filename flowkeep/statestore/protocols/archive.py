"""Runs that move to object storage and back."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Page
from flowkeep.contracts.archive import (
    ArchivedRun,
    ArchiveProgress,
    Bundle,
    BundleCheck,
    BundleDeletion,
    BundleRestore,
    BundleStatus,
    Reindexing,
)


class ArchiveRepository(Protocol):
    """The archive: publish, verify and delete are three steps, each safe to repeat.

    A run lies in the ledger's tables until `delete` moved it, and from then on in a bundle that
    was read back whole: there is no moment in which it is in neither. Archived runs answer
    through the ordinary reads, marked `archived`; writes to them are a `Conflict` with the code
    `RUN_ARCHIVED`.

    Methods that write objects (`publish`, `verify`, `delete`, `restore`, `discard`, `reindex`)
    make several transactions of their own, so inside `store.transaction()` they are refused.
    """

    async def publish(
        self,
        tenant_id: str,
        before: datetime,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        without_apps: Sequence[str] = (),
        without_definitions: Sequence[UUID] = (),
        max_runs_per_bundle: int = 20_000,
        limit: int | None = None,
        on_progress: Callable[[ArchiveProgress], None] | None = None,
    ) -> Sequence[Bundle]:
        """Write bundles of runs that have ended; the tables keep them.

        Taken are runs with everything that is theirs, chunks of maps included: terminal, created
        before a time, without a legal hold (on the run, its app, its definition or its tenant),
        without an open child, and not in a published bundle already; the oldest first. A bundle
        holds runs of one month. What an unfinished publish of this tenant left is removed first.

        Args:
            tenant_id: Whose runs.
            before: Only runs created before this time.
            app_id: Only this app's.
            definition_id: Only runs of this definition.
            without_apps: Apps that are left out.
            without_definitions: Definitions that are left out.
            max_runs_per_bundle: Most runs per bundle, chunks not counted; 1 to 1,000,000.
            limit: Most runs in all; None for no limit.
            on_progress: Called after each bundle.

        Returns:
            The bundles that were published now.

        Raises:
            Conflict: If another process publishes runs of the tenant.
            SourceUnavailable: If the storage is away; bundles finished before stay published.
        """
        ...

    async def verify(self, tenant_id: str, bundle_id: UUID) -> BundleCheck:
        """Read all objects of a bundle back and compare it with the ledger.

        A published bundle is `verified` afterwards. Runs that have another revision than when
        they were published, or went, are counted; they are no error, `delete` leaves them alone.

        Raises:
            NotFound: If there is no such bundle.
            Forbidden: If it is another tenant's.
            Conflict: If its publishing did not end.
            Incomplete: If the manifest or a part is missing, altered or foreign. The ledger stays
                as it is.
            SourceUnavailable: If the storage is away.
        """
        ...

    async def delete(
        self,
        tenant_id: str,
        bundle_id: UUID,
        *,
        on_progress: Callable[[ArchiveProgress], None] | None = None,
    ) -> BundleDeletion:
        """Take the rows of a verified bundle's runs out of the tables.

        All objects are checked again first. Then, some hundred runs per transaction, rows are
        locked and compared with what was published; those that are the same become archived,
        all others stay: changed, held, reopened, with late attempts or an open child. Repeating
        it, or going on after a crash, moves each run once.

        Args:
            tenant_id: Whose bundle.
            bundle_id: Which one.
            on_progress: Called after each transaction.

        Raises:
            Conflict: If the bundle was not verified.
            Incomplete: If the manifest or a part is missing, altered or foreign; nothing moved.
        """
        ...

    async def restore(
        self,
        tenant_id: str,
        bundle_id: UUID,
        run_ids: Sequence[UUID] | None = None,
        *,
        hold_days: int = 30,
        on_progress: Callable[[ArchiveProgress], None] | None = None,
    ) -> BundleRestore:
        """Bring archived runs back into the tables, exactly as they were.

        Each gets the events `archived` and `restored` and a hold, so that neither retention nor
        archive takes it again at once. Runs that are back already are passed over, so repeating
        it is safe. Credentials that were taken out of arguments are not archived: they stay lost.

        Args:
            tenant_id: Whose bundle.
            bundle_id: Which one.
            run_ids: Only these; None for all. The chunks of their maps come along.
            hold_days: Days of the hold, from 0.
            on_progress: Called after each transaction.

        Raises:
            NotFound: If a run of `run_ids` is not in the bundle.
            Conflict: If the bundle's runs were never deleted from the tables.
            Incomplete: If the manifest or a part is missing, altered or foreign; nothing came back.
        """
        ...

    async def get(self, tenant_id: str, bundle_id: UUID) -> Bundle:
        """Return a bundle, or raise NotFound."""
        ...

    async def list(
        self,
        tenant_id: str,
        *,
        status: BundleStatus | str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Bundle]:
        """Return bundles, newest first.

        Args:
            tenant_id: Whose.
            status: Only bundles that stand there; `publishing` shows what did not end.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last bundle of the page before.
        """
        ...

    async def read(self, tenant_id: str, run_id: UUID) -> ArchivedRun:
        """Return everything the archive keeps of one run.

        Raises:
            NotFound: If no such run is archived.
            Incomplete: If its bundle is missing or damaged.
        """
        ...

    async def discard(self, tenant_id: str, bundle_id: UUID) -> None:
        """Remove a bundle that no archived run needs: objects and row.

        Raises:
            Conflict: If archived runs lie in it, or its runs are being deleted.
        """
        ...

    async def reindex(self, tenant_id: str) -> Reindexing:
        """Rebuild the catalogue of archived runs from the storage alone.

        For a ledger that lost its tables, or came back from an older backup. Every bundle is
        checked whole. Runs that the tables hold, or that were deleted, are left out; of a run in
        several bundles the newest revision counts. What is foreign or damaged is reported and
        not used.
        """
        ...
