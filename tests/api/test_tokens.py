"""Bearer tokens of an OpenID provider."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import jwt
import pytest

from flowkeep.api.tokens import Tokens
from flowkeep.contracts.api.access import Principal, Role
from flowkeep.errors import ConfigurationError, SourceUnavailable, Unauthenticated
from flowkeep.settings import ApiSettings, Settings
from tests.api.keyed import Service, serving
from tests.api.provider import AUDIENCE, Provider, providing


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of its own for each test."""
    with providing() as made:
        yield made


@pytest.fixture
async def tokens(provider: Provider) -> AsyncIterator[Tokens]:
    """A reader of the provider's tokens."""
    made = Tokens(settings_for(provider))
    yield made
    await made.close()


def settings_for(provider: Provider, **fields: Any) -> ApiSettings:
    given = {"oidc_issuer": provider.issuer, "oidc_audience": AUDIENCE, **fields}
    return ApiSettings.model_validate(given)


async def read(provider: Provider, token: str, **fields: Any) -> Principal:
    reader = Tokens(settings_for(provider, **fields))
    try:
        return (await reader.read(token))[0]
    finally:
        await reader.close()


async def test_a_token_calls(settings: Settings, provider: Provider) -> None:
    """A token's bearer acts with its claims, beside keys; its session ends when it does."""
    api = {"oidc_issuer": provider.issuer, "oidc_audience": AUDIENCE}
    async with serving(settings, **api) as service:
        token = provider.token()
        who = (await service.ask(token, "/session")).json()["principal"]
        assert (who["subject"], who["tenant_id"], who["role"]) == ("ana", "acme", "admin")
        assert (who["via"], who["system"]) == ("token", False)
        await _acts(service, token)
        assert (await service.ask(await service.key(), "/apps")).status_code == 200
        begun = await service.ask(token, "/session", "POST")
        ends = jwt.decode(token, options={"verify_signature": False})["exp"]
        assert begun.json()["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
        assert (await service.ask(None, "/apps")).json()["data"][0]["id"] == "crm"
        provider.away = True
        for wrong in (provider.token(aud="other"), token[:-4], f"{token}.x", "." * 9000):
            answer = await service.ask(wrong, "/apps")
            assert (answer.status_code, answer.json()["detail"]) == (401, "the token is not valid")


async def _acts(service: Service, token: str) -> None:
    made = await service.ask(token, "/apps", "POST", json={"id": "crm"})
    assert (made.status_code, made.json()["tenant_id"]) == (201, "acme")
    headers = {"Flowkeep-Tenant": "rival"}
    assert (await service.ask(token, "/apps", headers=headers)).status_code == 404


async def test_tokens_that_are_refused(provider: Provider, tokens: Tokens) -> None:
    """Wrong audience, issuer, time, algorithm or signature: each is refused, and says no more."""
    now = int(time.time())
    good = provider.token()
    await tokens.read(good)
    public, rs = provider.public_pem(), {"typ": "JWT", "kid": "first"}
    unsigned = provider.forged({**rs, "alg": "none"}, b"").rpartition(".")[0] + "."
    stranger = Provider()
    stranger.issuer = provider.issuer
    wrong = {
        provider.token(aud="other"): "not valid",
        provider.token(aud=None): "not valid",
        provider.token(iss="http://127.0.0.1:1"): "not valid",
        provider.token(iss=None): "not valid",
        provider.token(exp=None): "not valid",
        provider.token(exp=now - 60): "expired",
        provider.token(nbf=now + 60): "not valid yet",
        provider.token(sub=None): "does not name",
        provider.token(tenant=None): "does not name",
        provider.token(tenant="a\nb"): "does not name",
        unsigned: "not valid",
        provider.forged({**rs, "alg": "HS256"}, public): "not valid",
        provider.forged({**rs, "alg": "HS256"}, b""): "not valid",
        provider.forged({**rs, "alg": "none"}, b""): "not valid",
        provider.forged({**rs, "alg": "RS256"}, public): "not valid",
        provider.forged({**rs, "alg": ["RS256"]}, public): "not valid",
        provider.forged({**rs, "alg": "PS256"}, public): "not valid",
        provider.forged({**rs, "alg": "RS256", "kid": 7}, public): "not valid",
        provider.forged({**rs, "alg": "RS256", "crit": ["x"]}, public): "not valid",
        stranger.token(): "not valid",
        good.rpartition(".")[0] + ".": "not valid",
        "e30.e30.e30": "not valid",
        "[" * 12_000: "not valid",
        "": "not valid",
    }
    for token, why in wrong.items():
        with pytest.raises(Unauthenticated, match=why):
            await tokens.read(token)
    assert (await tokens.read(provider.token(exp=now - 5)))[0].subject == "ana"  # clocks differ


async def test_a_published_secret_signs_nothing(provider: Provider) -> None:
    """A symmetric key among the published ones is no key for tokens."""
    provider.keys.append({"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "oct", "alg": "HS256"})
    header = {"typ": "JWT", "kid": "oct", "alg": "HS256"}
    with pytest.raises(Unauthenticated, match="not valid"):
        await read(provider, provider.forged(header, b"secret" * 8))


async def test_keys_rotate(
    provider: Provider, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new key is fetched when a token names it, a withdrawn one is soon no key any more."""
    await tokens.read(provider.token())
    provider.publish("second", "ES256")
    for _ in range(3):  # unknown names do not make us ask again and again
        with pytest.raises(Unauthenticated):
            await tokens.read(provider.token("second"))
    assert provider.asked == 1
    monkeypatch.setattr("flowkeep.api.provider_keys.PAUSE_SECONDS", 0)
    old = provider.token()
    provider.withdraw("first")
    assert (await tokens.read(provider.token("second")))[0].subject == "ana"
    assert provider.asked == 2
    with pytest.raises(Unauthenticated, match="not valid"):
        await tokens.read(old)


async def test_a_provider_that_is_away(
    provider: Provider, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known keys serve for a while without it; without any, the call is to be repeated later."""
    provider.away = True
    with pytest.raises(SourceUnavailable, match="cannot be asked"):
        await tokens.read(provider.token())
    monkeypatch.setattr("flowkeep.api.provider_keys.PAUSE_SECONDS", 0)
    provider.away = False
    await tokens.read(provider.token())
    provider.away = True
    monkeypatch.setattr("flowkeep.api.provider_keys.KEPT_SECONDS", 0)
    assert (await tokens.read(provider.token()))[0].subject == "ana"
    monkeypatch.setattr("flowkeep.api.provider_keys.LONGEST_SECONDS", 0)
    with pytest.raises(SourceUnavailable):
        await tokens.read(provider.token())


async def test_claims_are_named_by_settings(provider: Provider) -> None:
    """Subject, tenant and roles come from the claims that are named, through the map of roles."""
    token = provider.token(
        email="ana@example.com",
        org=None,
        tenant=None,
        realm={"roles": ["devs", "unknown"]},
        apps={"crm": "bosses", "erp": ["unknown"], "": "bosses"},
    )
    found = await read(
        provider,
        token,
        oidc_subject_claim="email",
        oidc_tenant="home",
        oidc_role_claim="realm.roles",
        oidc_app_roles_claim="apps",
        oidc_roles="devs=editor,bosses=admin",
        oidc_jwks_url=f"{provider.issuer}/keys",
    )
    assert found == Principal(
        subject="ana@example.com",
        tenant_id="home",
        role=Role.EDITOR,
        app_roles={"crm": Role.ADMIN},
        via="token",
    )


async def test_system_is_never_a_matter_of_names(provider: Provider) -> None:
    """A role called system makes nobody a system admin unless the settings map it so."""
    token = provider.token(roles="system viewer", system=True)
    plain = await read(provider, token)
    assert (plain.role, plain.system) == (Role.VIEWER, False)
    mapped = await read(provider, token, oidc_roles="system=system")
    assert (mapped.role, mapped.system) == (Role.ADMIN, True)
    nothing = await read(provider, provider.token(roles={"admin": True}))
    assert (nothing.role, nothing.app_roles) == (None, {})


@pytest.mark.parametrize(
    "fields",
    [
        {"oidc_issuer": "http://login.example.com"},
        {"oidc_issuer": "login.example.com"},
        {"oidc_issuer": "https://login.example.com", "oidc_audience": None},
        {"oidc_issuer": "https://login.example.com", "oidc_jwks_url": "http://example.com/keys"},
        {"oidc_issuer": "https://login.example.com", "oidc_roles": "devs=owner"},
        {"oidc_issuer": "https://login.example.com", "oidc_roles": "editor"},
    ],
)
def test_settings_that_cannot_be(fields: dict[str, Any]) -> None:
    """Keys over a plain connection, no audience, or unknown roles are refused at the start."""
    with pytest.raises(ConfigurationError):
        Tokens(ApiSettings.model_validate({"oidc_audience": AUDIENCE, **fields}))
