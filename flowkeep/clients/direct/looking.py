"""How far a run is: the ledger, and what Temporal knows of this moment while it can be asked."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flowkeep.clients.direct.marks import marks_of
from flowkeep.clients.watched_tasks import WatchedTasks
from flowkeep.contracts import Run
from flowkeep.contracts.progress import RunProgress, compute_progress
from flowkeep.contracts.run_mark import RunMark
from flowkeep.errors import TemporalUnavailable

if TYPE_CHECKING:
    from flowkeep.clients.direct.client import DirectClient


def is_external(run: Run) -> bool:
    """Return whether a run lives outside Temporal."""
    return run.triggered_from == "external" and run.temporal_run_id is None


async def look(client: "DirectClient", run: Run, now: datetime) -> RunProgress:
    """Return a snapshot of a run.

    Args:
        client: Reaches ledger and Temporal.
        run: The run, as it was read a moment ago.
        now: The moment of the snapshot.
    """
    if not run.status.terminal and not is_external(run):
        snapshots = _asked(client, run)
        try:
            return await anext(snapshots)
        except TemporalUnavailable:
            pass
        finally:
            await snapshots.aclose()
    return compute_progress(run, await WatchedTasks(client.store).of(run), (), now)


async def snapshots(client: "DirectClient", run: Run) -> AsyncGenerator[RunProgress]:
    """Yield snapshots as often as they are asked for; the last one shows the run's end.

    Raises:
        NotFound: If the run was deleted meanwhile.
        LedgerUnavailable: If the ledger is away.
    """
    tasks, marks = WatchedTasks(client.store), marks_of(client.store)
    seen: RunMark | None = None
    while True:
        try:
            if not is_external(run):
                async for progress in _asked(client, run):
                    yield progress
                return
        except TemporalUnavailable:
            pass
        mark = await marks.of(run)
        if mark is None or mark != seen:
            run = await client.store.runs.get(run.tenant_id, run.id)
        seen = mark
        yield compute_progress(run, await tasks.of(run), (), datetime.now(UTC))
        if run.status.terminal:
            return


async def _asked(client: "DirectClient", run: Run) -> AsyncGenerator[RunProgress]:
    temporal = await client.temporal()
    handle = await temporal.get_handle(run.tenant_id, run.id)
    async for progress in handle.watch(interval_seconds=0):
        yield progress
