"""The names of a run's tasks by where they stand: computed, never stored."""

import re
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from flowkeep.contracts import Task, TaskStatus, TaskType
from flowkeep.contracts.tasks import TaskLists
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.task_finders import TaskFinders

_OWN = "flowkeep."
_TURN = re.compile(r"#(\d+)$")

# Of each task the newest attempt, counted together where name, turn and state are the same.
_NAMES = f"""
SELECT task_name, turn, status, waits
FROM (
    SELECT DISTINCT ON (temporal_run_id, activity_id)
           task_name, status, next_retry_at IS NOT NULL AS waits, scheduled_at,
           COALESCE(substring(activity_id from '#([0-9]{{1,9}})$')::int, 0) AS turn
    FROM {{schema}}.task
    WHERE run_id = :run AND tenant_id = :tenant AND NOT superseded
      AND type <> '{TaskType.STEP}' AND NOT starts_with(task_name, '{_OWN}')
    ORDER BY temporal_run_id, activity_id, attempt DESC
) AS newest
GROUP BY task_name, turn, status, waits
ORDER BY min(scheduled_at), task_name
"""  # noqa: S608 - only constants of ours are put in


class _State(NamedTuple):
    name: str
    turn: int
    status: TaskStatus
    waits: bool

    @property
    def rank(self) -> int:
        """Which list it belongs to: of several states of one name the highest counts."""
        if self.waits or not self.status.terminal:
            return 3
        return {TaskStatus.SKIPPED: 0, TaskStatus.SUCCEEDED: 1}.get(self.status, 2)


class NamesByState(TaskFinders):
    """Names of tasks by state; see the Protocol `TaskFinders`."""

    async def names_by_state(self, tenant_id: str, run_id: UUID) -> TaskLists:
        """Return the names of a run's tasks by where they stand; see the Protocol."""
        values = {"run": inputs.run_id(run_id), "tenant": inputs.tenant(tenant_id)}
        async with self._scope.read() as session:
            found = (await session.execute(_NAMES, values)).mappings().all()
        states = [
            _State(row["task_name"], row["turn"], TaskStatus(row["status"]), row["waits"])
            for row in found
        ]
        if not states:
            states = _of(await self._archived.tasks(tenant_id, inputs.run_id(run_id)))
        return _lists(states)


def _of(tasks: Iterable[Task]) -> list[_State]:
    """Return the states of archived tasks."""
    return [
        _State(one.task_name, _turn(one.activity_id), one.status, one.next_retry_at is not None)
        for one in tasks
        if not one.superseded
        and one.type is not TaskType.STEP
        and not one.task_name.startswith(_OWN)
    ]


def _turn(activity_id: str) -> int:
    found = _TURN.search(activity_id)
    return 0 if found is None else int(found[1])


def _lists(states: Iterable[_State]) -> TaskLists:
    best: dict[str, tuple[int, int]] = {}
    for one in states:
        place = (one.turn, one.rank)
        best[one.name] = max(best.get(one.name, place), place)
    names: tuple[list[str], ...] = ([], [], [], [])
    for name, (_, rank) in best.items():
        names[rank].append(name)
    skipped, completed, failed, current = names
    return TaskLists(current=current, completed=completed, failed=failed, skipped=skipped)
