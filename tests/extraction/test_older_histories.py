"""Runs that began before a change of the extraction's order go on after it."""

import pytest
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from flowkeep.workflows.metadata_extraction.sql import BaseSQLMetadataExtractionWorkflow
from tests.extraction.flows import InTheOrderOfTheList, UnmarkedOrder


async def test_older_histories_replay(settings: Settings, task_queue: str, sample_url: str) -> None:
    """A run whose fetches were scheduled in the order of the list replays with today's code."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    settings = settings.model_copy(update={"worker": worker})
    activities = InTheOrderOfTheList.activities_cls()
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(
            client,
            workflow_classes=[InTheOrderOfTheList],
            workflow_activities=InTheOrderOfTheList.get_activities(activities),
        ),
    ):
        handle = await client.start_workflow(
            {"credentials": {"url": sample_url}}, workflow_class=InTheOrderOfTheList
        )
        await handle.result()
        recorded = client.temporal.get_workflow_handle(handle.workflow_id)
        history = await recorded.fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert scheduled.index("fetch_databases") < scheduled.index("fetch_columns")
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[UnmarkedOrder], plugins=[client.plugin]).replay_workflow(history)
    today = Replayer(workflows=[BaseSQLMetadataExtractionWorkflow], plugins=[client.plugin])
    await today.replay_workflow(history)
