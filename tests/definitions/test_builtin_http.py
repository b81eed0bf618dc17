"""`core.http` against a server of the standard library."""

import json
import logging
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

from flowkeep.definitions.actions import ActionContext
from flowkeep.errors import InvalidInput
from tests.definitions.http_server import Server, ask, refused, serving


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test."""
    with serving() as server:
        yield server


async def test_json_there_and_back(server: Server) -> None:
    """What is sent is what the server gets; its answer is read, without cookies."""
    result = await ask(
        f"{server.url}/a?b=1",
        method="POST",
        params={"c": ["x y", 2], "d": True},
        json={"grüß": [1]},
        headers={"X-Own": "yes"},
    )
    method, path, headers, body = server.seen[0]
    assert (method, path) == ("POST", "/a?b=1&c=x+y&c=2&d=true")
    assert json.loads(body) == {"grüß": [1]}
    assert (headers["X-Own"], headers["Content-Type"]) == ("yes", "application/json")
    assert result["status"] == 200
    assert json.loads(result["body"]["body"]) == {"grüß": [1]}
    assert result["headers"]["content-type"].startswith("application/json")
    assert "set-cookie" not in result["headers"]


async def test_text_and_nothing(server: Server) -> None:
    """Text is text, whatever is in it; HEAD and an empty body give null."""
    assert (await ask(f"{server.url}/text"))["body"] == "grüß\x00"
    assert (await ask(f"{server.url}/a", method="HEAD"))["body"] is None


@pytest.mark.parametrize("path", ["/binary", "/broken"])
async def test_bodies_that_are_not_what_they_say(server: Server, path: str) -> None:
    """Bytes that are no text, and JSON that is none, are errors; nothing is bent into shape."""
    error = await refused(server.url + path)
    assert (error.code, error.retryable) == ("HTTP_BODY", False)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(429, True), (502, True), (503, True), (504, True), (400, False), (404, False), (500, False)],
)
async def test_status_codes(server: Server, status: int, retryable: bool) -> None:
    """Only codes that may go away by themselves are worth another attempt, unless expected."""
    error = await refused(f"{server.url}/status/{status}?7")
    assert (error.code, error.retryable) == (f"HTTP_{status}", retryable)
    assert error.retry_after == 7
    assert "told" in str(error)
    expected = await ask(f"{server.url}/status/{status}", expect=[200, f"{status}-{status}"])
    assert expected["status"] == status


async def test_retry_after_as_a_date(server: Server) -> None:
    """A date is a delay from now, one that has passed none at all; nonsense is not obeyed."""
    for seconds, low, high in ((100, 90, 100), (-100, 0, 0)):
        date = formatdate(time.time() + seconds, usegmt=True).replace(" ", "_")
        error = await refused(f"{server.url}/status/503?{date}")
        assert error.retry_after is not None
        assert low <= error.retry_after <= high
    assert (await refused(f"{server.url}/status/503?soon")).retry_after is None


async def test_post_is_not_repeated(server: Server) -> None:
    """A method that changes things is tried again only with an idempotency key, always the same."""
    url = f"{server.url}/status/503"
    assert not (await refused(url, method="POST")).retryable
    error = await refused(url, method="POST", context=ActionContext(attempt=2))
    assert error.code == "NOT_REPEATED"
    assert len(server.seen) == 1
    for attempt in (1, 2):
        context = ActionContext(key="run/task", attempt=attempt)
        error = await refused(url, method="POST", idempotency_key=True, context=context)
        assert error.retryable
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in server.seen[1:]}
    assert len(server.seen[1:]) == 2
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ("tok-1", "Bearer tok-1"),
        ({"token": "tok-2", "more": 1}, "Bearer tok-2"),
        ({"username": "u", "password": "p:w"}, "Basic dTpwOnc="),
    ],
)
async def test_auth(server: Server, auth: Any, header: str) -> None:
    """A token or a login becomes the header, which is hidden like the secret itself."""
    hidden: list[Any] = []
    await ask(f"{server.url}/a", auth=auth, context=ActionContext(hide=hidden.append))
    assert server.seen[0][2]["Authorization"] == header
    assert header.partition(" ")[2] in str(hidden)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-A": "a\r\nX-B: canary"}, "X-A .*end of a line"),
        ({"X-A": "a\x00canary"}, "X-A .*NUL"),
        ({"X-A: canary\r\nX-B": "b"}, "what no name may hold"),
        ({"Host": "canary.net"}, "Host .*cannot be set"),
        ({"Transfer-Encoding": "canary"}, "cannot be set"),
        ({"X-A": "canäry"}, "not ASCII"),
    ],
)
async def test_headers_cannot_smuggle(server: Server, headers: dict[str, str], words: str) -> None:
    """What would end a header or a request is refused before anything is sent."""
    with pytest.raises(InvalidInput, match=words) as error:
        await ask(f"{server.url}/a", headers=headers)
    assert "canary" not in str(error.value)
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://user:canary-pw@127.0.0.1/", "https://canary@127.0.0.1/", "file:///etc/passwd",
        "ftp://127.0.0.1/", "127.0.0.1", "http://", "http://[canary", "http://127.0.0.1:99999/",
        "http://127.0.0.1/\r\nX: canary", "http://127.0.0.1/\x00canary", "http://127.0.0.1:canary/",
        "",
    ],
)  # fmt: skip
async def test_urls_that_are_none(url: str) -> None:
    """Anything but a plain http(s) URL is refused, and a password in it not repeated."""
    with pytest.raises(InvalidInput) as error:
        await ask(url)
    assert "canary" not in str(error.value)


async def test_errors_and_logs_show_no_path(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Path and query may hold secrets: only the origin is told, and no line per request logged."""
    with caplog.at_level(logging.INFO):
        error = await refused(f"{server.url}/status/404?token=canary")
    assert server.url in str(error)
    assert "canary" not in str(error) + caplog.text


@pytest.mark.parametrize("path", ["/endless", "/packed"])
async def test_huge_bodies_are_not_read(server: Server, path: str) -> None:
    """Reading stops soon behind max_bytes, for bodies without a length and for packed ones."""
    error = await refused(server.url + path, max_bytes=100_000)
    assert (error.code, error.retryable) == ("HTTP_TOO_LARGE", False)
    assert server.written < 50_000_000


async def test_slow_servers_time_out(server: Server) -> None:
    """The timeout bounds all of a request, and another attempt may help."""
    begun = time.monotonic()
    error = await refused(f"{server.url}/slow", timeout="200ms")
    assert time.monotonic() - begun < 5
    assert (error.code, error.retryable) == ("HTTP_TIMEOUT", True)
    assert not (await refused(f"{server.url}/slow", timeout=0.2, method="POST")).retryable


async def test_lost_connections(server: Server) -> None:
    """A refused or cut connection, and a name nobody knows, are worth another attempt."""
    for url in (f"{server.url}/cut", "http://127.0.0.1:1/", "http://no-such-host.invalid/"):
        error = await refused(url)
        assert (error.code, error.retryable) == ("HTTP_CONNECTION", True), url


@pytest.mark.parametrize("expect", ["2xx", 99, "200-", []])
async def test_expect_that_is_none(expect: Any) -> None:
    """Status codes are numbers or ranges of them."""
    with pytest.raises(InvalidInput, match="expect"):
        await ask("http://127.0.0.1:1/", expect=expect)
