# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Apps: containers inside the tenant."""

from urllib.parse import quote

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts import App, AppPatch, NewApp
from flowkeep.contracts.api.listing import Listing

_APP = TypeAdapter(App)
_APPS = TypeAdapter(Listing[App])
_NOTHING = TypeAdapter(None)


class Apps:
    """Apps; it is `client.apps`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, new: NewApp) -> App:
        """Record an app, or return the one that was recorded with the same content."""
        return self._transport.call("POST", "/apps", _APP, body=new)

    def get(self, app_id: str) -> App:
        """Return an app."""
        return self._transport.call("GET", f"/apps/{quote(app_id, safe='')}", _APP)

    def list(
        self, *, parent: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[App]:
        """Return a page of apps, by id."""
        query = {"parent": parent, "limit": limit, "cursor": cursor}
        return self._transport.call("GET", "/apps", _APPS, query=query)

    def update(self, app_id: str, patch: AppPatch) -> App:
        """Change the fields that the patch gives."""
        path = f"/apps/{quote(app_id, safe='')}"
        return self._transport.call("PATCH", path, _APP, body=patch)

    def delete(self, app_id: str) -> None:
        """Remove an app that is empty."""
        self._transport.call("DELETE", f"/apps/{quote(app_id, safe='')}", _NOTHING)
