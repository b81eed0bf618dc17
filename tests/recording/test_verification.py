"""Ledger and Temporal compared: what was made wrong on purpose is found, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from uuid_utils.compat import uuid7

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus
from flowkeep.contracts.truth import DifferenceKind
from flowkeep.contracts.verification import Skipped
from flowkeep.errors import InvalidInput
from flowkeep.worker import Worker
from tests.recording.bench import Bench, kinds, request_of, reset, running
from tests.support import eventually
from tests.workflows import flows


@pytest.fixture
async def bench(client: WorkflowClient, worker: Worker) -> Bench:
    return Bench(client)


CLEAN = [
    flows.Sequenced,
    flows.Local,
    flows.Flaky,
    flows.Buggy,
    flows.Parent,
    flows.Continues,
    flows.FailsPreflight,
]


@pytest.mark.parametrize("deep", [False, True])
async def test_a_ledger_that_was_left_alone_agrees(bench: Bench, deep: bool) -> None:
    """Runs of every shape, ended and open, leave no difference."""
    await bench.finished(*CLEAN)
    holding = await bench.start(flows.Holding)
    await eventually(lambda: running(bench, holding))
    verification = bench.verification()
    assert await bench.verify(verification, deep=deep) == []
    counts = verification.counts
    assert counts.agree
    # Of one tenant: seven runs with a child and two continuations, and the one that is open.
    assert counts.compared == 11
    assert counts.listed >= 11
    await holding.terminate()


# A workflow task that takes too long on a busy machine takes its local activities with it.
@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel")
async def test_runs_at_work_are_no_differences(bench: Bench, letters: flows.Letters) -> None:
    """While fifty runs begin, execute and end, a deep look finds nothing."""

    async def work(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        await (await bench.start(CLEAN[number % 2])).result()

    working = [asyncio.create_task(work(number)) for number in range(50)]
    found = await bench.verify(deep=True)
    assert not all(task.done() for task in working), "the runs ended too early to show anything"
    assert found == []
    await asyncio.gather(*working)


async def test_each_wrong_end_is_found_and_repaired(bench: Bench) -> None:
    """What the ledger says wrongly of runs and executions has its kind, and is put right."""
    store = bench.client.store
    not_ended, status, outcome, forgotten, missing, counter, half = await bench.finished(
        *[flows.Sequenced] * 7
    )
    [continued] = await bench.finished(flows.Continues)
    early = await bench.start(flows.Holding)
    await eventually(lambda: running(bench, early))
    sql = bench.sql
    await sql(
        "UPDATE run SET status = 'running', finished_at = NULL, outputs = NULL WHERE id = %s",
        not_ended.run_id,
    )
    await sql(
        "UPDATE run_segment SET status = 'running', closed_at = NULL WHERE run_id = %s",
        not_ended.run_id,
    )
    for table, column in (("run", "id"), ("run_segment", "run_id")):
        await sql(f"UPDATE {table} SET status = 'failed' WHERE {column} = %s", status.run_id)
    await sql("UPDATE run SET outputs = '[1]' WHERE id = %s", outcome.run_id)
    await sql(
        "UPDATE run_segment SET temporal_run_id = %s, status = 'running', closed_at = NULL"
        " WHERE run_id = %s",
        str(uuid7()),
        forgotten.run_id,
    )
    await sql("UPDATE run SET status = 'running', finished_at = NULL WHERE id = %s", half.run_id)
    for table in ("task", "run_event", "run_segment"):
        await sql(f"DELETE FROM {table} WHERE run_id = %s", missing.run_id)
    await sql("DELETE FROM run WHERE id = %s", missing.run_id)
    await sql(
        "DELETE FROM run_segment WHERE run_id = %s AND seq ="
        " (SELECT max(seq) FROM run_segment WHERE run_id = %s)",
        *[continued.run_id] * 2,
    )
    await sql("UPDATE run SET tasks_total = tasks_total + 3 WHERE id = %s", counter.run_id)
    for table, column in (("run", "id"), ("run_segment", "run_id")):
        end = "finished_at" if table == "run" else "closed_at"
        await sql(
            f"UPDATE {table} SET status = 'failed', {end} = now() WHERE {column} = %s",
            early.run_id,
        )
    request = await store.runs.create(bench.tenant, request_of(bench, minutes=10))

    found = await bench.verify()
    kind = DifferenceKind
    assert kinds(found) == {
        not_ended.workflow_id: {kind.NOT_ENDED},
        status.workflow_id: {kind.STATUS_DIFFERS},
        forgotten.workflow_id: {kind.FORGOTTEN, kind.SEGMENT_MISSING},
        missing.workflow_id: {kind.RUN_MISSING},
        half.workflow_id: {kind.NOT_ENDED},
        continued.workflow_id: {kind.SEGMENT_MISSING},
        counter.workflow_id: {kind.COUNT_DIFFERS},
        early.workflow_id: {kind.ENDED_TOO_EARLY},
        request.workflow_id: {kind.NEVER_STARTED},
    }
    assert not any(one.repaired for one in found)
    # Whether the outcome is the same is read from the histories.
    deep = await bench.verify(deep=True)
    assert kinds(deep)[outcome.workflow_id] == {kind.OUTCOME_DIFFERS}

    verification = bench.verification()
    mended = await bench.verify(verification, deep=True, repair=True)
    assert all(one.repaired for one in mended), [one for one in mended if not one.repaired]
    assert verification.counts.agree
    assert await bench.verify(deep=True) == []
    assert (await store.runs.get(bench.tenant, status.run_id)).status is RunStatus.SUCCEEDED
    assert (await store.runs.get(bench.tenant, missing.run_id)).status is RunStatus.SUCCEEDED
    await early.terminate()


async def test_each_wrong_attempt_is_found_and_repaired(bench: Bench) -> None:
    """What the ledger says wrongly of attempts is found by a deep look, and put right."""
    lost, other, open_, invented, undone = await bench.finished(*[flows.Sequenced] * 5)
    await reset(bench, undone)
    sql = bench.sql
    first = "task_name = 'first' AND run_id = %s"
    await sql(f"DELETE FROM task WHERE {first}", lost.run_id)
    await sql(f"UPDATE task SET status = 'failed' WHERE {first}", other.run_id)
    await sql(f"UPDATE task SET status = 'running' WHERE {first}", open_.run_id)
    await sql(
        "INSERT INTO task (run_id, tenant_id, temporal_run_id, activity_id, attempt, task_name,"
        " type, status, created_at, scheduled_at, updated_at, source) SELECT run_id, tenant_id,"
        " temporal_run_id, '99', 1, 'nobody', 'activity', 'succeeded', now(), now(), now(), 2"
        f" FROM task WHERE {first}",
        invented.run_id,
    )
    found = await bench.verify(deep=True)
    kind = DifferenceKind
    told = kinds(found)
    assert {name: one - {kind.COUNT_DIFFERS} for name, one in told.items()} == {
        lost.workflow_id: {kind.ATTEMPT_MISSING},
        other.workflow_id: {kind.ATTEMPT_DIFFERS},
        open_.workflow_id: {kind.ATTEMPT_NOT_ENDED},
        invented.workflow_id: {kind.ATTEMPT_INVENTED},
        undone.workflow_id: {kind.NOT_SUPERSEDED},
    }
    mended = await bench.verify(deep=True, repair=True)
    assert all(one.repaired for one in mended), [one for one in mended if not one.repaired]
    assert await bench.verify(deep=True) == []
    marks = await sql(f"SELECT superseded FROM task WHERE {first} ORDER BY 1", undone.run_id)
    assert [mark["superseded"] for mark in marks] == [False, True]
    [task] = await sql(f"SELECT status, source FROM task WHERE {first}", lost.run_id)
    assert task == {"status": "succeeded", "source": 4}


async def test_an_open_attempt_of_an_ended_run_is_found_without_histories(bench: Bench) -> None:
    """That something is open in a run that ended shows in the rows alone."""
    [handle] = await bench.finished(flows.Sequenced)
    await bench.sql(
        "UPDATE task SET status = 'running', finished_at = NULL WHERE run_id = %s", handle.run_id
    )
    found = await bench.verify()
    assert {one.kind for one in found} == {
        DifferenceKind.ATTEMPT_NOT_ENDED,
        DifferenceKind.COUNT_DIFFERS,
    }
    assert all(one.repaired for one in await bench.verify(repair=True))
    assert await bench.verify() == []


async def test_only_what_was_asked_for_is_compared(bench: Bench) -> None:
    """Tenant, workflow id and period bound what is compared, on both sides."""
    other = Bench(bench.client)
    mine, also = await bench.finished(flows.Sequenced, flows.Sequenced)
    before = datetime.now(UTC)
    [theirs] = await other.finished(flows.Sequenced)
    for bench_, handle in ((bench, mine), (other, theirs)):
        await bench_.sql("UPDATE run SET tasks_total = 99 WHERE id = %s", handle.run_id)
    assert set(kinds(await bench.verify())) == {mine.workflow_id}
    assert set(kinds(await other.verify())) == {theirs.workflow_id}
    assert await bench.verify(workflow_id=also.workflow_id) == []
    assert len(await bench.verify(workflow_id=mine.workflow_id)) == 1
    assert await bench.verify(since=before) == []
    assert len(await bench.verify(until=before)) == 1
    assert await bench.verify(until=before - timedelta(hours=1)) == []
    everybody = bench.verification(adopt="none")
    found = await bench.verify(everybody, tenant_id=None, since=before - timedelta(minutes=1))
    wrong = {one.workflow_id for one in found if one.kind is DifferenceKind.COUNT_DIFFERS}
    assert wrong == {mine.workflow_id, theirs.workflow_id}


async def test_executions_that_nobody_recorded_count_by_the_setting(
    bench: Bench, temporal_client: Client, task_queue: str
) -> None:
    """A run that came without flowkeep is a difference only where it ought to be recorded."""
    name, task_queue = f"stranger-{uuid4()}", f"{task_queue}-elsewhere"
    handle = await temporal_client.start_workflow("Nobody", id=name, task_queue=task_queue)
    await handle.terminate()
    only = {"workflow_id": name, "tenant_id": None}
    for adopt, expected in (("none", 0), ("served", 0), ("all", 1)):
        verification = bench.verification(adopt=adopt)
        assert len(await bench.verify(verification, **only)) == expected, adopt
        skipped = verification.counts.skipped[Skipped.NOT_ADOPTED]
        assert skipped == 1 - expected
    await bench.client.store.system.serve_queue("default", task_queue)
    [one] = await bench.verify(**only, repair=True)
    assert (one.kind, one.repaired) == (DifferenceKind.RUN_MISSING, True)
    assert await bench.verify(**only) == []


async def test_what_was_deleted_is_not_missed(bench: Bench) -> None:
    """A run that was deleted from the ledger is counted, and is no difference."""
    [handle] = await bench.finished(flows.Sequenced)
    await bench.client.delete_runs(bench.tenant, [handle.run_id])
    verification = bench.verification()
    assert await bench.verify(verification) == []
    assert verification.counts.skipped[Skipped.GONE] == 1


async def test_what_temporal_forgot_is_not_comparable(bench: Bench) -> None:
    """An end that only the ledger still knows is counted, and is no difference."""
    kept, old = await bench.finished(flows.Sequenced, flows.Sequenced)
    for handle, age in ((kept, "1 minute"), (old, "90 days")):
        await bench.sql(
            "UPDATE run_segment SET temporal_run_id = %s,"
            f" closed_at = closed_at - interval '{age}' WHERE run_id = %s",
            str(uuid7()),
            handle.run_id,
        )
        await bench.sql("DELETE FROM task WHERE run_id = %s", handle.run_id)
        await bench.sql(
            "UPDATE run SET tasks_total = 0, tasks_finished = 0, exceptions_count = 0"
            " WHERE id = %s",
            handle.run_id,
        )
    verification = bench.verification()
    for handle in (kept, old):
        found = await bench.verify(verification, workflow_id=handle.workflow_id)
        # Temporal still lists the execution that the ledger does not know any more.
        assert {one.kind for one in found} == {DifferenceKind.SEGMENT_MISSING}
        assert verification.counts.skipped[Skipped.PAST_RETENTION] == 1


async def test_a_period_that_makes_no_sense_is_refused(bench: Bench) -> None:
    """A moment without time zone, or a period that ends before it begins, is an error."""
    now = datetime.now(UTC)
    with pytest.raises(InvalidInput, match="since has no time zone"):
        await bench.verify(since=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidInput, match="is later than until"):
        await bench.verify(since=now, until=now - timedelta(hours=1))
