"""The tasks of a run that is looked at again and again."""

from collections.abc import Sequence
from typing import Any

from flowkeep.contracts import Run, Task
from flowkeep.statestore.store import Store

_PAGE = 100


class WatchedTasks:
    """Reads the tasks of one run, and only again once its counters have moved.

    Args:
        store: The ledger.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[Any, ...] | None = None
        self._tasks: Sequence[Task] = ()

    async def of(self, run: Run) -> Sequence[Task]:
        """Return the newest attempt of each task of a run, without the steps of activities.

        Args:
            run: As it was read a moment ago, so that what is written in between shows next time.
        """
        counters = (run.tasks_total, run.tasks_finished, run.exceptions_count, run.revision)
        if counters != self._seen:
            self._tasks = await self._read(run)
            self._seen = counters
        return self._tasks

    async def _read(self, run: Run) -> Sequence[Task]:
        tasks: list[Task] = []
        cursor: str | None = None
        while True:
            page = await self._store.tasks.list_tasks(
                run.tenant_id, run.id, limit=_PAGE, cursor=cursor, steps=False
            )
            tasks.extend(page.data)
            if not page.has_more:
                return tasks
            cursor = page.data[-1].key
