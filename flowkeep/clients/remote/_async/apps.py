"""Apps: containers inside the tenant."""

from urllib.parse import quote

from pydantic import TypeAdapter

from flowkeep.clients.remote._async.transport import AsyncTransport
from flowkeep.contracts import App, AppPatch, NewApp
from flowkeep.contracts.api.listing import Listing

_APP = TypeAdapter(App)
_APPS = TypeAdapter(Listing[App])
_NOTHING = TypeAdapter(None)


class AsyncApps:
    """Apps; it is `client.apps`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, new: NewApp) -> App:
        """Record an app, or return the one that was recorded with the same content."""
        return await self._transport.call("POST", "/apps", _APP, body=new)

    async def get(self, app_id: str) -> App:
        """Return an app."""
        return await self._transport.call("GET", f"/apps/{quote(app_id, safe='')}", _APP)

    async def list(
        self, *, parent: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[App]:
        """Return a page of apps, by id."""
        query = {"parent": parent, "limit": limit, "cursor": cursor}
        return await self._transport.call("GET", "/apps", _APPS, query=query)

    async def update(self, app_id: str, patch: AppPatch) -> App:
        """Change the fields that the patch gives."""
        path = f"/apps/{quote(app_id, safe='')}"
        return await self._transport.call("PATCH", path, _APP, body=patch)

    async def delete(self, app_id: str) -> None:
        """Remove an app that is empty."""
        await self._transport.call("DELETE", f"/apps/{quote(app_id, safe='')}", _NOTHING)
