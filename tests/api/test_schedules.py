"""Schedules over HTTP: who may do what, what is refused, and tags."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from flowkeep.api import build_app
from flowkeep.clients.backend import Backend
from flowkeep.clients.direct import DirectClient
from flowkeep.contracts import NewDefinition
from flowkeep.contracts.api.access import Caller, Principal, Role
from flowkeep.contracts.schedules import NewSchedule, ScheduleContent
from flowkeep.errors import Conflict, Forbidden, NotFound
from flowkeep.settings import Settings

SPEC = {"intervals": [{"every_seconds": 3600}]}
BODY = {"workflow_type": "Unserved", "spec": SPEC}


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The API as somebody who may do everything."""
    api = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"api": api}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1/api/v1"
        ) as http:
            yield http


@pytest.fixture
async def backend(settings: Settings) -> AsyncIterator[Backend]:
    """Ledger and Temporal."""
    async with Backend(settings) as backend:
        yield backend


def acting(
    backend: Backend, subject: str, role: Role | None, tenant: str = "default", **apps: Role
) -> DirectClient:
    """The nouns as somebody."""
    principal = Principal(
        subject=subject, tenant_id=tenant, role=role, app_roles=dict(apps), via="key"
    )
    caller = Caller(principal=principal, request_id="test")
    return DirectClient(backend.store, backend.temporal, backend.settings, caller)


def new(name: str, **fields: Any) -> NewSchedule:
    """A schedule of a workflow class."""
    return NewSchedule.model_validate({"name": name, **BODY, **fields})


async def test_who_sees_and_does_what(backend: Backend) -> None:
    """Editors have their own, operators steer theirs, staff everything; others see nothing."""
    ana = acting(backend, "ana", Role.EDITOR)
    made = await ana.schedules.create(new("nightly"))
    assert (made.owner, made.created_by) == ("ana", "ana")
    bo, boss = acting(backend, "bo", Role.EDITOR), acting(backend, "boss", Role.ADMIN)
    foreign = acting(backend, "ana", Role.ADMIN, "other")
    for other in (bo, foreign):
        assert (await other.schedules.list()).data == ()
        for call in (
            other.schedules.get("nightly"),
            other.schedules.describe("nightly"),
            other.schedules.runs("nightly"),
            other.schedules.pause("nightly"),
            other.schedules.trigger("nightly"),
            other.schedules.delete("nightly"),
        ):
            with pytest.raises(NotFound, match="schedule 'nightly' does not exist"):
                await call
    content = ScheduleContent.model_validate(BODY)
    with pytest.raises(Conflict, match="taken"):
        await bo.schedules.put("nightly", content)
    given = await boss.schedules.put("nightly", content.evolve(owner="bo"))
    assert given.owner == "bo"
    operator = acting(backend, "bo", Role.OPERATOR)
    assert (await operator.schedules.pause("nightly")).paused
    for call in (
        operator.schedules.put("nightly", content),
        operator.schedules.delete("nightly"),
        acting(backend, "bo", Role.VIEWER).schedules.trigger("nightly"),
        bo.schedules.put("nightly", content.evolve(owner="ana")),
        acting(backend, "cy", None, crm=Role.EDITOR).schedules.create(new("mine")),
    ):
        with pytest.raises(Forbidden):
            await call
    cy = acting(backend, "cy", None, crm=Role.ADMIN)
    await cy.schedules.create(new("mine", app_id="crm"))
    assert [one.name for one in (await cy.schedules.list()).data] == ["mine"]
    await bo.schedules.delete("nightly")


async def test_a_definition_must_be_visible(backend: Backend) -> None:
    """Nobody schedules a definition that they may not see."""
    spec = {"ref": "secret", "tasks": [{"name": "a", "action": "core.noop"}]}
    await backend.store.definitions.create(
        "default",
        NewDefinition(name="secret", ref="secret", spec=spec, owner="ana", visibility="private"),
    )
    wanted = new("nightly", workflow_type=None, definition="secret")
    with pytest.raises(NotFound, match="'secret' does not exist"):
        await acting(backend, "bo", Role.EDITOR).schedules.create(wanted)
    assert (await acting(backend, "ana", Role.EDITOR).schedules.create(wanted)).definition_id


async def test_tags_guard_changes(http: httpx2.AsyncClient) -> None:
    """PUT is repeatable, and fails on a stale tag; so do pausing and deleting."""
    first = await http.put("/schedules/nightly", json=BODY)
    again = await http.put("/schedules/nightly", json=BODY)
    assert (first.status_code, first.headers["etag"], again.json()) == (200, '"1"', first.json())
    changed = await http.put(
        "/schedules/nightly", json={**BODY, "labels": {"a": "b"}}, headers={"If-Match": '"1"'}
    )
    assert changed.headers["etag"] == '"2"'
    stale = {"If-Match": '"1"'}
    for call in (
        http.put("/schedules/nightly", json=BODY, headers=stale),
        http.post("/schedules/nightly/pause", headers=stale),
        http.delete("/schedules/nightly", headers=stale),
    ):
        answer = await call
        assert (answer.status_code, answer.json()["code"]) == (412, "REVISION_MISMATCH")
    assert (await http.post("/schedules/nightly/trigger")).status_code == 202
    assert (await http.delete("/schedules/nightly")).status_code == 204
    assert (await http.get("/schedules/nightly")).status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**BODY, "spec": {}}, "it never fires"),
        ({**BODY, "spec": {"cron": ["0 25 * * *"]}}, "hour '25': it is outside 0 to 23"),
        ({**BODY, "spec": {"cron": ["* * *"]}}, "it has 3 fields"),
        ({**BODY, "spec": {**SPEC, "time_zone": "Mars/Base"}}, "no time zone 'Mars/Base'"),
        ({**BODY, "spec": {**SPEC, "time_zone": "../etc/passwd"}}, "no time zone"),
        ({**BODY, "spec": {**SPEC, "jitter_seconds": 2**70}}, "jitter_seconds"),
        ({**BODY, "spec": {"intervals": [{"every_seconds": 0}]}}, "every_seconds"),
        ({**BODY, "spec": {"calendars": [{"hour": [{"start": 24}]}]}}, "hour is outside 0 to 23"),
        ({**BODY, "definition": "x"}, "either definition or workflow_type"),
        ({**BODY, "labels": {"schedule": "x"}}, "set by the schedule itself"),
        ({**BODY, "workflow_type": "a\x00b"}, "workflow_type"),
        ({**BODY, "arguments": {"a": "\x00"}}, "NUL|arguments"),
        ({**BODY, "note": "\x00"}, "note"),
        ({**BODY, "unknown": 1}, "unknown"),
    ],
)
async def test_bad_content_names_the_field(
    http: httpx2.AsyncClient, body: dict[str, Any], said: str
) -> None:
    """Each wrong field is named, and nothing is made."""
    answer = await http.put("/schedules/nightly", json=body)
    assert answer.status_code == 422, answer.text
    assert any(word in answer.json()["detail"] for word in said.split("|"))
    assert (await http.get("/schedules")).json()["data"] == []
