"""The one interceptor of the plugin: on the client it also serves every worker made from it."""

from temporalio import client
from temporalio.worker import (
    ActivityInboundInterceptor,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from flowkeep.recording.activity_interceptor import ActivityInbound
from flowkeep.recording.client_interceptor import ClientOutbound
from flowkeep.recording.current import RecordingHost
from flowkeep.recording.workflow_interceptor import WorkflowInbound


class FlowkeepInterceptor(client.Interceptor, Interceptor):
    """Identity on starts, records of attempts, reports of closes.

    Args:
        host: The plugin, which owns the recorder.
        replays: Whether it only serves replays of histories: nothing is reported then.
    """

    def __init__(self, host: RecordingHost, *, replays: bool = False) -> None:
        self._host = host
        bound = {"host": None if replays else host}
        self._workflow_class = type(WorkflowInbound.__name__, (WorkflowInbound,), bound)

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        """Wrap client calls."""
        return ClientOutbound(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap activity attempts."""
        return ActivityInbound(next, self._host)

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """Wrap workflow executions."""
        return self._workflow_class
