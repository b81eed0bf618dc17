"""One process of the step benchmark: a Restate service and its client, in an environment of theirs.

The form that its documentation teaches: an `async def` handler behind Hypercorn, each step a
`ctx.run_typed`, called through the server's ingress.
"""

import asyncio
import socket
import sys

import httpx
import restate
import uvloop
from hypercorn.asyncio import serve as serve_http
from hypercorn.config import Config

from benchmarks._step_phases import measure
from benchmarks._support import answer_phases

service = restate.Service("steps")


async def step_of(number: int) -> int:
    return number


@service.handler()
async def run(ctx: restate.Context, count: int) -> int:
    for number in range(count):
        await ctx.run_typed("step", step_of, number=number)
    return 0


async def serve(share: float, ingress: str, admin: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    stopped = asyncio.Event()
    serving = asyncio.create_task(
        serve_http(restate.app([service]), config, shutdown_trigger=stopped.wait)
    )
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        await _registered(client, admin, f"http://127.0.0.1:{port}")

        async def called(count: int) -> None:
            answer = await client.post(f"{ingress}/steps/run", json=count)
            answer.raise_for_status()

        for name in ("1x16", "10x16"):  # warm up
            await measure(called, name, 0.5)
        await answer_phases(lambda name: measure(called, name, share))
    stopped.set()
    await serving


async def _registered(client: httpx.AsyncClient, admin: str, uri: str) -> None:
    for tries in range(300):
        try:
            answer = await client.post(f"{admin}/deployments", json={"uri": uri})
            answer.raise_for_status()
        except httpx.HTTPError:
            if tries == 299:
                raise
            await asyncio.sleep(0.1)  # server or service are still starting
        else:
            return


def main() -> None:
    """Run with the arguments: share of the runs, URLs of ingress and admin API."""
    share, ingress, admin = sys.argv[1:]
    uvloop.run(serve(float(share), ingress, admin))
