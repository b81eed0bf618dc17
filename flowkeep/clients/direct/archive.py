"""The archive: runs that move to object storage and back."""

from uuid import UUID

from flowkeep.clients.direct.deadline import Deadline, TimeUp
from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.archive import BundlePublishing, BundleRestoration, PublishedBundles
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.archive import (
    ArchiveProgress,
    Bundle,
    BundleCheck,
    BundleDeletion,
    BundleRestore,
    BundleStatus,
)

_ALL = BundleRestoration()


class Archive(Noun):
    """The archive; it is `client.archive`. For admins of the tenant.

    Publish writes bundles, verify reads them back, delete takes the rows out of the tables; each
    may be repeated. Archived runs are read through `client.runs` as before. Where objects lie
    follows from the tenant and the bundle's id; callers never name places.
    """

    async def list(
        self,
        *,
        status: BundleStatus | None = None,
        limit: int = 20,
        cursor: UUID | None = None,
    ) -> Listing[Bundle]:
        """Return a page of bundles, newest first.

        Args:
            status: Only those that stand there; `publishing` shows what did not end.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
        """
        self._access.require(Role.ADMIN)
        page = await self._store.archive.list(
            self._tenant, status=status, limit=limit, last_id=cursor
        )
        return listed(page, lambda bundle: bundle.id)

    async def get(self, bundle_id: UUID) -> Bundle:
        """Return a bundle.

        Raises:
            NotFound: If the tenant has none of this id.
            Forbidden: If the caller is no admin of the tenant.
        """
        self._access.require(Role.ADMIN)
        return await self._store.archive.get(self._tenant, bundle_id)

    async def publish(self, publishing: BundlePublishing) -> PublishedBundles:
        """Write ended runs into bundles, bundle by bundle until the time is up.

        The tables keep the runs until `delete`.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If somebody else publishes runs of the tenant.
            SourceUnavailable: If the storage is away.
        """
        self._access.require(Role.ADMIN)
        deadline = Deadline[ArchiveProgress](publishing.max_seconds)
        written: list[UUID] = []

        def told(progress: ArchiveProgress) -> None:
            written.append(progress.bundle_id)
            deadline(progress)

        async with self._journal.writing("archive.publish", "archive", self._tenant) as entry:
            try:
                await self._store.archive.publish(
                    self._tenant,
                    publishing.before,
                    app_id=publishing.app_id,
                    definition_id=publishing.definition_id,
                    max_runs_per_bundle=publishing.bundle_runs,
                    limit=publishing.limit,
                    on_progress=told,
                )
                more = False
            except TimeUp:
                more = True
            entry.became({"bundles": [str(one) for one in written]})
        bundles = [await self._store.archive.get(self._tenant, one) for one in written]
        return PublishedBundles(bundles=tuple(bundles), more=more)

    async def verify(self, bundle_id: UUID) -> BundleCheck:
        """Read all of a bundle back and compare it with the ledger.

        Raises:
            NotFound: If the tenant has none of this id.
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If its publishing did not end.
            Incomplete: If something of it is missing or altered.
        """
        before = await self.get(bundle_id)
        async with self._journal.writing("archive.verify", "bundle", bundle_id) as entry:
            entry.was(before)
            check = await self._store.archive.verify(self._tenant, bundle_id)
            entry.became(check.bundle)
            return check

    async def delete(self, bundle_id: UUID) -> BundleDeletion:
        """Take the runs of a verified bundle out of the tables.

        Raises:
            NotFound: If the tenant has none of this id.
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If it was not verified.
            Incomplete: If something of it is missing or altered; nothing moved.
        """
        before = await self.get(bundle_id)
        async with self._journal.writing("archive.delete", "bundle", bundle_id) as entry:
            entry.was(before)
            moved = await self._store.archive.delete(self._tenant, bundle_id)
            entry.became(moved.bundle)
            return moved

    async def restore(
        self, bundle_id: UUID, restoration: BundleRestoration = _ALL
    ) -> BundleRestore:
        """Bring runs of a bundle back into the tables, exactly as they were, with a hold.

        Raises:
            NotFound: If the tenant has no such bundle, or a run does not lie in it.
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If its runs were never deleted from the tables.
            Incomplete: If something of it is missing or altered; nothing came back.
        """
        before = await self.get(bundle_id)
        async with self._journal.writing("archive.restore", "bundle", bundle_id) as entry:
            entry.was(before)
            back = await self._store.archive.restore(
                self._tenant, bundle_id, restoration.run_ids, hold_days=restoration.hold_days
            )
            entry.became(back.bundle)
            return back

    async def discard(self, bundle_id: UUID) -> None:
        """Remove a bundle that no archived run needs, with its objects.

        Raises:
            NotFound: If the tenant has none of this id.
            Forbidden: If the caller is no admin of the tenant.
            Conflict: If archived runs lie in it, or its runs are being deleted.
        """
        before = await self.get(bundle_id)
        async with self._journal.writing("archive.discard", "bundle", bundle_id) as entry:
            entry.was(before)
            await self._store.archive.discard(self._tenant, bundle_id)
