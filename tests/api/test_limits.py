"""How much a caller gets: rate, crowd, names of requests, headers and lines in the log."""

import asyncio
import logging
import time
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from flowkeep.api import build_app
from flowkeep.api.rates import Rates
from flowkeep.errors import TooManyRequests
from flowkeep.settings import ApiSettings, Settings
from tests.api.exposing import serving

LOG = "flowkeep.api.requests"


def bare(**api: Any) -> FastAPI:
    """A service without its servers, with a route that waits and one that streams."""
    app = build_app(Settings(api=ApiSettings(**api)))
    app.state.entered, app.state.open = asyncio.Event(), asyncio.Event()

    @app.get("/wait")
    async def wait() -> str:
        app.state.entered.set()
        await app.state.open.wait()
        return "done"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def events() -> Any:
            yield "data: 1\n\n"
            await app.state.open.wait()

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/api/v1/health")
    async def health() -> str:
        return "well"

    @app.get("/runs/{run_id}")
    async def run(run_id: str) -> Response:
        return Response(run_id, headers={"Cache-Control": "max-age=9"})

    @app.delete("/runs/{run_id}")
    async def delete(run_id: str) -> None:
        raise RuntimeError(run_id)

    return app


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    """Return a client that gets an answer even where the app raises."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def test_a_key_has_a_rate(settings: Settings) -> None:
    """Above its burst a key is told when to come back, while another key goes on."""
    async with serving(settings, rate_per_second=0.5, burst=3) as service:
        ana, ben = await service.key(), await service.key()
        answers = [await service.ask(ana, "/apps") for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert [one.headers["ratelimit"].split(";")[1] for one in answers] == [
            "r=2",
            "r=1",
            "r=0",
            "r=0",
        ]
        assert answers[3].headers["ratelimit-policy"] == '"key";q=3;w=6'
        assert answers[3].headers["retry-after"] in ("1", "2")
        assert answers[3].json()["code"] == "TOO_MANY_REQUESTS"
        assert (await service.ask(ben, "/apps")).status_code == 200


def test_a_network_guesses_together() -> None:
    """The addresses of one customer's IPv6 network are one guesser; another network is not."""
    rates = Rates(ApiSettings(failures_per_minute=1))
    rates.failed("2001:db8::1")
    with pytest.raises(TooManyRequests, match="wrong keys"):
        rates.failed("2001:db8::ffff")
    for other in ("2001:db8:0:1::1", "203.0.113.1", "unix", None):
        rates.failed(other)


async def test_a_crowd_waits_and_is_refused() -> None:
    """One works, one waits and then works, all others are refused at once, but not health."""
    app = bare(concurrency=1, waiting=1, waiting_seconds=30)
    async with client_of(app) as http:
        first = asyncio.create_task(http.get("/wait"))
        await app.state.entered.wait()
        others = [asyncio.create_task(http.get("/runs/1")) for _ in range(3)]
        left = set(others)
        while len(left) > 1:
            _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for refused in (one.result() for one in others if one not in left):
            assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")
            assert int(refused.headers["retry-after"]) >= 1
        assert (await http.get("/api/v1/health")).status_code == 200
        app.state.open.set()
        done = await asyncio.gather(first, *others)
        assert sorted(one.status_code for one in done) == [200, 200, 503, 503]


async def test_nobody_waits_for_long() -> None:
    """Who gets no turn in time is refused, and the place is not lost by that."""
    app = bare(concurrency=1, waiting=9, waiting_seconds=0.05)
    async with client_of(app) as http:
        first = asyncio.create_task(http.get("/wait"))
        await app.state.entered.wait()
        assert (await http.get("/runs/1")).status_code == 503
        app.state.open.set()
        await first
        assert (await http.get("/runs/1")).status_code == 200


async def test_watchers_hold_no_place() -> None:
    """While a stream of events goes on, others are answered."""
    app = bare(concurrency=1, waiting=0)
    async with client_of(app) as http:
        watching = [asyncio.create_task(http.get("/stream")) for _ in range(1)]
        answer = await http.get("/runs/1")
        deadline = time.monotonic() + 10
        while answer.status_code == 503 and time.monotonic() < deadline:
            answer = await http.get("/runs/1")
        assert answer.status_code == 200
        app.state.open.set()
        assert [one.status_code for one in await asyncio.gather(*watching)] == [200]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("req-1.a:b", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("a\r\nb", False)],
)
async def test_requests_have_names(given: str, kept: bool) -> None:
    """A sane name is taken over, any other replaced; answers and problems tell it."""
    async with client_of(bare()) as http:
        answer = await http.get("/nowhere", headers={"X-Request-Id": given})
    name = answer.headers["x-request-id"]
    assert (name == given) is kept
    assert (answer.status_code, answer.json()["request_id"]) == (404, name)


async def test_every_answer_has_its_headers() -> None:
    """Answers of routes, refusals and unexpected errors carry the headers that protect them."""
    async with client_of(bare()) as http:
        plain = await http.get("/runs/1")
        missing = await http.get("/nowhere")
        broken = await http.delete("/runs/1")
        refused = await http.get("/runs/1?a=%00")
    assert [one.status_code for one in (plain, missing, broken, refused)] == [200, 404, 500, 400]
    for answer in (plain, missing, broken, refused):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
        assert answer.headers["x-request-id"]
    assert missing.headers["cache-control"] == broken.headers["cache-control"] == "no-store"
    assert plain.headers["cache-control"] == "max-age=9"
    assert (broken.json()["code"], "1" in broken.json()["detail"]) == ("UNEXPECTED", False)


async def test_head_and_options() -> None:
    """HEAD is GET without its body, OPTIONS and 405 tell every method of a path."""
    async with client_of(bare()) as http:
        head, get = await http.head("/runs/12"), await http.get("/runs/12")
        options, wrong = await http.options("/runs/12"), await http.put("/runs/12")
        nowhere = await http.options("/nowhere")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == "2"
    assert (options.status_code, options.content, wrong.status_code) == (204, b"", 405)
    for answer in (options, wrong):
        assert answer.headers["allow"] == "HEAD, GET, DELETE, OPTIONS"
    assert nowhere.status_code == 404


async def test_each_request_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """The line names method, route, status, time and ids, and nothing of query or body."""
    with caplog.at_level(logging.INFO, LOG):
        async with client_of(bare()) as http:
            await http.get("/runs/17?token=canary", headers={"X-Request-Id": "req-7"})
            await http.delete("/runs/18?token=canary")
    told = [one.getMessage() + repr(vars(one)) for one in caplog.records if one.name == LOG]
    assert len(told) == 2
    for words in ("GET", "/runs/{run_id}", "200", "req-7", "17"):
        assert words in told[0]
    assert "500" in told[1]
    assert "canary" not in "".join(told)
