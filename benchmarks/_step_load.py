"""One process of the step benchmark: a Temporal client and worker with the plugin."""

import sys
from uuid import uuid4

import uvloop
from temporalio.client import Client
from temporalio.service import GrpcCompression
from temporalio.worker import Worker

from benchmarks._step_flows import InLocalSteps, InSteps, in_steps
from benchmarks._step_phases import measure
from benchmarks._support import answer_phases
from flowkeep import Plugin, Settings


async def serve(variant: str, share: float) -> None:
    workflow = InLocalSteps if variant == "flowkeep_local" else InSteps
    settings = Settings.load()
    plugin = Plugin(settings)
    client = await Client.connect(
        str(settings.temporal.address), grpc_compression=GrpcCompression.NONE, plugins=[plugin]
    )
    queue = f"benchmark-{uuid4().hex}"

    async def run(count: int) -> None:
        await client.execute_workflow(
            workflow.run, count, id=uuid4().hex, task_queue=queue, request_eager_start=True
        )

    async def phase(name: str) -> dict[str, float]:
        figure = await measure(run, name, share)
        assert plugin.recorder is not None
        await plugin.recorder.flush()
        return figure

    async with Worker(client, task_queue=queue, workflows=[workflow], activities=[in_steps]):
        for name in ("1x16", "10x16"):  # warm up
            await measure(run, name, 0.5)
        await answer_phases(phase)
    await plugin.close()


def main() -> None:
    """Run with the arguments: variant, share of the runs."""
    variant, share = sys.argv[1:]
    uvloop.run(serve(variant, float(share)))
