"""The names of a run's tasks by where they stand."""

from datetime import UTC, datetime, timedelta

import pytest
import uuid_utils.compat as uuids

from flowkeep.contracts import NewRun, NewTask, TaskStatus
from flowkeep.contracts.tasks import TaskLists
from flowkeep.statestore.repositories import task_lists
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.definitions.runs.test_truth_of_rows import TWICE, start

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


async def test_names_of_a_run_that_was_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that Temporal tried again as a whole the newest execution counts, as new too."""
    monkeypatch.setattr("flowkeep.activities.definition.MOST_EVENTS", 30)
    name = stage.unique("n")
    handle = await start(
        stage,
        f"""
ref: again
tasks:
  - name: flaky
    action: test.flaky
    input: {{name: {stage.unique("flaky")}, failures: 1}}
    retry: {{count: 0}}
    transitions: [{{when: "{{{{ failed() }}}}", do: lost}}, {{do: each}}]
  - {{name: lost, action: test.break, with_items: [1, 2]}}
  - name: each
    action: test.refuse
    with_items: "{{{{ range(9) | list }}}}"
    concurrency: 1
    input: {{value: "{{{{ item }}}}", refused: 8}}
    transitions: [{{when: "{{{{ failed() }}}}", do: hold}}]
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
""",
        retry_policy=TWICE,
    )
    await stage.until(handle, "hold", "running")
    found = await stage.client.store.tasks.names_by_state(stage.tenant, handle.run_id)
    assert found == TaskLists(
        current=["hold"], completed=["flaky"], failed=["each"], skipped=["lost"]
    )
    segments = await stage.client.store.runs.list_segments(stage.tenant, handle.run_id)
    assert [str(one.kind) for one in segments][:3] == ["start", "retry", "continue"]
    archived = task_lists._of(await stage.rows(handle), segments)
    assert task_lists._lists(archived) == found
    actions.release(name)
    await stage.ended(handle)
