"""Fetches histories: page by page, so that no more than one page is held."""

from collections.abc import AsyncIterator

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from flowkeep.recording.history.facts import Facts
from flowkeep.recording.history.start import start_of
from flowkeep.recording.history.tasks import FactReader


async def read_facts(client: Client, workflow_id: str, temporal_run_id: str) -> Facts:
    """Read what the history of an execution says.

    Args:
        client: Of the namespace.
        workflow_id: Of the execution.
        temporal_run_id: Of the execution.

    Raises:
        RPCError: If Temporal does not give it.
        ValueError: If it cannot be understood; says why.
    """
    reader: FactReader | None = None
    async for event in events(client, workflow_id, temporal_run_id):
        if reader is not None:
            reader.read(event)
        else:
            start = await start_of(
                event,
                namespace=client.namespace,
                workflow_id=workflow_id,
                temporal_run_id=temporal_run_id,
                converter=client.data_converter,
            )
            reader = FactReader(start)
    if reader is None:
        raise ValueError("the history is empty")
    return reader.facts()


def events(client: Client, workflow_id: str, temporal_run_id: str) -> AsyncIterator[HistoryEvent]:
    """Return the events of an execution, in order, fetched as they are asked for."""
    return client.get_workflow_handle(workflow_id, run_id=temporal_run_id).fetch_history_events()
