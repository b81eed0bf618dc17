"""Webhooks on real servers: what a receiver gets, and how often."""

import asyncio
import base64
import hashlib
import hmac
import json
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from flowkeep.activities.webhook import WebhookActivities
from flowkeep.activities.webhook_request import WebhookHosts
from flowkeep.clients.webhook_loop import WebhookLoop
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import RunStatus, Source
from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.contracts.api.webhooks import (
    WEBHOOK_TYPE,
    Delivery,
    DeliveryState,
    IssuedWebhook,
    NewWebhook,
)
from flowkeep.definitions.action_context import ActionError
from flowkeep.keeper import Keeper
from flowkeep.settings import Settings, WebhookSettings
from flowkeep.statestore import Store
from flowkeep.worker import Worker
from flowkeep.workflows.webhook import WebhookWorkflow
from tests.clients.webhook_program import serve
from tests.clients.webhook_receivers import Receiver, Silent, receiver, silent
from tests.statestore.records import at, new_run
from tests.support import eventually, flushed

__all__ = ["receiver", "silent"]

TENANT = "acme"
QUICK_LEASE = timedelta(seconds=60)
QUICK = WebhookSettings(
    allow=("127.0.0.1",),
    attempts=3,
    first_wait_seconds=0.05,
    longest_wait_seconds=0.1,
    timeout_seconds=5,
    poll_seconds=0.05,
)


@pytest.fixture
async def client(settings: Settings, task_queue: str) -> AsyncIterator[WorkflowClient]:
    """A client whose webhooks may reach the receiver, and are quick."""
    queue = settings.worker.model_copy(update={"task_queue": task_queue})
    quick = settings.model_copy(update={"worker": queue, "webhooks": QUICK})
    async with await WorkflowClient.connect(quick) as client:
        yield client


@asynccontextmanager
async def serving(client: WorkflowClient, **options: Any) -> AsyncIterator[Worker]:
    """A worker that delivers."""
    activities = WebhookWorkflow.get_activities(WebhookActivities())
    async with Worker(
        client, workflow_classes=[WebhookWorkflow], workflow_activities=activities, **options
    ) as worker:
        yield worker


@asynccontextmanager
async def looping(client: WorkflowClient) -> AsyncIterator[None]:
    """A keeper of webhooks."""
    keeping = asyncio.create_task(WebhookLoop(client).run())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def hooked(
    store: Store, receiver: Receiver | Silent, tenant: str = TENANT, **fields: Any
) -> IssuedWebhook:
    """Make a webhook of the receiver."""
    new = NewWebhook.model_validate({"name": "hook", "url": receiver.url, **fields})
    return await store.webhooks.create(tenant, new)


async def ended(store: Store, status: str = "finish", tenant: str = TENANT, **fields: Any) -> UUID:
    """Make a run that has ended."""
    run = await store.runs.create(tenant, new_run(**fields))
    await store.runs.mark_running(tenant, run.id)
    await getattr(store.runs, status)(tenant, run.id)
    return run.id


async def states(store: Store, hook: IssuedWebhook) -> list[Delivery]:
    return list((await store.webhooks.deliveries(hook.tenant_id, hook.id)).data)


async def settled(store: Store, hook: IssuedWebhook, *wanted: DeliveryState) -> list[Delivery]:
    """Wait until the deliveries of a webhook are in these states, newest first."""

    async def check() -> list[Delivery]:
        found = await states(store, hook)
        assert [one.state for one in found] == list(wanted), found
        return found

    return await eventually(check)


async def test_an_end_is_told_once(client: WorkflowClient, receiver: Receiver) -> None:
    """A run's end arrives once, signed, without its inputs; who delivers is no run of the tenant.

    The signature is computed here from the words of the standard.
    """
    store, loop = client.store, WebhookLoop(client)
    hook = await hooked(store, receiver)
    run_id = await ended(store, "fail", inputs={"secret": "word"})
    async with serving(client):
        assert await loop.start_due() == 1
        (one,) = await settled(store, hook, DeliveryState.DELIVERED)
        assert await loop.start_due() == 0
        await flushed(client)
    ((headers, body),) = receiver.got
    message = json.loads(body)
    assert (message["type"], message["run"]["id"]) == ("run.failed", str(run_id))
    assert message["id"] == headers["webhook-id"] == str(one.id)
    assert b"word" not in body
    assert not {"inputs", "outputs", "error", "state"} & message["run"].keys()
    key = base64.b64decode(hook.secret.removeprefix("whsec_"))
    signed = b".".join([str(one.id).encode(), headers["webhook-timestamp"].encode(), body])
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert (one.attempts, one.status_code, one.run_id) == (1, 204, run_id)
    assert (await store.webhooks.get(TENANT, hook.id)).last_delivery_at is not None
    assert [run.id for run in await store.runs.get_paginated_runs(TENANT)] == [run_id]

    async def apart() -> Any:
        page = await store.runs.get_paginated_runs(SYSTEM_TENANT, workflow_type=WEBHOOK_TYPE)
        assert [run.status for run in page] == [RunStatus.SUCCEEDED]
        return True

    await eventually(apart)


async def test_a_keeper_delivers(client: WorkflowClient, receiver: Receiver) -> None:
    """Beside a worker the keeper is all it takes: an end and a trial arrive."""
    store = client.store
    hook = await hooked(store, receiver)
    keeping = asyncio.create_task(Keeper(client).run())
    try:
        async with serving(client):
            await ended(store)
            await store.webhooks.test(TENANT, hook.id)
            await settled(store, hook, DeliveryState.DELIVERED, DeliveryState.DELIVERED)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert sorted(json.loads(body)["type"] for _, body in receiver.got) == ["run.succeeded", "test"]


async def test_refusals_are_tried_again(client: WorkflowClient, receiver: Receiver) -> None:
    """What is refused is sent again under the same id, as often as set; 410 and redirects end it.

    What is kept of a refusal holds no secret.
    """
    store, loop = client.store, WebhookLoop(client)
    hook = await hooked(store, receiver)
    async with serving(client):
        receiver.answers = [500, 307]
        await ended(store)
        await loop.start_due()
        (taken,) = await settled(store, hook, DeliveryState.DELIVERED)
        assert (taken.attempts, taken.error) == (3, None)
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        receiver.answers = [503, 503, 503]
        await ended(store)
        await loop.start_due()
        failed, _ = await settled(store, hook, DeliveryState.FAILED, DeliveryState.DELIVERED)
        assert (failed.attempts, failed.error) == (3, "answered 503: password=***")
        assert (await store.webhooks.get(TENANT, hook.id)).last_error == failed.error
        receiver.answers = [410]
        await ended(store)
        await loop.start_due()
        gone, *_ = await settled(
            store, hook, DeliveryState.FAILED, DeliveryState.FAILED, DeliveryState.DELIVERED
        )
        assert (gone.attempts, gone.status_code) == (1, 410)


async def test_only_what_is_wanted_is_told(client: WorkflowClient, receiver: Receiver) -> None:
    """Filters, a disabled webhook and other tenants keep silent; corrections are told anew."""
    store = client.store
    hook = await hooked(
        store,
        receiver,
        events=["failed", "succeeded"],
        workflow_type="Extract",
        labels={"team": "a"},
        app_id="crm",
        run_owner="ana",
    )
    fits: dict[str, Any] = {"app_id": "crm", "owner": "ana", "labels": {"team": "a", "n": "1"}}
    off = await hooked(store, receiver, enabled=False)
    for other in (
        {"workflow_type": "Other"},
        {"labels": {"team": "b"}},
        {"app_id": None},
        {"owner": None},
    ):
        await ended(store, **{**fits, **other})
    rival = await store.runs.create("rival", new_run(**fits))
    await store.runs.fail("rival", rival.id)
    run = await store.runs.create(TENANT, new_run(**fits))
    await store.runs.mark_running(TENANT, run.id)
    await store.runs.set_waiting(TENANT, run.id)
    assert await states(store, hook) == []
    await store.runs.resume(TENANT, run.id)
    await store.runs.finish(TENANT, run.id)
    await store.runs.record_outcome(
        TENANT, run.id, RunStatus.FAILED, source=Source.SERVER, closed_at=at(1)
    )
    told = await states(store, hook)
    assert [(one.type, one.corrected) for one in told] == [
        ("run.failed", True),
        ("run.succeeded", False),
    ]
    events = {event.seq: event.kind for event in await store.runs.list_events(TENANT, run.id)}
    assert [events[one.event_seq or 0] for one in told] == ["outcome_corrected", "succeeded"]
    assert await states(store, off) == []


async def test_private_hosts_are_refused(settings: Settings, receiver: Receiver) -> None:
    """Without the operator's word nothing private is reached, by whatever name or notation."""
    hosts = WebhookHosts()
    for address in (
        "127.0.0.1",
        "10.1.2.3",
        "::1",
        "::ffff:10.0.0.1",
        "169.254.169.254",
        "fc00::1",
    ):
        with pytest.raises(ActionError):
            hosts.check("x.example.com", address)
    hosts.check("example.com", "93.184.215.14")
    allowed = WebhookHosts(["10.1.0.0/16", "localhost"])
    allowed.check("x", "10.1.2.3")
    allowed.check("localhost", "127.0.0.1")
    with pytest.raises(ActionError):
        allowed.check("x", "10.2.0.1")
    strict = QUICK.model_copy(update={"allow": ()})
    queue = settings.worker.model_copy(update={"task_queue": f"q-{id(receiver)}"})
    changed = settings.model_copy(update={"webhooks": strict, "worker": queue})
    async with await WorkflowClient.connect(changed) as client, serving(client):
        hook = await hooked(client.store, receiver)
        await ended(client.store)
        await WebhookLoop(client).start_due()
        (one,) = await settled(client.store, hook, DeliveryState.FAILED)
        assert (one.attempts, receiver.got) == (1, [])
        assert one.error is not None
        assert "private" in one.error


async def test_what_a_keeper_leaves_is_taken_up(client: WorkflowClient, receiver: Receiver) -> None:
    """Claimed and left, or started and not noted: each is delivered once by the next keeper.

    A disabled webhook gets nothing any more, and what nobody tells of is given up.
    """
    store, loop = client.store, WebhookLoop(client)
    hook = await hooked(store, receiver)
    await ended(store)
    await ended(store)
    (left, _) = await store.system.claim_deliveries(
        2, QUICK_LEASE, per_webhook=2, per_tenant=2, near=QUICK_LEASE
    )
    await loop._start(left)
    async with store.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE flowkeep.webhook_delivery SET state = 'due', next_at = now()")
        )
    assert await loop.start_due() == 2
    async with serving(client):
        await settled(store, hook, DeliveryState.DELIVERED, DeliveryState.DELIVERED)
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2 == len(receiver.got)
        await ended(store)
        await store.webhooks.update(TENANT, hook.id, {"enabled": False})
        await loop.start_due()
        await settled(store, hook, DeliveryState.DROPPED, *[DeliveryState.DELIVERED] * 2)
    await store.webhooks.test(TENANT, hook.id)
    async with store.transaction() as tx:
        await tx.connection.execute(
            text(
                "UPDATE flowkeep.webhook_delivery SET state = 'started',"
                " next_at = now() - interval '13 hours' WHERE type = 'test'"
            )
        )
    await loop.tidy()
    lost, *_ = await states(store, hook)
    assert (lost.type, lost.state) == ("test", DeliveryState.FAILED)


async def test_slow_receivers_hold_up_their_own(
    settings: Settings, task_queue: str, receiver: Receiver, silent: Silent
) -> None:
    """A tenant whose servers do not answer gets its places of a small worker, and no more.

    Another tenant's message arrives meanwhile, and theirs once they answer.
    """
    few = QUICK.model_copy(
        update={"timeout_seconds": 500, "most_per_webhook": 2, "most_per_tenant": 3}
    )
    queue = settings.worker.model_copy(update={"task_queue": task_queue})
    changed = settings.model_copy(update={"webhooks": few, "worker": queue})
    async with (
        await WorkflowClient.connect(changed) as client,
        serving(client, max_concurrent_activities=4),
        looping(client),
    ):
        store = client.store
        slow = [await hooked(store, silent, "slow") for _ in range(3)]
        for _ in range(5):
            await ended(store, tenant="slow")

        def full() -> None:
            assert silent.asked == 3

        await eventually(full)
        quiet = await hooked(store, receiver, "quiet")
        await ended(store, tenant="quiet")
        await settled(store, quiet, DeliveryState.DELIVERED)
        full()
        silent.speaks.set()
        for hook in slow:
            await settled(store, hook, *[DeliveryState.DELIVERED] * 5)


async def test_slow_receivers_hold_up_no_other_of_their_tenant(
    settings: Settings, task_queue: str, receiver: Receiver, silent: Silent
) -> None:
    """Where servers that do not answer have all places of a tenant, its next webhook is served."""
    few = QUICK.model_copy(
        update={"timeout_seconds": 500, "most_per_webhook": 2, "most_per_tenant": 4}
    )
    queue = settings.worker.model_copy(update={"task_queue": task_queue})
    changed = settings.model_copy(update={"webhooks": few, "worker": queue})
    async with (
        await WorkflowClient.connect(changed) as client,
        serving(client, max_concurrent_activities=6),
        looping(client),
    ):
        store = client.store
        slow = [await hooked(store, silent) for _ in range(2)]
        for _ in range(3):
            await ended(store)

        def full() -> None:
            assert silent.asked == 4

        await eventually(full)
        quiet = await hooked(store, receiver)
        await store.webhooks.test(TENANT, quiet.id)
        await settled(store, quiet, DeliveryState.DELIVERED)
        full()
        silent.speaks.set()
        for hook in slow:
            await settled(store, hook, *[DeliveryState.DELIVERED] * 3)


async def test_a_delivery_outlives_its_keeper_and_its_worker(
    client: WorkflowClient, receiver: Receiver
) -> None:
    """Killed after a refusal, before the ledger heard of the start: all attempts are made still.

    More than the lease passes between the kill and the next life.
    """
    receiver.answers = [500, 500]
    store, spawning = client.store, multiprocessing.get_context("spawn")
    hook = await hooked(store, receiver)
    await ended(store)

    async def refused() -> None:
        [one] = await states(store, hook)
        assert (one.attempts, one.state) == (1, DeliveryState.STARTED)
        found = await client.temporal.get_workflow_handle(str(one.id)).describe()
        assert [each.attempt for each in found.raw_description.pending_activities] == [2]

    slower = QUICK.model_copy(update={"first_wait_seconds": 2, "longest_wait_seconds": 2})
    settings = client.settings.model_copy(update={"webhooks": slower})
    for halted in (True, False):
        life = spawning.Process(target=serve, args=(settings,), kwargs={"halted": halted})
        await asyncio.to_thread(life.start)
        try:
            if halted:
                await eventually(refused)
            else:
                await settled(store, hook, DeliveryState.DELIVERED)
        finally:
            life.kill()
            await asyncio.to_thread(life.join)
        async with store.transaction() as tx:
            passed = "UPDATE flowkeep.webhook_delivery SET next_at = next_at - interval '2 min'"
            await tx.connection.execute(text(passed))
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
