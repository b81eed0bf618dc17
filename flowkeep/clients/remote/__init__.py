"""A client of the REST API, async and sync; it needs neither SQLAlchemy nor Temporal's SDK.

`AsyncRemoteClient` and `RemoteClient` are one source: the second is made from the first by
`tools/sync_client`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.clients.remote._async.client import AsyncRemoteClient
    from flowkeep.clients.remote._sync.client import RemoteClient

__all__ = ["AsyncRemoteClient", "RemoteClient"]


def __getattr__(name: str) -> Any:
    if name == "AsyncRemoteClient":
        from flowkeep.clients.remote._async import client

        return getattr(client, name)
    if name == "RemoteClient":
        from flowkeep.clients.remote._sync import client as sync_client

        return getattr(sync_client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
