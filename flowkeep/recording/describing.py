"""One execution as Temporal describes it, and what an answer without a description means."""

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.recording.visibility import unavailable

_OF_THE_EXECUTION = frozenset(
    {
        RPCStatusCode.DATA_LOSS,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


class Unreadable(ValueError):
    """Temporal answers, but will not tell of this execution, however often it is asked."""


async def described(
    client: Client, workflow_id: str, temporal_run_id: str | None = None
) -> WorkflowExecutionDescription | None:
    """Return an execution, the newest one when none is named, or None if Temporal has none.

    Raises:
        Unreadable: If Temporal will never answer this, for example because an id is none.
        TemporalUnavailable: If Temporal does not answer.
    """
    try:
        return await client.get_workflow_handle(workflow_id, run_id=temporal_run_id).describe()
    except RPCError as error:
        if is_unknown(error):
            return None
        raise judged(error) from error


def is_unknown(error: RPCError) -> bool:
    """Tell whether Temporal does not know an execution.

    That it does not know the namespace says nothing of executions: it was named wrongly, or a
    server that was just set up does not have it yet.
    """
    if error.status is not RPCStatusCode.NOT_FOUND:
        return False
    details = error.grpc_status.details
    return not any(one.Is(NamespaceNotFoundFailure.DESCRIPTOR) for one in details)


def judged(error: RPCError) -> Exception:
    """Return what an answer means that neither describes an execution nor says there is none."""
    if error.status in _OF_THE_EXECUTION:
        return Unreadable(error.message)
    return unavailable(error)
