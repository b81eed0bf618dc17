"""Steps as an activity records them."""

from datetime import datetime
from typing import Any

from flowkeep.contracts import RunRef, TaskStatus
from flowkeep.contracts.steps import StepRecord, StepScope
from flowkeep.statestore import Store
from tests.statestore.records import at


def scope_of(ref: RunRef, activity_id: str = "1", fence: datetime | None = None) -> StepScope:
    begun = fence or at(0)
    return StepScope(ref.run_id, ref.tenant_id, ref.temporal_run_id, activity_id, begun)


def step(scope: StepScope, ordinal: int, **fields: Any) -> StepRecord:
    values: dict[str, Any] = {
        "name": "work",
        "attempt": 1,
        "status": TaskStatus.SUCCEEDED,
        "function": "tests.work",
        "digest": f"d{ordinal}",
        "started_at": at(ordinal),
        "finished_at": at(ordinal + 0.5),
        "output": f'{{"z": 1.0, "a": "\\u0000 {ordinal}"}}',
    }
    return StepRecord(scope=scope, ordinal=ordinal, **{**values, **fields})


async def record_steps(store: Store, records: list[StepRecord]) -> set[int]:
    """Commit a group; returns the places of those that were refused."""
    async with store.system.recording_steps() as commit:
        return await commit(records)
