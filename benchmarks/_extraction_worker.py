"""The worker process of the extraction benchmark; it answers how much memory it took."""

import sys

import uvloop

from benchmarks._support import answer_phases, peak_mib
from flowkeep import Settings, Worker, WorkflowClient
from flowkeep.cli.work import activities_of
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow


async def serve(task_queue: str) -> None:
    async def answer(phase: str) -> float:
        return peak_mib()

    workflow = BaseSQLMetadataExtractionWorkflow
    async with (
        await WorkflowClient.connect(Settings.load()) as client,
        Worker(
            client,
            task_queue,
            workflow_classes=[workflow],
            workflow_activities=activities_of([workflow]),
        ),
    ):
        await answer_phases(answer)


def main() -> None:
    """Run with the argument: task queue."""
    uvloop.run(serve(sys.argv[1]))
