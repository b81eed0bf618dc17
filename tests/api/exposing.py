"""The service over HTTP without a network, as strangers meet it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from flowkeep.api import build_app
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import IssuedKey, NewApiKey
from flowkeep.settings import Settings
from flowkeep.statestore import Store


@dataclass
class Exposed:
    """A running service.

    Attributes:
        http: A client that shows nothing of itself.
        store: The service's ledger.
    """

    http: httpx2.AsyncClient
    store: Store

    async def key(self, role: Role = Role.ADMIN) -> IssuedKey:
        """Make a key of the tenant `default`."""
        return await self.store.api_keys.create(
            "default", NewApiKey(name="k", role=role), subject="ana"
        )

    async def ask(
        self, key: IssuedKey | str | None, path: str, method: str = "GET", **options: Any
    ) -> httpx2.Response:
        """Send one request, with a key or without."""
        headers = dict(options.pop("headers", {}))
        if key is not None:
            secret = key if isinstance(key, str) else key.secret
            headers["Authorization"] = f"Bearer {secret}"
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **options)


@asynccontextmanager
async def serving(settings: Settings, **api: Any) -> AsyncIterator[Exposed]:
    """Run the service.

    Args:
        settings: Its ledger.
        **api: Settings of the group `api`.
    """
    changed = settings.api.model_copy(update=api)
    app = build_app(settings.model_copy(update={"api": changed}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Exposed(http, app.state.backend.store)
