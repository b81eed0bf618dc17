"""Runs that move to object storage and back."""

from collections.abc import Callable, Sequence
from datetime import datetime
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
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.archive import (
    bundles,
    deleting,
    publishing,
    reindexing,
    restoring,
    verifying,
)
from flowkeep.statestore.archive.choice import Position
from flowkeep.statestore.archive.choice import Scope as Wanted
from flowkeep.statestore.repositories import archive_reads, inputs
from flowkeep.statestore.session import EngineScope, Scope
from flowkeep.storage import Storage

MOST_RUNS = 20_000
"""Runs per bundle when nobody says otherwise."""
_MOST = 1_000_000_000
_MOST_DAYS = 365_000
OnProgress = Callable[[ArchiveProgress], None]


class Archive:
    """The archive; see the Protocol `ArchiveRepository`.

    Args:
        scope: Where sessions come from.
        storage: Gives the object storage of bundles when it is needed.
    """

    def __init__(self, scope: Scope, storage: Callable[[], Storage]) -> None:
        self._scope = scope
        self._storage = storage

    async def publish(
        self,
        tenant_id: str,
        before: datetime,
        *,
        app_id: str | None = None,
        definition_id: UUID | None = None,
        without_apps: Sequence[str] = (),
        without_definitions: Sequence[UUID] = (),
        max_runs_per_bundle: int = MOST_RUNS,
        limit: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Bundle]:
        """Write bundles of ended runs; see the Protocol."""
        scope, storage = self._own_transactions("publish"), self._storage()
        wanted = Wanted(
            inputs.tenant(tenant_id),
            _before(before),
            None if app_id is None else inputs.name(app_id, "app_id"),
            None if definition_id is None else inputs.run_id(definition_id, "definition_id"),
            tuple(without_apps),
            tuple(without_definitions),
        )
        _most(max_runs_per_bundle, "max_runs_per_bundle")
        if limit is not None:
            _most(limit, "limit")
        await publishing.clear(scope, storage, wanted.tenant_id)
        done: list[Bundle] = []
        runs = 0
        after: Position | None = None
        while limit is None or runs < limit:
            most = max_runs_per_bundle if limit is None else min(max_runs_per_bundle, limit - runs)
            found = await publishing.publish_next(scope, storage, wanted, after, most)
            if found is None:
                break
            bundle, after = found
            done.append(bundle)
            runs += bundle.runs
            if on_progress is not None:
                on_progress(ArchiveProgress(step="published", bundle_id=bundle.id, runs=runs))
        return done

    async def verify(self, tenant_id: str, bundle_id: UUID) -> BundleCheck:
        """Read a bundle back and compare it with the ledger; see the Protocol."""
        scope = self._own_transactions("verify")
        bundle_id = inputs.run_id(bundle_id, "bundle_id")
        return await verifying.verify(scope, self._storage(), inputs.tenant(tenant_id), bundle_id)

    async def delete(
        self, tenant_id: str, bundle_id: UUID, *, on_progress: OnProgress | None = None
    ) -> BundleDeletion:
        """Take the rows of a verified bundle's runs out of the tables; see the Protocol."""
        scope = self._own_transactions("delete")
        bundle_id = inputs.run_id(bundle_id, "bundle_id")

        told = _telling(on_progress, "deleted", bundle_id)
        return await deleting.delete(
            scope, self._storage(), inputs.tenant(tenant_id), bundle_id, told
        )

    async def restore(
        self,
        tenant_id: str,
        bundle_id: UUID,
        run_ids: Sequence[UUID] | None = None,
        *,
        hold_days: int = 30,
        on_progress: OnProgress | None = None,
    ) -> BundleRestore:
        """Bring archived runs back into the tables; see the Protocol."""
        scope = self._own_transactions("restore")
        bundle_id = inputs.run_id(bundle_id, "bundle_id")
        if isinstance(hold_days, bool) or not isinstance(hold_days, int) or hold_days < 0:
            raise InvalidInput(f"hold_days is {hold_days!r}", hint="use 0 or more days")
        if run_ids is not None and not run_ids:
            raise InvalidInput("run_ids is an empty list", hint="name runs, or pass None for all")
        return await restoring.restore(
            scope,
            self._storage(),
            inputs.tenant(tenant_id),
            bundle_id,
            None if run_ids is None else [inputs.run_id(one) for one in run_ids],
            min(hold_days, _MOST_DAYS),
            _telling(on_progress, "restored", bundle_id),
        )

    async def read(self, tenant_id: str, run_id: UUID) -> ArchivedRun:
        """Return everything the archive keeps of one run."""
        async with self._scope.read() as session:
            found = await archive_reads.archived_run(
                session, self._storage, inputs.tenant(tenant_id), inputs.run_id(run_id)
            )
        if found is None:
            raise NotFound(f"run {run_id} is not archived", hint="look it up with `run get`")
        return found

    async def get(self, tenant_id: str, bundle_id: UUID) -> Bundle:
        """Return a bundle, or raise NotFound."""
        async with self._scope.read() as session:
            return await bundles.get(
                session, inputs.tenant(tenant_id), inputs.run_id(bundle_id, "bundle_id")
            )

    async def list(
        self,
        tenant_id: str,
        *,
        status: BundleStatus | str | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[Bundle]:
        """Return bundles, newest first."""
        async with self._scope.read() as session:
            return await bundles.page(
                session,
                inputs.tenant(tenant_id),
                _status(status),
                inputs.page_limit(limit),
                None if last_id is None else inputs.run_id(last_id, "last_id"),
            )

    async def discard(self, tenant_id: str, bundle_id: UUID) -> None:
        """Remove a bundle that no archived run needs."""
        scope = self._own_transactions("discard")
        bundle_id = inputs.run_id(bundle_id, "bundle_id")
        await publishing.discard(scope, self._storage(), inputs.tenant(tenant_id), bundle_id)

    async def reindex(self, tenant_id: str) -> Reindexing:
        """Rebuild the catalogue of archived runs from the storage alone; see the Protocol."""
        scope = self._own_transactions("reindex")
        return await reindexing.reindex(scope, self._storage(), inputs.tenant(tenant_id))

    def _own_transactions(self, action: str) -> EngineScope:
        """Return the scope of methods that cannot be part of somebody else's transaction."""
        if not isinstance(self._scope, EngineScope):
            raise InvalidInput(
                f"archive.{action} makes transactions of its own",
                hint="call it on the store, not inside `transaction()` or `using()`",
            )
        return self._scope


def _telling(on_progress: OnProgress | None, step: str, bundle_id: UUID) -> Callable[[int], None]:
    def told(runs: int) -> None:
        if on_progress is not None:
            on_progress(ArchiveProgress(step=step, bundle_id=bundle_id, runs=runs))

    return told


def _before(before: datetime) -> datetime:
    checked = inputs.instant(before, "before")
    if checked is None:
        raise InvalidInput("before is None", hint="name the time until which runs are archived")
    return checked


def _most(value: int, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise InvalidInput(f"{field} is {value!r}", hint=f"use 1 to {_MOST}")
    return value


def _status(status: BundleStatus | str | None) -> BundleStatus | None:
    try:
        return None if status is None else BundleStatus(status)
    except ValueError:
        raise InvalidInput(
            f"bundle status {str(status)[:80]!r} is not known",
            hint=f"use one of {', '.join(BundleStatus)}",
        ) from None
