"""Webhooks and log lines over HTTP: who may do what, tags, and what is refused."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.contracts.api.access import Principal
from flowkeep.settings import Settings
from tests.api.calling import Service, principal, serving
from tests.statestore.records import new_id, new_run

BODY = {"name": "ops", "url": "https://example.com/hook"}
ANA, BEN = principal("ana", "editor"), principal("ben", "editor")
BOSS, RIVAL = principal("boss", "admin"), principal("eve", "admin", "rival")
VIEWER = principal("ana", "viewer")
CHIEF = principal("cid", None, crm="admin")


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The service, called as anybody."""
    async with serving(settings) as service:
        yield service


async def test_who_sees_and_does_what(service: Service) -> None:
    """Editors have their own, of their own runs alone; staff has everything; others see nothing."""
    made = await service.call(ANA, "POST", "/webhooks", json=BODY)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    hook = made.json()
    assert (hook["owner"], hook["run_owner"]) == ("ana", "ana")
    path = f"/webhooks/{hook['id']}"
    foreign = {**BODY, "run_owner": "ben"}
    assert (await service.call(ANA, "POST", "/webhooks", json=foreign)).status_code == 403
    all_runs = await service.call(BOSS, "POST", "/webhooks", json=BODY)
    assert all_runs.json()["run_owner"] is None
    for who in (BEN, RIVAL, CHIEF):
        for method, sub in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            ("GET", "/deliveries"),
        ):
            body = {"json": {"enabled": False}} if method == "PATCH" else {}
            answer = await service.call(who, method, path + sub, **body)
            assert answer.status_code == 404, (who.subject, method, sub)
    assert (await service.call(VIEWER, "POST", "/webhooks", json=BODY)).status_code == 403
    assert (await service.call(VIEWER, "GET", path)).status_code == 200
    assert (await service.call(VIEWER, "POST", f"{path}/test")).status_code == 403

    async def listed(who: Principal) -> int:
        return len((await service.call(who, "GET", "/webhooks")).json()["data"])

    assert [await listed(who) for who in (ANA, BEN, BOSS, RIVAL, CHIEF)] == [1, 0, 2, 0, 0]
    crm = await service.call(CHIEF, "POST", "/webhooks", json={**BODY, "app_id": "crm"})
    assert (crm.status_code, crm.json()["run_owner"]) == (201, None)
    assert (await service.call(CHIEF, "POST", "/webhooks", json=BODY)).status_code == 403


async def test_secrets_and_tags(service: Service) -> None:
    """The secret is in the first answer alone; a stale tag changes and removes nothing."""
    made = (await service.call(BOSS, "POST", "/webhooks", json=BODY)).json()
    path = f"/webhooks/{made['id']}"
    shown = await service.call(BOSS, "GET", path)
    assert "secret" in made
    assert made["secret"] not in shown.text
    async with service.store.transaction() as tx:
        stored = await tx.connection.exec_driver_sql("SELECT w::text FROM flowkeep.webhook AS w")
        assert made["secret"] not in stored.scalar_one()
    changed = await service.call(
        BOSS, "PATCH", path, json={"name": "b"}, headers={"If-Match": shown.headers["etag"]}
    )
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    stale = {"If-Match": '"1"'}
    assert (await service.call(BOSS, "DELETE", path, headers=stale)).status_code == 412
    assert (await service.call(BOSS, "POST", f"{path}/test")).status_code == 202
    assert (await service.call(BOSS, "DELETE", path)).status_code == 204
    odd: list[dict[str, object]] = [{"url": None}, {"name": "\x00"}, {"events": ["done"]}]
    for body in odd:
        assert (await service.call(BOSS, "PATCH", path, json=body)).status_code == 422
    bad = await service.call(BOSS, "GET", f"{path}/deliveries", params={"cursor": "x"})
    assert bad.status_code == 404


async def test_lines_are_seen_as_their_run(service: Service) -> None:
    """Who sees a run sees its lines; for others there is no such run, and odd filters are 422."""
    run = await service.store.runs.create("t", new_run(owner="ana"))
    path = f"/runs/{run.id}/logs"
    answers = [await service.call(who, "GET", path) for who in (ANA, BOSS, BEN, RIVAL, CHIEF)]
    assert [one.status_code for one in answers] == [200, 200, 404, 404, 404]
    assert (await service.call(BOSS, "GET", f"/runs/{new_id()}/logs")).status_code == 404
    for params in ({"level": "LOUD"}, {"attempt": 0}, {"limit": 1001}):
        assert (await service.call(BOSS, "GET", path, params=params)).status_code == 422
