"""Whether a large run did what it was to do: every call once, in order, with its own result."""

from collections.abc import Mapping
from typing import Any

from benchmarks._definition_shapes import LAYER, above, result_of
from flowkeep import WorkflowClient
from flowkeep.clients.handle import RunHandle
from flowkeep.contracts import TaskStatus
from flowkeep.contracts.tasks import Task


async def check(client: WorkflowClient, handle: RunHandle, shape: str, count: int) -> None:
    """Compare the ledger's rows and the result of a run with what its definition says.

    Raises:
        RuntimeError: If they differ; names the first difference.
    """
    rows = await _rows(client, handle)
    names = {f"each[{place}]" if shape != "graph" else f"t{place}" for place in range(count)}
    if len(rows) != len(names) or {row.activity_id for row in rows} != names:
        raise RuntimeError(f"the ledger has {len(rows):,} rows of {count:,} calls")
    by_name = {row.activity_id: row for row in rows}
    for row in rows:
        if row.status is not TaskStatus.SUCCEEDED:
            raise RuntimeError(f"{row.activity_id} is {row.status}")
    if shape == "graph":
        _check_order(by_name, count)
    elif shape == "items":
        for row in rows:
            if row.output != row.task_index:
                raise RuntimeError(f"{row.activity_id} gave {row.output!r}")
    found, expected = await handle.result(), result_of(shape, count)
    if found != expected:
        raise RuntimeError(f"the run gave {found!r} instead of {expected!r}")


def _check_order(rows: Mapping[str, Task], count: int) -> None:
    for place in range(count):
        row = rows[f"t{place}"]
        if row.output != place // LAYER + 1:
            raise RuntimeError(f"{row.activity_id} gave {row.output!r}")
        for before in above(place):
            earlier = rows[f"t{before}"]
            assert row.started_at is not None
            assert earlier.finished_at is not None
            if row.started_at < earlier.finished_at:
                raise RuntimeError(f"{row.activity_id} began before {earlier.activity_id} ended")


async def _rows(client: WorkflowClient, handle: RunHandle) -> list[Task]:
    """Return the attempts of a run, without those that load it."""
    found: list[Task] = []
    more, cursor = True, None
    while more:
        page: Any = await client.store.tasks.list_attempts("default", handle.run_id, cursor=cursor)
        found += page.data
        more, cursor = page.has_more, page.data[-1].attempt_key if page.data else None
    return [one for one in found if not one.task_name.startswith("flowkeep.")]
