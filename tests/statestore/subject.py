"""One run of a real ledger, driven as the model of it is."""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase

from flowkeep.contracts import (
    Attempt,
    ErrorInfo,
    NewRun,
    NewTask,
    RunStatus,
    SegmentKind,
    Source,
    TaskKey,
    TaskStatus,
)
from flowkeep.contracts.recorded import AttemptRecord
from flowkeep.statestore import Store
from tests.statestore.model import OPEN_TASK, Key, Row
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    close_of,
    new_run,
    record_of,
    ref_of,
)

LONG = "MODEL_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "40"))
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": not LONG,
    # Making a failure smaller takes minutes on a real database.
    "phases": [Phase.generate, *([Phase.shrink] if LONG else [])],
    "database": None,
    # One ledger for all examples: each makes a run of its own.
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


class Subject:
    """One run of a real ledger, driven by the names of the model's methods."""

    def __init__(self, store: Store, n: int) -> None:
        self.store = store
        self.new: NewRun = new_run()
        self.run_id: UUID = self.new.id
        # Temporal's ids hold the time at which an execution began.
        millis = int(at(n).timestamp() * 1000)
        self.refs = {
            name: ref_of(
                self.new,
                temporal_run_id=str(
                    UUID(int=((millis + 1000 * later) << 80) | (0x7 << 76) | (0x8 << 60) | n)
                ),
            )
            for later, name in enumerate(("T1", "T2"))
        }
        self.names = {ref.temporal_run_id: name for name, ref in self.refs.items()}

    async def do(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do one thing; methods without a form of their own here go to `store.runs`."""
        own: Callable[..., Any] | None = getattr(self, name, None)
        if own is not None:
            return await own(**arguments)
        return await getattr(self.store.runs, name)(TENANT, self.run_id, **arguments)

    async def create(self) -> None:
        await self.store.runs.create(TENANT, self.new)

    async def mark_running(self, execution: str) -> None:
        temporal_run_id = self.refs[execution].temporal_run_id
        await self.store.runs.mark_running(TENANT, self.run_id, temporal_run_id=temporal_run_id)

    async def fail(self, status: str) -> None:
        await self.store.runs.fail(TENANT, self.run_id, status=RunStatus(status))

    async def save(self, goal: str, behind: int) -> None:
        run = await self.store.runs.get(TENANT, self.run_id)
        await self.store.runs.save(TENANT, run.evolve(goal=goal, revision=run.revision - behind))

    async def update_with_revision(self, goal: str, behind: int) -> None:
        run = await self.store.runs.get(TENANT, self.run_id)
        stale = run.evolve(goal=goal, revision=run.revision - behind)
        await self.store.runs.update_with_revision(TENANT, stale)

    async def record_outcome(self, status: str, source: Source, outputs: Any, at: datetime) -> None:
        await self.store.runs.record_outcome(
            TENANT, self.run_id, RunStatus(status), source=source, closed_at=at, outputs=outputs
        )

    async def close_segment(
        self,
        execution: str,
        status: str,
        source: Source,
        outputs: Any,
        tentative: bool,
        at: datetime,
        reset: bool,
    ) -> None:
        close = close_of(
            self.refs[execution],
            RunStatus(status),
            source=source,
            outputs=outputs,
            tentative=tentative,
            closed_at=at,
            kind=SegmentKind.RESET if reset else SegmentKind.START,
        )
        await self.store.system.close_segment(close)

    async def record(self, batch: list[tuple[Key, Row]]) -> None:
        await self.store.tasks.upsert_attempts(
            TENANT, [attempt_of(self.refs[key[0]], key, row) for key, row in batch]
        )

    async def insert(self, name: str, status: str, value: Any) -> None:
        await self.store.tasks.insert(
            TENANT,
            NewTask(run_id=self.run_id, task_name=name, status=TaskStatus(status), input=value),
        )

    async def claim(self, name: str) -> bool:
        _, created = await self.store.tasks.claim(TENANT, self.run_id, name)
        return created

    async def update(self, key: Key, status: str, output: Any) -> None:
        execution = self.refs[key[0]].temporal_run_id if key[0] in self.refs else key[0]
        name = {"temporal_run_id": execution, "activity_id": key[1], "attempt": key[2]}
        task = await self.store.tasks.get(TENANT, TaskKey(run_id=self.run_id, **name))
        await self.store.tasks.update(TENANT, task.evolve(status=status, output=output))

    async def mark(self, chosen: list[Key], superseded: bool) -> None:
        await self.store.system.mark_superseded(
            self.run_id, self._records(chosen), superseded=superseded
        )

    async def expect_no_retry(self, chosen: list[Key]) -> None:
        await self.store.system.expect_no_retry(self.run_id, self._records(chosen))

    def _records(self, keys: list[Key]) -> list[AttemptRecord]:
        return [record_of(self.refs[name].temporal_run_id, key, n) for name, key, n in keys]

    async def rows(self) -> dict[Key, Row]:
        """Return all attempts in the model's form."""
        found = await self.store.tasks.list_attempts(TENANT, self.run_id)
        return {
            (self.names.get(t.temporal_run_id, "-"), t.activity_id, t.attempt): Row(
                status=t.status.value,
                at=t.updated_at,
                source=t.source,
                output=t.output,
                error=t.error.code if t.error else None,
                retry=t.next_retry_at is not None,
                input=t.input,
                scheduled=t.scheduled_at if t.temporal_run_id in self.names else None,
                superseded=t.superseded,
            )
            for t in found
        }


def attempt_of(ref: Any, key: Key, row: Row) -> Attempt:
    """Return what a recorder would report."""
    error = row.error and ErrorInfo(code=row.error, type="E", message="m")
    return attempt(
        ref,
        key[1],
        key[2],
        status=TaskStatus(row.status),
        recorded_at=row.at,
        source=Source(row.source),
        output=row.output,
        error=error or None,
        next_retry_at=at(60) if row.retry else None,
        scheduled_at=row.scheduled,
        finished_at=None if row.status in OPEN_TASK else row.at,
    )
