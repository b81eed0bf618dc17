"""Every way in which attempts and runs end, on a plain worker that only added the plugin.

Resets, schedules and workers of several shapes stand in test_plain_workers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from flowkeep.contracts import RunStatus, SegmentKind, TaskStatus
from flowkeep.recording.plugin import Plugin
from tests.recording import kinds, plain
from tests.support import eventually

Handle = WorkflowHandle[Any, Any]


@dataclass
class Kind:
    """What is executed, and what the ledger has to say of it afterwards."""

    workflow: Any
    args: list[Any] = field(default_factory=list)
    rows: list[tuple[int, TaskStatus]] = field(default_factory=list)
    """Attempt and status, in order."""
    run: RunStatus = RunStatus.SUCCEEDED
    segments: list[tuple[SegmentKind, RunStatus, int | None]] = field(default_factory=list)
    """Kind, status and expected tasks; one that starts and ends like the run when left out."""
    drive: Callable[[Handle], Awaitable[None]] | None = None
    options: dict[str, Any] = field(default_factory=dict)


OK, FAILED = TaskStatus.SUCCEEDED, TaskStatus.FAILED
START, RUNNING = SegmentKind.START, RunStatus.RUNNING


async def cancel(handle: Handle) -> None:
    async def beating() -> None:
        pending = (await handle.describe()).raw_description.pending_activities
        assert [one.HasField("last_heartbeat_time") for one in pending] == [True]

    await eventually(beating, timeout=30)
    await handle.cancel()


async def complete(handle: Handle) -> None:
    async def waiting() -> None:
        assert (await handle.describe()).raw_description.pending_activities

    await eventually(waiting, timeout=30)
    outside = handle._client.get_async_activity_handle(
        workflow_id=handle.id, run_id=handle.first_execution_run_id, activity_id="one"
    )
    await outside.complete("done outside")


KINDS = {
    "async": Kind(kinds.One, ["beats"], [(1, OK)]),
    "threaded": Kind(kinds.One, ["naps"], [(1, OK)]),
    "local": Kind(kinds.Locally, ["beats"], [(1, OK)]),
    "retried": Kind(kinds.One, ["fails_twice"], [(1, FAILED), (2, FAILED), (3, OK)]),
    "retried locally": Kind(kinds.Locally, ["fails_twice"], [(1, FAILED), (2, FAILED), (3, OK)]),
    "cancelled": Kind(
        kinds.One, ["stops"], [(1, TaskStatus.CANCELLED)], RunStatus.CANCELLED, drive=cancel
    ),
    "swallowed cancel": Kind(kinds.One, ["swallows"], [(1, OK)], drive=cancel),
    "timed out": Kind(kinds.Once, ["hangs"], [(1, TaskStatus.TIMED_OUT)], RunStatus.FAILED),
    "completed elsewhere": Kind(
        plain.Elsewhere,
        rows=[(1, TaskStatus.CANCELLED)],  # it was waiting when its run ended
        drive=complete,
    ),
    "result that is no JSON": Kind(kinds.Once, ["not_json"], [(1, FAILED)], RunStatus.FAILED),
    "argument that is no JSON": Kind(
        kinds.TriesNoJson, rows=[(1, OK)], segments=[(START, RunStatus.SUCCEEDED, 1)]
    ),
    "child": Kind(kinds.Parent, ["beats"], segments=[(START, RunStatus.SUCCEEDED, 0)]),
    "continued as new": Kind(
        kinds.Continues,
        ["beats"],
        [(1, OK)] * 3,
        segments=[
            (START, RUNNING, None),
            (SegmentKind.CONTINUE, RUNNING, None),
            (SegmentKind.CONTINUE, RunStatus.SUCCEEDED, 3),
        ],
    ),
    "workflow retry": Kind(
        kinds.FailsFirst,
        ["beats"],
        [(1, OK)] * 2,
        segments=[
            (START, RunStatus.FAILED, 1),
            (SegmentKind.RETRY, RunStatus.SUCCEEDED, 1),
        ],
        options={"retry_policy": kinds.QUICKLY},
    ),
}


async def carry_out(client: Client, task_queue: str, kind: Kind) -> str:
    """Start one, do what has to be done to it, wait for its end; returns its id."""
    workflow_id = f"kind-{uuid4()}"
    handle = await client.start_workflow(
        kind.workflow.run, args=kind.args, id=workflow_id, task_queue=task_queue, **kind.options
    )
    if kind.drive is not None:
        await kind.drive(handle)
    try:
        await handle.result()
    except WorkflowFailureError:
        assert kind.run is not RunStatus.SUCCEEDED
    return workflow_id


async def told(plugin: Plugin, workflow_id: str) -> tuple[Any, ...]:
    """Return what the ledger says of a run: status, rows, segments."""
    [run] = await plugin.store.runs.find_by_workflow_id("default", workflow_id)
    page = await plugin.store.tasks.list_attempts("default", run.id)
    rows = [(task.attempt, task.status) for task in page if task.type != "child"]
    segments = await plugin.store.runs.list_segments("default", run.id)
    for segment in segments:
        assert segment.closed_at is not None
    return (
        run.status,
        sorted(rows),
        [(one.kind, one.status, one.expected_tasks) for one in segments],
    )


@pytest.mark.parametrize("headed", [True, False], ids=["with header", "without"])
async def test_every_kind_is_recorded_whole(
    recorded: Client, temporal_client: Client, plugin: Plugin, task_queue: str, headed: bool
) -> None:
    """Rows, end and count of each kind are right, whether its client knew flowkeep or not."""
    client = recorded if headed else temporal_client
    async with kinds.serve(recorded, task_queue):
        ids = await asyncio.gather(
            *(carry_out(client, task_queue, kind) for kind in KINDS.values())
        )
    found = {name: await told(plugin, one) for name, one in zip(KINDS, ids, strict=True)}
    if not headed:  # the retry cannot know whether anything was counted before it
        _, _, segments = found["workflow retry"]
        assert segments.pop() == (SegmentKind.RETRY, RunStatus.SUCCEEDED, None)
        segments.append((SegmentKind.RETRY, RunStatus.SUCCEEDED, 1))
    assert found == {
        name: (
            kind.run,
            sorted(kind.rows),
            kind.segments or [(START, kind.run, _counted(kind))],
        )
        for name, kind in KINDS.items()
    }


def _counted(kind: Kind) -> int | None:
    """Return what a workflow of one task tells: only successes that it saw can be counted."""
    if not kind.rows:
        return 0
    return 1 if kind.run is RunStatus.SUCCEEDED else None
