"""Requests that may be repeated: what became of the first one."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from flowkeep.contracts.record import Record


class Claimed(StrEnum):
    """What a request under an idempotency key finds."""

    MINE = "mine"
    """Nobody carries it out: the caller does now."""
    RUNNING = "running"
    """Somebody carries it out at this moment."""
    ANSWERED = "answered"
    """It was answered, and the answer is kept."""
    WITHHELD = "withheld"
    """It was answered, but the answer is not kept: it was secret or too big."""
    REUSED = "reused"
    """The key was used for another request."""


class KeptAnswer(Record):
    """The answer to a request.

    Attributes:
        status: The HTTP status.
        headers: Names and values, in their order.
        body: The content, without content encoding.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Claim(Record):
    """What a request under an idempotency key found.

    Attributes:
        found: See `Claimed`.
        holder: Names who carries it out now; only they may answer.
        created_at: When the key was first used.
        lease_until: Until when nobody else carries it out.
        request: Method and path the key was first used for.
        answer: The answer that is kept.
    """

    found: Claimed
    holder: UUID
    created_at: datetime
    lease_until: datetime
    request: str
    answer: KeptAnswer | None = None
