"""Requests that a stranger would have the service's machines make, and paths out of its storage.

Link-local and metadata addresses, and redirects in general, are in
`tests/definitions/test_builtin_http_reach.py`; addresses of webhooks where webhooks are tested.
"""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import DefinitionSettings, Settings
from flowkeep.worker import Worker
from tests.api.keyed import Service, serving
from tests.definitions.http_server import Server
from tests.definitions.http_server import serving as serving_http
from tests.support import eventually

PRIVATE = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "[::1]",
    "[::]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "localhost",
)
OUT = (
    "..",
    "../../etc/passwd",
    "..%2f..%2fetc",
    "/etc/passwd",
    "..\\..\\x",
    "a/../../b",
    ".",
    "%2e%2e",
)


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """A server on this machine that the service has no business with."""
    with serving_http() as server:
        yield server


@pytest.fixture
async def service(settings: Settings, task_queue: str) -> AsyncIterator[Service]:
    """The service and a worker, with what they may reach unless somebody says otherwise."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker, "definitions": DefinitionSettings()})
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(client, actions=[]),
        serving(settings) as service,
    ):
        yield service


def asking(ref: str, urls: list[str]) -> dict[str, Any]:
    """Return a definition that asks for each URL, and goes on only when that fails."""
    tasks: list[dict[str, Any]] = [
        {
            "name": f"ask{number}",
            "action": "core.http",
            "input": {"url": url, "redirects": "any", "timeout": 5},
            "transitions": [{"when": "{{ failed() }}", "do": f"ask{number + 1}"}],
        }
        for number, url in enumerate(urls)
    ]
    tasks.append({"name": f"ask{len(urls)}", "action": "core.log", "input": {"message": "done"}})
    return {"text": json.dumps({"ref": ref, "tasks": tasks})}


async def test_private_networks_are_out_of_reach(
    service: Service, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a definition writes an address of a private network, nothing is sent there."""
    key, port = await service.key(), elsewhere.server_port
    urls = [f"http://{host}:{port}/secret" for host in PRIVATE]
    known = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **named: Any) -> Any:
        """Let a public name lead to this machine, as its owner can."""
        return known("127.0.0.1" if host == "rebound.example" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    urls.append(f"http://rebound.example:{port}/secret")
    body = asking("asking", urls)
    made = await service.ask(key, "/definitions", "POST", json=body)
    assert made.status_code == 201, made.text
    told = await service.ask(key, "/definitions/asking/execute", "POST")
    run = f"/runs/{told.json()['run_id']}"

    async def ended() -> list[dict[str, Any]]:
        answer = (await service.ask(key, run)).json()
        assert answer["status"] in ("succeeded", "failed"), answer["status"]
        listed = (await service.ask(key, f"{run}/tasks")).json()["data"]
        done = {one["activity_id"]: one for one in listed}
        assert done[f"ask{len(urls)}"]["status"] == "succeeded"
        return [done[f"ask{number}"] for number in range(len(urls))]

    asked = await eventually(ended, 60)
    codes = dict(zip(urls, (one["error"]["code"] for one in asked), strict=True))
    assert set(codes.values()) == {"HOST_REFUSED"}, codes
    assert elsewhere.seen == []


async def test_names_are_no_paths(service: Service, settings: Settings) -> None:
    """A name that would climb out of a folder is refused, or just a name; no file is made by it."""
    key = await service.key()
    storage = Path(settings.storage.url.removeprefix("file://"))
    before = {path for path in storage.parent.rglob("*") if storage not in path.parents}
    for name in OUT:
        params = {"key": name, "name": name, "tenant": name}
        for method, path, body in (
            ("GET", "/state", None),
            ("PUT", "/state", {"value": {"a": "x" * 200_000}}),
            ("DELETE", "/secrets", None),
            ("POST", "/tenants/erase", {"dry_run": True}),
            ("POST", "/runs", {"workflow_type": "W", "workflow_id": name, "external": True}),
            ("PUT", "/secrets", {"name": name, "value": "v"}),
        ):
            answer = await service.ask(key, path, method, params=params, json=body)
            assert answer.status_code < 500, (method, path, name, answer.text)
        inside = await service.ask(key, "/runs", headers={"Flowkeep-Tenant": name})
        assert inside.status_code == 404
        for reference in ({"$stored": f"default/{name}", "bytes": 1}, {"$file": name}):
            body = {"workflow_type": "W", "external": True, "arguments": {"a": reference}}
            started = (await service.ask(key, "/runs", "POST", json=body)).json()
            path = f"/runs/{started['run_id']}/payloads/inputs"
            told = await service.ask(key, path)
            assert told.json() == {"a": reference}
    after = {path for path in storage.parent.rglob("*") if storage not in path.parents}
    assert after == before
