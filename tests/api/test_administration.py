"""Statistics, retention, archive, secrets, state and tenants over HTTP: who may, and what may not.

What they do is in tests/service; here are permissions, tags, odd values, and that no value of a
secret is ever told.
"""

import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import psycopg
import pytest

from flowkeep.api import build_app
from flowkeep.clients.direct.journal_writer import close_writer
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.settings import Settings
from flowkeep.statestore import Store
from tests.statestore.archive.support import LATER, ended
from tests.statestore.records import new_run

Call = tuple[str, str, Any]
ADMIN = {"role": "admin"}
BEFORE = {"before": LATER.isoformat()}
STAFF: list[Call] = [
    ("GET", "/retention/policies", None),
    ("GET", "/retention/policy", None),
    ("PUT", "/retention/policy", {"days": 1}),
    ("DELETE", "/retention/policy", None),
    ("GET", "/retention/plan", None),
    ("POST", "/retention/apply", {}),
    ("GET", "/archive/bundles", None),
    ("POST", "/archive/bundles", BEFORE),
    ("GET", "/secrets", None),
    ("PUT", "/secrets", {"name": "x", "value": "x"}),
    ("DELETE", "/secrets?name=x", None),
    ("GET", "/state?key=mark", None),
    ("PUT", "/state?key=mark", {"value": {}}),
    ("DELETE", "/state?key=mark", None),
]
SYSTEM: list[Call] = [
    ("GET", "/tenants", None),
    ("POST", "/tenants/erase?tenant=default", {"confirm": "default"}),
    ("GET", "/stats/tenants", None),
    ("GET", "/stats/days?all_tenants=true", None),
    ("GET", "/stats/durations?all_tenants=true", None),
    ("GET", "/stats/top?all_tenants=true", None),
    ("GET", "/stats/usage?all_tenants=true", None),
]
STATS = ("/stats", "/stats/days", "/stats/durations", "/stats/top", "/stats/usage")


@dataclass
class Service:
    """A running service that wants keys, and its ledger."""

    http: httpx2.AsyncClient
    store: Store

    async def key(self, tenant: str = "default", **fields: Any) -> str:
        """Make a key, an admin's when nothing is said; returns its secret."""
        new = NewApiKey.model_validate({"name": "k", "subject": "ana", **(fields or ADMIN)})
        return (await self.store.api_keys.create(tenant, new, subject="ana")).secret

    async def ask(
        self, key: str | None, path: str, method: str = "GET", **options: Any
    ) -> httpx2.Response:
        """Send one request with a key."""
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **options)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service that wants keys, called without a network between."""
    app = build_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Service(http, app.state.backend.store)


async def status(service: Service, key: Any, call: Call) -> int:
    """Return what a call is answered with; it must be documented."""
    method, path, body = call
    answer = await service.ask(key, path, method, json=body)
    assert answer.status_code < 500, answer.text
    return answer.status_code


async def test_only_staff_administers(service: Service) -> None:
    """Every other role is refused, in the tenant and in an app, and changes nothing."""
    await service.store.state.save_state("default", "mark", {"a": 1})
    keys = [await service.key(role=role) for role in (Role.VIEWER, Role.OPERATOR, Role.EDITOR)]
    keys.append(await service.key(app_roles={"crm": Role.EDITOR}))
    for key in keys:
        assert {await status(service, key, call) for call in STAFF} == {403}
    assert (await service.store.state.get_state("default", "mark")).value == {"a": 1}
    admin = await service.key()
    assert {await status(service, admin, call) for call in SYSTEM} == {403}
    assert await status(service, None, STAFF[0]) == 401


async def test_other_tenants_are_not_there(service: Service) -> None:
    """What lies in one tenant does not exist for an admin of another, who changes nothing of it."""
    store = service.store
    run = await ended(store, "default")
    [bundle] = await store.archive.publish("default", LATER)
    await store.state.save_state("default", "mark", {"a": 1})
    await store.secrets.set("default", "x", "one")
    policy = await store.retention.set_policy("default", days=None)
    rival = await service.key("rival")
    calls: list[Call] = [
        ("PUT", f"/retention/holds/{run.id}", {}),
        ("DELETE", f"/retention/holds/{run.id}", None),
        ("GET", "/retention/policy", None),
        ("DELETE", "/retention/policy", None),
        ("GET", "/state?key=mark", None),
        ("DELETE", "/state?key=mark", None),
        ("DELETE", "/secrets?name=x", None),
        ("GET", f"/archive/bundles/{bundle.id}", None),
        ("DELETE", f"/archive/bundles/{bundle.id}", None),
        *[
            ("POST", f"/archive/bundles/{bundle.id}/{verb}", None)
            for verb in ("verify", "delete", "restore")
        ],
    ]
    assert [await status(service, rival, call) for call in calls] == [404] * len(calls)
    for path in ("/secrets", "/archive/bundles", "/retention/policies"):
        assert (await service.ask(rival, path)).json()["data"] == []
    assert (await service.ask(rival, "/archive/bundles", "POST", json=BEFORE)).json() == {
        "bundles": [],
        "more": False,
    }
    assert sum((await service.ask(rival, "/stats")).json()["by_status"].values()) == 0
    assert await store.archive.get("default", bundle.id) == bundle
    assert (await store.runs.get("default", run.id)).hold_until is None
    assert await store.retention.get_policy("default") == policy
    assert len((await store.secrets.list("default")).data) == 1


async def test_roles_in_apps(service: Service) -> None:
    """Members see all counts; who has roles in apps only names one, and administers only it."""
    for app in ("crm", "erp"):
        await service.store.runs.create("default", new_run(app_id=app))
    member = await service.key(role=Role.VIEWER)
    seen = (await service.ask(member, "/stats")).json()["by_status"]
    assert seen["pending"] == 2
    admin = await service.key(app_roles={"crm": Role.ADMIN, "shop": Role.VIEWER})
    for path in STATS:
        problem = (await service.ask(admin, path)).json()
        assert (problem["status"], "crm, shop" in problem["hint"]) == (422, True)
        assert (await service.ask(admin, f"{path}?app_id=crm")).status_code == 200
        assert (await service.ask(admin, f"{path}?app_id=erp")).status_code == 404
    own = (await service.ask(admin, "/stats?app_id=crm")).json()["by_status"]
    assert own["pending"] == 1
    policies = []
    for query in ("?app_id=crm", "?app_id=erp", "", f"?definition_id={uuid4()}"):
        put = await service.ask(admin, f"/retention/policy{query}", "PUT", json={"days": 9})
        policies.append(put.status_code)
    assert policies == [200, 403, 403, 403]
    await service.store.retention.set_policy("default", days=30)
    shown = (await service.ask(admin, "/retention/policies")).json()["data"]
    assert [one["app_id"] for one in shown] == ["crm"]
    assert await status(service, admin, ("POST", "/retention/apply", {})) == 403


async def test_tags(service: Service) -> None:
    """State and policies carry their revision; a stale tag is 412, one that is none 422."""
    key = await service.key()
    for path, body in (
        ("/state?key=mark", {"value": {"a": 1}}),
        ("/retention/policy", {"days": 3}),
    ):
        made = await service.ask(key, path, "PUT", json=body, headers={"If-Match": '"0"'})
        assert (made.status_code, made.headers["etag"]) == (200, '"1"')
        assert (await service.ask(key, path)).headers["etag"] == '"1"'
        for method in ("PUT", "DELETE"):
            given = {"json": body} if method == "PUT" else {}
            stale = await service.ask(key, path, method, headers={"If-Match": '"7"'}, **given)
            odd = await service.ask(key, path, method, headers={"If-Match": "x"}, **given)
            assert (stale.status_code, odd.status_code) == (412, 422)
        gone = await service.ask(key, path, "DELETE", headers={"If-Match": '"1"'})
        assert gone.status_code == 204
        assert (await service.ask(key, path)).status_code == 404


async def test_a_run_is_held_by_staff(service: Service) -> None:
    """Whoever sees a run but is no staff may not hold it; staff holds it until a time."""
    run = await service.store.runs.create("default", new_run(app_id="crm", owner="ana"))
    path = f"/retention/holds/{run.id}"
    editor, admin = (
        await service.key(role=Role.EDITOR),
        await service.key(app_roles={"crm": "admin"}),
    )
    assert (await service.ask(editor, path, "PUT")).status_code == 403
    held = await service.ask(admin, path, "PUT", json={"until": "2100-01-01T00:00:00+02:00"})
    assert held.json() == {"run_id": str(run.id), "hold_until": "2099-12-31T22:00:00Z"}
    assert (await service.ask(admin, path, "PUT", json={"until": "2100-01-01"})).status_code == 422
    assert (await service.ask(admin, path, "DELETE")).json()["hold_until"] is None


ODD = ("..", "../../etc/passwd", "..%2f..%2fetc", "a\x00b", "\ud800", "x" * 2000, "%00", "")


async def test_odd_names_lead_nowhere(service: Service, settings: Settings) -> None:
    """In paths, queries and bodies they are refused or absent, and nothing is written by them."""
    key = await service.key(system=True)
    for text in ODD:
        quoted = "".join(f"%{byte:02x}" for byte in text.encode(errors="surrogatepass"))
        for path in (f"/archive/bundles/{quoted}/verify", f"/retention/holds/{quoted}"):
            for method in ("POST", "PUT", "DELETE"):
                answer = await service.ask(key, path, method)
                assert answer.status_code in (400, 404, 405, 422), (path, method, answer.text)
        for query in (
            *(
                "/state?key={}",
                "/secrets?cursor={}",
                "/archive/bundles?cursor={}",
                "/stats?window={}",
            ),
            *("/stats?app_id={}", "/stats/days?time_zone={}", "/stats/tenants?cursor={}"),
            *("/tenants?cursor={}", "/retention/policy?app_id={}"),
        ):
            answer = await service.ask(key, query.format(quoted))
            assert answer.status_code in (200, 400, 404, 422), (query, answer.text)
        fields = {"name": text, "value": "x", "run_ids": [text], "before": text, "until": text}
        for path, method in (
            (f"/archive/bundles/{uuid4()}/restore", "POST"),
            ("/archive/bundles", "POST"),
            (f"/retention/holds/{uuid4()}", "PUT"),
            (f"/tenants/erase?tenant={quoted}", "POST"),
        ):
            answer = await _send(service, key, path, method, json.dumps(fields))
            assert answer.status_code in (400, 422), (path, answer.text)
    assert not os.path.exists(urlsplit(settings.storage.url).path)  # noqa: ASYNC240, PTH110


async def test_odd_values_are_refused(service: Service) -> None:
    """Times, numbers, cursors and documents that cannot be used are 4xx and named."""
    key = await service.key()
    far = {"policies": "x", "position": ["0001-01-01T00:00:00+14:00", str(uuid4())]}
    fine = await service.ask(key, "/retention/apply", "POST", json={"resume": far})
    assert (fine.status_code, fine.json()["resume"]) == (200, None)
    deep = '{"value": ' + '{"a":' * 500 + "1" + "}" * 500 + "}"
    bodies = [
        ("/retention/apply", "POST", '{"resume": {"policies": "x", "payload": "0"}}'),
        ("/retention/apply", "POST", '{"max_seconds": 1e999}'),
        ("/retention/apply", "POST", '{"max_seconds": 51}'),
        ("/retention/policy", "PUT", "{}"),
        ("/retention/policy", "PUT", '{"days": 36501}'),
        (f"/retention/policy?app_id=a&definition_id={uuid4()}", "PUT", '{"days": 1}'),
        ("/archive/bundles", "POST", '{"before": "2026-01-01T00:00:00"}'),
        ("/archive/bundles", "POST", '{"before": "2026-01-01T00:00:00Z", "limit": 0}'),
        (f"/archive/bundles/{uuid4()}/restore", "POST", '{"run_ids": []}'),
        ("/state?key=a", "PUT", '{"value": {"a": "\\u0000"}}'),
        ("/state?key=a", "PUT", '{"value": {"\\ud800": 1}}'),
        ("/state?key=a", "PUT", '{"value": []}'),
        ("/state?key=a&kind=arguments", "PUT", '{"value": {}}'),
        ("/state?key=a", "PUT", deep),
        ("/secrets", "PUT", '{"name": "a", "value": {"a": NaN}}'),
    ]
    for path, method, raw in bodies:
        answer = await _send(service, key, path, method, raw)
        assert answer.status_code in (400, 422), (path, raw, answer.text)
    for query in (
        "since=2026-01-01T00:00:00",
        "since=9999-12-31T23:59:59Z",
        "until=0001-01-01T00:00:00Z",
    ):
        assert (await service.ask(key, f"/stats/days?{query}")).status_code == 422


async def test_values_of_secrets_are_told_nowhere(
    service: Service,
    ledger_url: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Stored, replaced, listed, refused and removed: no answer, log or row holds the value."""
    caplog.set_level(logging.DEBUG)
    key, answers = await service.key(), []
    for body in (
        {"name": "x", "value": "canary-1"},
        {"name": "x", "value": {"password": "canary-2"}},
        {"name": "x", "value": ["canary-3"]},
        {"name": "x", "value": "canary-4\x00"},
        {"name": "x", "value": "canary-5", "more": "canary-6"},
        {"name": "x" * 900, "value": "canary-7"},
    ):
        headers = {"Idempotency-Key": str(uuid4())}
        answers.append(await service.ask(key, "/secrets", "PUT", json=body, headers=headers))
    answers.append(await service.ask(key, "/secrets"))
    answers.append(await service.ask(key, "/audit"))
    answers.append(await service.ask(key, "/secrets?name=x", "DELETE"))
    statuses = [answer.status_code for answer in answers]
    assert statuses == [204, 204, 422, 422, 422, 422, 200, 200, 204]
    assert answers[6].json()["data"][0]["name"] == "x"
    await close_writer(service.store)
    rows = []
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        for table in ("audit_log", "idempotency", "secret", "state_entry"):
            found = await connection.execute(f"SELECT t::text FROM flowkeep.{table} AS t")
            rows += [row[0] for row in await found.fetchall()]
        digests = await connection.execute(
            "SELECT action, coalesce(before_digest, after_digest) FROM flowkeep.audit_log"
            " WHERE object_kind = 'secret' AND outcome = 'done'"
        )
        lines = await digests.fetchall()
    assert sorted(lines) == [("secret.delete", None), ("secret.set", None), ("secret.set", None)]
    told = "".join([*(answer.text for answer in answers), *rows, caplog.text, *capfd.readouterr()])
    assert "secret.set" in told
    assert "canary" not in told


async def _send(service: Service, key: Any, path: str, method: str, raw: str) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return await service.ask(key, path, method, content=raw, headers=headers)


async def test_flowkeeps_own_workflows_are_not_for_tenants(service: Service) -> None:
    """No role in a tenant starts, schedules or sets up what acts beyond it."""
    admin = await service.key()
    arguments = {"value": {"all_tenants": True}}
    calls: list[Call] = [
        ("POST", "/runs", {"workflow_type": "flowkeep.Retention", "arguments": arguments["value"]}),
        ("PUT", "/state?key=flowkeep-retention:default&kind=workflows", arguments),
        ("DELETE", "/state?key=flowkeep-retention:default&kind=workflows", None),
        (
            "POST",
            "/schedules",
            {
                "name": "all",
                "workflow_type": "flowkeep.Retention",
                "spec": {"cron": ["0 3 * * *"]},
            },
        ),
    ]
    assert [await status(service, admin, call) for call in calls] == [403] * len(calls)
