"""Executions as Temporal describes them: whether there is one, and whose it is."""

from uuid import UUID

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.contracts import Identity, RunRef, derive_run_id
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import TemporalUnavailable
from flowkeep.recording.describing import is_unknown
from flowkeep.recording.identity import run_kind

_PASSING = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.UNKNOWN,
}


class Executions:
    """Asks Temporal about executions.

    Args:
        temporal: The SDK's client.
    """

    def __init__(self, temporal: Client) -> None:
        self._temporal = temporal

    async def describe(
        self, workflow_id: str, temporal_run_id: str | None = None
    ) -> WorkflowExecutionDescription | None:
        """Return an execution, the newest one when none is named, or None if there is none.

        Raises:
            TemporalUnavailable: If Temporal cannot be asked.
        """
        handle = self._temporal.get_workflow_handle(workflow_id, run_id=temporal_run_id)
        try:
            return await handle.describe()
        except RPCError as error:
            if is_unknown(error):
                return None
            # Without its namespace nothing can be said of an execution.
            if is_outage(error) or error.status is RPCStatusCode.NOT_FOUND:
                raise unavailable(error) from error
            raise

    async def identity_of(self, description: WorkflowExecutionDescription) -> Identity:
        """Return who a described execution is: the memo says it, else the run id is derived."""
        memo = (await description.memo()).get(HEADER)
        identity = Identity.from_header(memo) if isinstance(memo, dict) else Identity()
        if identity.run_id is not None:
            return identity
        first = first_run_id(description)
        derived = derive_run_id(self._temporal.namespace, description.id, first)
        return identity.evolve(run_id=str(derived))

    async def run_id_of(self, description: WorkflowExecutionDescription) -> UUID:
        """Return our id of a described run."""
        return UUID((await self.identity_of(description)).run_id)

    async def ref_of(self, description: WorkflowExecutionDescription) -> RunRef:
        """Return what a record of a described execution must say."""
        identity = await self.identity_of(description)
        assert identity.run_id is not None
        return RunRef(
            run_id=UUID(identity.run_id),
            tenant_id=identity.tenant_id,
            namespace=self._temporal.namespace,
            workflow_id=description.id,
            temporal_run_id=description.run_id,
            workflow_type=description.workflow_type,
            task_queue=description.task_queue,
            app_id=identity.app_id,
            first_run_id=first_run_id(description),
            root_run_id=_uuid(identity.root_run_id),
            parent_run_id=_uuid(identity.parent_run_id),
            kind=run_kind(description.workflow_type),
            triggered_from=identity.triggered_from,
        )


def first_run_id(description: WorkflowExecutionDescription) -> str:
    """Return Temporal's id of the first execution of a described chain."""
    first = description.raw_description.workflow_execution_info.first_run_id
    return first or description.run_id


def unavailable(error: RPCError) -> TemporalUnavailable:
    """Return our error for one that says that Temporal did not answer."""
    return TemporalUnavailable(f"Temporal did not answer: {error.message}")


def is_outage(error: RPCError) -> bool:
    """Tell an outage, after which the same call may succeed, from a refusal."""
    return error.status in _PASSING


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
