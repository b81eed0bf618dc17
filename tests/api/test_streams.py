"""Streams of events over real HTTP: they end with what opened them, and each key has some."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from psycopg import AsyncConnection

from flowkeep.clients.remote import AsyncRemoteClient
from flowkeep.contracts.api.audit import AuditOutcome
from flowkeep.contracts.api.keys import IssuedKey
from flowkeep.errors import Unauthenticated
from flowkeep.settings import Settings
from tests.api.listening import Listening, listening
from tests.api.outages import waiting, without_connections
from tests.support import eventually

ELSEWHERE = {"workflow_type": "Elsewhere", "external": True}
SOON = timedelta(seconds=10)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Listening]:
    """A service that wants keys, and gives each two streams."""
    async with listening(settings, streams=2) as service:
        yield service


async def run_of(service: Listening, key: IssuedKey) -> str:
    """Start a run that goes on until somebody ends it, and return the path of its watch."""
    begun = await service.ask(key, "/runs", "POST", json=ELSEWHERE)
    assert begun.status_code == 201, begun.text
    return f"/api/v1/runs/{begun.json()['run_id']}/watch?interval=60"


def headers_of(key: IssuedKey) -> dict[str, str]:
    """Return what shows a key."""
    return {"Authorization": f"Bearer {key.secret}"}


async def told(answer: httpx2.Response) -> AsyncGenerator[tuple[str, Any]]:
    """Yield the events of a stream."""
    kind = ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


async def events_of(answer: httpx2.Response) -> list[tuple[str, Any]]:
    """Return the events of a stream that somebody else ends."""
    return await rest_of(told(answer))


async def rest_of(events: AsyncGenerator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the events that are left of a stream that somebody else ends."""
    async with asyncio.timeout(30):
        return [event async for event in events]


def ended_for(events: list[tuple[str, Any]], words: str) -> None:
    """Check that a stream was under way and ended with a problem."""
    assert events[0][0] == "progress"
    ends_for(events, words)


def ends_for(events: list[tuple[str, Any]], words: str) -> None:
    """Check that a stream ended with a problem."""
    kind, problem = events[-1]
    assert (kind, problem["status"], problem["code"]) == ("problem", 401, "UNAUTHENTICATED")
    assert words in problem["detail"]
    assert problem["request_id"]


async def test_a_stream_ends_with_its_key(service: Listening) -> None:
    """A stream of a quiet run ends within seconds of its key's revocation, says why, and is told
    to the audit log by name."""
    admin, key = await service.key(), await service.key(subject="eve")
    watch = await run_of(service, admin)
    async with service.http.stream("GET", watch, headers=headers_of(key)) as answer:
        assert answer.status_code == 200
        revoked = await service.ask(admin, f"/api-keys/{key.id}/revoke", "POST")
        assert revoked.status_code == 200
        ended_for(await events_of(answer), "revoked")

    async def told() -> None:
        page = await service.store.audit.list("default", outcome=AuditOutcome.DENIED, subject="eve")
        assert [line.key_id for line in page.data] == [key.id]

    await eventually(told)


async def test_a_stream_ends_when_its_key_expires(service: Listening) -> None:
    """A stream that began with a key of short life ends with it."""
    admin = await service.key()
    watch = await run_of(service, admin)
    key = await service.key(expires_at=datetime.now(UTC) + SOON)
    async with service.http.stream("GET", watch, headers=headers_of(key)) as answer:
        assert answer.status_code == 200
        ended_for(await events_of(answer), "expired")


async def test_a_stream_ends_with_its_session(service: Listening) -> None:
    """A stream that began with a session ends with the key of the session."""
    admin, key = await service.key(), await service.key()
    watch = await run_of(service, admin)
    begun = await service.ask(key, "/session", "POST")
    assert begun.status_code == 201
    async with service.http.stream("GET", watch) as answer:
        assert answer.status_code == 200
        await service.store.api_keys.revoke("default", key.id)
        ended_for(await events_of(answer), "revoked")


async def test_a_client_is_told_why(service: Listening) -> None:
    """The remote client raises what ended the stream, and does not try again."""
    admin, key = await service.key(), await service.key()
    run_id = UUID((await run_of(service, admin)).split("/")[4])
    url = f"http://127.0.0.1:{service.port}"
    async with AsyncRemoteClient(url, api_key=key.secret) as client:
        watch = client.runs.watch(run_id, interval_seconds=60)
        assert (await anext(watch)).kind == "progress"
        await service.store.api_keys.revoke("default", key.id)
        with pytest.raises(Unauthenticated, match="revoked"):
            async for _ in watch:
                pass


async def test_an_outage_ends_no_stream_but_what_is_over(
    service: Listening, settings: Settings
) -> None:
    """While the ledger cannot be asked streams stay open, but not beyond the life of their key."""
    admin = await service.key()
    watch = await run_of(service, admin)
    lasting, brief = await service.key(), await service.key(expires_at=datetime.now(UTC) + SOON)
    async with AsyncExitStack() as stack:
        answers = [
            await stack.enter_async_context(
                service.http.stream("GET", watch, headers=headers_of(key))
            )
            for key in (lasting, brief)
        ]
        streams = [told(answer) for answer in answers]
        for stream in streams:
            assert (await anext(stream))[0] == "progress"
        async with without_connections(settings):
            ends_for(await rest_of(streams[1]), "expired")
            assert not answers[0].is_closed
        await service.store.api_keys.revoke("default", lasting.id)
        ends_for(await rest_of(streams[0]), "revoked")


async def test_a_watch_that_begins_in_an_outage(service: Listening, settings: Settings) -> None:
    """A watch that loses the ledger at its first look goes on when the ledger is back; one that is
    asked for meanwhile is answered at once."""
    key = await service.key()
    watch = await run_of(service, key)
    own = await AsyncConnection.connect(settings.database_url())
    await own.execute("LOCK TABLE flowkeep.run_event IN ACCESS EXCLUSIVE MODE")
    async with service.http.stream("GET", watch, headers=headers_of(key)) as answer:
        assert answer.status_code == 200

        async def looks() -> None:
            assert await waiting(settings, "SELECT%run_event") > 0

        await eventually(looks)
        async with without_connections(settings):  # and without the lock
            refused = await service.ask(key, watch.removeprefix("/api/v1"))
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) > 0
        async with asyncio.timeout(30):
            assert (await anext(told(answer)))[0] == "progress"
    await own.close()


async def test_a_key_has_some_streams(service: Listening) -> None:
    """Of the streams of one key so many are open at a time; another key's and the next are."""
    key, other = await service.key(), await service.key()
    watch = await run_of(service, key)
    async with AsyncExitStack() as stack:

        async def opened(one: IssuedKey) -> httpx2.Response:
            return await stack.enter_async_context(
                service.http.stream("GET", watch, headers=headers_of(one))
            )

        first = [await opened(key) for _ in range(2)]
        assert [one.status_code for one in first] == [200, 200]
        refused = await opened(key)
        await refused.aread()
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await opened(other)).status_code == 200
        assert (await service.ask(key, "/apps")).status_code == 200
        await first[0].aclose()

        async def place() -> None:
            async with service.http.stream("GET", watch, headers=headers_of(key)) as again:
                assert again.status_code == 200

        await eventually(place)
    await eventually(lambda: nobody_watches(service))


async def test_what_ends_before_it_begins_leaves_no_place(service: Listening) -> None:
    """A watch of a run that is not there, or of an ended one, holds no place behind its answer."""
    key = await service.key()
    for _ in range(3):
        missing = await service.ask(key, f"/runs/{uuid4()}/watch")
        assert missing.status_code == 404
    watch = await run_of(service, key)
    run = watch.partition("/watch")[0].removeprefix("/api/v1")
    for status in ("running", "succeeded"):
        moved = await service.ask(key, run, "PATCH", json={"status": status})
        assert moved.status_code == 200, moved.text
    for _ in range(3):
        whole = await service.ask(key, f"{run}/watch")
        assert "event: end" in whole.text
    await eventually(lambda: nobody_watches(service))


def nobody_watches(service: Listening) -> None:
    """Fail while a place of a stream is taken."""
    assert not service.app.state.streams._open
