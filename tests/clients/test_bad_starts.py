"""Starts that cannot be: refused before anything is written, or failed with the reason."""

from typing import Any

import psycopg
import pytest
import uuid_utils.compat as uuids

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus, StateType
from flowkeep.errors import (
    ConfigurationError,
    InvalidInput,
    RunFailed,
    TemporalUnavailable,
)
from flowkeep.statestore import connect
from flowkeep.worker import Worker
from tests.support import eventually
from tests.workflows import flows


async def test_unknown_id_without_arguments_is_refused(
    client: WorkflowClient, worker: Worker
) -> None:
    """A workflow_id that the state store does not know is refused before the start."""
    with pytest.raises(InvalidInput, match="'nowhere'"):
        await client.start_workflow({"workflow_id": "nowhere"}, flows.InheritsRun)
    assert not (await client.store.runs.get_paginated_runs("default")).data


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (["no dict"], {}, "workflow_args is a list, not a dict"),
        ({"workflow_id": 7}, {}, "is no text"),
        ({"workflow_id": "a"}, {"workflow_id": "b"}, "give it once"),
        ({"name": 3}, {"workflow_class": flows.Modelled}, "name: Input should be a valid string"),
        ({}, {"workflow_class": flows.Modelled}, "name: Field required"),
        ({}, {"workflow_class": flows.Letters}, "Letters is not marked with @workflow.defn"),
        ({}, {"workflow_class": None}, "workflow_class is missing"),
        ({}, {"start_delya": 3}, "start_delya"),
        ({}, {"run_timeout": "soon"}, "run_timeout"),
        ({}, {"on_conflict": "exsiting"}, "on_conflict is 'exsiting'"),
    ],
)
async def test_bad_starts_are_refused_before_anything_is_written(
    client: WorkflowClient, args: Any, options: dict[str, Any], message: str
) -> None:
    """Bad input names the field and leaves no run behind."""
    with pytest.raises(InvalidInput, match=message):
        await client.start_workflow(args, **{"workflow_class": flows.InheritsRun, **options})
    assert not (await client.store.runs.get_paginated_runs("default")).data


async def test_bad_config_started_past_the_client_fails_the_run(
    client: WorkflowClient, worker: Worker
) -> None:
    """A config that is no dict, or lacks workflow_id, fails the run with a clear reason."""
    for config, message in (("text", "workflow_config is a str"), ({}, "has no workflow_id")):
        started = await client.temporal.start_workflow(
            "InheritsRun", config, id=f"bad-{uuids.uuid7()}", task_queue=worker.task_queue
        )

        async def known(workflow_id: str = started.id) -> Any:
            page = await client.store.runs.find_by_workflow_id("default", workflow_id)
            assert page.data
            return page.data[0]

        run = await eventually(known)
        handle = await client.get_handle("default", run.id)
        with pytest.raises(RunFailed, match=message):
            await handle.result()
        assert (await handle.run()).status is RunStatus.FAILED


async def test_unreachable_temporal_is_named(settings: Any) -> None:
    """A Temporal that does not answer is named with its address and the way out."""
    temporal = settings.temporal.model_copy(
        update={"address": "127.0.0.1:1", "connect_timeout_seconds": 1.0}
    )
    with pytest.raises(TemporalUnavailable, match=r"127\.0\.0\.1:1.*flowkeep dev"):
        await WorkflowClient.connect(settings.model_copy(update={"temporal": temporal}))


async def test_bad_arguments_started_past_the_client_fail_the_run(
    client: WorkflowClient, worker: Worker
) -> None:
    """Unknown or unfit stored arguments fail the run with the key, or the field, by name."""
    await client.store.state.save_state("default", "unfit", {"name": 3}, StateType.WORKFLOWS)
    for key, message in (("nowhere", "workflow_id 'nowhere'"), ("unfit", "name: Input should be")):
        started = await client.temporal.start_workflow(
            "Modelled", {"workflow_id": key}, id=f"past-{key}", task_queue=worker.task_queue
        )

        async def known(workflow_id: str = started.id) -> Any:
            page = await client.store.runs.find_by_workflow_id("default", workflow_id)
            assert page.data
            return page.data[0]

        handle = await client.get_handle("default", (await eventually(known)).id)
        with pytest.raises(RunFailed, match=message):
            await handle.result()
        tasks = await client.store.tasks.list_attempts("default", handle.run_id)
        assert [task.attempt for task in tasks] == [1]


async def test_a_model_that_wants_a_secret_as_text_is_refused(
    client: WorkflowClient, worker: Worker
) -> None:
    """A model field that cannot take a reference is named before the start, with the way out."""
    with pytest.raises(InvalidInput, match=r"password: Input should be.*arrive as references"):
        await client.start_workflow({"password": "canary-pw"}, flows.WantsPassword)
    assert not (await client.store.runs.get_paginated_runs("default")).data


async def test_options_that_temporal_refuses(client: WorkflowClient) -> None:
    """What Temporal refuses is bad input with Temporal's own words, and the run has failed."""
    with pytest.raises(InvalidInput, match=r"Temporal refuses to start run .*CronSchedule"):
        await client.start_workflow({"a": 1}, flows.InheritsRun, cron_schedule="never")
    [run] = await client.store.runs.get_paginated_runs("default")
    assert (run.status, run.failure_reason) == (RunStatus.FAILED, "start_failed")


async def test_big_arguments_lie_in_the_ledger(client: WorkflowClient) -> None:
    """Arguments of 3 MB start a run; Temporal never gets them, and the ledger gives them back."""
    text = "x" * 3_000_000
    handle = await client.start_workflow({"text": text}, "Unserved", task_queue="nobody-listens")
    assert (await client.store.state.get_arguments("default", handle.run_id))["text"] == text
    run = await handle.run()
    assert (run.status, run.inputs) == (RunStatus.RUNNING, {"text": text})
    history = await client.temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    assert len(history.to_json()) < 10_000
    await handle.terminate()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"a": float("nan")}, r"arguments\.a is nan"),
        ({"a": {"b": "nul\x00"}}, r"arguments\.a\.b holds a NUL character"),
        ({"a": object()}, r"arguments\.a is of type object"),
        ({1: "a"}, "keys must be text"),
    ],
)
async def test_arguments_that_cannot_be_stored(
    client: WorkflowClient, args: Any, message: str
) -> None:
    """Arguments that JSON does not know are refused by their path, before anything is written."""
    with pytest.raises(InvalidInput, match=message):
        await client.start_workflow(args, flows.InheritsRun)
    assert not (await client.store.runs.get_paginated_runs("default")).data


async def test_a_ledger_at_the_wrong_migration(
    client: WorkflowClient, settings: Any, ledger_url: str
) -> None:
    """A client of another version than the ledger is refused when it connects, with the way out."""
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        await connection.execute("UPDATE flowkeep.alembic_version SET version_num = '0001'")
    with pytest.raises(ConfigurationError, match="flowkeep db upgrade"):
        await WorkflowClient.connect(settings)


async def test_a_ledger_that_loses_a_table(client: WorkflowClient, ledger_url: str) -> None:
    """A start that meets other tables than it knows says so, and Temporal never hears of it."""
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        await connection.execute("ALTER TABLE flowkeep.run RENAME COLUMN goal TO aim")
    with pytest.raises(ConfigurationError, match="flowkeep db upgrade"):
        await client.start_workflow({"a": 1}, "Unserved", workflow_id="never-started")
    assert await client.executions.describe("never-started") is None


async def test_a_closed_client_still_notes_what_it_started(settings: Any) -> None:
    """What Temporal accepted stands in the ledger once the client is closed."""
    async with await WorkflowClient.connect(settings) as client:
        handle = await client.start_workflow({"a": 1}, "Unserved", task_queue="nobody-listens")
    async with await connect(settings=settings) as store:
        run = await store.runs.get("default", handle.run_id)
        assert (run.status, run.temporal_run_id) == (RunStatus.RUNNING, handle.temporal_run_id)
    await client.temporal.get_workflow_handle(handle.workflow_id).terminate()
