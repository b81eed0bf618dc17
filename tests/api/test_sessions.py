"""Sessions of browsers: cookies, and requests that other pages forge."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from flowkeep.api.sessions import COOKIE, Sessions, Ticket
from flowkeep.contracts.api.access import Principal, Role
from flowkeep.errors import InvalidInput
from flowkeep.settings import Settings
from tests.api.keyed import Service, serving


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service that wants keys."""
    async with serving(settings) as made:
        yield made


def with_keys(settings: Settings, *keys: str | None) -> Settings:
    """Settings with these keys of secrets."""
    text = ",".join(key for key in keys if key)
    changed = {"secret_key": SecretStr(text) if text else None}
    return settings.model_copy(update={"database": settings.database.model_copy(update=changed)})


async def test_a_session_lives(service: Service) -> None:
    """A key is exchanged for a cookie, which acts as the key and no script can read."""
    key = await service.key(role=Role.ADMIN)
    begun = await service.ask(key, "/session", "POST")
    assert begun.status_code == 201
    said = begun.headers["Set-Cookie"].casefold()
    assert {"httponly", "samesite=lax", "path=/"} <= {word.strip() for word in said.split(";")}
    assert "secure" not in said  # on this machine, without TLS
    assert key.secret[20:] not in begun.headers["Set-Cookie"] + begun.text
    who = (await service.ask(None, "/session")).json()
    assert (who["principal"]["via"], who["principal"]["subject"]) == ("session", "ana")
    assert who == begun.json()
    csrf = {"X-CSRF-Token": who["csrf_token"]}
    made = await service.ask(None, "/apps", "POST", json={"id": "crm"}, headers=csrf)
    assert made.status_code == 201
    assert (await service.ask(None, "/apps/crm")).status_code == 200
    assert (await service.ask(None, "/session", "DELETE", headers=csrf)).status_code == 204
    assert (await service.ask(None, "/session")).status_code == 401


async def test_a_forged_request_changes_nothing(service: Service) -> None:
    """With the cookie alone, or another session's token, whatever changes something is refused."""
    key = await service.key()
    other = (await service.ask(key, "/session", "POST")).json()["csrf_token"]
    await service.ask(key, "/session", "POST")
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other}, {"X-CSRF-Token": b"\xe9"}):
        for method, path in (("POST", "/apps"), ("PATCH", "/apps/x"), ("DELETE", "/session")):
            answer = await service.ask(None, path, method, json={"id": "x"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "CSRF_TOKEN")
    assert (await service.ask(None, "/apps")).json()["data"] == []
    shown = await service.ask(key, "/apps", "POST", json={"id": "x"})
    assert shown.status_code == 201  # a key beside the cookie cannot be forged


async def test_other_hosts_want_tls(settings: Settings) -> None:
    """A cookie for another host than this machine never travels without TLS."""
    async with serving(settings, "http://flowkeep.example.com") as service:
        begun = await service.ask(await service.key(), "/session", "POST")
        assert "; Secure" in begun.headers["Set-Cookie"]


async def test_a_session_ends_with_its_key(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session lasts no longer than its key, and not beyond its revocation."""
    monkeypatch.setattr("flowkeep.api.known_keys.KEPT_SECONDS", 0)
    ends = datetime.now(UTC) + timedelta(hours=1)
    key = await service.key(expires_at=ends)
    begun = await service.ask(key, "/session", "POST")
    assert datetime.fromisoformat(begun.json()["expires_at"]) == ends
    assert (await service.ask(None, "/apps")).status_code == 200
    await service.store.api_keys.revoke("default", key.id)
    answer = await service.ask(None, "/apps")
    assert (answer.status_code, answer.json()["detail"]) == (401, "the API key is revoked")


async def test_cookies_that_are_not_ours(service: Service, settings: Settings) -> None:
    """A cookie that is altered, signed by another key, or over, is nobody's."""
    key = await service.key()
    await service.ask(key, "/session", "POST")
    cookie = service.http.cookies[COOKIE]
    content, _, signature = cookie.rpartition(".")
    strange = with_keys(settings, Fernet.generate_key().decode())
    principal = Principal(subject="eve", role=Role.ADMIN, system=True, via="token")
    past = datetime.now(UTC) - timedelta(seconds=1)
    wrong = [
        f"{content}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "x" + cookie,
        content,
        Sessions(strange).begin(principal, None)[1],
        Sessions(settings).begin(principal, past)[1],
        "",
        "a.b.c",
    ]
    service.http.cookies.clear()
    for one in wrong:
        answer = await service.ask(None, "/apps", headers={"Cookie": f"{COOKIE}={one}"})
        assert answer.status_code == 401, one
    right = {"Cookie": f"{COOKIE}={cookie}"}
    assert (await service.ask(None, "/apps", headers=right)).status_code == 200


async def test_a_session_begins_with_a_key(service: Service, settings: Settings) -> None:
    """No session begins from nothing or from a session, nor without a key to sign with."""
    assert (await service.ask(None, "/session", "POST")).status_code == 401
    key = await service.key()
    begun = (await service.ask(key, "/session", "POST")).json()
    headers = {"X-CSRF-Token": begun["csrf_token"]}
    assert (await service.ask(None, "/session", "POST", headers=headers)).status_code == 401
    async with serving(with_keys(settings, None)) as unsigned:
        assert (await unsigned.ask(key, "/session", "POST")).status_code == 403
        cookie = {"Cookie": f"{COOKIE}={service.http.cookies[COOKIE]}"}
        assert (await unsigned.ask(None, "/apps", headers=cookie)).status_code == 401


def test_signing_keys_rotate(settings: Settings) -> None:
    """The newest key signs, older ones are still read, and one taken away is not."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    principal = Principal(subject="ana", role=Role.VIEWER, via="token")
    before, both, after = (
        Sessions(with_keys(settings, *keys)) for keys in ((old,), (new, old), (new,))
    )
    ticket, cookie = before.begin(principal, None)
    assert both._opened(cookie) == ticket
    assert after._opened(cookie) is None
    assert isinstance(after._opened(both.begin(principal, None)[1]), Ticket)


def test_a_cookie_has_its_size(settings: Settings) -> None:
    """A token with more roles than a cookie holds is refused instead of cut."""
    roles = {f"app-{n:04}-{n * 7919 % 10007}": Role.VIEWER for n in range(1000)}
    with pytest.raises(InvalidInput, match="too many apps"):
        Sessions(settings).begin(Principal(subject="ana", app_roles=roles, via="token"), None)
