"""One signed request to a webhook.

Signed as Standard Webhooks asks (https://www.standardwebhooks.com): the headers `webhook-id`,
`webhook-timestamp` in seconds since 1970, and `webhook-signature`, which is `v1,` and the
HMAC-SHA256 of `id.timestamp.body` in base64, under the key behind `whsec_`.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import ssl
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

from flowkeep.definitions.action_context import ActionError
from flowkeep.definitions.builtin.http_hosts import PRIVATE, HostRules
from flowkeep.errors import ConfigurationError
from flowkeep.redaction import redact

MOST_TOLD = 300
"""Characters that are kept of an answer that is a refusal."""

_GONE = 410

_asking: ContextVar[bool] = ContextVar("flowkeep_webhook_asking", default=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    Attributes:
        status_code: What was answered; null where nothing was.
        error: Why it was not taken; null where it was.
        final: Whether it is of no use to send it again.
    """

    status_code: int | None = None
    error: str | None = None
    final: bool = False


class WebhookHosts(HostRules):
    """Which hosts may be told: none in private networks but those that the operator allows.

    Args:
        allow: Addresses, networks and names that may be reached although they are private.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        super().__init__(refuse=PRIVATE)
        self._exceptions = HostRules(allow=allow)

    def check(self, host: str, address: str) -> None:
        """Check one address of a host.

        Raises:
            ActionError: If it must not be reached.
        """
        try:
            self._exceptions.check(host, address)
        except ActionError:
            super().check(host, address)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`.

    Args:
        secret: `whsec_` and the key in base64.
        message_id: The header `webhook-id`.
        timestamp: Seconds since 1970.
        body: The request's.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, b"%s.%d.%s" % (message_id.encode(), timestamp, body), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


async def post(
    url: str,
    body: bytes,
    *,
    message_id: str,
    timestamp: int,
    secret: str,
    hosts: HostRules,
    timeout_seconds: float,
) -> Answer:
    """Send a message once; redirects are not followed.

    Raises:
        ConfigurationError: If httpx2 is not installed.
    """
    try:
        import httpx2

        from flowkeep.definitions.builtin.http_transport import CheckedTransport
    except ImportError:
        raise ConfigurationError(
            "webhooks need the package httpx2", hint="pip install 'flowkeep[definitions]'"
        ) from None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "flowkeep",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }
    logging.getLogger("httpx2").addFilter(_unseen)
    token = _asking.set(True)
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            httpx2.AsyncClient(
                transport=CheckedTransport(hosts, _tls()), trust_env=False, timeout=timeout_seconds
            ) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            status = response.status_code
            if 200 <= status < 300:
                return Answer(status)
            told = bytearray()
            async for piece in response.aiter_bytes():
                told += piece
                if len(told) >= 4 * MOST_TOLD:
                    break
    except ActionError as error:
        refused = error.code == "HOST_REFUSED"
        text = "the host must not be reached: it is private" if refused else str(error)
        return Answer(error=text, final=refused)
    except (TimeoutError, httpx2.TimeoutException):
        return Answer(error=f"not answered within {timeout_seconds:g} s")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Answer(error=redact(f"{type(error).__name__}: {error}", [secret])[:MOST_TOLD])
    finally:
        _asking.reset(token)
    text = " ".join(told.decode(errors="replace").replace("\x00", "").split())
    shown = redact(text, [secret])[:MOST_TOLD]
    return Answer(status, f"answered {status}" + (f": {shown}" if shown else ""), status == _GONE)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _unseen(_record: logging.LogRecord) -> bool:
    """Keep the library's line per request out of logs: it shows whole URLs."""
    return not _asking.get()
