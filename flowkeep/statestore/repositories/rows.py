"""From rows to frozen records."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from flowkeep.contracts import Event, Pause, Run, RunSummary, Segment, Task, TaskSummary, TaskType
from flowkeep.statestore.repositories import payloads
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import run, run_event, run_pause, run_segment, task

SUMMARY = [run.c[name] for name in RunSummary.model_fields if name != "archived"]
"""The columns lists select: no payload among them."""

_newest = (
    select(run_segment.c.temporal_run_id)
    .where(run_segment.c.run_id == run.c.id)
    .order_by(run_segment.c.seq.desc())
    .limit(1)
    .scalar_subquery()
    .label("temporal_run_id")
)
FULL = [*run.c, _newest]
"""All columns of a run and Temporal's id of its newest segment."""

TASK = list(task.c)
TASK_SUMMARY = [task.c[name] for name in TaskSummary.model_fields]
"""The columns lists across runs select: no payload among them."""
EVENT = [run_event.c[name] for name in Event.model_fields]
PAUSE = [run_pause.c[name] for name in Pause.model_fields]
SEGMENT = [run_segment.c[name] for name in Segment.model_fields]


async def full_run(session: Session, row: Mapping[str, Any]) -> Run:
    """Return the record of a row of `FULL`, big values included."""
    values = dict(row)
    await payloads.unpack(session, values["tenant_id"], [values], "inputs", "outputs")
    return Run.model_validate(values)


async def tasks(session: Session, tenant_id: str, rows: list[dict[str, Any]]) -> list[Task]:
    """Return the records of rows of `TASK`, big values included."""
    await payloads.unpack(session, tenant_id, rows, "input", "output")
    return [task_record(row) for row in rows]


def task_record(row: Mapping[str, Any]) -> Task:
    """Return the record of a row of `TASK` whose values are in place.

    The result of a step is kept as JSON text, because jsonb would change the order of keys and the
    form of numbers under a task that goes on with it.
    """
    values = dict(row)
    given = values["input"]
    # Older ledgers and archives have inserted tasks of this type, with other inputs.
    ours = values["type"] == TaskType.STEP and isinstance(given, dict) and "function" in given
    if ours and isinstance(values["output"], str):
        values["output"] = json.loads(values["output"])
    return Task.model_validate(values)
