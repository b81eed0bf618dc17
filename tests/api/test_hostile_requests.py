"""Requests that no client of ours makes: each is refused in order, none fails the service."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from flowkeep.api.middleware_depth import MOST_NESTED
from flowkeep.settings import Settings
from tests.api.exposing import Exposed, serving

MOST = 64 * 1024
JSON = {"content-type": "application/json"}
INJECTIONS = (
    "' OR 1=1 --",
    '"; DROP TABLE flowkeep.app; --',
    "../../etc/passwd",
    "..%2f..%2fetc",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "a\r\nX-Evil: 1",
    "<script>",
    "%s%n",
    "\u202e\ufeff",
    "\U0001f4a9" * 50,
    "x" * 4000,
    ":tenant",
    "\\x00",
)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Exposed]:
    """A service that is open on this machine and takes small bodies."""
    async with serving(settings, open=True, body_bytes=MOST) as service:
        yield service


def check(answer: httpx2.Response, *statuses: int) -> Any:
    """Check that an answer is a whole problem with one of the statuses."""
    assert answer.status_code in statuses, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["code"]
    return problem


async def test_injections_are_names(service: Exposed) -> None:
    """What would be code elsewhere is a name here: absent in a path, plain text in a query."""
    await service.ask(None, "/apps", "POST", json={"id": "kept", "parent": "p"})
    for text in INJECTIONS:
        found = await service.ask(None, f"/apps/{quote(text, safe='')}")
        check(found, 404, 414, 422)
        listed = await service.ask(None, "/apps", params={"parent": text[:255]})
        assert (listed.status_code, listed.json()["data"]) == (200, [])
        again = await service.ask(None, "/apps", params={"cursor": text})
        if again.status_code != 200:
            check(again, 422)
    everything = (await service.ask(None, "/apps")).json()["data"]
    assert [app["id"] for app in everything] == ["kept"]


async def test_nul_is_refused_everywhere(service: Exposed) -> None:
    """A NUL in path, query or body is the caller's mistake."""
    check(await service.ask(None, "/apps/a%00b"), 400)
    check(await service.ask(None, "/apps?parent=a%00b"), 400)
    check(await service.ask(None, "/apps", "POST", json={"id": "a\x00"}), 422)
    check(await service.ask(None, "/apps", "POST", json={"id": "a", "name": "\x00"}), 422)


async def test_big_bodies_are_refused(service: Exposed) -> None:
    """A body above the limit is refused by its length, and while it arrives without one."""
    body = json.dumps({"id": "a", "name": "x" * MOST}).encode()
    check(await service.ask(None, "/apps", "POST", content=body, headers=JSON), 413)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * MOST:
            sent += 1024
            yield b"x" * 1024

    check(await service.ask(None, "/apps", "POST", content=endless(), headers=JSON), 413)
    lying = JSON | {"content-length": "9" * 30}
    check(await service.ask(None, "/apps", "POST", content=b"{}", headers=lying), 413)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (MOST - 10),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * (MOST_NESTED + 1) + b"]" * (MOST_NESTED + 1),
        b'{"id":"a","name":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)
async def test_deep_json_is_refused(service: Exposed, body: bytes) -> None:
    """JSON that is nested too deep is refused before anything recurses into it, and soon."""
    began = time.monotonic()
    problem = check(await service.ask(None, "/apps", "POST", content=body, headers=JSON), 400)
    assert problem["code"] == "INVALID_JSON"
    assert time.monotonic() - began < 5


_NAMED = '{"id":"a","name":"\\ud800","more":%s}'
_LEVELS = "[" * 900 + "]" * 900


@pytest.mark.parametrize("path", ["/apps", "/runs", "/definitions/validate"])
@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/Problem+JSON"])
@pytest.mark.parametrize("inner", ["1", _LEVELS], ids=["flat", "deep"])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ('{"id":"a","more":%s}', "utf-8-sig"),
        ('{"id":"a","more":%s}', "utf-16"),
        ('{"id":"a","more":%s}', "utf-16-le"),
        ('{"id":"a","more":%s}', "utf-32-be"),
        (_NAMED, "utf-8"),
        (_NAMED.replace("\\ud800", "\ud800"), "utf-8"),
    ],
    ids=["mark", "utf-16", "utf-16-le", "utf-32-be", "half", "raw-half"],
)
async def test_json_that_parsers_read_differently_is_refused(
    service: Exposed, path: str, kind: str, inner: str, text: str, encoding: str
) -> None:
    """JSON that only the standard library's parser reads reaches no route, be it deep or not."""
    body = (text % inner).encode(encoding, "surrogatepass")
    assert json.loads(body)["id"] == "a"
    headers = {"content-type": kind}
    problem = check(await service.ask(None, path, "POST", content=body, headers=headers), 400)
    assert problem["code"] == "INVALID_JSON"
    assert (await service.ask(None, "/apps")).json()["data"] == []


async def test_what_is_written_beyond_ascii_arrives(service: Exposed) -> None:
    """Names in UTF-8 and whole escaped pairs are read; a text in YAML is nobody's JSON."""
    for number, body in enumerate(
        ('{"id":"%s","name":"Zürich"}', r'{"id":"%s","name":"\ud83d\ude00"}')
    ):
        content = (body % f"a{number}").encode()
        made = await service.ask(None, "/apps", "POST", content=content, headers=JSON)
        assert made.status_code == 201, made.text
    written = r"""{ref: report, label: 'Zürich \ud800', tasks: [{name: load, action: shop.load}]}"""
    headers = {"content-type": "application/yaml"}
    report = await service.ask(
        None, "/definitions/validate", "POST", content=written.encode(), headers=headers
    )
    assert report.status_code == 200, report.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1e999",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"id":"\\ud800"}',
        b'{"id":1}',
        b'{"id":null}',
        b'{"id":"a","id2":1}',
        b'{"id":{"$gt":""}}',
        b'{"__proto__":{"a":1}}',
        b'{"id":' + b"9" * 5000 + b"}",
        b"[" * 100 + b"]" * 100,
    ],
)
async def test_odd_bodies_are_refused(service: Exposed, body: bytes) -> None:
    """What is no object of ours is refused with a problem."""
    check(await service.ask(None, "/apps", "POST", content=body, headers=JSON), 400, 422)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/xml", "multipart/form-data", "application/json; charset=x", ""],
)
async def test_odd_content_types_are_no_error(service: Exposed, kind: str) -> None:
    """A body of another type is refused, or read as the JSON it is."""
    headers = {"content-type": kind}
    answer = await service.ask(None, "/apps", "POST", content=b'{"id":"a"}', headers=headers)
    assert answer.status_code in (201, 400, 415, 422)


async def test_odd_headers_are_refused(service: Exposed) -> None:
    """Headers that cannot be meant are the caller's mistake, whatever they hold."""
    for name, value in {
        "Idempotency-Key": "x" * 256,
        "Flowkeep-Tenant": "a\tb",
        "Authorization": "Bearer",
        "X-Padding": "x" * 40_000,
    }.items():
        check(
            await service.ask(None, "/apps", "POST", json={"id": "a"}, headers={name: value}),
            *(400, 401, 404, 409, 422, 431),
        )
    check(await service.ask(None, f"/apps?parent={'x' * 9000}"), 414)
    check(await service.ask(None, f"/apps/{'x' * 5000}"), 414)
    for query in ("limit=0", "limit=1e3", "limit=" + "9" * 50, "limit=-1", "limit=١٢x", "limit="):
        check(await service.ask(None, f"/apps?{query}"), 422)
