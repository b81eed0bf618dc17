"""The names of a run's tasks by where they stand: computed, never stored."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from flowkeep.contracts import Segment, SegmentKind, Task, TaskStatus, TaskType
from flowkeep.contracts.tasks import TaskLists
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.repositories.task_finders import TaskFinders

_OWN = "flowkeep."
_TURN = re.compile(r"#(\d+)$")

_NEVER = datetime.min.replace(tzinfo=UTC)

_ANEW = (SegmentKind.RETRY, SegmentKind.CRON)
"""Executions that begin where the one before began: what that one did does not count any more."""

# Of each task the newest attempt, in the newest execution that has it; counted together where name,
# turn and state are the same.
_NAMES = f"""
WITH execution AS MATERIALIZED (
    SELECT temporal_run_id, row_number() OVER w AS place,
           COALESCE(lead(kind) OVER w IN ({", ".join(f"'{kind}'" for kind in _ANEW)}), false)
           AS replaced
    FROM {{schema}}.run_segment WHERE run_id = :run
    WINDOW w AS (ORDER BY started_at, seq)
)
SELECT task_name, turn, status, waits
FROM (
    SELECT DISTINCT ON (t.task_name, t.activity_id)
           t.task_name, t.status, t.next_retry_at IS NOT NULL AS waits, t.scheduled_at,
           COALESCE(substring(t.activity_id from '#([0-9]{{1,9}})$')::int, 0) AS turn
    FROM {{schema}}.task AS t LEFT JOIN execution AS e USING (temporal_run_id)
    WHERE t.run_id = :run AND t.tenant_id = :tenant AND NOT t.superseded
      AND e.replaced IS NOT TRUE
      AND t.type <> '{TaskType.STEP}' AND NOT starts_with(t.task_name, '{_OWN}')
    ORDER BY t.task_name, t.activity_id, e.place DESC NULLS LAST, t.attempt DESC
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
            archived, run_id = self._archived, inputs.run_id(run_id)
            states = _of(
                await archived.tasks(tenant_id, run_id), await archived.segments(tenant_id, run_id)
            )
        return _lists(states)


def _of(tasks: Iterable[Task], segments: Iterable[Segment]) -> list[_State]:
    """Return the states of archived tasks."""
    ordered = sorted(segments, key=lambda one: (one.started_at or _NEVER, one.seq))
    places = {one.temporal_run_id: place for place, one in enumerate(ordered, 1)}
    replaced = _replaced(ordered)
    counting = [
        one
        for one in tasks
        if not one.superseded
        and one.temporal_run_id not in replaced
        and one.type is not TaskType.STEP
        and not one.task_name.startswith(_OWN)
    ]
    newest: dict[tuple[str, str], Task] = {}
    for one in sorted(counting, key=lambda one: places.get(one.temporal_run_id, 0)):
        newest[one.task_name, one.activity_id] = one
    return [
        _State(one.task_name, _turn(one.activity_id), one.status, one.next_retry_at is not None)
        for one in sorted(newest.values(), key=lambda one: one.scheduled_at or _NEVER)
    ]


def _replaced(segments: Sequence[Segment]) -> set[str]:
    """Return the executions, given in order, that the next one did all over again."""
    return {one.temporal_run_id for one, following in pairwise(segments) if following.kind in _ANEW}


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
