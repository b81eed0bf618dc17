"""Whether ledger and Temporal answer now."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from flowkeep.clients.backend import Backend
from flowkeep.clients.connection import connect_temporal
from flowkeep.errors import ConfigurationError, FlowkeepError
from flowkeep.recording.plugin import Plugin

Part = Literal["ledger", "temporal"]
PARTS: tuple[Part, ...] = ("ledger", "temporal")

_KEPT_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Lack:
    """What is missing, without names of hosts: everybody may ask.

    Attributes:
        part: Which server.
        code: Stable code of the error.
        message: What is wrong with it.
    """

    part: Part
    code: str
    message: str


class Readiness:
    """Looks at both servers, at most once a second each, whoever asks however often.

    Args:
        backend: Reaches them.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._temporal_client: Client | None = None
        looks = {"ledger": self._ledger, "temporal": self._temporal}
        self._looks = {part: _Look(part, looks[part]) for part in PARTS}

    async def lacks(self, parts: Collection[Part] = PARTS) -> list[Lack]:
        """Return what is missing; empty when all is there.

        Args:
            parts: What is needed.
        """
        found = await asyncio.gather(*(self._looks[part].lack() for part in PARTS if part in parts))
        return [one for one in found if one is not None]

    async def _ledger(self) -> None:
        await self._backend.store.check()

    async def _temporal(self) -> None:
        if self._temporal_client is None:
            # Not the backend's: that one needs the ledger to connect.
            plugin = Plugin(self._backend.settings, store=self._backend.store)
            settings = self._backend.settings.temporal
            self._temporal_client = await connect_temporal(settings, plugin)
        temporal = self._temporal_client
        await temporal.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=temporal.namespace),
            timeout=timedelta(seconds=_PATIENCE_SECONDS),
        )


class _Look:
    """One server, and what the last look at it told."""

    def __init__(self, part: Part, look: Callable[[], Awaitable[None]]) -> None:
        self._part: Part = part
        self._look = look
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._last: Lack | None = None

    async def lack(self) -> Lack | None:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._last = await self._find()
                self._until = time.monotonic() + _KEPT_SECONDS
            return self._last

    async def _find(self) -> Lack | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._look()
        except TimeoutError:
            return self._lacking("UNAVAILABLE", "does not answer in time")
        except RPCError:
            return self._lacking("TEMPORAL_UNAVAILABLE", "does not answer")
        except ConfigurationError as error:
            # Not what another server said of it: that names hosts and users.
            return self._lacking(error.code, "is set up wrongly: see `flowkeep db current`")
        except FlowkeepError as error:
            return self._lacking(error.code, "cannot be reached")
        return None

    def _lacking(self, code: str, message: str) -> Lack:
        return Lack(self._part, code, message)
