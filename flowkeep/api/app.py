"""The FastAPI app: middleware, routes, problems and its OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from flowkeep.api import routes
from flowkeep.api.authentication import (
    SECURITY_SCHEMES,
    TENANT_HEADER,
    Authenticator,
    check_settings,
)
from flowkeep.api.context import REQUEST_ID
from flowkeep.api.idempotency import REPLAYED_HEADER, IdempotencyMiddleware, Replayed, replay
from flowkeep.api.middleware import RequestMiddleware
from flowkeep.api.middleware_body import BodyMiddleware
from flowkeep.api.middleware_compression import CompressionMiddleware
from flowkeep.api.middleware_crowd import CrowdMiddleware
from flowkeep.api.middleware_depth import DepthMiddleware
from flowkeep.api.middleware_document import describe
from flowkeep.api.middleware_operations import OperationsMiddleware
from flowkeep.api.operations import Operations
from flowkeep.api.paths import Paths
from flowkeep.api.problems import add_handlers
from flowkeep.api.rates import Rates
from flowkeep.api.sessions import CSRF_HEADER
from flowkeep.api.streams import Streams
from flowkeep.clients.backend import Backend
from flowkeep.clients.direct.journal_writer import writer_of
from flowkeep.clients.readiness import Readiness
from flowkeep.contracts.api.problem import ProblemDetails
from flowkeep.settings import Settings
from flowkeep.telemetry.metrics import Meter
from flowkeep.telemetry.traces import request_telemetry

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

PREFIX = "/api/v1"

_DESCRIPTION = """
Durable workflows on Temporal with a ledger of every run, task and attempt.

Lists return `data`, and `next` to pass as `cursor` for the page that follows. Objects with a
revision answer with an `ETag`; send it as `If-Match` to change only what you have read. Send
`Idempotency-Key` with a POST to make repeating it safe. Every error is `application/problem+json`
with a stable `code`.
"""

_CORS: dict[str, Any] = {
    "allow_credentials": True,
    "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "allow_headers": (
        *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"),
        *(CSRF_HEADER, REQUEST_ID, TENANT_HEADER),
    ),
    "expose_headers": (
        *("ETag", "Link", "Location", "Retry-After", "RateLimit", "RateLimit-Policy"),
        *(REPLAYED_HEADER, REQUEST_ID),
    ),
}


def build_app(settings: Settings, meter: Meter | None = None) -> FastAPI:
    """Return the REST API.

    Args:
        settings: Where ledger and Temporal are, and how the service behaves.
        meter: Measures requests; None measures nothing.

    Raises:
        ConfigurationError: If it would let in whom nobody meant.
    """
    check_settings(settings.api)
    settings = _for_requests(settings)
    operations = Operations(meter)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            Backend(settings) as backend,
            Authenticator(settings, backend.store) as authenticator,
        ):
            app.state.backend, app.state.authenticator = backend, authenticator
            app.state.readiness = Readiness(backend)
            writer = writer_of(backend.store)
            sampling = asyncio.create_task(operations.sample(lambda: writer.waiting))
            try:
                yield
            finally:
                sampling.cancel()

    app = FastAPI(
        title="flowkeep",
        version=version("flowkeep"),
        description=_DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=f"{PREFIX}/docs",
        redoc_url=None,
        lifespan=lifespan,
        telemetry=cast("TelemetryConfig", request_telemetry()),
    )
    free = frozenset(f"{PREFIX}/{path}" for path in ("health", "ready"))
    # From the inside out: each stands around those before it.
    app.add_middleware(IdempotencyMiddleware)
    app.add_middleware(CompressionMiddleware)
    app.add_middleware(DepthMiddleware)
    app.add_middleware(
        CrowdMiddleware,
        most=settings.api.concurrency,
        waiting=settings.api.waiting,
        seconds=settings.api.waiting_seconds,
        free=free,
    )
    app.add_middleware(
        BodyMiddleware,
        most_bytes=settings.api.body_bytes,
        room_bytes=settings.api.bodies_bytes,
        seconds=settings.api.body_seconds,
        free=free,
    )
    if settings.api.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.api.cors_origins, **_CORS)
    app.add_middleware(
        OperationsMiddleware, operations=operations, seconds=settings.api.request_seconds
    )
    inner = app.build_middleware_stack
    # Around the answer to what nobody expected, too.
    app.build_middleware_stack = lambda: RequestMiddleware(  # type: ignore[method-assign]
        inner(), app.router
    )
    app.state.rates = Rates(settings.api)
    app.state.streams = Streams(settings.api.streams)
    app.state.operations = operations
    add_handlers(app)
    app.add_exception_handler(Replayed, replay)
    for noun in sorted(module.name for module in iter_modules(routes.__path__)):
        app.include_router(import_module(f"{routes.__name__}.{noun}").router, prefix=PREFIX)
    app.router.middleware_stack = Paths(app, PREFIX)
    app.openapi = lambda: _document(app, settings.api.open)  # type: ignore[method-assign]
    return app


def _for_requests(settings: Settings) -> Settings:
    """Return the settings with a shorter wait for connections: somebody waits for the answer."""
    pool = {"pool_timeout_seconds": settings.api.pool_seconds}
    return settings.model_copy(update={"database": settings.database.model_copy(update=pool)})


def _document(app: FastAPI, is_open: bool) -> dict[str, Any]:
    """Return the OpenAPI document, with the schema that all problems share."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["ProblemDetails"] = problem
        describe(made)
        if not is_open:
            made["components"]["securitySchemes"] = SECURITY_SCHEMES
            made["security"] = [{name: []} for name in SECURITY_SCHEMES]
            for path in ("health", "ready"):
                made["paths"][f"{PREFIX}/{path}"]["get"]["security"] = []
        app.openapi_schema = made
    return app.openapi_schema
