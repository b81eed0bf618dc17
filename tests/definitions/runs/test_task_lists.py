"""The names of a run's tasks by where they stand."""

from datetime import UTC, datetime, timedelta

import uuid_utils.compat as uuids

from flowkeep.contracts import NewRun, NewTask, TaskStatus
from flowkeep.contracts.tasks import TaskLists
from tests.definitions.runs.support import Stage

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_names_by_state(stage: Stage) -> None:
    """The newest attempt decides, the last turn of a loop, and of items the one that matters."""
    store = stage.client.store
    new = NewRun(
        id=uuids.uuid7(), workflow_type="W", workflow_id=stage.unique("w"), task_queue="nobody"
    )
    run = await store.runs.create(stage.tenant, new)
    rows = [
        ("retried", -1, None, 1, TaskStatus.FAILED),
        ("retried", -1, None, 2, TaskStatus.SUCCEEDED),
        ("broken", -1, None, 1, TaskStatus.FAILED),
        ("late", -1, None, 1, TaskStatus.TIMED_OUT),
        ("stopped", -1, None, 1, TaskStatus.CANCELLED),
        ("runs", 0, None, 1, TaskStatus.SUCCEEDED),
        ("runs", 1, None, 1, TaskStatus.RUNNING),
        ("runs", 2, None, 1, TaskStatus.FAILED),
        ("asks", -1, None, 1, TaskStatus.WAITING),
        ("partly", 0, None, 1, TaskStatus.SUCCEEDED),
        ("partly", 1, None, 1, TaskStatus.FAILED),
        ("loop", -1, 9, 1, TaskStatus.FAILED),
        ("loop", -1, 10, 1, TaskStatus.SUCCEEDED),
        ("left_out", -1, None, 1, TaskStatus.SKIPPED),
        ("flowkeep.load_definition", -1, None, 1, TaskStatus.SUCCEEDED),
    ]
    for number, (name, index, turn, attempt, status) in enumerate(rows):
        await store.tasks.insert(
            stage.tenant,
            NewTask(
                run_id=run.id,
                task_name=name,
                task_index=index,
                iteration=turn,
                attempt=attempt,
                status=status,
                scheduled_at=NOW + timedelta(seconds=number),
            ),
        )
    assert await store.tasks.names_by_state(stage.tenant, run.id) == TaskLists(
        current=["runs", "asks"],
        completed=["retried", "loop"],
        failed=["broken", "late", "stopped", "partly"],
        skipped=["left_out"],
    )
    assert await store.tasks.names_by_state("other", run.id) == TaskLists()


async def test_names_of_a_real_run(stage: Stage) -> None:
    """Skips, waiting retries, open questions and ends of a run of a definition are told apart."""
    handle = await stage.start(
        f"""
ref: lists
tasks:
  - {{name: done, action: test.echo, transitions: [{{do: [no_, ask, again]}}]}}
  - {{name: no_, action: test.echo, when: "{{{{ false }}}}"}}
  - {{name: ask, human: {{assignee: ada, title: ok}}}}
  - name: again
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 1}}
    retry: {{count: 1, delay: 1h}}
"""
    )
    await stage.until(handle, "again", "failed")
    await stage.until(handle, "ask", "waiting")
    found = await stage.client.store.tasks.names_by_state(stage.tenant, handle.run_id)
    assert sorted(found.current) == ["again", "ask"]
    assert (found.completed, found.failed, found.skipped) == (["done"], [], ["no_"])
    await handle.cancel()
    stage.repairs = True  # the attempt that was waited for is cancelled by the server alone
    await stage.ended(handle)
