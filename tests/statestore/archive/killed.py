"""A process of its own that archives, step by step, until somebody kills it."""

import asyncio
import sys

from flowkeep.contracts.archive import BundleStatus
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.statestore.archive.support import LATER
from tests.statestore.records import TENANT

STEPS = ("publish", "verify", "delete", "restore")


async def step(store: Store, name: str) -> None:
    """Do one step, as often as it takes to find nothing left to do."""
    archive = store.archive
    if name == "publish":
        await archive.publish(TENANT, LATER, max_runs_per_bundle=4)
        return
    begins = {
        "verify": (BundleStatus.PUBLISHED,),
        "delete": (BundleStatus.VERIFIED, BundleStatus.DELETING),
        "restore": (BundleStatus.ARCHIVED, BundleStatus.RESTORING),
    }[name]
    for bundle in await archive.list(TENANT, limit=100):
        if bundle.status in begins:
            await getattr(archive, name)(TENANT, bundle.id)


async def main(first: str) -> None:
    """Announce each step and do it, beginning with one of them."""
    async with await connect(settings=Settings.load()) as store:
        for name in STEPS[STEPS.index(first) :]:
            print(name, flush=True)
            await step(store, name)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
