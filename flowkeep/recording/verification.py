"""Whether ledger and Temporal agree: compared both ways, every difference named.

A difference counts when it lasts: what looks different is looked at again after a grace, so that a
system at work has none. Memory does not grow with the number of runs.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from temporalio.client import Client

from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.contracts.verification import VerificationCounts
from flowkeep.errors import (
    ConfigurationError,
    FlowkeepError,
    LedgerUnavailable,
    TemporalUnavailable,
)
from flowkeep.recording.capture import Payloads
from flowkeep.recording.examination import Examiner
from flowkeep.recording.rate import Rate
from flowkeep.recording.suspects import Suspect, Sweep
from flowkeep.recording.walk import Span, Walk
from flowkeep.settings import ReconcilerSettings
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

T = TypeVar("T")
Key = tuple[object, ...]

_MOST_WAITING = 2000
"""Suspects that wait for their second look; with more, looking goes on without haste."""
_MENDS = 2
"""An execution that the ledger did not know may show more once it does."""
_MOST_REMEMBERED = 10_000
"""Differences that are remembered, so that none is told twice by two ways of looking."""


@dataclass(slots=True)
class _Doubt:
    suspect: Suspect
    keys: set[Key]
    due: float


class Verification:
    """Compares a namespace's executions with the ledger.

    Args:
        client: Temporal's client; its namespace is the one that is compared.
        store: The ledger.
        settings: Which executions ought to be in the ledger (`adopt`), and how long what is on its
            way is waited for (`grace_seconds`).
        concurrency: Executions looked at at a time.
        per_second: Most executions looked at one by one.
        payloads: How much a repair keeps of values of workflows that are not flowkeep's.
        sweep: Starts requests that Temporal never heard of, or gives them up, for repairs.

    Attributes:
        counts: What was looked at so far; complete when `differences` has ended.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        settings: ReconcilerSettings | None = None,
        *,
        concurrency: int = 16,
        per_second: float = 200.0,
        sweep: Sweep | None = None,
        payloads: Payloads = "digest",
    ) -> None:
        self._client = client
        self._store = store
        self._settings = settings or ReconcilerSettings()
        self._slots = asyncio.Semaphore(concurrency)
        self._rate = Rate(per_second)
        self._sweep = sweep
        self._examiner = Examiner(client, store, payloads=payloads)
        self._told: OrderedDict[Key, None] = OrderedDict()
        self.counts = VerificationCounts()

    async def differences(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        tenant_id: str | None = None,
        workflow_id: str | None = None,
        deep: bool = False,
        repair: bool = False,
    ) -> AsyncIterator[Difference]:
        """Yield every difference that lasts.

        Args:
            since: Leave out executions that had ended before.
            until: Leave out executions that began later; now when left out.
            tenant_id: Whose runs; None for all tenants.
            workflow_id: Only executions of this workflow id.
            deep: Read every history and compare attempt by attempt.
            repair: Correct the ledger; a difference is `repaired` when another look finds it gone.

        Raises:
            TemporalUnavailable: If Temporal cannot be reached; what was yielded stays true.
            LedgerUnavailable: If the ledger cannot be reached.
            InvalidInput: If the period ends before it begins.
        """
        span = Span.of(since, until, tenant_id, workflow_id, deep=deep)
        self.counts = VerificationCounts()
        self._told.clear()
        walk = Walk(
            self._client,
            self._store,
            self._examiner,
            self._settings,
            span,
            self.counts,
            self._sweep,
        )
        doubts: deque[_Doubt] = deque()
        async for suspects in walk.suspects():
            doubts.extend(await self._first_look(suspects))
            self.counts.waiting = len(doubts)
            while doubts and (len(doubts) > _MOST_WAITING or doubts[0].due <= time.monotonic()):
                for difference in await self._second_look(doubts, repair):
                    yield difference
        while doubts:
            for difference in await self._second_look(doubts, repair):
                yield difference

    async def _first_look(self, suspects: Sequence[Suspect]) -> list[_Doubt]:
        found = await self._together([self._look(suspect) for suspect in suspects])
        due = time.monotonic() + self._settings.grace_seconds
        return [
            _Doubt(suspect, set(keyed), due)
            for suspect, keyed in zip(suspects, found, strict=True)
            if keyed
        ]

    async def _second_look(self, doubts: deque[_Doubt], repair: bool) -> list[Difference]:
        """Take doubts that are due, waiting for the first one; return what lasted."""
        await asyncio.sleep(max(0.0, doubts[0].due - time.monotonic()))
        taken: list[_Doubt] = []
        while doubts and doubts[0].due <= time.monotonic() and len(taken) < self._settings.batch:
            taken.append(doubts.popleft())
        settled = await self._together([self._settle(doubt, repair) for doubt in taken])
        self.counts.waiting = len(doubts)
        return [one for found in settled for one in found if self._is_news(one)]

    async def _settle(self, doubt: _Doubt, repair: bool) -> list[Difference]:
        found = await self._look(doubt.suspect)
        lasting = {key: one for key, one in found.items() if key in doubt.keys}
        if not found or not repair:
            return list(lasting.values())
        before, left = found, found
        for _ in range(_MENDS):
            await self._mend(doubt.suspect)
            before, left = left, await self._look(doubt.suspect)
            if not left:
                break
        stubborn = {key: one for key, one in left.items() if key in before}
        told = {**stubborn, **lasting}
        return [one.evolve(repaired=key not in left) for key, one in told.items()]

    async def _mend(self, suspect: Suspect) -> None:
        try:
            await suspect.mend()
        except (TemporalUnavailable, LedgerUnavailable, ConfigurationError):
            raise
        except FlowkeepError as error:
            logger.warning("a difference was not repaired: %s", error)

    async def _look(self, suspect: Suspect) -> dict[Key, Difference]:
        if suspect.remote:
            await self._rate.wait()
        return {_key(one): one for one in await suspect.look()}

    async def _together(self, work: Sequence[Awaitable[T]]) -> list[T]:
        """Await some, a bounded number at a time; the first error ends the others."""

        async def one(awaitable: Awaitable[T]) -> T:
            async with self._slots:
                return await awaitable

        tasks: list[asyncio.Task[T]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(one(awaitable)) for awaitable in work]
        except* FlowkeepError as errors:
            raise _first(errors) from None
        return [task.result() for task in tasks]

    def _is_news(self, difference: Difference) -> bool:
        key = _key(difference)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)
        self.counts.differences[difference.kind] += 1
        self.counts.repaired += difference.repaired
        return True


def _key(one: Difference) -> Key:
    """Return what makes two differences the same one."""
    if one.kind is DifferenceKind.COUNT_DIFFERS:  # of the run, whichever execution showed it
        return one.kind, one.run_id
    return one.kind, one.workflow_id, one.temporal_run_id, one.activity_id, one.attempt, one.run_id


def _first(errors: BaseExceptionGroup[FlowkeepError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
