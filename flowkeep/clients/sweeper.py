"""Starting what was requested and never started: its starter died, or Temporal was away."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flowkeep.clients.request import StartRequest
from flowkeep.contracts.records import PendingRun
from flowkeep.contracts.status import RunStatus
from flowkeep.errors import (
    AlreadyTerminal,
    Conflict,
    FlowkeepError,
    InvalidInput,
    LedgerUnavailable,
    TemporalUnavailable,
)

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did.

    Attributes:
        started: Requests that Temporal had not heard of, and has now.
        adopted: Requests that Temporal had already; the ledger says so now.
        failed: Requests that can never be started, or gave way to a workflow started elsewhere.
        cancelled: Requests that somebody wanted cancelled before they were started.
        left: Requests to be tried again by a later sweep.
    """

    started: int = 0
    adopted: int = 0
    failed: int = 0
    cancelled: int = 0
    left: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(
            self.started + other.started,
            self.adopted + other.adopted,
            self.failed + other.failed,
            self.cancelled + other.cancelled,
            self.left + other.left,
        )


class Sweeper:
    """Starts requests of any tenant that nobody is starting.

    It may stop anywhere and run in several processes at once: whoever takes a request up has it
    for a while, and Temporal is asked whose an execution is before one is counted as ours.

    Args:
        client: Connected to the ledger and to Temporal.
        older_than_seconds: Age from which nobody can be starting a request any more.
        lease_seconds: How long a request belongs to who took it up; a start takes ten at most.
        batch: Most requests taken up at a time.
        most_attempts: After so many tries that Temporal answered, a request fails.
        longest: A request that is older fails, even where Temporal was away all the time.
    """

    def __init__(
        self,
        client: "WorkflowClient",
        *,
        older_than_seconds: float = 30.0,
        lease_seconds: float = 15.0,
        batch: int = 100,
        most_attempts: int = 20,
        longest: timedelta = timedelta(days=1),
    ) -> None:
        self._store = client.store
        self._namespace = client.temporal.namespace
        self._launcher = client.launcher
        self._older_than = older_than_seconds
        self._lease = lease_seconds
        self._batch = batch
        self._most_attempts = most_attempts
        self._longest = longest

    async def run(self, interval_seconds: float = 15.0) -> None:
        """Sweep again and again until cancelled; servers that are away are waited for.

        Args:
            interval_seconds: Time between two sweeps.
        """
        while True:
            try:
                await self.sweep()
            except (LedgerUnavailable, TemporalUnavailable) as error:
                logger.warning("requests wait to be started: %s", error)
            await asyncio.sleep(interval_seconds)

    async def sweep(self, older_than_seconds: float | None = None) -> Swept:
        """Take up every request that is due, batch by batch.

        Args:
            older_than_seconds: Another age than the usual one.

        Raises:
            LedgerUnavailable: If the ledger is away.
            TemporalUnavailable: If Temporal is away; what was not started stays as it is.
        """
        older = self._older_than if older_than_seconds is None else older_than_seconds
        total = Swept()
        while True:
            found = await self._store.system.claim_due_requests(
                self._namespace,
                older_than_seconds=older,
                lease_seconds=self._lease,
                limit=self._batch,
            )
            total += await self.take_up(found)
            if len(found) < self._batch:
                return total

    async def take_up(self, found: Sequence[PendingRun]) -> Swept:
        """Start requests that this process has claimed.

        Raises:
            TemporalUnavailable: If Temporal is away; those that were not started are given back.
        """
        limit = asyncio.Semaphore(_AT_ONCE)
        away: list[TemporalUnavailable] = []
        untried: list[PendingRun] = []

        async def one(run: PendingRun) -> Swept:
            async with limit:
                if not away:
                    try:
                        return await self._settle(run)
                    except TemporalUnavailable as error:
                        away.append(error)
                untried.append(run)
                return Swept(left=1)

        total = Swept()
        for swept in await asyncio.gather(*map(one, found)):
            total += swept
        if untried:
            await self._store.system.give_back_requests([run.id for run in untried])
        if away:
            raise away[0]
        return total

    async def _settle(self, run: PendingRun) -> Swept:
        try:
            if run.cancel_requested:
                await self._store.runs.fail(run.tenant_id, run.id, status=RunStatus.CANCELLED)
                return Swept(cancelled=1)
            launched = await self._launcher.launch(StartRequest.of(run))
            if launched is None:
                return Swept(failed=1)
            return Swept(started=1) if launched.started else Swept(adopted=1)
        except TemporalUnavailable:
            if await self._give_up(run, "Temporal was away"):
                return Swept(failed=1)
            raise
        except LedgerUnavailable:
            raise
        except AlreadyTerminal:
            return Swept(failed=1)  # somebody else has ended it in the meantime
        except (InvalidInput, Conflict) as error:
            return await self._refused(run, error)
        except Exception as error:
            logger.exception("run %s cannot be started", run.id)
            return Swept(failed=1) if await self._give_up(run, str(error)) else Swept(left=1)

    async def _refused(self, run: PendingRun, error: FlowkeepError) -> Swept:
        """Fail a request that cannot be right, unless the launcher has done so."""
        with suppress(AlreadyTerminal):
            await self._launcher.fail(run.tenant_id, run.id, "START_REFUSED", error.message)
        logger.warning("run %s cannot be started: %s", run.id, error.message)
        return Swept(failed=1)

    async def _give_up(self, run: PendingRun, why: str) -> bool:
        """Fail a request that was tried too often or for too long; tells whether it was."""
        age = datetime.now(UTC) - run.created_at
        if run.start_attempts < self._most_attempts and age < self._longest:
            return False
        tried = f"{run.start_attempts} tries within {age.total_seconds():.0f} s"
        await self._launcher.fail(
            run.tenant_id, run.id, "START_GIVEN_UP", f"not started after {tried}: {why}"
        )
        return True
