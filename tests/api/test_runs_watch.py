"""Server-sent events of runs, over a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import event
from uuid_utils.compat import uuid7

from flowkeep.api import build_app
from flowkeep.clients.direct import watching
from flowkeep.clients.remote import AsyncRemoteClient
from flowkeep.contracts import NewRun
from flowkeep.contracts.api.runs import RunPatch, RunStart
from flowkeep.errors import NotFound
from flowkeep.settings import Settings
from flowkeep.statestore.session import EngineScope
from flowkeep.statestore.store import Store
from tests.api.listening import port_of, serving
from tests.support import eventually


@pytest.fixture
def app(settings: Settings) -> Any:
    """The REST API, open."""
    api = settings.api.model_copy(update={"open": True})
    return build_app(settings.model_copy(update={"api": api}))


@pytest.fixture
async def service(app: Any) -> AsyncIterator[AsyncRemoteClient]:
    """A client of the API over loopback."""
    async with serving(app) as server:
        limits = httpx2.Limits(max_connections=400)
        http = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port_of(server)}", limits=limits, timeout=30
        )
        async with AsyncRemoteClient(http=http) as client:
            yield client


async def external(client: AsyncRemoteClient) -> UUID:
    """Start a run that lives outside Temporal."""
    run_id = (await client.runs.start(RunStart(workflow_type="far", external=True))).run_id
    await client.runs.update(run_id, RunPatch(status="running"))
    return run_id


def idle(store: Store) -> None:
    """Fail while a run is being watched."""
    assert watching.watched(store) == 0


async def test_a_watch_tells_what_happens_until_the_end(
    app: Any, service: AsyncRemoteClient
) -> None:
    """Snapshots and audit events come as they happen, without values before the end."""
    run_id = await external(service)
    await service.runs.update(run_id, RunPatch(state={"secret": 1}))
    watch = service.runs.watch(run_id, interval_seconds=0.05)
    first = await anext(watch)
    assert first.progress is not None
    assert (first.kind, first.progress.run.state) == ("progress", {})
    await service.runs.update(run_id, RunPatch(status="succeeded", outputs={"rows": 7}))
    rest = [update async for update in watch]
    told = [update.event.kind for update in rest if update.event is not None]
    assert told == ["succeeded"]
    last = rest[-1].progress
    assert last is not None
    assert (rest[-1].kind, last.run.outputs) == ("end", {"rows": 7})
    await eventually(lambda: idle(app.state.backend.store))
    handle = await service.runs.handle(run_id)
    assert await handle.result() == {"rows": 7}


async def test_many_watchers_cost_one(app: Any, service: AsyncRemoteClient) -> None:
    """A hundred watchers of one run ask the ledger as often as one does, and leave nothing."""
    run_id = await external(service)
    store = app.state.backend.store
    asked = 0

    def count(*_: Any) -> None:
        nonlocal asked
        asked += 1

    async def next_ones(watchers: list[AsyncIterator[Any]]) -> None:
        await asyncio.gather(*(anext(watcher) for watcher in watchers))

    async with AsyncExitStack() as stack:
        watchers: list[AsyncIterator[Any]] = []
        for _ in range(100):
            watcher = service.runs.watch(run_id, interval_seconds=0.2)
            stack.push_async_callback(watcher.aclose)
            watchers.append(watcher)
        await next_ones(watchers)
        scope = store.runs._scope
        assert isinstance(scope, EngineScope)
        engine = scope.engine().sync_engine
        event.listen(engine, "before_cursor_execute", count)
        await next_ones(watchers)  # an unchanged snapshot is told again after two seconds
        event.remove(engine, "before_cursor_execute", count)
        assert watching.watched(store) == 1
    assert asked <= 60
    await eventually(lambda: idle(store))


async def test_many_watched_runs_cost_one(app: Any, service: AsyncRemoteClient) -> None:
    """Forty watched runs in which nothing happens ask the ledger as often as a few do."""
    store = app.state.backend.store
    asked = 0

    def count(*_: Any) -> None:
        nonlocal asked
        asked += 1

    async with AsyncExitStack() as stack:
        watchers = []
        for _ in range(40):
            watcher = service.runs.watch(await external(service), interval_seconds=0.5)
            stack.push_async_callback(watcher.aclose)
            watchers.append(watcher)
        await asyncio.gather(*(anext(watcher) for watcher in watchers))
        scope = store.runs._scope
        assert isinstance(scope, EngineScope)
        engine = scope.engine().sync_engine
        event.listen(engine, "before_cursor_execute", count)
        await asyncio.gather(*(anext(watcher) for watcher in watchers))
        event.remove(engine, "before_cursor_execute", count)
    assert 0 < asked <= 40  # in two seconds and a half, with looks at the callers among them
    await eventually(lambda: idle(store))


async def test_each_watched_run_tells_its_own_changes(app: Any, service: AsyncRemoteClient) -> None:
    """Of runs that are watched together each tells what happens to it, and only that."""
    runs = [await external(service) for _ in range(3)]
    async with AsyncExitStack() as stack:
        watchers = []
        for run_id in runs:
            watcher = service.runs.watch(run_id, interval_seconds=0.1)
            stack.push_async_callback(watcher.aclose)
            watchers.append(watcher)
            await anext(watcher)
        for number, run_id in enumerate(runs):
            await service.runs.update(run_id, RunPatch(labels={"number": str(number)}))
        for number, watcher in enumerate(watchers):
            async for update in watcher:
                if update.progress is not None and update.progress.run.labels:
                    assert update.progress.run.labels == {"number": str(number)}
                    break
    await eventually(lambda: idle(app.state.backend.store))


async def test_a_slow_watcher_skips_snapshots_never_events(
    app: Any, service: AsyncRemoteClient
) -> None:
    """Who reads late gets every audit event once, in order, and only the newest snapshots."""
    run_id = await external(service)
    watch = service.runs.watch(run_id, after=0, interval_seconds=0.05)
    numbers = [(await anext(watch)).event.seq]  # type: ignore[union-attr]
    for n in range(30):
        await service.runs.update(run_id, RunPatch(labels={"n": str(n)}))
    await service.runs.update(run_id, RunPatch(status="failed"))
    rest = [update async for update in watch]
    numbers += [update.event.seq for update in rest if update.event is not None]
    page = await service.runs.events(run_id, limit=100)
    assert numbers == [one.seq for one in page.data][::-1]
    assert rest[-1].kind == "end"


async def test_a_lost_connection_goes_on_behind_the_last_event(app: Any) -> None:
    """When the server comes back the watch goes on, with no audit event lost or repeated."""
    async with AsyncExitStack() as first:
        server = await first.enter_async_context(serving(app))
        port = port_of(server)
        async with AsyncRemoteClient(f"http://127.0.0.1:{port}") as client:
            run_id = await external(client)
            watch = client.runs.watch(run_id, after=0, interval_seconds=0.05)
            seen = [await anext(watch) for _ in range(3)]
            await first.aclose()
            async with serving(app, port):
                await client.runs.update(run_id, RunPatch(labels={"a": "b"}))
                await client.runs.update(run_id, RunPatch(status="failed"))
                seen += [update async for update in watch]
    told = [update.event.kind for update in seen if update.event is not None]
    assert told == ["created", "started", "labels_changed", "failed"]
    assert seen[-1].kind == "end"


async def test_a_deleted_run_ends_its_watch(app: Any, service: AsyncRemoteClient) -> None:
    """Who watches a run that is deleted is told that it is gone."""
    store = app.state.backend.store
    new = NewRun(
        id=uuid7(),
        workflow_id=f"w-{uuid4()}",
        workflow_type="x",
        task_queue="q",
        triggered_from="external",
    )
    run = await store.runs.create("default", new)
    watch = service.runs.watch(run.id, interval_seconds=0.05)
    assert (await anext(watch)).kind == "progress"
    await store.runs.delete_runs_by_ids("default", [run.id], force=True)
    with pytest.raises(NotFound, match=str(run.id)):
        async for _ in watch:
            pass
