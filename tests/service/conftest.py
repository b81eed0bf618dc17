"""The service's nouns, once on the servers themselves and once over HTTP: one suite for both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from flowkeep.api import build_app
from flowkeep.clients.backend import Backend
from flowkeep.clients.direct import DirectClient
from flowkeep.clients.remote import AsyncRemoteClient
from flowkeep.settings import Settings

ServiceClient = DirectClient | AsyncRemoteClient


@asynccontextmanager
async def direct_client(settings: Settings) -> AsyncIterator[DirectClient]:
    """The nouns on the servers themselves."""
    async with Backend(settings) as backend:
        yield DirectClient(backend.store, backend.temporal, settings)


@asynccontextmanager
async def remote_client(settings: Settings) -> AsyncIterator[AsyncRemoteClient]:
    """The nouns over HTTP, without a network between, as somebody who may do everything."""
    api = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"api": api}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        async with AsyncRemoteClient(http=http, patience_seconds=0) as client:
            yield client


@pytest.fixture(params=["direct", "remote"])
async def client(
    request: pytest.FixtureRequest, settings: Settings
) -> AsyncIterator[ServiceClient]:
    """The client that a test is about: first one, then the other."""
    make = direct_client if request.param == "direct" else remote_client
    async with make(settings) as made:
        yield made
