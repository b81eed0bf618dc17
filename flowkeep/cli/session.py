"""What a command's body opens: the ledger, or a client with both servers. Heavy, imported late."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from flowkeep.cli.invocation import Invocation
from flowkeep.contracts import Run
from flowkeep.errors import NotFound
from flowkeep.statestore import Store, connect

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient


@asynccontextmanager
async def open_store(invocation: Invocation) -> AsyncIterator[Store]:
    """Open the ledger alone; commands that only read need no Temporal.

    Raises:
        ConfigurationError: If no ledger is configured, or it is at another migration.
        LedgerUnavailable: If it cannot be reached.
    """
    store = await connect(settings=invocation.direct_settings())
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_client(invocation: Invocation) -> AsyncIterator["WorkflowClient"]:
    """Open a client with ledger and Temporal.

    Raises:
        TemporalUnavailable: If the server cannot be reached.
        LedgerUnavailable: If the ledger cannot be reached.
        ConfigurationError: If the set-up is wrong.
    """
    from flowkeep.clients.workflow import WorkflowClient

    client = await WorkflowClient.connect(invocation.direct_settings())
    try:
        yield client
    finally:
        await client.close()


async def find_run(store: Store, tenant: str, name: str) -> Run:
    """Return the run with this run id, or the newest one with this workflow id.

    Raises:
        NotFound: If the tenant has neither.
    """
    try:
        found = await store.runs.get_run_by_id(tenant, None, UUID(name))
    except ValueError:
        found = None
    if found is not None:
        return found
    page = await store.runs.find_by_workflow_id(tenant, name, limit=1)
    if not page.data:
        raise NotFound(
            f"no run has the run id or workflow id {name!r}",
            hint="`flowkeep run list` shows what there is",
        )
    return await store.runs.get(tenant, page.data[0].id)
