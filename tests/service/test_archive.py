"""The archive, directly and over HTTP."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowkeep.contracts.api.archive import BundlePublishing, BundleRestoration
from flowkeep.contracts.archive import BundleStatus
from flowkeep.errors import Conflict, FlowkeepError, NotFound
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.service.conftest import ServiceClient
from tests.statestore.archive.support import ended
from tests.statestore.records import new_id

BEFORE = datetime(2100, 1, 1, tzinfo=UTC)


async def test_runs_go_and_come_back(client: ServiceClient, settings: Settings) -> None:
    """Published, verified and deleted, runs are read as before; a restored one is as it was."""
    async with await connect(settings=settings) as store:
        first, second = [await ended(store, "default") for _ in range(2)]
    archive = client.archive
    cut = await archive.publish(BundlePublishing(before=BEFORE, bundle_runs=1, max_seconds=1e-9))
    assert ([one.runs for one in cut.bundles], cut.more) == ([1], True)
    rest = await archive.publish(BundlePublishing(before=BEFORE, limit=10))
    assert ([one.runs for one in rest.bundles], rest.more) == ([1], False)
    bundle, other = cut.bundles[0].id, rest.bundles[0].id
    with pytest.raises(Conflict, match="verif"):
        await archive.delete(bundle)
    assert (await archive.verify(bundle)).bundle.status is BundleStatus.VERIFIED
    assert (await archive.delete(bundle)).archived == 1
    newest = await archive.list(limit=1)
    assert [one.id for one in newest.data] == [other]
    assert [one.id for one in (await archive.list(cursor=other)).data] == [bundle]
    stands = await archive.list(status=BundleStatus.ARCHIVED)
    assert [one.id for one in stands.data] == [bundle]
    away = [run for run in (first, second) if (await client.runs.get(run.id)).archived]
    assert len(away) == 1
    with pytest.raises(NotFound):
        await archive.restore(bundle, BundleRestoration(run_ids=[new_id()]))
    with pytest.raises(Conflict):
        await archive.discard(bundle)
    back = await archive.restore(bundle, BundleRestoration(run_ids=[away[0].id], hold_days=1))
    assert (back.restored, back.bundle.status) == (1, BundleStatus.RESTORED)
    found = await client.runs.get(away[0].id)
    assert (found.archived, found.outputs) == (False, away[0].outputs)
    await archive.discard(bundle)
    for call in (archive.get, archive.verify, archive.delete, archive.restore, archive.discard):
        with pytest.raises(NotFound, match="bundle"):
            await call(bundle)


async def test_a_damaged_bundle_is_named(client: ServiceClient, settings: Settings) -> None:
    """A bundle with an altered object is not verified, and the error has its own code."""
    async with await connect(settings=settings) as store:
        await ended(store, "default")
    (bundle,) = (await client.archive.publish(BundlePublishing(before=BEFORE))).bundles
    folder = Path(urlsplit(bundle.url).path) / bundle.prefix
    part = next(path for path in sorted(folder.iterdir()) if path.suffix == ".parquet")
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(FlowkeepError) as caught:
        await client.archive.verify(bundle.id)
    assert caught.value.code == "ARCHIVE_DAMAGED"
    assert (await client.archive.get(bundle.id)).status is BundleStatus.PUBLISHED
