"""Bodies of requests over real HTTP: nothing of a stranger's is held, and of all only so much."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from psycopg import AsyncConnection

from flowkeep.contracts.api.keys import IssuedKey
from flowkeep.settings import Settings
from tests.api.listening import Listening, listening
from tests.support import eventually

MOST = 64 * 1024
ROOM = 3 * MOST
POST = "POST /api/v1/apps HTTP/1.1"
TYPE = "Content-Type: application/json"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Listening]:
    """A service that holds three of its biggest bodies."""
    async with listening(
        settings, body_bytes=MOST, bodies_bytes=ROOM, failures_per_minute=10_000
    ) as service:
        yield service


def shows(key: IssuedKey | str) -> str:
    """Return the line that shows a key."""
    return f"Authorization: Bearer {key if isinstance(key, str) else key.secret}"


def room(service: Listening) -> int:
    """Return how many more bytes of bodies the service takes in."""
    found = service.app.middleware_stack
    while not hasattr(found, "_room"):
        found = found._app if hasattr(found, "_app") else found.app
    return int(found._room.left)


def holds(service: Listening, size: int) -> None:
    """Fail unless the service holds so many bytes of bodies."""
    assert ROOM - room(service) == size


@pytest.mark.parametrize("shown", ["", "Authorization: Bearer fk_wrong", "Cookie: a=b"])
async def test_a_stranger_is_answered_before_the_body(service: Listening, shown: str) -> None:
    """Who shows no valid key is told so while the body is still under way, however long it is, and
    nothing of it is held."""
    heads = (["Transfer-Encoding: chunked"], ["Content-Length: 60000"], ["Content-Length: 9999999"])
    for head in heads:
        lines = [line for line in (TYPE, shown, *head) if line]
        async with service.begun(POST, *lines) as request, asyncio.timeout(10):
            await request.send(b"100\r\n" if "chunked" in head[0] else b"{")
            assert await request.status() == 401
            assert room(service) == ROOM


async def test_a_stranger_is_told_why(service: Listening) -> None:
    """The answer to a stranger with a whole body is the one without a body, be it JSON or not."""
    for body in (b'{"id": "crm"}', b"{", b"[" * 50_000):
        answer = await service.ask("fk_wrong", "/apps", "POST", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"]
    kept = await service.ask(None, "/session", "POST", json={"a": 1})
    assert kept.status_code == 401


async def test_who_sends_first_and_reads_then_is_told(service: Listening) -> None:
    """A client that reads nothing before its whole body is sent gets the refusal, not a lost
    connection, and goes on with the right key."""
    key, body = await service.key(), b'{"id": "crm"}' + b" " * (MOST - 100)
    for shown, wanted in (("fk_wrong", 401), (key, 201)):
        answer = await service.ask(shown, "/apps", "POST", content=body, headers=JSON)
        assert answer.status_code == wanted, answer.text


async def test_a_body_arrives_as_before(service: Listening) -> None:
    """Whoever shows a key may send the body in pieces; a session is recognised, too."""
    key = await service.key()
    body = b'{"id": "crm"}'
    async with service.begun(POST, TYPE, shows(key), f"Content-Length: {len(body)}") as request:
        for byte in body:
            await request.send(bytes([byte]))
        assert await request.status() == 201
    begun = (await service.ask(key, "/session", "POST")).json()
    headers = {"X-CSRF-Token": begun["csrf_token"]}
    made = await service.ask(None, "/apps", "POST", json={"id": "erp"}, headers=headers)
    assert made.status_code == 201
    forged = await service.ask(None, "/apps", "POST", json={"id": "hcm"})
    assert (forged.status_code, forged.json()["code"]) == (403, "CSRF_TOKEN")


async def test_a_key_that_ends_while_its_body_arrives(
    service: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is revoked before the body is complete is refused, and nothing is done."""
    monkeypatch.setattr("flowkeep.api.known_keys.KEPT_SECONDS", 0)
    monkeypatch.setattr("flowkeep.api.authentication._RECENT_SECONDS", 0)
    key, other = await service.key(), await service.key()
    body = b'{"id": "crm"}'
    async with service.begun(POST, TYPE, shows(key), f"Content-Length: {len(body)}") as request:
        await request.send(body[:1])
        await eventually(lambda: holds(service, 1))
        await service.store.api_keys.revoke("default", key.id)
        await request.send(body[1:])
        assert await request.status() == 401
    assert (await service.ask(other, "/apps")).json()["data"] == []


async def test_bodies_have_a_room_together(service: Listening) -> None:
    """What is more than a process holds is told to come again; what ends makes room, and so does
    who goes away."""
    keys = [await service.key() for _ in range(4)]
    key = keys.pop()
    lines = (POST, TYPE, f"Content-Length: {MOST}")
    part = b"{" + b" " * (MOST - 2)
    async with AsyncExitStack() as stack:
        first, *others = [
            await stack.enter_async_context(service.begun(*lines, shows(one))) for one in keys
        ]
        for request in (first, *others):
            await request.send(part)
        await eventually(lambda: holds(service, 3 * (MOST - 1)))
        body = json.dumps({"id": "crm", "name": "x" * 100}).encode()
        refused = await service.ask(key, "/apps", "POST", content=body, headers=JSON)
        assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await service.ask(key, "/apps")).status_code == 200
        await first.send(b"}")
        assert await first.status() == 422
        made = await service.ask(key, "/apps", "POST", content=body, headers=JSON)
        assert made.status_code == 201
    await eventually(lambda: holds(service, 0))


async def test_a_caller_has_a_part_of_the_room(settings: Settings) -> None:
    """One key has at most a quarter of the room, however many bodies it sends slowly; beyond that
    it is told to wait, and others are not."""
    async with listening(settings, body_bytes=MOST, bodies_bytes=8 * MOST) as service:
        key, other = await service.key(), await service.key()
        lines = (POST, TYPE, shows(key), f"Content-Length: {MOST}")
        body = json.dumps({"id": "crm", "name": "x" * 100}).encode()
        async with AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(service.begun(*lines)) for _ in range(2)]
            for request in slow:
                await request.send(b"{" + b" " * (MOST - 2))

            def full() -> None:
                assert 8 * MOST - room(service) == 2 * (MOST - 1)

            await eventually(full)
            refused = await service.ask(key, "/apps", "POST", content=body, headers=JSON)
            assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
            assert int(refused.headers["Retry-After"]) > 0
            assert (await service.ask(key, "/apps")).status_code == 200
            made = await service.ask(other, "/apps", "POST", content=body, headers=JSON)
            assert made.status_code == 201

        async def again() -> None:
            body = b'{"id": "erp"}' + b" " * 1000
            made = await service.ask(key, "/apps", "POST", content=body, headers=JSON)
            assert made.status_code == 201

        await eventually(again)
        assert room(service) == 8 * MOST


async def test_a_body_that_nobody_takes_is_not_read(service: Listening) -> None:
    """What asks, deletes or watches with a body is answered while that is under way, and as long as
    a stream lasts nothing of it is held."""
    key = await service.key()
    run = {"workflow_type": "Elsewhere", "external": True}
    begun = await service.ask(key, "/runs", "POST", json=run)
    watch = f"/api/v1/runs/{begun.json()['run_id']}/watch"
    await eventually(lambda: holds(service, 0))
    for head, status in (
        ("GET /api/v1/apps HTTP/1.1", 200),
        ("HEAD /api/v1/apps HTTP/1.1", 200),
        ("DELETE /api/v1/apps/none HTTP/1.1", 404),
        (f"GET {watch} HTTP/1.1", 200),
    ):
        for length in ("Content-Length: 60000", "Content-Length: 9999999"):
            async with service.begun(head, shows(key), length) as request, asyncio.timeout(10):
                await request.send(b"x" * 50_000)
                assert await request.status() == status
                holds(service, 0)
    whole = await service.ask(key, "/apps", content=b"x" * MOST)
    assert (whole.status_code, whole.json()["data"]) == (200, [])
    assert (await service.ask(key, "/apps")).status_code == 200


async def test_slow_bodies_end(settings: Settings) -> None:
    """A body that does not arrive in time is refused, and its room is free again."""
    async with listening(settings, body_seconds=0.2, bodies_bytes=ROOM, body_bytes=MOST) as service:
        key = await service.key()
        async with service.begun(POST, TYPE, shows(key), "Content-Length: 9") as request:
            await request.send(b"{")
            assert await request.status() == 408
        await eventually(lambda: holds(service, 0))


async def test_depth_is_looked_at_in_turn(settings: Settings) -> None:
    """Looking at a deep body takes a place like any work: without one it is not looked at."""
    deep = b"[" * 5000
    async with (
        listening(settings, open=True, concurrency=1, waiting=0) as service,
        await AsyncConnection.connect(settings.database_url()) as own,
    ):
        answer = await service.ask(None, "/apps", "POST", content=deep, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_JSON")
        await own.execute("LOCK TABLE flowkeep.app IN ACCESS EXCLUSIVE MODE")
        slow = asyncio.create_task(service.ask(None, "/apps"))

        async def full() -> None:
            busy = await service.ask(None, "/apps", "POST", content=deep, headers=JSON)
            assert (busy.status_code, busy.json()["code"]) == (503, "OVERLOADED")

        await eventually(full)
        await own.rollback()
        assert (await slow).status_code == 200
