"""What keeps the ledger true beside the workers: requests are started, ends become known.

It needs no worker and serves no task queue. `flowkeep worker start` gives it a process of its own,
`flowkeep dev` runs it beside the servers, and `flowkeep ledger reconcile` runs it alone. Any number
of them may run: requests are shared among them, and one at a time reconciles.
"""

import asyncio
import itertools
import logging
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from flowkeep import telemetry
from flowkeep.clients.schedule_repair import ScheduleRepair
from flowkeep.clients.starter_loop import StarterLoop
from flowkeep.clients.sweeper import Sweeper, Swept
from flowkeep.clients.webhook_loop import WebhookLoop
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts.reconciliation import Reconciled
from flowkeep.errors import FlowkeepError, LedgerUnavailable, TemporalUnavailable
from flowkeep.recording.large_payloads.sweeping import sweep as sweep_payloads
from flowkeep.recording.reconciler import Reconciler
from flowkeep.settings import Settings

logger = logging.getLogger(__name__)

CONNECTIONS = 4
"""Most pooled connections to the ledger; two more listen and hold the lock."""

_AGAIN_SECONDS = 2.0
_PAYLOADS_EVERY = timedelta(hours=1)
_PURGE_EVERY = timedelta(hours=1)
_PURGED = 1000
_PURGE_PAUSE_SECONDS = 0.05
_ENDED_KEYS_KEPT = timedelta(days=90)
"""How long API keys that ended can still be looked up."""
_OBJECTS_EVERY = 24
"""Every how many sweeps the objects are listed too, beginning with the second."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What one round did.

    Attributes:
        requests: Requests that nobody was starting.
        executions: Executions that were compared.
    """

    requests: Swept
    executions: Reconciled

    @property
    def undecided(self) -> int:
        """How much could not be decided now."""
        return self.requests.left + self.executions.undecided


class Keeper:
    """Starts requests that nobody is starting, and reconciles the ledger with Temporal.

    Args:
        client: Connected to the ledger and to Temporal.
    """

    def __init__(self, client: WorkflowClient) -> None:
        settings = client.settings
        self._client = client
        self._interval = settings.reconciler.interval_seconds
        self._sweeper = Sweeper(client)
        self._starter = StarterLoop(client, self._sweeper)
        self._reconciler = Reconciler(
            client.temporal,
            client.store,
            settings.reconciler,
            payloads=settings.recorder.payloads,
        )

    async def run(self) -> NoReturn:
        """Keep the ledger true until cancelled; servers that are away are waited for."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._starter.run(self._interval), name="flowkeep-starter")
                group.create_task(self._sweep_payloads(), name="flowkeep-payloads")
                group.create_task(self._purge(), name="flowkeep-purge")
                group.create_task(ScheduleRepair(self._client).run(), name="flowkeep-schedules")
                group.create_task(WebhookLoop(self._client).run(), name="flowkeep-webhooks")
                group.create_task(self._reconciler.run(), name="flowkeep-reconciler")
        except* FlowkeepError as errors:
            raise errors.exceptions[0] from None
        raise AssertionError("each of these runs until it is cancelled")

    async def keep_once(self) -> Kept:
        """Look once at everything that is not proven, and at every request that is not started.

        Raises:
            TemporalUnavailable: If Temporal does not answer; what was done so far stays done.
            LedgerUnavailable: If the ledger does not answer.
        """
        swept = await self._sweeper.sweep()
        await ScheduleRepair(self._client).repair()
        return Kept(swept, await self._reconciler.reconcile_once(everything=True))

    async def _sweep_payloads(self) -> NoReturn:
        for sweep in itertools.count():
            objects = sweep % _OBJECTS_EVERY == 1
            try:
                await sweep_payloads(self._client.temporal, self._client.store, objects=objects)
            except FlowkeepError as error:
                logger.warning("large payloads are not swept now: %s", error)
            await asyncio.sleep(_PAYLOADS_EVERY.total_seconds())
        raise AssertionError("counting has no end")

    async def _purge(self) -> NoReturn:
        """Remove what the service keeps for a time only, in short transactions."""
        store, kept = self._client.store, timedelta(days=self._client.settings.api.audit_days)
        while True:
            try:
                gone = await store.audit.purge(datetime.now(UTC) - kept, limit=_PURGED)
                gone = max(gone, await store.idempotency.purge(limit=_PURGED))
                await store.api_keys.delete_ended(None, datetime.now(UTC) - _ENDED_KEYS_KEPT)
            except FlowkeepError as error:
                logger.warning("the audit log and old keys are not purged now: %s", error)
                gone = 0
            more = gone == _PURGED
            await asyncio.sleep(_PURGE_PAUSE_SECONDS if more else _PURGE_EVERY.total_seconds())


async def keep(settings: Settings, port_offset: int = 0) -> None:
    """Run a keeper in a process of its own until SIGTERM or SIGINT; importable, to be spawned.

    Args:
        settings: Ledger, Temporal and how often to look.
        port_offset: Added to the port on which metrics are offered.

    Raises:
        ConfigurationError: If ledger or Temporal are set up wrongly.
    """
    telemetry.configure(settings.telemetry, process="reconciler")
    telemetry.start_core(settings.telemetry.metrics_address, port_offset=port_offset)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await run_until(stopped, settings)


async def run_until(stopped: asyncio.Event, settings: Settings) -> None:
    """Run a keeper, as soon as its servers can be reached, until an event is set.

    Args:
        stopped: Ends it.
        settings: Ledger, Temporal and how often to look.

    Raises:
        ConfigurationError: If ledger or Temporal are set up wrongly.
    """
    keeping = asyncio.create_task(_keep(settings), name="flowkeep-keeper")
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({keeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
    finally:
        for task in (keeping, waiting):
            task.cancel()
        await asyncio.gather(keeping, waiting, return_exceptions=True)


async def _keep(settings: Settings) -> NoReturn:
    pool = min(CONNECTIONS, settings.database.pool_size)
    database = settings.database.model_copy(update={"pool_size": pool})
    settings = settings.model_copy(update={"database": database})
    away = False
    while True:
        try:
            client = await WorkflowClient.connect(settings)
        except (LedgerUnavailable, TemporalUnavailable) as error:
            if not away:
                logger.warning("the reconciler waits for a server: %s", error)
            away = True
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        async with client:
            await Keeper(client).run()
