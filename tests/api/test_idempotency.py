"""Idempotency keys over HTTP: one request, one answer, however often it is sent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import text

from flowkeep.api import build_app, idempotency
from flowkeep.api.context import Client
from flowkeep.api.idempotency import request_key
from flowkeep.clients.backend import Backend
from flowkeep.settings import Settings

JSON = {"content-type": "application/json"}


class Gate:
    """Routes of a test: one that waits, one that fails, and one that is long."""

    def __init__(self, app: FastAPI) -> None:
        self.calls: list[UUID | None] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        app.add_api_route("/wait", self.wait, methods=["POST"])
        app.add_api_route("/answer/{status}", self.answer, methods=["POST"])

    async def wait(self, client: Client, request: Request) -> dict[str, str]:
        """Wait for the gate to open."""
        assert client.caller.request_key == request_key(request)
        self.calls.append(request_key(request))
        self.entered.set()
        await self.open.wait()
        return {"call": str(len(self.calls))}

    async def answer(self, client: Client, request: Request, status: int, size: int = 1) -> Any:
        """Answer with a status and a body of a size."""
        assert client
        self.calls.append(request_key(request))
        return Response("x" * size, status_code=status, headers={"X-Call": str(len(self.calls))})


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """A service that is open on this machine."""
    api = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"api": api}))
    app.state.gate = Gate(app)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http


async def post(
    http: httpx2.AsyncClient, path: str, body: Any = None, key: str = "k", **headers: str
) -> httpx2.Response:
    """Send a POST under a key."""
    return await http.post(path, json=body, headers={"Idempotency-Key": key, **headers})


async def test_the_first_answer_is_replayed(http: httpx2.AsyncClient) -> None:
    """The same request gets status, headers and body of the first, and is told that it does."""
    new = {"id": "crm", "name": "CRM"}
    first = await post(http, "/api/v1/apps", new)
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (await http.delete("/api/v1/apps/crm")).status_code == 204
    again = await post(http, "/api/v1/apps", new)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert (await http.get("/api/v1/apps/crm")).status_code == 404


async def test_a_refusal_is_an_answer_too(http: httpx2.AsyncClient) -> None:
    """A conflict is replayed as such, also when its cause is gone."""
    await post(http, "/api/v1/apps", {"id": "crm", "name": "CRM"})
    for _ in range(2):
        answer = await post(http, "/api/v1/apps", {"id": "crm", "name": "other"}, "second")
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
        await http.delete("/api/v1/apps/crm")


async def test_a_used_key_means_nothing_else(http: httpx2.AsyncClient) -> None:
    """Another body, query or path under the same key is refused with a code of its own."""
    await post(http, "/answer/200", {"a": 1})
    for path, body in (
        ("/answer/200", {"a": 2}),
        ("/answer/200?size=2", {"a": 1}),
        ("/answer/201", {"a": 1}),
    ):
        answer = await post(http, path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_one_is_carried_out(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """While a request is carried out, the same one must come back for its answer."""
    gate: Gate = app.state.gate
    first = asyncio.create_task(post(http, "/wait"))
    await gate.entered.wait()
    busy = await post(http, "/wait")
    assert (busy.status_code, busy.json()["code"]) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert 1 <= int(busy.headers["retry-after"]) <= idempotency.LEASE_SECONDS
    gate.open.set()
    assert (await first).json() == (await post(http, "/wait")).json() == {"call": "1"}
    assert len(gate.calls) == 1


async def test_a_dead_process_is_replaced(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """What a process that died did not answer is carried out again, and derives the same id."""
    gate: Gate = app.state.gate
    backend: Backend = app.state.backend
    first = asyncio.create_task(post(http, "/wait"))
    await gate.entered.wait()
    async with backend.store.transaction() as tx:
        await tx.connection.execute(text("UPDATE flowkeep.idempotency SET lease_until = now()"))
    gate.entered.clear()
    second = asyncio.create_task(post(http, "/wait"))
    await gate.entered.wait()
    gate.open.set()
    await asyncio.gather(first, second)
    assert len(gate.calls) == 2
    assert gate.calls[0] is not None
    assert gate.calls[0] == gate.calls[1]
    assert (gate.calls[0].version, gate.calls[0].variant) == (7, "specified in RFC 4122")


async def test_ids_belong_to_their_key(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """Each key of each tenant derives an id of its own; without a key there is none."""
    gate: Gate = app.state.gate
    gate.open.set()
    await post(http, "/wait", key="a")
    await post(http, "/wait", key="b")
    await http.post("/wait")
    assert len(set(gate.calls)) == 3
    assert gate.calls[2] is None


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_passing_trouble_is_not_kept(
    app: FastAPI, http: httpx2.AsyncClient, status: int
) -> None:
    """An answer that says nothing for good is not replayed: the request is done again at once."""
    for _ in range(2):
        answer = await post(http, f"/answer/{status}")
        assert answer.status_code == status
    assert len(set(app.state.gate.calls)) == 1
    assert len(app.state.gate.calls) == 2


async def test_big_answers_are_not_kept(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """Of an answer above the limit only the fact is kept; the first caller gets all of it."""
    size = idempotency.MOST_BYTES + 1
    first = await post(http, f"/answer/200?size={size}")
    assert len(first.content) == size
    again = await post(http, f"/answer/200?size={size}")
    assert (again.status_code, again.json()["code"]) == (409, "IDEMPOTENCY_ANSWER_WITHHELD")
    assert len(app.state.gate.calls) == 1


async def test_secrets_are_not_kept(app: FastAPI, http: httpx2.AsyncClient) -> None:
    """The secret of a new key is not kept, and repeating the request makes no other."""
    body = {"name": "ci", "role": "viewer"}
    first = await post(http, "/api/v1/api-keys", body)
    assert first.status_code == 201
    again = await post(http, "/api/v1/api-keys", body)
    assert (again.status_code, again.json()["code"]) == (409, "IDEMPOTENCY_ANSWER_WITHHELD")
    backend: Backend = app.state.backend
    async with backend.store.transaction() as tx:
        found = await tx.connection.execute(text("SELECT body, headers FROM flowkeep.idempotency"))
        assert [tuple(row) for row in found] == [(None, None)]
    keys = (await http.get("/api/v1/api-keys")).json()["data"]
    assert [key["name"] for key in keys] == ["ci"]


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb"])
async def test_keys_are_plain_texts(http: httpx2.AsyncClient, key: str) -> None:
    """A key that is empty, long or not printable is refused by name; other methods ignore it."""
    headers = {b"Idempotency-Key": key.encode()}
    answer = await http.post("/api/v1/apps", json={"id": "a"}, headers=headers)
    assert (answer.status_code, "Idempotency-Key" in answer.json()["detail"]) == (422, True)
    assert (await http.get("/api/v1/apps", headers=headers)).status_code == 200


async def test_many_at_once_make_one(http: httpx2.AsyncClient) -> None:
    """Of many equal requests at once one is carried out; nobody gets another answer."""
    body = {"id": f"app-{uuid4()}"}
    answers = await asyncio.gather(*(post(http, "/api/v1/apps", body) for _ in range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in made}) == 1
    codes = {answer.json()["code"] for answer in answers if answer not in made}
    assert codes <= {"IDEMPOTENCY_IN_PROGRESS"}
    lines = (await http.get("/api/v1/audit", params={"action": "app.create"})).json()["data"]
    assert len(lines) == 1
