"""The rows of runs, which have to fit each other; Temporal is not asked."""

from collections import Counter
from collections.abc import Collection
from uuid import UUID

from flowkeep.contracts.truth import Difference, DifferenceKind
from flowkeep.contracts.verification import OpenAttempt, RunCounters
from flowkeep.statestore.store import Store


class Rows:
    """The rows of some runs: a suspect like an execution, see `suspects`.

    Args:
        store: The ledger.
        namespace: Of the runs.
        run_ids: The runs.
    """

    remote = False

    def __init__(self, store: Store, namespace: str, run_ids: Collection[UUID]) -> None:
        self._system = store.system
        self._namespace = namespace
        self._run_ids = run_ids

    async def look(self) -> list[Difference]:
        """Compare counters with rows, and find open attempts of runs that have ended."""
        counters = await self._system.wrong_counters(self._run_ids)
        attempts = await self._system.open_attempts(self._run_ids)
        return [*map(self._counter, counters), *map(self._attempt, attempts)]

    async def mend(self) -> None:
        """Close what is open, and count anew."""
        opened = Counter(one.run_id for one in await self._system.open_attempts(self._run_ids))
        for run_id, number in opened.items():
            await self._system.close_attempts(run_id)
            told = {DifferenceKind.ATTEMPT_NOT_ENDED: number}
            await self._system.note_repairs(run_id, told)
        for one in await self._system.wrong_counters(self._run_ids):
            await self._system.recount(one.run_id)
            await self._system.note_repairs(one.run_id, {DifferenceKind.COUNT_DIFFERS: 1})

    def _counter(self, one: RunCounters) -> Difference:
        return Difference(
            kind=DifferenceKind.COUNT_DIFFERS,
            namespace=self._namespace,
            workflow_id=one.workflow_id,
            tenant_id=one.tenant_id,
            run_id=one.run_id,
            ledger=one.words,
        )

    def _attempt(self, one: OpenAttempt) -> Difference:
        return Difference(
            kind=DifferenceKind.ATTEMPT_NOT_ENDED,
            namespace=self._namespace,
            workflow_id=one.workflow_id,
            tenant_id=one.tenant_id,
            run_id=one.run_id,
            temporal_run_id=one.temporal_run_id,
            activity_id=one.activity_id,
            attempt=one.attempt,
            ledger=f"{one.status} in a run that is {one.run_status}",
        )
