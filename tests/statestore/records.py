"""Records with everything filled in that a test does not care for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat

from flowkeep.contracts import (
    Attempt,
    ErrorInfo,
    NewRun,
    NewTask,
    Run,
    RunRef,
    RunStatus,
    SegmentClose,
    Source,
    Task,
    TaskStatus,
    TaskType,
)
from flowkeep.contracts.recorded import AttemptRecord
from flowkeep.statestore import Store

TENANT = "acme"
OTHER = "rival"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def new_run(**fields: Any) -> NewRun:
    run_id = fields.pop("id", None) or new_id()
    values: dict[str, Any] = {
        "id": run_id,
        "workflow_id": f"wf-{run_id}",
        "workflow_type": "Extract",
        "task_queue": "main",
        "app_id": "app",
    }
    return NewRun(**{**values, **fields})


def ref_of(run: Run | NewRun, tenant_id: str = TENANT, **fields: Any) -> RunRef:
    ref = RunRef(
        run_id=run.id,
        tenant_id=tenant_id,
        namespace=run.namespace,
        workflow_id=run.workflow_id,
        temporal_run_id=str(new_id()),
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        app_id=run.app_id,
    )
    return replace(ref, **fields)


def attempt(ref: RunRef, activity_id: str = "1", number: int = 1, **fields: Any) -> Attempt:
    values: dict[str, Any] = {
        "task_name": "fetch",
        "status": TaskStatus.SUCCEEDED,
        "recorded_at": at(number),
        "scheduled_at": at(0),
        "started_at": at(number),
        "finished_at": at(number + 0.5),
    }
    return Attempt(run=ref, activity_id=activity_id, attempt=number, **{**values, **fields})


def failed(ref: RunRef, activity_id: str = "1", number: int = 1, **fields: Any) -> Attempt:
    error = ErrorInfo(code="BOOM", type="ValueError", message="boom")
    values = {"status": TaskStatus.FAILED, "error": error, "next_retry_at": at(60)}
    return attempt(ref, activity_id, number, **{**values, **fields})


def close_of(ref: RunRef, status: RunStatus = RunStatus.SUCCEEDED, **fields: Any) -> SegmentClose:
    return SegmentClose(**{"run": ref, "status": status, "closed_at": at(100), **fields})


async def running(store: Store, **fields: Any) -> tuple[Run, RunRef]:
    """Create a run and let Temporal accept it."""
    run = await store.runs.create(TENANT, new_run(**fields))
    ref = ref_of(run)
    run = await store.runs.mark_running(TENANT, run.id, temporal_run_id=ref.temporal_run_id)
    return run, ref


async def kinds(store: Store, run_id: UUID) -> list[str]:
    """Return the kinds of a run's events, oldest first."""
    return [event.kind for event in reversed(await store.runs.list_events(TENANT, run_id, 1000))]


async def counters(store: Store, run_id: UUID) -> tuple[int, int, int]:
    """Return tasks_total, tasks_finished and exceptions_count of a run."""
    run = await store.runs.get(TENANT, run_id)
    return run.tasks_total, run.tasks_finished, run.exceptions_count


def record_of(execution: str, activity_id: str = "1", number: int = 1) -> AttemptRecord:
    """Return what names an attempt; the rest is what nobody asks for."""
    kind, status = TaskType.ACTIVITY, TaskStatus.SUCCEEDED
    return AttemptRecord(
        execution, activity_id, number, kind, status, Source.WORKER, superseded=False, waits=False
    )


async def step(store: Store, run: Run, **fields: Any) -> Task:
    """Insert a task."""
    return await store.tasks.insert(
        TENANT, NewTask(**{"run_id": run.id, "task_name": "s", **fields})
    )


__all__ = ["Source", "TaskStatus"]
