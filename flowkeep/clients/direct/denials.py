"""How many lines of the audit log denied accesses may make."""

import asyncio
from collections.abc import Callable
from typing import Any

from flowkeep.contracts.api.audit import SYSTEM_TENANT, AuditEntry

EACH = 10
"""Lines per caller and minute; what comes above them is counted in one more line."""
MOST_CALLERS = 50
"""Callers per minute with lines of their own; all others share theirs."""

_SECONDS = 60.0


class Denials:
    """Lets the first denials of each caller's minute through, and counts the others.

    So nobody fills the ledger by asking for what they may not have, and no denial goes unseen.

    Args:
        write: Takes a line that is to be written behind.
    """

    def __init__(self, write: Callable[[AuditEntry], None]) -> None:
        self._write = write
        self._told: dict[tuple[Any, ...], int] = {}
        self._more: dict[tuple[Any, ...], AuditEntry] = {}
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, entry: AuditEntry) -> None:
        """Tell of one denial; needs a running event loop."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self.settle)
        who: tuple[Any, ...] = (entry.tenant_id, entry.subject, entry.key_id, entry.address)
        if who not in self._told and len(self._told) >= MOST_CALLERS:
            who = ()
            others = {"tenant_id": SYSTEM_TENANT, "subject": "-", "key_id": None, "address": None}
            entry = entry.model_copy(update=others)
        count = self._told[who] = self._told.get(who, 0) + 1
        if count <= EACH:
            self._write(entry)
            return
        first = self._more.get(who)
        if first is None:
            self._more[who] = entry.model_copy(update={"object_id": None})
        else:
            self._more[who] = first.model_copy(update={"times": first.times + 1})

    def settle(self) -> None:
        """End the minute: write a line for what was only counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entry in self._more.values():
            self._write(entry)
        self._told.clear()
        self._more.clear()
