"""A page of runs as a bare FastAPI app serves it: one statement, nothing else.

No keys, limits, log, audit, compression or archive; psycopg's own pool, without transactions, so a
request is one message to PostgreSQL. Three routes differ by how rows become JSON: through a model
that checks and documents them, as FastAPI's users do it; as a dict that nothing checks; by orjson.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import uvicorn
import uvloop
from fastapi import FastAPI, Response
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from benchmarks._ledger_rows import TENANTS
from flowkeep.api.serving import listen, url_of
from flowkeep.contracts import RunSummary
from flowkeep.contracts.api.listing import Listing

TENANT = next(iter(TENANTS))
"""Whose runs are listed: half of all."""
_COLUMNS = ", ".join(name for name in RunSummary.model_fields if name != "archived")
_PAGE = f"""
SELECT {_COLUMNS}, false AS archived FROM flowkeep.run
WHERE tenant_id = %s AND kind = 'run' ORDER BY created_at DESC, id DESC LIMIT %s
"""


def build(url: str, connections: int) -> FastAPI:
    """Return the app.

    Args:
        url: The ledger.
        connections: How many to hold open.
    """
    pool: AsyncConnectionPool[AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
        url,
        min_size=connections,
        max_size=connections,
        open=False,
        kwargs={"autocommit": True, "row_factory": dict_row},
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with pool:
            await pool.wait()
            yield

    async def page(limit: int) -> dict[str, Any]:
        async with pool.connection() as connection:
            cursor = await connection.execute(_PAGE, (TENANT, limit + 1))
            rows = await cursor.fetchall()
        more = len(rows) > limit
        last = str(rows[limit - 1]["id"]) if more else None
        return {"data": rows[:limit], "limit": limit, "has_more": more, "next": last}

    app = FastAPI(lifespan=lifespan)

    @app.get("/dict")
    async def as_dict(limit: int = 20) -> Any:
        return await page(limit)

    @app.get("/model", response_model=Listing[RunSummary])
    async def as_model(limit: int = 20) -> Any:
        return await page(limit)

    @app.get("/orjson")
    async def as_bytes(limit: int = 20) -> Response:
        content = orjson.dumps(await page(limit), option=orjson.OPT_UTC_Z)
        return Response(content, media_type="application/json")

    return app


async def serve(listener: socket.socket) -> None:
    """Serve with the options of the service."""
    app = build(os.environ["FLOWKEEP_DATABASE_URL"], int(os.environ["FLOWKEEP_DATABASE_POOL_SIZE"]))
    config = uvicorn.Config(
        app, http="httptools", ws="none", log_config=None, access_log=False, server_header=False
    )
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Serve until SIGTERM, and say where."""
    listener = listen("127.0.0.1", 0)
    print(f"REST API  {url_of(listener)}", flush=True)
    uvloop.run(serve(listener))
