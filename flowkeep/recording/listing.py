"""Reading Temporal's list of executions from where it was read to: ends, and what nobody recorded.

The list lags behind, so each reading reaches back behind the one before.
"""

import logging
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo

from flowkeep.contracts.reconciliation import ClosedExecution, Reconciled, Standing
from flowkeep.recording.visibility import CLOSED, Visibility, moment
from flowkeep.settings import ReconcilerSettings
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

_FIRST_LOOK_BACK = timedelta(minutes=10)
"""Where the very first reading of a namespace begins; `ledger verify` compares what is older."""
_WINDOW = timedelta(minutes=10)
"""A longer time that was missed is read in pieces, so that what was read is noted early."""
_MOST_SEEN = 100_000

Named = tuple[str, str]
"""Workflow id and Temporal's run id."""


class Listing:
    """Temporal's list of one namespace, read forward.

    Args:
        namespace: Of the executions.
        visibility: Temporal's list.
        store: The ledger.
        settings: Grace, overlap and which unknown executions are ours.
    """

    def __init__(
        self, namespace: str, visibility: Visibility, store: Store, settings: ReconcilerSettings
    ) -> None:
        self._namespace = namespace
        self._visibility = visibility
        self._system = store.system
        self._settings = settings
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def windows(self, grace: timedelta) -> Iterator[tuple[datetime, datetime]]:
        """Return the times to be read, oldest first.

        Args:
            grace: How long the reports of an end are waited for.
        """
        until = datetime.now(UTC) - grace
        read = await self._system.listed_to(self._namespace)
        begin = until - _FIRST_LOOK_BACK if read is None else min(read, until)
        return _pieces(begin - timedelta(seconds=self._settings.overlap_seconds), until)

    async def ends(self, since: datetime, until: datetime, counts: Reconciled) -> list[Named]:
        """Confirm the executions that ended in a time; those to be looked at become due.

        Returns:
            Executions that the ledger does not know although it should.
        """
        query = (
            f"ExecutionStatus != 'Running' AND CloseTime > {moment(since)}"
            f" AND CloseTime <= {moment(until)}"
        )
        unknown: list[Named] = []
        async for page in self._visibility.pages(query):
            new = [info for info in page if info.execution.run_id not in self._seen]
            for infos in _batches(new, self._settings.batch):
                unknown += await self._confirm(infos, counts)
        return unknown

    async def starts(self, since: datetime, until: datetime) -> list[Named]:
        """Return executions that began in a time, are open, and that the ledger does not know."""
        query = (
            f"ExecutionStatus = 'Running' AND StartTime > {moment(since)}"
            f" AND StartTime <= {moment(until)}"
        )
        unknown: list[Named] = []
        async for page in self._visibility.pages(query):
            for infos in _batches(page, self._settings.batch):
                known = [info.execution.run_id for info in infos]
                missing = set(await self._system.unknown_executions(self._namespace, known))
                unknown += await self._ours(
                    [info for info in infos if info.execution.run_id in missing]
                )
        return unknown

    async def read(self, until: datetime) -> None:
        """Note up to when the list was read, and everything in it dealt with."""
        await self._system.set_listed_to(self._namespace, until)

    async def look_up(self, ids: Sequence[str]) -> dict[str, ClosedExecution | None]:
        """Return how some executions ended, None where the list has them open."""
        found = await self._visibility.find(ids)
        return {name: as_closed(info) for name, info in found.items()}

    async def _confirm(
        self, infos: Sequence[WorkflowExecutionInfo], counts: Reconciled
    ) -> list[Named]:
        counts.listed += len(infos)
        closed = [one for one in map(as_closed, infos) if one is not None]
        standings = await self._system.confirm(self._namespace, closed)
        counts.proven += sum(one is Standing.PROVEN for one in standings.values())
        urgent = [
            (self._namespace, name)
            for name, standing in standings.items()
            if standing in (Standing.OPEN, Standing.DIFFERS)
        ]
        await self._system.reconcile_all_soon(urgent)
        missing = [info for info in infos if standings[info.execution.run_id] is Standing.UNKNOWN]
        unknown = await self._ours(missing)
        # What is to be looked at again is due in the ledger by now, but for what it does not know.
        self._remember(set(standings) - {name for _, name in unknown})
        return unknown

    def _remember(self, names: Collection[str]) -> None:
        self._seen.update(dict.fromkeys(names))
        while len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)

    async def _ours(self, infos: Sequence[WorkflowExecutionInfo]) -> list[Named]:
        """Return those that are to be taken up, by the setting `adopt`."""
        adopt = self._settings.adopt
        if not infos or adopt == "none":
            return []
        queues = await self._system.served_queues(self._namespace) if adopt == "served" else set()
        return [
            (info.execution.workflow_id, info.execution.run_id)
            for info in infos
            if adopt == "all" or info.task_queue in queues
        ]


def as_closed(info: WorkflowExecutionInfo) -> ClosedExecution | None:
    """Return how a listed execution ended, None while it is open."""
    status = CLOSED.get(info.status)
    if status is None:
        return None
    name = info.execution.run_id
    terminated = info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED
    return ClosedExecution(name, status, info.close_time.ToDatetime(UTC), terminated)


def _pieces(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while begin < end:
        yield begin, min(begin + _WINDOW, end)
        begin += _WINDOW


def _batches(
    infos: Sequence[WorkflowExecutionInfo], size: int
) -> Iterator[Sequence[WorkflowExecutionInfo]]:
    for start in range(0, len(infos), size):
        yield infos[start : start + size]
