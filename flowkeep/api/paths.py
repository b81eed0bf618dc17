"""From a path to its route without trying all of them one by one."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from flowkeep.api.plans import plan_of
from flowkeep.telemetry.traces import is_tracing

_MOST_KNOWN = 1000
"""Most shapes of paths that are remembered: callers choose paths."""


class Paths:
    """Finds the route of a request among those that its method, noun and length leave.

    What it does not find (no such path, another method, a slash too many) the app's own router
    answers; where requests are traced all of them, because it names their spans.

    Args:
        app: The app, with all its routes.
        prefix: What the paths of its nouns begin with.
    """

    def __init__(self, app: FastAPI, prefix: str) -> None:
        self._router = app.router
        self._prefix = f"{prefix}/"
        self._routes = [
            Path(route)
            for route in iter_route_contexts(app.routes)
            if (route.path or "").startswith(self._prefix)
            and isinstance(route.original_route, APIRoute)
        ]
        self._known: dict[tuple[str, str, int], list[Path]] = {}

    @property
    def routes(self) -> "tuple[Path, ...]":
        """All routes, in the order in which they are tried."""
        return tuple(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        usual = scope["type"] == "http" and not scope.get("root_path") and not is_tracing()
        found = self._find(scope["method"], scope["path"]) if usual else None
        if found is None:
            await self._router.app(scope, receive, send)
            return
        path, parameters = found
        scope["router"] = self._router
        scope["route"] = path.route.original_route
        scope["endpoint"] = path.route.endpoint
        scope["path_params"] = parameters
        await path.app(scope, receive, send)

    def _find(self, method: str, path: str) -> "tuple[Path, dict[str, Any]] | None":
        """Return the first route that takes a path, and what stands in it."""
        if not path.startswith(self._prefix):
            return None
        noun = path[len(self._prefix) :].partition("/")[0]
        shape = (method, noun, path.count("/"))
        known = self._known.get(shape)
        if known is None:
            known = [route for route in self._routes if route.may_have(*shape, self._prefix)]
            if known and len(self._known) < _MOST_KNOWN:
                self._known[shape] = known
        for route in known:
            parameters = route.match(path)
            if parameters is not None:
                return route, parameters
        return None


class Path:
    """One route, ready to be found and to answer.

    Args:
        route: As FastAPI knows it.

    Attributes:
        route: As FastAPI knows it.
        plan: What it needs of a request; None where FastAPI answers alone.
        app: What answers.
    """

    def __init__(self, route: RouteContext) -> None:
        self.route = route
        careful: ASGIApp = route.app
        self.plan = plan_of(route, careful)
        self.app: ASGIApp = self.plan or careful
        self._template = route.path or ""

    def may_have(self, method: str, noun: str, slashes: int, prefix: str) -> bool:
        """Return whether some path of a shape may lead here."""
        if method not in (self.route.methods or ()):
            return False
        first = self._template.removeprefix(prefix).partition("/")[0]
        if first != noun and "{" not in first:
            return False
        own = self._template.count("/")
        return own <= slashes if ":path}" in self._template else own == slashes

    def match(self, path: str) -> dict[str, Any] | None:
        """Return what stands in a path in place of the names; None if it leads elsewhere."""
        found = self.route.path_regex.match(path)
        if found is None:
            return None
        values: dict[str, Any] = found.groupdict()
        for name, text in values.items():
            values[name] = self.route.param_convertors[name].convert(text)
        return values
