"""Sessions of browsers."""

from datetime import datetime

from flowkeep.contracts.api.access import Principal
from flowkeep.contracts.record import Record


class Session(Record):
    """Who one is.

    Attributes:
        principal: Who calls, and what they may do.
        csrf_token: Send it as `X-CSRF-Token` with every request that is no GET or HEAD; null
            without a session cookie.
        expires_at: When the session ends; null without a session cookie.
    """

    principal: Principal
    csrf_token: str | None = None
    expires_at: datetime | None = None
