"""Requests as anybody: a test says who calls, nothing has to be issued for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from fastapi import Request

from flowkeep.api import build_app, context
from flowkeep.clients.backend import Backend
from flowkeep.clients.direct import DirectClient
from flowkeep.contracts.api.access import Caller, Principal, Role
from flowkeep.settings import Settings
from flowkeep.statestore.store import Store

_WHO = "x-test-principal"


def principal(subject: str, role: Role | str | None, tenant: str = "t", **apps: str) -> Principal:
    """Return somebody with a role in a tenant, or in apps."""
    roles = {app: Role(one) for app, one in apps.items()}
    given = None if role is None else Role(role)
    return Principal(
        subject=subject, tenant_id=tenant, role=given, app_roles=roles, via="key", key_id=None
    )


class Service:
    """The service, called in the process.

    Attributes:
        store: Its ledger.
    """

    def __init__(self, http: httpx2.AsyncClient, store: Store) -> None:
        self._http = http
        self.store = store

    async def call(
        self, who: Principal, method: str, path: str, *, headers: Any = None, **content: Any
    ) -> httpx2.Response:
        """Send a request as somebody; a path begins below `/api/v1`."""
        named = {_WHO: who.model_dump_json(), **(headers or {})}
        return await self._http.request(method, f"/api/v1{path}", headers=named, **content)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Service]:
    """Serve, and take from a header who calls: how they show it is tested elsewhere."""
    # Open: so nobody is a stranger before the route asks who calls.
    api = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"api": api}))

    async def as_told(request: Request) -> DirectClient:
        backend: Backend = request.app.state.backend
        who = Principal.model_validate_json(request.headers[_WHO])
        caller = Caller(principal=who, request_id="test")
        return DirectClient(backend.store, backend.temporal, backend.settings, caller)

    app.dependency_overrides[context.client] = as_told
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Service(http, app.state.backend.store)
