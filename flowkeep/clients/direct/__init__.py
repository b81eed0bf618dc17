"""The service's nouns on the ledger and Temporal themselves: `DirectClient`.

The REST API calls it for each request, as the principal that the request shows; the command line
calls it as whoever owns the ledger. `flowkeep.clients.remote` offers the same over HTTP.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.clients.direct.client import DirectClient

__all__ = ["DirectClient"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from flowkeep.clients.direct import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
