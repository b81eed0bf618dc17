"""Workers: who polls the task queues that the tenant uses."""

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.workers import TaskQueue

_MOST = 50


class Workers(Noun):
    """Task queues and their workers; it is `client.workers`. Only for admins of the tenant."""

    async def list(self) -> Listing[TaskQueue]:
        """Return the task queues that the tenant's latest runs and schedules use, by name.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
            TemporalUnavailable: If Temporal does not answer.
        """
        self._access.require(Role.ADMIN)
        from flowkeep.clients.queues import describe_queues

        temporal = (await self._client.temporal()).temporal
        names = await self._store.task_queues.used_by(self._tenant, temporal.namespace, _MOST)
        return Listing(data=tuple(await describe_queues(temporal, names)), limit=_MOST)
