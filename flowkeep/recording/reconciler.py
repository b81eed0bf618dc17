"""The reconciler: what nobody reported, or not rightly, is found out and put right.

Three sources tell it where to look, cheapest first. Temporal's list of executions that ended
confirms in bulk what workers reported, and shows ends and executions that nobody reported. The
ledger's own queue names what is not proven. One by one, at a bounded rate, executions are described
and, where that is not enough, read from their history.

It keeps nothing in memory that it could not do without: what is to be done stands in the ledger, so
it may be killed anywhere. One process leads. A leader that lost its lock stops before the next
batch. What it still writes of the last one does no harm: every write either compares with what was
read before it sets, or says what Temporal says, which is the same whoever says it.
"""

import asyncio
import logging
import time
from typing import NoReturn

from temporalio.client import Client

from flowkeep.contracts.reconciliation import Reconciled
from flowkeep.errors import LedgerUnavailable, TemporalUnavailable
from flowkeep.recording.capture import Payloads
from flowkeep.recording.examination import Examiner
from flowkeep.recording.reconciling import Fence, Pass, Tools
from flowkeep.settings import ReconcilerSettings
from flowkeep.statestore.store import Store
from flowkeep.telemetry import Meter

logger = logging.getLogger(__name__)

_POLL_SECONDS = 2.0
"""How soon another process notices that nobody leads any more."""
_SECOND_LOOKS = 3


class Reconciler:
    """Compares a namespace's executions with the ledger and corrects it.

    Args:
        client: Temporal's client; its namespace is the one that is compared.
        store: The ledger.
        settings: Interval, rates and which unknown executions are taken up.
        payloads: How much is kept of values of workflows that are not flowkeep's.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        settings: ReconcilerSettings | None = None,
        *,
        payloads: Payloads = "digest",
    ) -> None:
        self._namespace = client.namespace
        self._store = store
        self._settings = settings or ReconcilerSettings()
        examiner = Examiner(client, store, payloads=payloads)
        self._tools = Tools(client, store, self._settings, examiner)
        self._figures = _Figures(Meter(client))

    async def run(self) -> NoReturn:
        """Reconcile until cancelled, whenever no other process does; waits for servers."""
        away = False
        while True:
            try:
                async with self._store.leadership(
                    f"reconciler\x00{self._namespace}", poll_seconds=_POLL_SECONDS
                ) as held:
                    away = False
                    logger.info("this process reconciles namespace %r", self._namespace)
                    await self._lead(held.confirm)
            except LedgerUnavailable as error:
                if not away:
                    logger.warning("nothing is reconciled: %s", error)
                away = True
            finally:
                self._figures.leader.set(0)
            await asyncio.sleep(_POLL_SECONDS)

    async def reconcile_once(self, *, everything: bool = False) -> Reconciled:
        """Look once at all that is due.

        Safe beside a leader: see above why two that write at the same time do no harm.

        Args:
            everything: Look at all that is not proven, whether it is due or not, and wait for no
                worker's report; what was corrected is looked at a second time.

        Raises:
            TemporalUnavailable: If Temporal does not answer; what was done so far stays done.
            LedgerUnavailable: If the ledger does not answer.
        """
        one = Pass(self._tools, fence=_free, seconds=None, everything=everything)
        counts = await one.run()
        for _ in range(_SECOND_LOOKS if everything else 0):
            before = counts.repaired.total()
            counts.undecided = counts.open = counts.stuck = 0
            await one.run_due()
            if counts.repaired.total() == before:
                break
        _tell(counts)
        return counts

    async def _lead(self, fence: Fence) -> NoReturn:
        interval = self._settings.interval_seconds
        away = False
        while True:
            started = time.monotonic()
            self._figures.leader.set(1)
            try:
                one = Pass(self._tools, fence=fence, seconds=interval)
                counts = await one.run()
                _tell(counts)
                self._figures.count(counts, time.monotonic() - started)
                away = False
            except TemporalUnavailable as error:
                if not away:
                    logger.warning("Temporal is away, so nothing is reconciled: %s", error)
                away = True
            backlog = await self._store.system.backlog(self._namespace)
            self._figures.due.set(backlog.due)
            self._figures.lag.set(backlog.oldest_seconds)
            await asyncio.sleep(max(0.0, started + interval - time.monotonic()))


async def _free() -> None:
    """Let everything through."""


def _tell(counts: Reconciled) -> None:
    for kind, number in sorted(counts.repaired.items()):
        logger.info("corrected in the ledger: %d × %s", number, kind)
    if counts.undecided:
        logger.warning("%d executions could not be decided and are tried again", counts.undecided)


class _Figures:
    """What is exported of the reconciler.

    Args:
        meter: Makes the instruments.
    """

    def __init__(self, meter: Meter) -> None:
        self.leader = meter.gauge("reconciler_leader", "Whether this process reconciles")
        self.due = meter.gauge("reconciler_due", "Executions whose turn it is, up to 10,000")
        self.lag = meter.gauge(
            "reconciler_lag", "How long the oldest of them has been due", "seconds"
        )
        self._stuck = meter.gauge("reconciler_stuck", "Open executions that do not move")
        self._proven = meter.counter("reconciler_proven", "Executions proven by counting")
        self._examined = meter.counter("reconciler_examined", "Executions compared one by one")
        self._adopted = meter.counter("reconciler_adopted", "Executions that nobody had recorded")
        self._repaired = meter.counter("reconciler_repaired", "Differences corrected, by kind")
        self._undecided = meter.counter("reconciler_undecided", "Comparisons without a decision")
        self._pass = meter.histogram("reconciler_pass", "How long one pass takes", "seconds")

    def count(self, counts: Reconciled, seconds: float) -> None:
        """Add what a pass did."""
        self._pass.record(seconds)
        self._stuck.set(counts.stuck)
        for counter, number in (
            (self._proven, counts.proven),
            (self._examined, counts.examined),
            (self._adopted, counts.adopted),
            (self._undecided, counts.undecided),
        ):
            counter.add(number)
        for kind, number in counts.repaired.items():
            self._repaired.add(number, {"kind": kind.value})
