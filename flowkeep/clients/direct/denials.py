"""How many lines of the audit log denied accesses may make."""

import asyncio
from collections.abc import Callable
from typing import Any

from flowkeep.contracts.api.audit import AuditEntry

EACH = 10
"""Lines per caller and minute; what comes above them is counted in one more line."""
MOST_CALLERS = 50
"""Callers per minute with as many lines; each of the others has one that counts."""
MOST_STRANGERS = 20
"""Addresses of strangers per minute with lines of their own; all others share one that counts."""
MOST_KNOWN = 2_000
"""Callers that are counted at a time; with one more, the minute ends early."""

_SECONDS = 60.0

Who = tuple[Any, ...]


class Denials:
    """Lets the first denials of each caller's minute through, and counts the others.

    So nobody fills the ledger by asking for what they may not have, and no denial goes unseen. Whom
    the service knows is named in each of these lines, from wherever they call. Strangers, whom only
    their address tells apart, have lines apart: however many come, they hide nobody.

    Args:
        write: Takes a line that is to be written behind.
    """

    def __init__(self, write: Callable[[AuditEntry], None]) -> None:
        self._write = write
        self._told: dict[Who, int] = {}
        self._more: dict[Who, AuditEntry] = {}
        self._callers = self._strangers = 0
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, entry: AuditEntry) -> None:
        """Tell of one denial; needs a running event loop."""
        who = _who(entry)
        if who not in self._told and len(self._told) >= MOST_KNOWN:
            self.settle()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self.settle)
        if who not in self._told and not self._has_room(entry):
            if entry.via == "none":
                who, entry = _OTHERS, entry.model_copy(update={"address": None})
            self._told[who] = max(EACH, self._told.get(who, 0))  # counted from the first on
        count = self._told[who] = self._told.get(who, 0) + 1
        if count <= EACH:
            self._write(entry)
            return
        first = self._more.get(who)
        if first is None:
            self._more[who] = entry.model_copy(update={"object_id": None})
        else:
            self._more[who] = first.model_copy(update={"times": first.times + 1})

    def _has_room(self, entry: AuditEntry) -> bool:
        """Count a new caller; tell whether they may have lines of their own."""
        if entry.via == "none":
            self._strangers += 1
            return self._strangers <= MOST_STRANGERS
        self._callers += 1
        return self._callers <= MOST_CALLERS

    def settle(self) -> None:
        """End the minute: write a line for what was only counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entry in self._more.values():
            self._write(entry)
        self._told.clear()
        self._more.clear()
        self._callers = self._strangers = 0


_OTHERS: Who = ("-",)


def _who(entry: AuditEntry) -> Who:
    if entry.via == "none":
        return ("-", entry.address)
    return (entry.tenant_id, entry.subject, entry.key_id)
