"""One request over HTTP and what follows from it: redirects, limits, errors."""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic_core import from_json
from typing_extensions import TypedDict

from flowkeep.definitions.action_context import ActionError
from flowkeep.definitions.builtin.http_hosts import HostRules
from flowkeep.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    import httpx2

_MOST_REDIRECTS = 5
_MOST_TOLD = 300
_MAY_GO_AWAY = frozenset({429, 502, 503, 504})
_NOT_RETURNED = frozenset({"set-cookie", "set-cookie2"})

_asking: ContextVar[bool] = ContextVar("flowkeep_http_asking", default=False)


class HttpResult(TypedDict):
    """What a server answered.

    Attributes:
        status: The status code.
        headers: By lower-case name; without cookies, which are secrets.
        body: What JSON says, else the text; null when there is none.
    """

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is asked.

    Attributes:
        content: Bytes of the body.
        timeout: Seconds for all of it, redirects included.
        expect: Status codes that are no error.
        max_bytes: Most bytes of the answer's body.
        follow: Which redirects are followed.
        repeatable: Whether it may be sent again when it is not known what became of it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    timeout: float
    expect: list[range]
    max_bytes: int
    follow: Literal["same_host", "any", "none"]
    repeatable: bool

    def failed(
        self, what: str, code: str, *, retryable: bool, after: float | None = None
    ) -> ActionError:
        """Return the error that says what became of it; only where it went, no path, no query."""
        return ActionError(
            f"{self.method} {origin_of(self.url)} {what}",
            code=code,
            retryable=retryable and self.repeatable,
            retry_after=after,
        )


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "of a URL that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


async def exchange(request: HttpRequest, rules: HostRules) -> HttpResult:
    """Send a request and read its answer.

    Args:
        request: What is asked.
        rules: Which hosts may be reached.

    Raises:
        ActionError: Codes `HTTP_<status>`, `HTTP_TIMEOUT`, `HTTP_CONNECTION`, `HTTP_TOO_LARGE`,
            `HTTP_BODY`, `HOST_REFUSED`, `REDIRECT_REFUSED`.
        InvalidInput: If this is no request that can be sent.
        ConfigurationError: If httpx2 is not installed.
    """
    try:
        import httpx2
    except ImportError:
        raise ConfigurationError(
            "core.http needs the package httpx2", hint="pip install 'flowkeep[definitions]'"
        ) from None
    token = _asking.set(True)
    try:
        async with asyncio.timeout(request.timeout):
            return await _follow(request, rules)
    except (TimeoutError, httpx2.TimeoutException):
        raise request.failed(
            f"was not answered within {request.timeout:g} s", "HTTP_TIMEOUT", retryable=True
        ) from None
    except (httpx2.InvalidURL, httpx2.LocalProtocolError, httpx2.UnsupportedProtocol):
        raise InvalidInput(
            "core.http was given what is no request: check url and headers"
        ) from None
    except httpx2.DecodingError:
        raise request.failed(
            "answered with what cannot be unpacked", "HTTP_BODY", retryable=False
        ) from None
    except httpx2.HTTPError as error:
        raise request.failed(f"failed: {error}", "HTTP_CONNECTION", retryable=True) from None
    finally:
        _asking.reset(token)


async def _follow(request: HttpRequest, rules: HostRules) -> HttpResult:
    import httpx2

    from flowkeep.definitions.builtin.http_transport import CheckedTransport

    logging.getLogger("httpx2").addFilter(_unseen)
    client = httpx2.AsyncClient(
        transport=CheckedTransport(rules, _tls()),
        trust_env=False,
        timeout=request.timeout,
        headers={"User-Agent": "flowkeep"},
    )
    async with client:
        sent = client.build_request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.content,
        )
        for _ in range(_MOST_REDIRECTS + 1):
            response = await client.send(sent, stream=True)
            try:
                target = response.next_request
                if target is None or request.follow == "none" or _expected(request, response):
                    return await _answer(request, response)
            finally:
                await response.aclose()
            _check_redirect(request, sent.url, target.url)
            sent = target
    raise request.failed(
        f"redirects more than {_MOST_REDIRECTS} times", "REDIRECT_REFUSED", retryable=False
    )


def _check_redirect(request: HttpRequest, before: "httpx2.URL", after: "httpx2.URL") -> None:
    """Let a redirect stay where it is unless more is allowed; never to what is not encrypted."""
    elsewhere = request.follow == "same_host" and before.host != after.host
    downgraded = before.scheme == "https" and after.scheme != "https"
    if elsewhere or downgraded:
        raise request.failed(
            f"redirects to {after.scheme}://{after.host}, which is not followed",
            "REDIRECT_REFUSED",
            retryable=False,
        )


async def _answer(request: HttpRequest, response: "httpx2.Response") -> HttpResult:
    status = response.status_code
    if not _expected(request, response):
        told = await _read(response, _MOST_TOLD)
        text = " ".join(told[:_MOST_TOLD].decode(errors="replace").split())
        raise request.failed(
            f"answered {status}" + (f": {text}" if text else ""),
            f"HTTP_{status}",
            retryable=status in _MAY_GO_AWAY,
            after=_retry_after(response.headers.get("retry-after")),
        )
    said = response.headers.get("content-length", "")
    announced = int(said) if said.isdecimal() and request.method != "HEAD" else 0
    data = b"" if announced > request.max_bytes else await _read(response, request.max_bytes)
    if max(announced, len(data)) > request.max_bytes:
        raise request.failed(
            f"answered with more than max_bytes: {request.max_bytes:,}",
            "HTTP_TOO_LARGE",
            retryable=False,
        )
    names = {name.lower() for name in response.headers} - _NOT_RETURNED
    headers = {name: response.headers[name] for name in sorted(names)}
    return {"status": status, "headers": headers, "body": _body(request, response, data)}


def _expected(request: HttpRequest, response: "httpx2.Response") -> bool:
    return any(response.status_code in codes for codes in request.expect)


async def _read(response: "httpx2.Response", most: int) -> bytes:
    """Read a body until it ends or is longer than allowed."""
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > most:
            break
    return bytes(data)


def _body(request: HttpRequest, response: "httpx2.Response", data: bytes) -> Any:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not data:
        return None
    try:
        if kind == "application/json" or kind.endswith("+json"):
            return from_json(data)
        return data.decode(response.charset_encoding or "utf-8")
    except (ValueError, LookupError):
        raise request.failed(
            f"answered with a body that is not what it says: {kind or 'text'}",
            "HTTP_BODY",
            retryable=False,
        ) from None


def _retry_after(text: str | None) -> float | None:
    """Read `Retry-After`: seconds or a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _unseen(_record: logging.LogRecord) -> bool:
    """Keep the library's line per request out of logs: it shows whole URLs."""
    return not _asking.get()
