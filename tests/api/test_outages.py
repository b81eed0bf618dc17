"""Servers that are killed under the service: bounded answers, reads that go on, recovery."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import httpx2
import psycopg
import pytest

from flowkeep.local_engine import LocalEngine
from flowkeep.settings import Settings
from flowkeep.statestore.migrate import upgrade
from tests.api.keyed import Service, serving
from tests.support import crash, eventually

BOUND_SECONDS = 30.0
EXTERNAL = {"workflow_type": "Elsewhere", "external": True}
NORMAL = {"workflow_type": "Nightly", "arguments": {}}


@pytest.fixture(scope="module")
async def own_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    """Servers that nobody else uses."""
    async with LocalEngine(tmp_path_factory.mktemp("killed")) as engine:
        await upgrade(engine.database_url)
        yield engine


@pytest.fixture
async def service(own_engine: LocalEngine) -> AsyncIterator[Service]:
    """The service on these servers, open."""
    settings = own_engine.settings()
    async with serving(settings, open=True, pool_seconds=1.0) as service:
        yield service


async def answered(asked: Awaitable[httpx2.Response]) -> httpx2.Response:
    """Return an answer that must come within a bounded time."""
    began = time.monotonic()
    answer = await asked
    assert time.monotonic() - began < BOUND_SECONDS
    return answer


def unavailable(answer: httpx2.Response, code: str) -> None:
    """Check that an answer says who is away and when to come again."""
    assert (answer.status_code, answer.json()["code"]) == (503, code), answer.text
    assert int(answer.headers["Retry-After"]) > 0


async def test_without_temporal_the_ledger_can_be_read(
    own_engine: LocalEngine, service: Service
) -> None:
    """While Temporal is away reads and external runs go on and starts are 503; then all is well."""
    started = await service.ask(None, "/runs", "POST", json=NORMAL)
    assert started.status_code == 202
    run = f"/runs/{started.json()['run_id']}"
    temporal = own_engine.temporal
    assert temporal is not None
    await crash(temporal)
    try:
        refused = service.ask(None, "/runs", "POST", json=NORMAL)
        asked = [service.ask(None, path) for path in (run, "/runs", f"{run}/events", "/apps")]
        outside = service.ask(None, "/runs", "POST", json=EXTERNAL)
        answers = await asyncio.gather(*(answered(one) for one in (refused, outside, *asked)))
        unavailable(answers[0], "TEMPORAL_UNAVAILABLE")
        assert [one.status_code for one in answers[1:]] == [201, 200, 200, 200, 200]
        unavailable(await answered(service.ask(None, "/workers")), "TEMPORAL_UNAVAILABLE")
        unavailable(await answered(service.ask(None, "/ready")), "NOT_READY")
        assert (await service.ask(None, "/ready?only=ledger")).status_code == 200
    finally:
        await temporal.restart()
    await eventually(lambda: succeeds(service, "/runs", 202, json=NORMAL), timeout=60)
    await eventually(lambda: succeeds(service, "/ready", 200), timeout=30)


async def test_without_postgresql_everything_says_so(
    own_engine: LocalEngine, service: Service
) -> None:
    """While PostgreSQL is away every request is 503 soon, many at a time too; then all is well."""
    assert (await service.ask(None, "/apps")).status_code == 200
    postgres = own_engine.postgres
    assert postgres is not None
    await crash(postgres)
    try:
        asked = [service.ask(None, "/runs") for _ in range(20)]
        asked += [service.ask(None, "/runs", "POST", json=NORMAL) for _ in range(5)]
        for answer in await asyncio.gather(*(answered(one) for one in asked)):
            unavailable(answer, "LEDGER_UNAVAILABLE")
        unavailable(await answered(service.ask(None, "/ready")), "NOT_READY")
        assert (await service.ask(None, "/health")).status_code == 200
    finally:
        await postgres.restart()
    await eventually(lambda: succeeds(service, "/runs", 202, json=NORMAL), timeout=60)
    await eventually(lambda: succeeds(service, "/ready", 200), timeout=30)


async def test_a_full_pool_hangs_nobody(own_engine: LocalEngine) -> None:
    """When locks hold every connection, whoever waits for one hears 503 in a second, not never."""
    settings = own_engine.settings()
    database = settings.database.model_copy(update={"pool_size": 1})
    small = settings.model_copy(update={"database": database})
    async with (
        serving(small, open=True, pool_seconds=1.0) as service,
        await psycopg.AsyncConnection.connect(own_engine.database_url) as own,
    ):
        await own.execute("LOCK TABLE flowkeep.run IN ACCESS EXCLUSIVE MODE")
        holding = asyncio.create_task(service.ask(None, "/runs"))
        await eventually(lambda: _waiting(own_engine.database_url))
        unavailable(await answered(service.ask(None, "/apps")), "LEDGER_UNAVAILABLE")
        await own.rollback()
        assert (await holding).status_code == 200


async def test_an_answer_that_does_not_come_is_ended(own_engine: LocalEngine) -> None:
    """A request that a lock holds is answered 503 after the time that the settings give it."""
    settings: Settings = own_engine.settings()
    async with (
        serving(settings, open=True, request_seconds=1.0) as service,
        await psycopg.AsyncConnection.connect(own_engine.database_url) as own,
    ):
        await own.execute("LOCK TABLE flowkeep.run IN ACCESS EXCLUSIVE MODE")
        unavailable(await answered(service.ask(None, "/runs")), "TIMED_OUT")
        await own.rollback()
        assert (await service.ask(None, "/runs")).status_code == 200


async def succeeds(service: Service, path: str, status: int, **options: Any) -> None:
    """Check that a request is answered as on a good day."""
    answer = await service.ask(None, path, "POST" if options else "GET", **options)
    assert answer.status_code == status, answer.text


async def _waiting(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as eyes:
        found = await eyes.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = await found.fetchone()
    assert row is not None
    assert row[0] > 0
