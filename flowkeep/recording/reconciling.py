"""One pass of the reconciler: in bulk first, then one by one what that leaves."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from flowkeep.contracts import SegmentKind
from flowkeep.contracts.reconciliation import DueExecution, NextLook, Reconciled, Standing
from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.errors import LedgerUnavailable, TemporalUnavailable
from flowkeep.recording.describing import Unreadable, described
from flowkeep.recording.examination import Examiner
from flowkeep.recording.listing import Listing
from flowkeep.recording.rate import Rate
from flowkeep.recording.stalls import Stalls
from flowkeep.recording.visibility import MOST_IDS, Visibility
from flowkeep.settings import ReconcilerSettings
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]
Fence = Callable[[], Awaitable[None]]
"""Raises LedgerUnavailable when this process leads no longer."""

_AT_ONCE = 8
_LAG_SECONDS = 15.0
"""How long an end that Temporal does not list yet is waited for."""
_CHAIN_SECONDS = 300.0
"""How long the end of a chain is waited for before its executions are looked at one by one."""
_OPEN_SECONDS = (60.0, 600.0)
"""First and longest time between two looks at an execution that runs."""
_STUCK_SECONDS = 30.0
_UNDECIDED_SECONDS = (60.0, 3600.0)
_MENDED_SECONDS = (1.0, 3600.0)
_EVER = timedelta(days=36_500)
_CHAINED = {SegmentKind.CONTINUE, SegmentKind.RETRY}
_ADOPTED = {DifferenceKind.RUN_MISSING, DifferenceKind.SEGMENT_MISSING}


class Tools:
    """What passes of one process share.

    Args:
        client: Of the namespace.
        store: The ledger.
        settings: Rates, sizes and patience.
        examiner: Compares one execution.
    """

    def __init__(
        self, client: Client, store: Store, settings: ReconcilerSettings, examiner: Examiner
    ) -> None:
        self.client = client
        self.store = store
        self.settings = settings
        self.examiner = examiner
        self.rate = Rate(settings.describes_per_second)
        self.stalls = Stalls(client)
        visibility = Visibility(client, Rate(settings.lists_per_second))
        self.listing = Listing(client.namespace, visibility, store, settings)


class Pass:
    """One look at all that is due.

    Args:
        tools: What passes share.
        fence: Asked before each batch.
        seconds: How long to look at executions one by one; what is left stays due. None for as
            long as it takes.
        everything: Look at all that is not proven, due or not, and wait for nobody's report.
    """

    def __init__(
        self, tools: Tools, *, fence: Fence, seconds: float | None, everything: bool = False
    ) -> None:
        self._tools = tools
        self._system = tools.store.system
        self._namespace = tools.client.namespace
        self._fence = fence
        self._everything = everything
        self._grace = timedelta(seconds=0 if everything else tools.settings.grace_seconds)
        self._until = datetime.now(UTC) + _EVER if everything else None
        self._seconds = seconds
        self._deadline = self._from_now()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._seen: set[str] = set()
        self.counts = Reconciled()

    async def run(self) -> Reconciled:
        """Look at everything once; returns what was found and done.

        Raises:
            TemporalUnavailable: If Temporal does not answer; what was done so far stays done.
            LedgerUnavailable: If the ledger does not answer, or another process leads.
        """
        await self._fence()
        for since, until in await self._tools.listing.windows(self._grace):
            await self._read_list(since, until)
            if self._over():
                break
        await self.run_due()
        return self.counts

    async def run_due(self) -> None:
        """Look at what is due in the ledger; again at what was looked at before."""
        self._deadline = self._from_now()
        self._seen.clear()
        async for page in self._due(closed=True):
            await self._closed(page)
        async for page in self._due(closed=False):
            await self._each(
                (partial(self._turn, one, partial(self._open, one)) for one in page), in_time=True
            )

    async def _read_list(self, since: datetime, until: datetime) -> None:
        listing = self._tools.listing
        unknown = await listing.ends(since, until, self.counts)
        unknown += await listing.starts(since, until)
        await self._fence()
        await self._each(partial(self._adopt, *named) for named in dict.fromkeys(unknown))
        await listing.read(until)

    async def _due(self, *, closed: bool) -> AsyncIterator[Sequence[DueExecution]]:
        last: DueExecution | None = None
        size = min(self._tools.settings.batch, MOST_IDS)
        while not self._over():
            page = await self._system.due_executions(
                self._namespace, closed=closed, limit=size, after=last, until=self._until
            )
            if not page:
                return
            last = page[-1]
            new = [one for one in page if one.temporal_run_id not in self._seen]
            self._seen.update(one.temporal_run_id for one in new)
            if new:
                await self._fence()
                yield new

    async def _closed(self, page: Sequence[DueExecution]) -> None:
        """Confirm what the ledger has ended; examine what that does not prove."""
        found = await self._tools.listing.look_up([one.temporal_run_id for one in page])
        standings = await self._system.confirm(
            self._namespace, [end for end in found.values() if end is not None]
        )
        later: list[NextLook] = []
        doubtful: list[DueExecution] = []
        for one in page:
            standing = standings.get(one.temporal_run_id)
            wait = _CHAIN_SECONDS if standing is Standing.CONTINUED else _LAG_SECONDS
            patient = standing in (None, Standing.CONTINUED) and not self._everything
            if standing is Standing.PROVEN:
                self.counts.proven += 1
            elif patient and one.tries == 0:
                later.append(NextLook(one.temporal_run_id, one.due_at, wait))
            else:
                doubtful.append(one)
        await self._system.look_again(self._namespace, later)
        # What lacks may lie anywhere in the chain: nothing of it is proven with its end any more.
        broken = {one.run_id for one in doubtful if one.status.terminal and one.kind in _CHAINED}
        await self._system.chains_now(self._namespace, broken)
        await self._each(
            (partial(self._turn, one, partial(self._examine, one, deep=True)) for one in doubtful),
            in_time=True,
        )

    async def _turn(self, one: DueExecution, work: Work) -> None:
        """Do something for one execution: if that fails, the others must not wait for it."""
        try:
            await work()
        except LedgerUnavailable:
            raise
        except TemporalUnavailable:
            # Perhaps Temporal fails at this one alone: next time the others come first.
            await self._look_again(one, _LAG_SECONDS)
            raise
        except Exception:
            logger.exception("execution %s cannot be looked at", one.temporal_run_id)
            self.counts.undecided += 1
            await self._look_again(one, _backed_off(_UNDECIDED_SECONDS, one.tries))

    async def _open(self, one: DueExecution) -> None:
        """Describe what the ledger has open."""
        description = await self._describe(one)
        if description is None:
            await self._examine(one, deep=False)
        elif description.status is WorkflowExecutionStatus.RUNNING:
            await self._running(one, description)
        elif datetime.now(UTC) - (description.close_time or datetime.now(UTC)) < self._grace:
            await self._look_again(one, self._grace.total_seconds())
        else:
            await self._examine(one, deep=True)

    async def _running(self, one: DueExecution, described: WorkflowExecutionDescription) -> None:
        self.counts.open += 1
        stuck = await self._tools.stalls.explain(described)
        if stuck is not None:
            self.counts.stuck += 1
            await self._system.set_stuck(one.run_id, stuck)
        elif one.stuck is not None:
            await self._system.clear_stuck(one.run_id)
        await self._look_again(
            one, _backed_off(_OPEN_SECONDS, one.tries) if stuck is None else _STUCK_SECONDS
        )

    async def _describe(self, one: DueExecution) -> WorkflowExecutionDescription | None:
        await self._tools.rate.wait()
        try:
            return await described(self._tools.client, one.workflow_id, one.temporal_run_id)
        except Unreadable:
            return None

    async def _examine(self, one: DueExecution, *, deep: bool) -> None:
        found = await self._compare(one.workflow_id, one.temporal_run_id, deep=deep)
        if found is None or any(not difference.repaired for difference in found):
            self.counts.undecided += 1
            await self._look_again(one, _backed_off(_UNDECIDED_SECONDS, one.tries))
        elif not found:
            # Without a difference an open execution is one that runs on.
            proven = one.closed_at is not None
            await self._look_again(one, None if proven else _OPEN_SECONDS[0])
        else:
            # The correction itself is looked at, ever later if one does not settle it.
            await self._look_again(one, _backed_off(_MENDED_SECONDS, one.tries))

    async def _adopt(self, workflow_id: str, temporal_run_id: str) -> None:
        found = await self._compare(workflow_id, temporal_run_id, deep=True)
        if found is None or any(not difference.repaired for difference in found):
            self.counts.undecided += 1  # the list shows it again for a while
        elif any(difference.kind in _ADOPTED for difference in found):
            self.counts.adopted += 1

    async def _compare(
        self, workflow_id: str, temporal_run_id: str, *, deep: bool
    ) -> list[Difference] | None:
        """Examine and correct one execution; None when that fails for a reason of its own."""
        await self._tools.rate.wait()
        self.counts.examined += 1
        try:
            found = await self._tools.examiner.examine(
                workflow_id, temporal_run_id, deep=deep, repair=True
            )
        except (LedgerUnavailable, TemporalUnavailable):
            raise
        except Exception:
            # One execution that cannot be understood must not keep the others from being right.
            logger.exception(
                "execution %s of workflow %s cannot be examined", temporal_run_id, workflow_id
            )
            return None
        self.counts.repaired.update(one.kind for one in found if one.repaired)
        return found

    async def _look_again(self, one: DueExecution, after_seconds: float | None) -> None:
        look = NextLook(one.temporal_run_id, one.due_at, after_seconds)
        await self._system.look_again(self._namespace, [look])

    async def _each(self, work: Iterable[Work], *, in_time: bool = False) -> None:
        """Do some things at a time, with `in_time` only until the time is over."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in work:
                    await self._slots.acquire()
                    group.create_task(self._within(one))
                    if in_time and self._over():
                        break
        except ExceptionGroup as errors:  # the first one says why the pass ends
            raise errors.exceptions[0] from None

    async def _within(self, one: Work) -> None:
        try:
            await one()
        finally:
            self._slots.release()

    def _from_now(self) -> float | None:
        return None if self._seconds is None else time.monotonic() + self._seconds

    def _over(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline


def _backed_off(seconds: tuple[float, float], tries: int) -> float:
    first, most = seconds
    return min(first * 2.0 ** min(tries, 16), most)
