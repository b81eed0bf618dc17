"""What became of the tasks of a definition's run."""

from uuid import UUID

from flowkeep.contracts import Task, TaskStatus
from flowkeep.statestore.store import Store

_PAGE = 100
_OWN = "flowkeep."
"""Prefix of activities that are no tasks of a definition."""


async def outcomes_of(store: Store, tenant_id: str, run_id: UUID) -> dict[str, TaskStatus]:
    """Return how each task of a run ended, by its id in the definition.

    Args:
        store: The ledger.
        tenant_id: Whose run.
        run_id: The run.
    """
    found: dict[str, TaskStatus] = {}
    cursor: str | None = None
    while True:
        page = await store.tasks.list_tasks(
            tenant_id, run_id, limit=_PAGE, cursor=cursor, steps=False
        )
        found.update(
            {
                one.activity_id: _outcome(one)
                for one in page.data
                if not one.superseded and not one.task_name.startswith(_OWN)
            }
        )
        if not page.has_more:
            return found
        cursor = page.data[-1].key


def _outcome(task: Task) -> TaskStatus:
    """Return how a task ended; one whose output is not whole any more has to run again."""
    from flowkeep.definitions.rerun import is_whole

    if task.status is TaskStatus.SUCCEEDED and not is_whole(task.output):
        return TaskStatus.PENDING
    return task.status
