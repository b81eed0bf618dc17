"""Starting runs: conflicts, stored arguments, secrets, workflows started elsewhere."""

from typing import Any

import pytest
import uuid_utils.compat as uuids
from pydantic import SecretStr
from temporalio.client import Client

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewRun, RunStatus, StateType
from flowkeep.errors import (
    AlreadyTerminal,
    Conflict,
    LedgerUnavailable,
    NotFound,
    OpenRunExists,
)
from flowkeep.worker import Worker
from tests.workflows import flows


async def test_existing_returns_the_open_run(client: WorkflowClient, worker: Worker) -> None:
    """Starting twice under one workflow_id with equal arguments gives one run."""
    args = {"workflow_id": "same", "suffix": "x", "credentials": {"password": "canary-pw"}}
    first = await client.start_workflow(args, workflow_class=flows.Holding)
    second = await client.start_workflow(args, workflow_class=flows.Holding)
    assert (first.created, second.created) == (True, False)
    assert first.run_id == second.run_id
    await first.terminate()


async def test_existing_with_other_arguments_is_a_conflict(
    client: WorkflowClient, worker: Worker
) -> None:
    """An open run with other arguments is not passed off as the one that was asked for."""
    first = await client.start_workflow({"a": 1}, flows.Holding, workflow_id="other")
    with pytest.raises(Conflict, match="runs with other arguments"):
        await client.start_workflow({"a": 2}, flows.Holding, workflow_id="other")
    await first.terminate()


async def test_reject_names_the_open_run(client: WorkflowClient, worker: Worker) -> None:
    """`reject` raises and names the run that is open."""
    first = await client.start_workflow({"a": 1}, flows.Holding, workflow_id="rejected")
    with pytest.raises(OpenRunExists, match=str(first.run_id)):
        await client.start_workflow(
            {"a": 1}, flows.Holding, workflow_id="rejected", on_conflict="reject"
        )
    await first.terminate()


async def test_replace_cancels_and_starts(
    client: WorkflowClient, worker: Worker, letters: flows.Letters
) -> None:
    """`replace` cancels the open run, waits for its end and starts a new one."""
    first = await client.start_workflow({"a": 1}, flows.Holding, workflow_id="replaced")
    second = await client.start_workflow(
        {"a": 2}, flows.Holding, workflow_id="replaced", on_conflict="replace"
    )
    assert second.created
    assert second.run_id != first.run_id
    assert (await first.run()).status is RunStatus.CANCELLED
    letters.release.set()
    assert (await second.result())["second"] == "b"


async def test_closed_id_is_used_again(client: WorkflowClient, worker: Worker) -> None:
    """A workflow_id whose run has ended may be used again and makes a new run."""
    first = await client.start_workflow({"suffix": "1"}, flows.InheritsRun, workflow_id="again")
    await first.result()
    second = await client.start_workflow({"suffix": "2"}, flows.InheritsRun, workflow_id="again")
    assert (await second.result())["suffix"] == "2"
    assert second.run_id != first.run_id
    assert (await first.result())["suffix"] == "1"
    with pytest.raises(AlreadyTerminal):
        await first.pause()


async def test_stored_arguments_are_used_with_nothing_but_the_id(
    client: WorkflowClient, worker: Worker
) -> None:
    """With only a workflow_id the run uses what the state store holds under it."""
    await client.store.state.save_state(
        "default", "nightly", {"suffix": "stored"}, StateType.WORKFLOWS
    )
    handle = await client.start_workflow({"workflow_id": "nightly"}, flows.InheritsRun)
    assert (await handle.result())["suffix"] == "stored"


async def test_given_id_and_arguments_are_saved(client: WorkflowClient, worker: Worker) -> None:
    """Arguments given together with a workflow_id are saved under it."""
    handle = await client.start_workflow({"suffix": "s"}, flows.InheritsRun, workflow_id="saved")
    await handle.result()
    entry = await client.store.state.get_state("default", "saved", StateType.WORKFLOWS)
    assert entry.value["suffix"] == "s"


async def test_pending_run_of_a_dead_starter_is_started(
    client: WorkflowClient, worker: Worker
) -> None:
    """A run that was recorded but never reached Temporal is started by the next start."""
    left = await client.store.runs.create(
        "default",
        NewRun(
            id=uuids.uuid7(),
            namespace=client.temporal.namespace,
            workflow_id="left-behind",
            workflow_type="InheritsRun",
            task_queue=worker.task_queue,
            inputs={"suffix": "old"},
            arguments={"suffix": "old"},
        ),
    )
    handle = await client.start_workflow(
        {"suffix": "old"}, flows.InheritsRun, workflow_id="left-behind"
    )
    assert (handle.run_id, handle.created) == (left.id, False)
    assert (await handle.result())["suffix"] == "old"


async def test_workflow_started_elsewhere_is_adopted(
    client: WorkflowClient, worker: Worker, temporal_client: Client
) -> None:
    """An open workflow of another program under the id is adopted; ours ends as start_failed."""
    await temporal_client.start_workflow(
        "InheritsRun", {"workflow_id": "x"}, id="foreign", task_queue="nobody-listens"
    )
    with pytest.raises(OpenRunExists):
        await client.start_workflow(
            {"suffix": "mine"}, flows.InheritsRun, workflow_id="foreign", on_conflict="reject"
        )
    page = await client.store.runs.find_by_workflow_id("default", "foreign")
    failed, adopted = page.data  # the other one began before ours was asked for
    assert (failed.status, adopted.status) == (RunStatus.FAILED, RunStatus.RUNNING)
    assert failed.failure_reason == "start_failed"
    await (await client.get_handle("default", adopted.id)).terminate()


async def test_open_id_of_another_tenant_is_a_conflict(
    client: WorkflowClient, worker: Worker
) -> None:
    """A workflow_id under which another tenant's run is open is refused, naming nothing of it."""
    theirs = await client.start_workflow(
        {"a": 1}, flows.Holding, workflow_id="taken", tenant_id="acme"
    )
    with pytest.raises(Conflict, match="workflow_id 'taken' is taken") as found:
        await client.start_workflow({"a": 1}, flows.Holding, workflow_id="taken")
    assert str(theirs.run_id) not in str(found.value)
    await theirs.terminate()


async def test_tenants_do_not_see_each_other(client: WorkflowClient, worker: Worker) -> None:
    """A run of another tenant looks absent."""
    handle = await client.start_workflow({"suffix": "t"}, flows.InheritsRun, tenant_id="acme")
    await handle.result()
    with pytest.raises(NotFound):
        await client.get_handle("default", handle.run_id)
    assert not (await client.store.runs.get_paginated_runs("default")).data


async def test_secrets_never_reach_history(client: WorkflowClient, worker: Worker) -> None:
    """Credentials, secret strings and passwords in URLs are references in history and tables."""
    handle = await client.start_workflow(
        {
            "credentials": {"username": "u", "password": "canary-pw"},
            "nested": [{"token": SecretStr("canary-pw")}],
            "api_key": "canary-pw",
            "deeper": [{"db_password": "canary-pw"}],
            "url": "postgresql://u:canary-pw@host/db",
        },
        flows.InheritsRun,
    )
    result = await handle.result()
    assert "secret_ref" in result["credentials"]
    history = await client.temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    assert "canary-pw" not in history.to_json()
    resolved = await client.store.secrets.resolve("default", result)
    assert resolved["credentials"]["password"] == "canary-pw"
    assert resolved["nested"] == [{"token": "canary-pw"}]
    assert resolved["api_key"] == "canary-pw"
    assert resolved["deeper"] == [{"db_password": "canary-pw"}]


async def test_an_id_of_another_tenant_is_not_adopted(
    client: WorkflowClient, worker: Worker, settings: Any
) -> None:
    """A workflow that another tenant's program started is neither adopted nor described."""
    await client.temporal.start_workflow(
        "Holding",
        {"workflow_id": "theirs"},
        id="theirs",
        task_queue="nobody-listens",
        memo={"flowkeep": {"tenant_id": "acme", "run_id": str(uuids.uuid7())}},
    )
    with pytest.raises(Conflict, match="workflow_id 'theirs' is taken"):
        await client.start_workflow({"a": 1}, flows.Holding, workflow_id="theirs")
    page = await client.store.runs.find_by_workflow_id("default", "theirs")
    assert [run.status for run in page] == [RunStatus.FAILED]
    await client.temporal.get_workflow_handle("theirs").terminate()


async def test_a_start_that_temporal_accepted_is_a_start(
    client: WorkflowClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that goes away after Temporal accepted does not make the caller start twice."""

    async def away(*_: Any, **__: Any) -> None:
        raise LedgerUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(client.store.system, "record", away)
        handle = await client.start_workflow({"suffix": "x"}, flows.InheritsRun)
    assert handle.created
    assert (await handle.result())["suffix"] == "x"
    assert (await handle.run()).status is RunStatus.SUCCEEDED
