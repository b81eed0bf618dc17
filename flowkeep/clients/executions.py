"""Executions as Temporal describes them: whether there is one, and whose it is."""

from uuid import UUID

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.contracts import Identity, RunRef
from flowkeep.contracts.identity import HEADER
from flowkeep.errors import TemporalUnavailable
from flowkeep.recording.describing import is_unknown
from flowkeep.recording.identity import complete_identity, run_ref

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
        return complete_identity(
            Identity.from_header(memo) if isinstance(memo, dict) else None,
            namespace=self._temporal.namespace,
            workflow_id=description.id,
            first_run_id=first_run_id(description),
            workflow_type=description.workflow_type,
        )

    async def run_id_of(self, description: WorkflowExecutionDescription) -> UUID:
        """Return our id of a described run."""
        return UUID((await self.identity_of(description)).run_id)

    async def ref_of(self, description: WorkflowExecutionDescription) -> RunRef:
        """Return what a record of a described execution must say."""
        return run_ref(
            await self.identity_of(description),
            namespace=self._temporal.namespace,
            workflow_id=description.id,
            temporal_run_id=description.run_id,
            workflow_type=description.workflow_type,
            task_queue=description.task_queue,
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
