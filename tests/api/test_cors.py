"""Web pages of other origins."""

from collections.abc import AsyncIterator

import pytest

from flowkeep.settings import Settings
from tests.api.keyed import Service, serving

PAGE = "https://ui.example.com"


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """A service that one page may call."""
    async with serving(settings, cors_origins=(PAGE,)) as made:
        yield made


async def test_a_listed_page_may_call(service: Service) -> None:
    """Its preflight and its requests are answered by name, with credentials and our headers."""
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,if-match,x-csrf-token,flowkeep-tenant",
    }
    preflight = await service.ask(None, "/apps/crm", "OPTIONS", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == PAGE
    assert preflight.headers["Access-Control-Allow-Credentials"] == "true"
    answer = await service.ask(await service.key(), "/apps", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    refused = await service.ask(None, "/apps", headers={"Origin": PAGE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)


async def test_another_page_may_not(service: Service, settings: Settings) -> None:
    """No other origin is told that it may read, nor any where none is listed."""
    key = await service.key()
    for origin in ("https://evil.example.com", f"{PAGE}.evil.example.com", "null"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        for answer in (
            await service.ask(None, "/apps", "OPTIONS", headers=asked),
            await service.ask(key, "/apps", headers={"Origin": origin}),
        ):
            assert "Access-Control-Allow-Origin" not in answer.headers
    async with serving(settings) as closed:
        answer = await closed.ask(key, "/apps", headers={"Origin": PAGE})
        assert "Access-Control-Allow-Origin" not in answer.headers
