"""The REST API inside `flowkeep dev`: open, on this machine only."""

import asyncio
import socket
from typing import TYPE_CHECKING

from flowkeep.errors import ConfigurationError

if TYPE_CHECKING:
    from flowkeep.local_engine import LocalEngine
    from flowkeep.settings import Settings

HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 3.0


class DevApi:
    """The REST API beside the local engine's servers.

    Args:
        port: Where it listens; null takes the usual port, or a free one when that is taken.

    Raises:
        ConfigurationError: If the port that was asked for is taken.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, port: int | None) -> None:
        from flowkeep.api.serving import url_of

        self._listener = _listen(port)
        self.url = url_of(self._listener)

    @property
    def lines(self) -> list[str]:
        """What is told to the user."""
        return [
            f"REST API  {self.url}/api/v1, its documentation: {self.url}/api/v1/docs",
            "the API is open: everybody on this machine may do everything, without a key",
        ]

    async def run(self, engine: "LocalEngine") -> None:
        """Serve until cancelled, then let requests finish for a moment."""
        from flowkeep.api.serving import ApiServer

        server = ApiServer(_open(engine.settings()))
        serving = asyncio.create_task(server.serve(sockets=[self._listener]), name="flowkeep-api")
        try:
            await asyncio.shield(serving)
        finally:
            server.stop()
            await serving


def _listen(port: int | None) -> socket.socket:
    from flowkeep.api.serving import listen
    from flowkeep.settings import ApiSettings

    if port is not None:
        return listen(HOST, port)
    try:
        return listen(HOST, ApiSettings().port)
    except ConfigurationError:
        return listen(HOST, 0)


def _open(settings: "Settings") -> "Settings":
    changes = {
        "host": HOST,
        "open": True,
        "trusted_proxies": (),
        "shutdown_seconds": min(_SHUTDOWN_SECONDS, settings.api.shutdown_seconds),
    }
    return settings.model_copy(update={"api": settings.api.model_copy(update=changes)})
