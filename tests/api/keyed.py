"""The service over HTTP without a network, and callers with keys of their own."""

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

ORIGIN = "http://127.0.0.1"


@dataclass
class Service:
    """A running service.

    Attributes:
        http: A client that shows nothing of itself; it keeps cookies.
        store: The service's ledger.
    """

    http: httpx2.AsyncClient
    store: Store

    async def key(self, tenant: str = "default", **fields: Any) -> IssuedKey:
        """Make a key, an admin's when nothing is said."""
        given = {"name": "k", "subject": "ana", **fields}
        if not {"role", "app_roles", "system"} & set(fields):
            given["role"] = Role.ADMIN
        return await self.store.api_keys.create(tenant, NewApiKey(**given), subject="ana")

    async def ask(
        self, key: IssuedKey | str | None, path: str, method: str = "GET", **options: Any
    ) -> httpx2.Response:
        """Send one request as whoever has a key or a token."""
        headers = dict(options.pop("headers", {}))
        if key is not None:
            secret = key if isinstance(key, str) else key.secret
            headers["Authorization"] = f"Bearer {secret}"
        return await self.http.request(method, f"/api/v1{path}", headers=headers, **options)


@asynccontextmanager
async def serving(settings: Settings, origin: str = ORIGIN, **api: Any) -> AsyncIterator[Service]:
    """Run the service; nobody gets in without a key unless `open` says so.

    Args:
        settings: Its ledger.
        origin: Scheme and host under which the client calls it.
        **api: Settings of the group `api`.
    """
    changed = settings.api.model_copy(update={"failures_per_minute": 10_000, **api})
    app = build_app(settings.model_copy(update={"api": changed}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=origin) as http:
            yield Service(http, app.state.backend.store)
