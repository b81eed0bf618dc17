"""Large payloads: by reference, intact, encrypted on request, and named when they cannot be had."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uuid_utils.compat as uuids
from cryptography.fernet import Fernet
from pydantic import SecretStr
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Replayer, Worker

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus, TaskStatus
from flowkeep.errors import InvalidInput
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.recording import bulky
from tests.support import eventually

BIG = 20_000_000
MIDDLE = 400_000


def with_payloads(settings: Settings, **changes: Any) -> Settings:
    payloads = settings.payloads.model_copy(update=changes)
    return settings.model_copy(update={"payloads": payloads})


def with_keys(settings: Settings, *keys: str) -> Settings:
    database = settings.database.model_copy(update={"secret_key": SecretStr(",".join(keys))})
    return settings.model_copy(update={"database": database})


@asynccontextmanager
async def connected(settings: Settings, **payloads: Any) -> AsyncIterator[Client]:
    """A client of the SDK with the plugin, which keeps large payloads in the ledger."""
    plugin = Plugin(with_payloads(settings, **payloads), auto_place="ledger")
    assert settings.temporal.address is not None
    yield await Client.connect(settings.temporal.address, plugins=[plugin])
    await plugin.close()


@asynccontextmanager
async def serving(client: Client, task_queue: str) -> AsyncIterator[None]:
    """A plain worker that serves the bulky program."""
    async with Worker(
        client, task_queue=task_queue, workflows=bulky.WORKFLOWS, activities=bulky.ACTIVITIES
    ):
        yield


async def start(
    client: Client, workflow: Any, *args: Any, task_queue: str
) -> WorkflowHandle[Any, Any]:
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        workflow,
        args=args,
        id=f"bulky-{uuids.uuid7()}",
        task_queue=task_queue,
        task_timeout=timedelta(seconds=1),
    )
    return handle


async def bytes_of_history(handle: WorkflowHandle[Any, Any]) -> int:
    history = await handle.fetch_history()
    return sum(event.ByteSize() for event in history.events)


async def rows(ledger_url: str, query: str, *args: Any) -> list[Any]:
    connection = await psycopg.AsyncConnection.connect(ledger_url, autocommit=True)
    async with connection:
        cursor = await connection.execute(query, args)
        return await cursor.fetchall() if cursor.description else []


async def test_values_of_20_megabytes_pass(
    client: WorkflowClient, task_queue: str, ledger_url: str
) -> None:
    """An argument and a result of 20 MB pass, the history stays small, the ledger says so."""
    value = bulky.text(BIG)
    async with serving(client.temporal, task_queue):
        handle = await start(client.temporal, bulky.Child.run, value, task_queue=task_queue)
        made = await start(client.temporal, bulky.Makes.run, BIG, task_queue=task_queue)
        assert await handle.result() == value
        assert await made.result() == BIG
    assert await bytes_of_history(handle) < 10_000
    assert await bytes_of_history(made) < 10_000
    # One content for all: the argument, the result and the activity's result are the same.
    contents = await rows(ledger_url, "SELECT size, stored FROM flowkeep.large_payload")
    assert [size > BIG for size, _ in contents] == [True]
    needs = "SELECT needed_by FROM flowkeep.large_payload_need"
    assert {row[0] for row in await rows(ledger_url, needs)} == {handle.id, made.id}
    run = (await client.store.runs.find_by_workflow_id("default", made.id)).data[0]
    assert run.status is RunStatus.SUCCEEDED
    [task] = await client.store.tasks.list_tasks("default", run.id)
    assert task.status is TaskStatus.SUCCEEDED
    assert task.output["size"] > BIG  # a digest: the ledger does not keep it twice
    recorded = await rows(ledger_url, "SELECT coalesce(sum(size), 0) FROM flowkeep.payload")
    assert recorded[0][0] < 10_000


async def test_every_way_a_value_takes(client: WorkflowClient, task_queue: str) -> None:
    """Signals, queries, updates, local activities, children and continue-as-new refer as well."""
    value = bulky.text(MIDDLE)
    async with serving(client.temporal, task_queue):
        handle = await start(client.temporal, bulky.Bulky.run, value, True, task_queue=task_queue)
        await handle.signal(bulky.Bulky.take, value)
        assert await handle.query(bulky.Bulky.taken) == value
        assert await handle.execute_update(bulky.Bulky.swap, value) == value.upper()
        assert await handle.result() == value
        beats = await start(client.temporal, bulky.Beats.run, MIDDLE, task_queue=task_queue)
        assert await beats.result() == MIDDLE
    first = client.temporal.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    for each in (first, handle, beats):
        assert await bytes_of_history(each) < 30_000


@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_child_ends_with_is_needed_by_its_parent(
    client: WorkflowClient, task_queue: str, ledger_url: str, fails: bool
) -> None:
    """A child's result or failure stands in its parent's history too, however often it began."""
    async with serving(client.temporal, task_queue):
        handle = await start(
            client.temporal, bulky.Parent.run, MIDDLE, fails, task_queue=task_queue
        )
        assert await handle.result() == MIDDLE
    assert await bytes_of_history(handle) < 10_000
    needs = await rows(ledger_url, "SELECT needed_by FROM flowkeep.large_payload_need")
    assert {row[0] for row in needs} == {handle.id, f"{handle.id}/child"}


async def test_histories_with_references_replay(
    client: WorkflowClient, settings: Settings, task_queue: str, ledger_url: str
) -> None:
    """A history replays with the plugin, and the replay writes nothing into the ledger."""
    async with serving(client.temporal, task_queue):
        handle = await start(client.temporal, bulky.HandsOn.run, MIDDLE, task_queue=task_queue)
        await handle.result()
        child = bulky.text(MIDDLE)
        other = await start(client.temporal, bulky.Bulky.run, child, False, task_queue=task_queue)
        await other.result()
    await rows(ledger_url, "DELETE FROM flowkeep.large_payload_need")
    for each in (handle, other):
        plugin = Plugin(settings, auto_place="ledger")
        replayer = Replayer(workflows=bulky.WORKFLOWS, plugins=[plugin])
        await replayer.replay_workflow(await each.fetch_history())
        await plugin.close()
    assert await rows(ledger_url, "SELECT 1 FROM flowkeep.large_payload_need") == []


async def test_a_worker_takes_over_what_another_one_stored(
    settings: Settings, task_queue: str
) -> None:
    """A run whose worker ended in the middle goes on with the same values on a new worker."""
    async with connected(settings) as client, serving(client, task_queue):
        handle = await start(client, bulky.Holds.run, MIDDLE, task_queue=task_queue)
        await eventually(lambda: _has_made(handle))
    async with connected(settings) as client, serving(client, task_queue):
        again = client.get_workflow_handle_for(bulky.Holds.run, handle.id)
        await again.signal(bulky.Holds.release)
        assert await again.result() == bulky.text(MIDDLE)


async def _has_made(handle: WorkflowHandle[Any, Any]) -> None:
    assert await handle.query(bulky.Holds.has_made)


@pytest.mark.parametrize("place", ["ledger", "storage"])
async def test_nothing_readable_lies_about(
    settings: Settings, task_queue: str, ledger_url: str, tmp_path: Path, place: str
) -> None:
    """Encrypted contents show neither text nor a compressed form of it, in table and object."""
    async with (
        connected(settings, place=place, encrypt=True) as client,
        serving(client, task_queue),
    ):
        handle = await start(client, bulky.Makes.run, MIDDLE, task_queue=task_queue)
        assert await handle.result() == MIDDLE
    [[key_id, encoding]] = await rows(
        ledger_url, "SELECT key_id, encoding FROM flowkeep.large_payload"
    )
    assert key_id is not None
    assert encoding == "zlib"
    if place == "ledger":
        [[data]] = await rows(ledger_url, "SELECT data FROM flowkeep.large_payload_chunk")
    else:
        [file] = (tmp_path / "storage" / "=payloads" / "default").iterdir()
        data = file.read_bytes()
        assert await rows(ledger_url, "SELECT 1 FROM flowkeep.large_payload_chunk") == []
    assert b"canary" not in data
    assert data[12:14] != b"\x78\x01"  # what zlib begins with


async def test_keys_rotate_and_missing_ones_are_named(
    settings: Settings, task_queue: str, ledger_url: str
) -> None:
    """A new key before the old one reads on; without the old one the error names the key."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    async with (
        connected(with_keys(settings, old), encrypt=True) as client,
        serving(client, task_queue),
    ):
        handle = await start(client, bulky.Returns.run, MIDDLE, task_queue=task_queue)
        await handle.result()
    async with connected(with_keys(settings, new, old), encrypt=True) as client:
        assert len(await client.get_workflow_handle(handle.id).result()) == MIDDLE
    [[key_id]] = await rows(ledger_url, "SELECT key_id FROM flowkeep.large_payload")
    async with connected(with_keys(settings, new), encrypt=True) as client:
        with pytest.raises(Exception, match=f"encrypted with the key {key_id}.*FLOWKEEP_SECRET"):
            await client.get_workflow_handle(handle.id).result()


async def test_a_missing_content_is_named_and_waited_for(
    settings: Settings, task_queue: str, ledger_url: str
) -> None:
    """A lost content names workflow and hash; what needs it goes on when it is back."""
    hide = "UPDATE flowkeep.large_payload_chunk SET number = number + 100"
    async with connected(settings) as client:
        value = bulky.text(MIDDLE)
        handle = await start(client, bulky.Child.run, value, task_queue=task_queue)
        await rows(ledger_url, hide)
        async with serving(client, task_queue):
            await eventually(lambda: _fails_with(handle, "large payload [0-9a-f]{64} of tenant"))
            await rows(ledger_url, hide.replace("+", "-"))
            assert await handle.result() == value
            await rows(ledger_url, "DELETE FROM flowkeep.large_payload_need")
            await rows(ledger_url, "DELETE FROM flowkeep.large_payload")
            with pytest.raises(Exception, match=f"is not there; workflow '{handle.id}'"):
                await handle.result()


async def _fails_with(handle: WorkflowHandle[Any, Any], pattern: str) -> None:
    description = await handle.describe()
    assert description.raw_description.pending_workflow_task.attempt > 1
    messages = [
        event.workflow_task_failed_event_attributes.failure.message
        for event in (await handle.fetch_history()).events
    ]
    assert any(re.search(pattern, message) for message in messages), messages


async def test_too_much_is_refused_by_name(settings: Settings, task_queue: str) -> None:
    """A value above the hard limit fails its activity once, and the call that starts a run."""
    async with (
        connected(settings, limit_bytes=MIDDLE) as client,
        serving(client, task_queue),
    ):
        handle = await start(client, bulky.Makes.run, MIDDLE, 3, task_queue=task_queue)
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        cause = failure.value.cause
        assert isinstance(cause, ActivityError)
        assert isinstance(cause.cause, ApplicationError)
        assert "the result of activity 'makes'" in str(cause.cause)
        assert "at most 400,000 are stored" in str(cause.cause)
        assert cause.cause.non_retryable
        with pytest.raises(InvalidInput, match=r"takes 400,0.. bytes") as error:
            await start(client, bulky.Child.run, bulky.text(MIDDLE), task_queue=task_queue)
        assert error.value.code == "PAYLOAD_TOO_LARGE"


async def test_without_storage_a_big_result_fails_its_attempt(
    settings: Settings, task_queue: str
) -> None:
    """A 3 MB result without storage is a failed attempt in Temporal and in the ledger, named."""
    settings = with_payloads(settings, place="off")
    async with await WorkflowClient.connect(settings) as client:
        async with serving(client.temporal, task_queue):
            handle = await start(
                client.temporal, bulky.Makes.run, 3_000_000, 3, task_queue=task_queue
            )
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()
        cause = failure.value.cause
        assert isinstance(cause, ActivityError)
        assert "the result of activity 'makes'" in str(cause.cause)
        assert "Temporal takes at most 2,097,152 (set FLOWKEEP_PAYLOADS_PLACE" in str(cause.cause)
        run = (await client.store.runs.find_by_workflow_id("default", handle.id)).data[0]
        [attempt] = await client.store.tasks.list_attempts("default", run.id)
        assert attempt.status is TaskStatus.FAILED
        assert attempt.error is not None
        assert attempt.error.code == "PAYLOAD_TOO_LARGE"


async def test_without_storage_a_big_argument_waits_for_storage(
    settings: Settings, task_queue: str
) -> None:
    """A 3 MB argument stops a run with a reason, not for ever: with storage it goes on."""
    async with connected(settings, place="off") as client, serving(client, task_queue):
        handle = await start(client, bulky.HandsOn.run, 3_000_000, task_queue=task_queue)
        await eventually(lambda: _fails_with(handle, "an argument of activity 'measures'"))
    async with connected(settings) as client, serving(client, task_queue):
        assert await client.get_workflow_handle(handle.id).result() == 3_000_000


async def test_the_plugin_alone_stores_nothing_but_reads(
    settings: Settings, client: WorkflowClient, temporal_client: Client, task_queue: str
) -> None:
    """The plugin in a client of one's own leaves values inline, and reads references of others."""
    assert settings.temporal.address is not None
    plugin = Plugin(settings)
    own = await Client.connect(settings.temporal.address, plugins=[plugin])
    async with serving(own, task_queue):
        inline = await start(own, bulky.Returns.run, MIDDLE, task_queue=task_queue)
        assert len(await inline.result()) == MIDDLE
        assert await bytes_of_history(inline) > MIDDLE
    async with serving(client.temporal, task_queue):
        stored = await start(own, bulky.Returns.run, MIDDLE, task_queue=task_queue)
        assert len(await stored.result()) == MIDDLE
        assert await bytes_of_history(stored) < 10_000
    await plugin.close()
    with pytest.raises(RuntimeError, match="TMPRL1105"):
        await temporal_client.get_workflow_handle(stored.id).result()
