"""Routes are found and read without FastAPI's general way, and answer just as they do by it."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from flowkeep.api import build_app
from flowkeep.api.app import PREFIX
from flowkeep.api.paths import Paths
from flowkeep.settings import Settings

FASTAPIS_OWN = {
    "PUT /definitions",
    "POST /definitions/diff",
    "PUT /definitions/{definition}",
    "GET /runs/{run_id}/watch",
}
"""Routes whose dependencies depend on others, or have something to do behind the answer."""

RUN = "01a20086-ef2c-7c02-a3f2-ed958fbafc3d"
START = {"workflow_type": "Elsewhere", "external": True, "workflow_id": "w-WHO"}
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/runs", {}),
    ("GET", "/runs?limit=5&status=queued", {}),
    ("GET", "/runs?limit=0", {}),
    ("GET", "/runs?limit=3&limit=x", {}),
    ("GET", "/runs?nobody=knows", {}),
    ("GET", "/runs?label=a%3Db&label=c%3Dd", {}),
    ("GET", "/runs?triggered_from=api&triggered_from=schedule", {}),
    ("GET", "/runs?paused=true&stuck=true", {}),
    ("GET", "/runs?paused=maybe", {}),
    ("GET", "/runs?limit=", {}),
    ("GET", "/runs/counts", {}),
    ("GET", "/runs/counts?window=7x", {}),
    ("GET", "/runs/counts/", {}),
    ("GET", f"/runs/{RUN}", {}),
    ("GET", "/runs/no-uuid", {}),
    ("HEAD", "/runs", {}),
    ("OPTIONS", "/runs", {}),
    ("PUT", "/runs", {}),
    ("GET", f"/runs/{RUN}/tasks/a/b/attempts/1", {}),
    ("GET", f"/runs/{RUN}/tasks/a/b/attempts/one", {}),
    ("GET", f"/runs/{RUN}/nothing", {}),
    ("GET", "/nothing", {}),
    ("GET", "/runs//", {}),
    ("GET", "/%72uns", {}),
    ("POST", "/runs", {"json": START}),
    ("POST", "/runs", {"json": {**START, "on_conflict": "existing"}}),
    ("POST", "/runs", {"json": {"external": True}}),
    ("POST", "/runs", {"content": "{", "headers": {"Content-Type": "application/json"}}),
    ("POST", "/runs", {"content": "{}", "headers": {"Content-Type": "text/plain"}}),
    ("POST", "/runs", {"content": "{}"}),
    ("POST", "/runs", {}),
    (
        "POST",
        "/runs",
        {
            "content": '{"workflow_type": "Elsewhere", "external": true}'.encode("utf-16"),
            "headers": {"Content-Type": "application/json"},
        },
    ),
    ("PATCH", f"/runs/{RUN}", {"json": {"labels": {}}, "headers": {"If-Match": '"x"'}}),
    ("POST", f"/runs/{RUN}/rerun", {}),
    ("PUT", "/state?key=k-WHO", {"json": {"value": 1}, "headers": {"If-Match": '"0"'}}),
    ("PUT", "/state?key=k-WHO", {"json": {"value": 1}, "headers": {"If-Match": '"0"'}}),
    ("GET", "/state?key=k-WHO", {}),
    ("GET", "/state", {}),
    ("DELETE", "/state?key=k-WHO", {}),
    ("GET", "/definitions?app_id=a&project_id=b", {}),
    ("GET", "/definitions?app_id=a&project_id=a", {}),
    ("POST", "/apps", {"json": {"id": "app-WHO", "name": "One"}}),
    ("GET", "/apps/app-WHO", {}),
)
"""Plain ones and odd ones; each may change what the next ones see."""

_CHANGING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z"
)
"""Ids and times: each answer has its own."""


def _open(settings: Settings) -> Any:
    return build_app(
        settings.model_copy(update={"api": settings.api.model_copy(update={"open": True})})
    )


def _paths(app: Any) -> Paths:
    found = app.router.middleware_stack
    assert isinstance(found, Paths)
    return found


def test_almost_every_route_has_a_plan() -> None:
    """Only the routes that are named here are read by FastAPI at every request."""
    unplanned = {
        f"{method} {(one.route.path or '').removeprefix(PREFIX)}"
        for one in _paths(_open(Settings())).routes
        if one.plan is None
        for method in one.route.methods or ()
    }
    assert unplanned == FASTAPIS_OWN


def test_every_route_is_found_by_its_own_path() -> None:
    """A path with something in place of each name leads to the route that FastAPI would find."""
    app = _open(Settings())
    paths = _paths(app)
    for one in paths.routes:
        template = one.route.path or ""
        path = "/".join("1" if "{" in part else part for part in template.split("/"))
        for method in one.route.methods or ():
            found = paths._find(method, path)
            first = next(
                known
                for known in paths.routes
                if method in (known.route.methods or ()) and known.match(path) is not None
            )
            assert found is not None
            assert found[0] is first, (method, path)


@asynccontextmanager
async def _asking(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield http


async def _answer(
    http: httpx2.AsyncClient, who: str, method: str, path: str, content: dict[str, Any]
) -> tuple[Any, ...]:
    """Return status, headers and body of an answer, without what differs at each."""
    named = {key: value for key, value in content.items() if key != "json"}
    if "json" in content:
        named["json"] = json.loads(json.dumps(content["json"]).replace("WHO", who))
    answer = await http.request(method, f"{PREFIX}{path}".replace("WHO", who), **named)
    told = f"{dict(answer.headers)} {answer.text}".replace(f"-{who}", "-WHO")
    return method, path, answer.status_code, _CHANGING.sub("…", told)


async def test_plans_answer_as_fastapi_does(settings: Settings) -> None:
    """Status, headers and body of plain and odd requests are those without plans."""
    ours, theirs = _open(settings), _open(settings)
    theirs.router.middleware_stack = theirs.router.app
    async with _asking(ours) as planned, _asking(theirs) as general:
        for request in REQUESTS:
            expected = await _answer(general, "general", *request)
            assert await _answer(planned, "planned", *request) == expected
