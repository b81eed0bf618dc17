"""How often one key may call, and how often one address may show a wrong one."""

import math
import time
from ipaddress import IPv6Address, ip_address

from flowkeep.contracts.api.access import Principal
from flowkeep.errors import TooManyRequests
from flowkeep.settings import ApiSettings

_MOST_KNOWN = 20_000
"""Callers that are remembered; beyond them all begin anew."""


class Rates:
    """Counts requests of this process.

    Args:
        api: The limits.
    """

    def __init__(self, api: ApiSettings) -> None:
        self._requests = _Allowance(api.burst, api.rate_per_second)
        self._failures = _Allowance(api.failures_per_minute, api.failures_per_minute / 60)
        self._policy = f'"key";q={api.burst};w={math.ceil(api.burst / api.rate_per_second)}'
        self._words = f"this key made {api.burst} requests at once"

    def spend(self, principal: Principal) -> dict[str, str]:
        """Count a request of a caller, and return the headers that tell what is left.

        Headers are those of draft-ietf-httpapi-ratelimit-headers.

        Raises:
            TooManyRequests: If the caller has none left now.
        """
        if principal.via == "local":
            return {}
        who = name_of(principal)
        allowed = self._requests.take(who)
        left, wait = self._requests.left(who)
        headers = {"RateLimit-Policy": self._policy, "RateLimit": f'"key";r={left};t={wait}'}
        if not allowed:
            raise refused(
                self._words,
                "wait as long as Retry-After says",
                headers | {"Retry-After": str(wait)},
            )
        return headers

    def failed(self, address: str | None) -> None:
        """Count a wrong key of an address. Right ones are let in however many were wrong.

        Raises:
            TooManyRequests: If the address showed too many lately.
        """
        who = network_of(address)
        if self._failures.take(who):
            return
        raise refused(
            "this address showed too many wrong keys",
            "correct the key, and wait as long as Retry-After says",
            {"Retry-After": str(self._failures.left(who)[1])},
        )


class _Allowance:
    """What each caller may do: some at once, and for long at a steady rate.

    The generic cell rate algorithm (ITU-T I.371, annex A): a number per caller, and no clock ticks.

    Args:
        most: At once.
        per_second: For long.
    """

    def __init__(self, most: int, per_second: float) -> None:
        self._most = most
        self._gap = 1 / per_second
        self._spent: dict[str, float] = {}  # by caller, when everything will be there again

    def take(self, who: str) -> bool:
        """Count one, unless there is none left."""
        if self._whole(who) < 1:
            return False
        now = time.monotonic()
        if len(self._spent) >= _MOST_KNOWN and who not in self._spent:
            self._forget(now)
        self._spent[who] = max(self._spent.get(who, now), now) + self._gap
        return True

    def left(self, who: str) -> tuple[int, int]:
        """Return how many are left, and in how many seconds there will be one more."""
        whole = self._whole(who)
        left = int(whole)
        return left, max(1, math.ceil((1 - whole + left) * self._gap))

    def _whole(self, who: str) -> float:
        debt = max(0.0, self._spent.get(who, 0.0) - time.monotonic())
        return self._most - debt / self._gap

    def _forget(self, now: float) -> None:
        """Drop who has everything again; if that is nobody, everybody."""
        self._spent = {who: end for who, end in self._spent.items() if end > now}
        if len(self._spent) >= _MOST_KNOWN:
            self._spent.clear()


def name_of(principal: Principal) -> str:
    """Return who counts as one caller: a key, or the subject of a token."""
    return str(principal.key_id or f"{principal.tenant_id}\x00{principal.subject}")


def refused(message: str, hint: str, headers: dict[str, str]) -> TooManyRequests:
    """Return the error for who asks too much.

    Args:
        message: What there is too much of.
        hint: What to do about it.
        headers: Headers of the answer.
    """
    error = TooManyRequests(message, hint=hint)
    error.__dict__["headers"] = headers
    return error


def network_of(address: str | None) -> str:
    """Return who counts as one address: of IPv6 the 64 bits that one customer gets."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(known, IPv6Address):
        return f"{int(known) >> 64:x}::/64"
    return str(known)
