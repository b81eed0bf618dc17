"""Finding a run by what a person has of it."""

from uuid import UUID

from flowkeep.contracts import Run
from flowkeep.errors import NotFound
from flowkeep.statestore.store import Store


async def find_run(store: Store, tenant_id: str, run: UUID | str) -> Run:
    """Return a run by its run id, or the newest one of a workflow_id.

    Raises:
        NotFound: If the tenant has no such run.
    """
    run_id = run if isinstance(run, UUID) else _as_uuid(run)
    if run_id is not None:
        found = await store.runs.get_run_by_id(tenant_id, None, run_id)
        if found is not None:
            return found
    page = await store.runs.find_by_workflow_id(tenant_id, str(run), limit=1)
    if not page.data:
        raise NotFound(
            f"tenant {tenant_id!r} has no run {str(run)!r}",
            hint="`flowkeep run list` shows the runs",
        )
    return await store.runs.get(tenant_id, page.data[0].id)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
