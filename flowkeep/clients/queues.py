"""Task queues as Temporal describes them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.taskqueue.v1 import TaskQueue as TaskQueueName
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client
from temporalio.service import RPCError

from flowkeep.clients.executions import is_outage, unavailable
from flowkeep.contracts.api.workers import Backlog, Poller, TaskKind, TaskQueue

_KINDS: tuple[TaskKind, ...] = ("workflow", "activity")
_TYPES = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
_AT_A_TIME = 8
_PATIENCE = timedelta(seconds=10)


async def describe_queues(temporal: Client, names: Sequence[str]) -> list[TaskQueue]:
    """Return task queues with who polls them and what waits in them.

    Args:
        temporal: The SDK's client.
        names: Which; each costs two requests.

    Raises:
        TemporalUnavailable: If Temporal does not answer.
    """
    places = asyncio.Semaphore(_AT_A_TIME)

    async def one(name: str, kind: TaskKind) -> DescribeTaskQueueResponse:
        async with places:
            return await _describe(temporal, name, kind)

    answers = await asyncio.gather(*(one(name, kind) for name in names for kind in _KINDS))
    found = []
    for number, name in enumerate(names):
        by_kind = dict(zip(_KINDS, answers[2 * number : 2 * number + 2], strict=True))
        pollers = [_poller(info, kind) for kind, told in by_kind.items() for info in told.pollers]
        found.append(
            TaskQueue(
                name=name,
                pollers=tuple(sorted(pollers, key=lambda poller: (poller.identity, poller.kind))),
                backlogs=tuple(
                    _backlog(told, kind) for kind, told in by_kind.items() if told.HasField("stats")
                ),
            )
        )
    return found


async def _describe(temporal: Client, name: str, kind: TaskKind) -> DescribeTaskQueueResponse:
    request = DescribeTaskQueueRequest(
        namespace=temporal.namespace,
        task_queue=TaskQueueName(name=name),
        task_queue_type=_TYPES[kind],
        report_stats=True,
    )
    try:
        return await temporal.workflow_service.describe_task_queue(
            request, retry=True, timeout=_PATIENCE
        )
    except RPCError as error:
        if is_outage(error):
            raise unavailable(error) from error
        raise


def _poller(info: PollerInfo, kind: TaskKind) -> Poller:
    deployment = info.deployment_options
    build = deployment.build_id or info.worker_version_capabilities.build_id
    return Poller(
        identity=info.identity,
        kind=kind,
        last_access_at=info.last_access_time.ToDatetime(UTC),
        build_id=build or None,
        deployment=deployment.deployment_name or None,
    )


def _backlog(told: DescribeTaskQueueResponse, kind: TaskKind) -> Backlog:
    stats = told.stats
    return Backlog(
        kind=kind,
        waiting=stats.approximate_backlog_count,
        oldest_seconds=stats.approximate_backlog_age.ToTimedelta().total_seconds(),
        added_per_second=stats.tasks_add_rate,
        taken_per_second=stats.tasks_dispatch_rate,
    )
