"""Runs over HTTP: headers, problems, and who may see and do what."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from uuid_utils.compat import uuid7

from flowkeep.api import build_app
from flowkeep.api.context import client as client_of
from flowkeep.clients.direct import DirectClient
from flowkeep.contracts import NewRun, Run
from flowkeep.contracts.api.access import Caller, Principal, Role
from flowkeep.settings import Settings
from flowkeep.statestore import Store

RUNS = "/api/v1/runs"
JSON = "application/json"
PROBLEM = "application/problem+json"


class Service:
    """The REST API without a network, as whoever a test says.

    Args:
        app: The app, started.
    """

    def __init__(self, app: Any) -> None:
        self._backend = app.state.backend
        self.store: Store = app.state.backend.store
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1"
        )
        app.dependency_overrides[client_of] = self._client
        self.principal = Principal.local()

    async def _client(self) -> DirectClient:
        caller = Caller(principal=self.principal, request_id=str(uuid4()))
        return DirectClient(self.store, self._backend.temporal, self._backend.settings, caller)

    def be(self, subject: str, role: Role | None, **values: Any) -> None:
        """Let the next requests come from somebody."""
        self.principal = Principal(subject=subject, role=role, via="key", **values)

    async def ask(self, method: str, path: str = "", **options: Any) -> httpx2.Response:
        """Send a request to a path below `/runs`."""
        return await self.http.request(method, f"{RUNS}{path}", **options)

    async def run(self, **values: Any) -> Run:
        """Record a run."""
        fields = {"workflow_id": f"w-{uuid4()}", "workflow_type": "Hello", "task_queue": "q"}
        new = NewRun.model_validate({"id": uuid7(), **fields, **values})
        return await self.store.runs.create("default", new)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The REST API on the test's ledger."""
    # Open: so nobody is a stranger before the route asks who calls.
    api = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"api": api}))
    async with app.router.lifespan_context(app):
        made = Service(app)
        async with made.http:
            yield made


async def ids(service: Service, **query: Any) -> list[str]:
    """Return the ids of a list."""
    answer = await service.ask("GET", params=query)
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["data"]]


async def test_headers(service: Service) -> None:
    """An answer carries its ETag, a page the link to the next one, a start the run's place."""
    runs = [await service.run() for _ in range(3)]
    first = await service.ask("GET", params={"limit": 2, "status": "queued"})
    link = first.headers["Link"]
    following = await service.http.get(link[1 : link.index(">")])
    assert link.endswith('rel="next"')
    assert [run["id"] for run in following.json()["data"]] == [str(runs[0].id)]
    assert "Link" not in following.headers
    path = f"/{runs[0].id}"
    got = await service.ask("GET", path)
    assert got.headers["ETag"] == '"0"'
    again = await service.ask("GET", path, headers={"If-None-Match": 'W/"9", "0"'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", '"0"')
    body = {"labels": {"a": "b"}}
    changed = await service.ask("PATCH", path, json=body, headers={"If-Match": '"0"'})
    assert changed.headers["ETag"] == '"1"'
    stale = await service.ask("PATCH", path, json=body, headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "REVISION_MISMATCH")
    made = await service.ask("POST", json={"workflow_type": "elsewhere", "external": True})
    assert made.status_code == 201
    assert made.headers["Location"] == f"{RUNS}/{made.json()['run_id']}"


async def test_a_run_of_temporal_keeps_its_status(service: Service) -> None:
    """Status and outputs of a Temporal run are a conflict that names cancel and terminate."""
    run = await service.run()
    for body in ({"status": "succeeded"}, {"outputs": 1}):
        answer = await service.ask("PATCH", f"/{run.id}", json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "RUN_OF_TEMPORAL")
        assert "cancel" in problem["hint"]
        assert "terminate" in problem["hint"]


STARTS = (
    "{}",
    '{"workflow_type": ""}',
    r'{"workflow_type": "a\u0000"}',
    r'{"workflow_type": "\ud800"}',
    '{"workflow_type": "x", "triggered_from": "schedule"}',
    '{"workflow_type": "x", "external": true, "run_timeout": 3}',
    r'{"workflow_type": "x", "external": true, "arguments": {"a": "\u0000"}}',
    r'{"workflow_type": "x", "external": true, "arguments": {"a": "\ud800"}}',
    r'{"workflow_type": "x", "external": true, "labels": {"a": "\ud800"}}',
    '{"workflow_type": "x", "external": true, "labels": {"": "a"}}',
    '{"workflow_type": "x", "external": true, "arguments": {"a": NaN}}',
    '{"workflow_type": "x", "start_delay": -1}',
    '{"workflow_type": "x", "start_delay": 1e300}',
    '{"workflow_type": "x", "retry_policy": {"backoff_coefficient": 0}}',
    '{"workflow_type": "x", "unknown": 1}',
    '["workflow_type"]',
)


async def test_starts_that_do_not_fit(service: Service) -> None:
    """What cannot be used is refused with 422, and nothing is recorded."""
    for body in STARTS:
        answer = await service.ask("POST", content=body, headers={"Content-Type": JSON})
        assert answer.status_code in (400, 422), (body, answer.text)
        assert answer.headers["Content-Type"] == PROBLEM
    assert not (await service.store.runs.get_paginated_runs("default")).data


QUESTIONS = (
    "?limit=0",
    "?cursor=%00",
    "?cursor=1/2",
    "?status=running&order=updated&cursor=99999999999999999999/x",
    "?order=updated",
    "?status=%00",
    "?label=x",
    "?since=yesterday",
    "?paused=true&owner=ann",
    "?unknown=1",
    "?owner=%00",
    "/counts?window=7x",
    "/counts?window=99999999999d",
    "/nonsense",
    "/{id}/events?cursor=-1",
    "/{id}/events?cursor=%C2%B2",
    "/{id}/tasks?cursor=%00",
    "/{id}/attempts?cursor=a/b/c",
    "/{id}/attempts?activity_id=%00",
    "/{id}/tasks/1/attempts/99999999999999999999",
    "/{id}/tasks/%00/attempts/1",
    "/{id}/payloads/nonsense",
    "/{id}/watch?after=-1",
    "/{id}/watch?interval=0",
)


async def test_questions_that_do_not_fit(service: Service) -> None:
    """Odd values in paths and queries are refused, never an error of the service's."""
    run = await service.run()
    for path in QUESTIONS:
        answer = await service.ask("GET", path.replace("{id}", str(run.id)))
        assert answer.status_code in (400, 404, 422), (path, answer.text)
        assert answer.headers["Content-Type"] == PROBLEM


async def test_others_see_their_own(service: Service) -> None:
    """Staff sees every run, others their own; what is another's looks absent in every route."""
    mine = await service.run(owner="ann", workflow_id="mine")
    theirs = await service.run(owner="bob", workflow_id="theirs", parent_run_id=mine.id)
    child = await service.run(parent_run_id=mine.id, root_run_id=mine.id)
    nobodys = await service.run()
    service.be("ann", Role.EDITOR)
    assert await ids(service) == [str(mine.id)]
    assert await ids(service, owner="bob") == []
    assert await ids(service, workflow_id="theirs") == []
    assert await ids(service, parent_run_id=str(mine.id)) == [str(child.id), str(theirs.id)]
    assert (await service.ask("GET", f"/{child.id}")).status_code == 200
    for hidden in (theirs, nobodys):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            *(
                ("GET", f"/{name}")
                for name in (
                    *("tasks", "task-names", "attempts", "events", "segments", "pauses"),
                    *("progress", "payloads/inputs", "watch", "rerun-preview"),
                )
            ),
            *(
                ("POST", f"/{verb}")
                for verb in ("pause", "resume", "cancel", "terminate", "rerun", "retry")
            ),
        ):
            body: dict[str, Any] = {"json": {}} if method in ("PATCH", "POST") else {}
            answer = await service.ask(method, f"/{hidden.id}{path}", **body)
            assert answer.status_code == 404, (method, path, answer.text)
            assert answer.json()["detail"] == f"run {hidden.id} does not exist"
    assert (await service.ask("GET", "/counts")).status_code == 403
    service.be("root", Role.ADMIN)
    assert len(await ids(service)) == 4
    service.be("root", Role.ADMIN, tenant_id="other")
    assert await ids(service) == []
    assert (await service.ask("GET", f"/{mine.id}")).status_code == 404


async def test_roles(service: Service) -> None:
    """Viewers read, operators steer, and only staff deletes, holds and gives to others."""
    run = await service.run(owner="ann")
    path = f"/{run.id}"
    service.be("ann", Role.VIEWER)
    assert (await service.ask("GET", path)).status_code == 200
    for method, verb, body in (
        ("PATCH", "", {"labels": {}}),
        ("POST", "/cancel", {}),
        ("POST", "/terminate", {}),
        ("POST", "/rerun", {}),
        ("DELETE", "", None),
    ):
        answer = await service.ask(
            method, f"{path}{verb}", **({} if body is None else {"json": body})
        )
        assert answer.status_code == 403, (method, verb, answer.text)
    start = {"workflow_type": "x", "external": True}
    assert (await service.ask("POST", json=start)).status_code == 403
    service.be("ann", Role.OPERATOR)
    assert (await service.ask("PATCH", path, json={"labels": {"a": "b"}})).status_code == 200
    for staffs in ({"owner": "bob"}, {"hold_until": "2099-01-01T00:00:00Z"}):
        assert (await service.ask("PATCH", path, json=staffs)).status_code == 403
    assert (await service.ask("DELETE", path)).status_code == 403
    assert (await service.ask("POST", json={**start, "owner": "bob"})).status_code == 403
    made = (await service.ask("POST", json=start)).json()
    assert (await service.ask("GET", f"/{made['run_id']}")).json()["owner"] == "ann"
    deletion = {"run_ids": [str(run.id)], "force": True}
    assert (await service.ask("POST", "/delete", json=deletion)).status_code == 403
    service.be("root", Role.ADMIN)
    given = await service.ask("PATCH", path, json={"owner": "bob"})
    assert given.json()["owner"] == "bob"
    service.be("ann", Role.OPERATOR)
    assert (await service.ask("GET", path)).status_code == 404


async def test_roles_in_apps(service: Service) -> None:
    """Who has roles in apps only sees what lies in these, and everything of an app they run."""
    crm = await service.run(app_id="crm", owner="bob")
    own = await service.run(app_id="erp", owner="ann")
    await service.run(app_id="erp", owner="bob")
    await service.run(owner="ann")
    service.be("ann", None, app_roles={"crm": Role.ADMIN, "erp": Role.OPERATOR})
    assert await ids(service, app_id="crm") == [str(crm.id)]
    assert await ids(service, app_id="erp") == [str(own.id)]
    assert await ids(service, app_id="other") == []
    assert await ids(service) == [str(own.id)]
    assert (await service.ask("GET", "/counts?app_id=crm")).status_code == 200
    assert (await service.ask("GET", "/counts")).status_code == 403
    start = {"workflow_type": "x", "external": True, "app_id": "erp"}
    assert (await service.ask("POST", json=start)).status_code == 201
    assert (await service.ask("POST", json={**start, "app_id": None})).status_code == 403
    service.be("ann", None, app_roles={"crm": Role.ADMIN, "erp": Role.ADMIN})
    assert len(await ids(service)) == 4
    service.be("ann", None)
    assert await ids(service) == []


async def test_reads_work_without_temporal(settings: Settings) -> None:
    """What needs the ledger alone works while Temporal is away; a start says when to retry."""
    away = settings.temporal.model_copy(update={"address": "127.0.0.1:1"})
    is_open = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"temporal": away, "api": is_open}))
    async with app.router.lifespan_context(app):
        service = Service(app)
        run = await service.run()
        assert await ids(service) == [str(run.id)]
        for path in ("", "/tasks", "/events", "/payloads/inputs", "/progress"):
            assert (await service.ask("GET", f"/{run.id}{path}")).status_code == 200
        answer = await service.ask("POST", json={"workflow_type": "x"})
        assert (answer.status_code, answer.json()["code"]) == (503, "TEMPORAL_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        await service.http.aclose()


@pytest.mark.parametrize("external", [False, True])
async def test_a_workflow_id_leads_to_nobody_elses_run(service: Service, external: bool) -> None:
    """Starting under the id of others touches neither their run nor what it was started with."""
    theirs = await service.run(owner="ann", workflow_id="hers", arguments={"a": 1})
    service.be("bob", Role.OPERATOR)
    start = {"workflow_type": "Hello", "external": external}
    for on_conflict in ("existing", "reject", "replace"):
        for body in (
            {"workflow_id": "hers", "arguments": {"b": 2}},
            {"arguments": {"workflow_id": "hers", "b": 2}},
        ):
            answer = await service.ask("POST", json={**start, **body, "on_conflict": on_conflict})
            assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
            assert str(theirs.id) not in answer.text
    assert await service.store.runs.get("default", theirs.id) == theirs
    await service.store.runs.mark_running("default", theirs.id)
    await service.store.runs.finish("default", theirs.id)
    assert (await service.ask("POST", json={**start, "workflow_id": "hers"})).status_code == 403
    own = {**start, "workflow_id": "flowkeep-retention:default", "arguments": {"all_tenants": True}}
    assert (await service.ask("POST", json=own)).status_code == 403
