"""Who calls: keys, tenants, and services that are open."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import text

from flowkeep.api import build_app
from flowkeep.api.first_key import ensure_admin_key
from flowkeep.api.known_keys import KEPT_SECONDS, MOST, KnownKeys
from flowkeep.api.loopback import is_loopback
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.audit import AuditOutcome
from flowkeep.contracts.api.keys import IssuedKey
from flowkeep.errors import ConfigurationError, Unauthenticated
from flowkeep.settings import ApiSettings, Settings
from tests.api.keyed import Service, serving
from tests.support import eventually

_EXPIRE = "UPDATE flowkeep.api_key SET expires_at = now() WHERE id = :id"


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service that wants keys."""
    async with serving(settings) as made:
        yield made


async def test_who_shows_no_valid_key_is_nobody(service: Service) -> None:
    """Missing, malformed, wrong, expired and revoked keys get 401 with what is wanted."""
    whole, revoked = await service.key(), await service.key()
    await service.store.api_keys.revoke("default", revoked.id)
    expired = await service.key(expires_at=datetime.now(UTC) + timedelta(hours=1))
    async with service.store.transaction() as tx:
        await tx.connection.execute(text(_EXPIRE), {"id": expired.id})
    wrong = expired.prefix + revoked.secret[19:]
    for shown in (None, wrong, expired, revoked, "x", "e30.e30.e30", "fk_", "\x01"):
        answer = await service.ask(shown, "/apps")
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED"), shown
        wanted = 'Bearer realm="flowkeep"' + (', error="invalid_token"' if shown else "")
        assert answer.headers["WWW-Authenticate"] == wanted
        assert expired.secret[20:] not in answer.text
        assert revoked.secret[20:] not in answer.text
    for header in (
        "Bearer",
        "Bearer ",
        f"Basic {revoked.secret}",
        revoked.secret,
        "",
        b"Bearer \xe9",
    ):
        headers = {"Authorization": header}
        assert (await service.ask(None, "/apps", headers=headers)).status_code == 401, header
    for header in (f"bearer {whole.secret}", f"Bearer  {whole.secret} "):
        headers = {"Authorization": header}
        assert (await service.ask(None, "/apps", headers=headers)).status_code == 200, header


async def test_a_key_grants_what_it_says(service: Service) -> None:
    """A viewer reads and is refused writes; a role in an app reaches that app and no other."""
    admin, viewer = await service.key(), await service.key(role=Role.VIEWER)
    inside = await service.key(app_roles={"crm": Role.ADMIN})
    for app in ("crm", "erp"):
        made = await service.ask(admin, "/apps", "POST", json={"id": app})
        assert made.status_code == 201
    assert (await service.ask(viewer, "/apps/erp")).status_code == 200
    refused = await service.ask(viewer, "/apps/erp", "PATCH", json={"name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert (await service.ask(inside, "/apps/crm", "PATCH", json={"name": "x"})).status_code == 200
    assert (await service.ask(inside, "/apps/erp")).status_code == 404
    assert [app["id"] for app in (await service.ask(inside, "/apps")).json()["data"]] == ["crm"]


async def test_no_key_is_given_more_than_its_maker_has(service: Service) -> None:
    """Only admins of the tenant make keys, and only system admins make or end system keys."""
    fresh = {"name": "new", "role": "viewer"}
    for fields in (
        {"role": Role.EDITOR},
        {"app_roles": {"crm": Role.ADMIN}},
    ):
        weak = await service.key(**fields)
        assert (await service.ask(weak, "/api-keys", "POST", json=fresh)).status_code == 403
    admin, root = await service.key(), await service.key(system=True, subject="root")
    powerful = {"name": "new", "system": True}
    assert (await service.ask(admin, "/api-keys", "POST", json=powerful)).status_code == 403
    assert (await service.ask(root, "/api-keys", "POST", json=powerful)).status_code == 201
    for path, method, body in (
        ("/revoke", "POST", None),
        ("", "PATCH", {"name": "x"}),
    ):
        answer = await service.ask(admin, f"/api-keys/{root.id}{path}", method, json=body)
        assert answer.status_code == 403
    made = await service.ask(admin, "/api-keys", "POST", json={**fresh, "subject": "bob"})
    assert (made.json()["created_by"], made.json()["tenant_id"]) == ("ana", "default")
    assert (await service.ask(made.json()["secret"], "/apps")).status_code == 200


async def test_no_key_outlives_its_maker(service: Service) -> None:
    """A key that expires makes keys that expire no later, directly and through its session; what it
    is refused is said with the time, and is in the audit log."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    brief = await service.key(expires_at=ends)
    lasting = await service.key()

    async def make(key: IssuedKey | None, at: datetime | None, **headers: str) -> httpx2.Response:
        body = {"name": "new", "role": "viewer", "expires_at": at and at.isoformat()}
        return await service.ask(key, "/api-keys", "POST", json=body, headers=headers)

    for at in (None, ends + timedelta(seconds=1)):
        refused = await make(brief, at)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        assert ends.isoformat()[:19] in refused.json()["detail"]
        assert (await make(lasting, at)).status_code == 201
    for at in (ends, ends - timedelta(minutes=1)):
        assert (await make(brief, at)).status_code == 201
    begun = await service.ask(brief, "/session", "POST")
    csrf = {"X-CSRF-Token": begun.json()["csrf_token"]}
    assert (await make(None, None, **csrf)).status_code == 403
    assert (await make(None, ends, **csrf)).status_code == 201

    async def told() -> None:
        page = await service.store.audit.list("default", outcome=AuditOutcome.DENIED)
        assert [line.key_id for line in page.data] == [brief.id] * 3

    await eventually(told)


async def test_no_key_reaches_wider_than_its_maker(service: Service) -> None:
    """An admin of an app makes no keys, not even for that app; an admin of a tenant makes none
    for all tenants or in another one, whatever the request names."""
    inside = await service.key(app_roles={"crm": Role.ADMIN})
    for fields in ({"app_roles": {"crm": "viewer"}}, {"role": "viewer"}, {"system": True}):
        refused = await service.ask(inside, "/api-keys", "POST", json={"name": "new", **fields})
        assert refused.status_code == 403, fields
    admin = await service.key("acme")
    for headers, fields, status in (
        ({}, {"system": True}, 403),
        ({"Flowkeep-Tenant": "rival"}, {"role": "viewer"}, 404),
        ({}, {"role": "viewer", "tenant_id": "rival"}, 422),
    ):
        refused = await service.ask(
            admin, "/api-keys", "POST", json={"name": "new", **fields}, headers=headers
        )
        assert refused.status_code == status, fields
    made = await service.ask(admin, "/api-keys", "POST", json={"name": "new", "role": "admin"})
    assert (made.status_code, made.json()["tenant_id"], made.json()["system"]) == (
        201,
        "acme",
        False,
    )


async def test_others_see_their_own_keys(service: Service) -> None:
    """Who is no admin finds the keys that stand for them, may revoke these, and no others."""
    own = await service.key(role=Role.VIEWER, subject="bob")
    other = await service.key(role=Role.VIEWER, subject="eve")
    listed = (await service.ask(own, "/api-keys")).json()["data"]
    assert [key["id"] for key in listed] == [str(own.id)]
    assert "secret" not in listed[0]
    assert "hash" not in listed[0]
    assert (await service.ask(own, "/api-keys?subject=eve")).json()["data"] == []
    for path, method in (("", "GET"), ("/revoke", "POST")):
        answer = await service.ask(own, f"/api-keys/{other.id}{path}", method)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    mine = f"/api-keys/{own.id}"
    assert (await service.ask(own, mine, "PATCH", json={"name": "x"})).status_code == 403
    assert (await service.ask(own, f"{mine}/revoke", "POST")).json()["revoked_by"] == "bob"


async def test_only_system_admins_enter_other_tenants(service: Service) -> None:
    """The header of a foreign tenant is 404 for its admin, and opens it to a system admin."""
    admin, root = await service.key("acme"), await service.key("acme", system=True)
    theirs = await service.key("rival")
    made = await service.ask(theirs, "/apps", "POST", json={"id": "crm"})
    assert made.json()["tenant_id"] == "rival"
    for tenant, status in (("acme", 200), ("rival", 404), ("nobody", 404)):
        headers = {"Flowkeep-Tenant": tenant}
        assert (await service.ask(admin, "/apps", headers=headers)).status_code == status
    headers = {"Flowkeep-Tenant": "rival"}
    found = await service.ask(root, "/apps", headers=headers)
    assert [app["id"] for app in found.json()["data"]] == ["crm"]
    assert (await service.ask(root, "/apps")).json()["data"] == []
    assert (await service.ask(admin, f"/api-keys/{theirs.id}")).status_code == 404
    for odd in ("", "a\tb", "x" * 900):
        answer = await service.ask(root, "/apps", headers={"Flowkeep-Tenant": odd})
        assert answer.status_code == 422, odd


async def test_a_revoked_key_is_refused_within_five_seconds(service: Service) -> None:
    """An answer of the ledger is believed for less than five seconds, and its use is noted."""
    now = 100.0
    known = KnownKeys(service.store.api_keys, clock=lambda: now)
    key = await service.key()
    assert await known.find(key.secret) == key.shown()
    await known.close()
    assert (await service.store.api_keys.get("default", key.id)).last_used_at is not None
    await service.store.api_keys.revoke("default", key.id)
    assert await known.find(key.secret) == key.shown()
    now += KEPT_SECONDS
    assert KEPT_SECONDS < 5
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="revoked"):
            await known.find(key.secret)


async def test_what_is_remembered_is_bounded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong keys are not remembered, and of many right ones the last."""
    monkeypatch.setattr("flowkeep.api.known_keys.MOST", 2)
    known = KnownKeys(service.store.api_keys)
    for _ in range(3):
        await known.find((await service.key()).secret)
        with pytest.raises(Unauthenticated):
            await known.find("fk_0123456789abcdef_" + "A" * 43)
    assert len(known._known) == 2 < MOST
    await known.close()


async def test_the_use_of_a_key_shows(service: Service) -> None:
    """A request leaves its time on the key, behind the answer."""
    key = await service.key()
    assert (await service.ask(key, "/apps")).status_code == 200

    async def used() -> datetime:
        last = (await service.store.api_keys.get("default", key.id)).last_used_at
        assert last is not None
        return last

    last: datetime = await eventually(used)
    assert datetime.now(UTC) - last < timedelta(minutes=1)


async def test_the_first_start_makes_one_key(service: Service) -> None:
    """The key of the first start is a system admin's; there is no second."""
    secret = await ensure_admin_key(service.store)
    assert secret is not None
    who = (await service.ask(secret, "/session")).json()["principal"]
    assert (who["system"], who["role"], who["tenant_id"]) == (True, "admin", "default")
    assert await ensure_admin_key(service.store) is None


async def test_an_open_service_serves_this_machine(settings: Settings) -> None:
    """Everything is allowed without a key, in the tenant of the header, but not to web pages."""
    async with serving(settings, open=True, cors_origins=("https://ui.example.com",)) as service:
        headers = {"Flowkeep-Tenant": "acme"}
        made = await service.ask(None, "/apps", "POST", json={"id": "crm"}, headers=headers)
        assert made.json()["tenant_id"] == "acme"
        assert (await service.ask(None, "/session")).json()["principal"]["via"] == "local"
        assert (await service.ask("wrong", "/apps")).status_code == 401
        for headers, status in (
            ({"Host": "evil.example.com"}, 403),
            ({"Host": "127.0.0.1.evil.example.com"}, 403),
            ({"Host": "[::"}, 403),
            ({"Host": "localhost:8800"}, 200),
            ({"Origin": "https://evil.example.com"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "https://ui.example.com"}, 200),
            ({"Origin": "http://localhost:3000"}, 200),
        ):
            answer = await service.ask(None, "/apps", headers=headers)
            assert answer.status_code == status, headers


@pytest.mark.parametrize(
    "api",
    [
        {"open": True, "host": "0.0.0.0"},
        {"open": True, "host": "10.0.0.1"},
        {"open": True, "host": "::"},
        {"open": True, "host": "flowkeep.example.com"},
        {"cors_origins": "*"},
        {"cors_origins": "https://*.example.com"},
        {"cors_origins": "https://ui.example.com/"},
        {"cors_origins": "ui.example.com"},
    ],
)
def test_what_would_let_everybody_in_does_not_start(api: dict[str, object]) -> None:
    """An open service on another address, and a list of origins that names none, are refused."""
    with pytest.raises(ConfigurationError):
        build_app(Settings(api=ApiSettings.model_validate(api)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "A.Localhost."])
def test_hosts_that_are_this_machine(host: str) -> None:
    """Loopback addresses and localhost are this machine."""
    assert is_loopback(host)
