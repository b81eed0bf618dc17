"""Verifying: what lies in object storage is what was published, and still what the ledger says."""

from functools import partial
from uuid import UUID

from flowkeep.contracts.archive import BundleCheck, BundleStatus
from flowkeep.statestore.archive import bundles, objects
from flowkeep.statestore.archive.comparison import batches, compare
from flowkeep.statestore.archive.threads import in_thread
from flowkeep.statestore.session import EngineScope
from flowkeep.storage import Storage

_RUNS = 2000
"""Runs that one statement compares."""


async def verify(
    scope: EngineScope, storage: Storage, tenant_id: str, bundle_id: UUID
) -> BundleCheck:
    """Read a bundle back and compare it with the ledger; see the Protocol."""
    async with scope.read() as session:
        bundle = await bundles.get(session, tenant_id, bundle_id, write=True)
    bundles.require(
        bundle,
        "verified",
        "its publishing did not end; publish again, which clears it away",
        *(set(BundleStatus) - {BundleStatus.PUBLISHING}),
    )
    members = await in_thread(partial(objects.check, storage, bundle))
    same = gone = 0
    for batch in batches(members, _RUNS):
        async with scope.read() as session:
            found = await compare(session, tenant_id, batch, lock=False)
        same += len(found.same)
        gone += len(found.gone)
    async with scope.write() as session:
        bundle = await bundles.get(session, tenant_id, bundle_id, lock=True, write=True)
        status = BundleStatus.VERIFIED if bundle.status is BundleStatus.PUBLISHED else bundle.status
        bundle = await bundles.move(session, bundle, status, "verified_at")
    runs = members.num_rows
    return BundleCheck(bundle=bundle, runs=runs, changed=runs - same - gone, gone=gone)
