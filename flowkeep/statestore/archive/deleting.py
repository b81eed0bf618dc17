"""Deleting: the rows of a bundle's runs leave the tables, each run in one transaction."""

# ruff: noqa: S608 - only constants of ours are put into statements

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flowkeep.contracts.archive import Bundle, BundleDeletion, BundleStatus
from flowkeep.errors import Conflict
from flowkeep.statestore.archive import bundles, objects
from flowkeep.statestore.archive.comparison import Batch, batches, compare
from flowkeep.statestore.archive.threads import in_thread, together
from flowkeep.statestore.repositories import folding, holds, rollups
from flowkeep.statestore.repositories.removal import clear
from flowkeep.statestore.session import EngineScope, Session
from flowkeep.statestore.tables import run_archive
from flowkeep.storage import Storage

_RUNS = 1000
"""Runs that one transaction moves."""
_WORKERS = 2
_COUNTING = 60.0
"""Seconds for which runs are counted first."""
OF_RUN = tuple(
    column.name for column in run_archive.c if column.name not in ("bundle_id", "archived_at")
)
_LINES = f"""
INSERT INTO {{schema}}.run_archive ({", ".join(OF_RUN)}, bundle_id, archived_at)
SELECT {", ".join(OF_RUN)}, :bundle, now() FROM {{schema}}.run
WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id
"""
ADD_LABELS = """
INSERT INTO {{schema}}.run_label (tenant_id, key, value, archived, created_at, run_id)
SELECT r.tenant_id, label.key, label.value, true, r.created_at, r.id
FROM {source} CROSS JOIN LATERAL jsonb_each_text(r.labels) AS label
WHERE {where} AND r.labels <> '{{}}' ON CONFLICT DO NOTHING
"""
_LABELS = ADD_LABELS.format(source="{schema}.run AS r", where="r.id = ANY(CAST(:ids AS uuid[]))")
_DONE = """
DELETE FROM {schema}.archive_pending
WHERE run_id = ANY(CAST(:ids AS uuid[])) AND bundle_id = :bundle
"""
_BEFORE = """
SELECT count(*) FROM {schema}.run_archive
WHERE id = ANY(CAST(:ids AS uuid[])) AND bundle_id = :bundle
"""


@dataclass
class _Tally:
    archived: int = 0
    before: int = 0
    kept: int = 0
    gone: int = 0

    def add(self, other: "_Tally") -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


async def delete(
    scope: EngineScope,
    storage: Storage,
    tenant_id: str,
    bundle_id: UUID,
    on_batch: Callable[[int], None],
) -> BundleDeletion:
    """Take the rows of a bundle's runs out of the tables; see the Protocol."""
    async with scope.read() as session:
        bundle = await bundles.get(session, tenant_id, bundle_id, write=True)
    bundles.require(
        bundle,
        "deleted from the tables",
        "verify it first" if bundle.status is BundleStatus.PUBLISHED else "there is nothing to do",
        BundleStatus.VERIFIED,
        BundleStatus.DELETING,
        BundleStatus.ARCHIVED,
    )
    members = await in_thread(partial(objects.check, storage, bundle))
    async with scope.write() as session:
        bundle = await bundles.move(session, bundle, BundleStatus.DELETING)
    # What leaves before it was counted makes its whole quarter of an hour be counted anew.
    await folding.refresh(scope, within=_COUNTING)
    tally = _Tally()
    await _move_all(scope, bundle, batches(members, _RUNS), tally, on_batch)
    async with scope.write() as session:
        # What was kept may be published again.
        await session.execute(
            "DELETE FROM {schema}.archive_pending WHERE bundle_id = :bundle", {"bundle": bundle.id}
        )
        bundle = await bundles.move(session, bundle, BundleStatus.ARCHIVED, "deleted_at")
    return BundleDeletion(bundle=bundle, **vars(tally))


async def _move_all(
    scope: EngineScope,
    bundle: Bundle,
    waiting: Iterator[Batch],
    tally: _Tally,
    on_batch: Callable[[int], None],
) -> None:
    """Move all batches, two at a time where there are connections for it."""

    async def work() -> None:
        for batch in waiting:
            async with scope.write() as session:
                moved = await _move(session, bundle, batch)
            tally.add(moved)
            on_batch(tally.archived)

    await together(*(work() for _ in range(min(_WORKERS, scope.connections()))))


async def _move(session: Session, bundle: Bundle, batch: Batch) -> _Tally:
    """Move the runs of a batch that are still what was published."""
    await holds.pass_gate(session, bundle.tenant_id, alone=False)
    await _still_deleting(session, bundle)
    found = await compare(session, bundle.tenant_id, batch, lock=True)
    moved = _Tally(archived=len(found.same), kept=found.kept)
    if found.gone:
        bound = _bound(bundle, found.gone)
        moved.before = int((await session.execute(_BEFORE, bound)).scalar_one())
        moved.gone = len(found.gone) - moved.before
    if found.same:
        bound = _bound(bundle, found.same)
        for statement in (_LINES, _LABELS, _DONE):
            await session.execute(statement, bound)
        await clear(session, bundle.tenant_id, found.same)
        await rollups.note_archived(session, found.same)
    return moved


async def _still_deleting(session: Session, bundle: Bundle) -> None:
    """Make sure that the bundle stays what it is until this transaction ends."""
    found = await session.execute(
        "SELECT status FROM {schema}.archive_bundle WHERE id = :bundle FOR SHARE",
        {"bundle": bundle.id},
    )
    status = found.scalar_one_or_none()
    if status != BundleStatus.DELETING:
        raise Conflict(
            f"bundle {bundle.id} changed while its runs were being deleted",
            hint="look at it with `archive list`; what has moved is safe in the bundle",
        )


def _bound(bundle: Bundle, run_ids: list[UUID]) -> dict[str, Any]:
    return {"bundle": bundle.id, "ids": "{" + ",".join(map(str, run_ids)) + "}"}
