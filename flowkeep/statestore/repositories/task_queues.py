"""The task queues that a tenant uses: of its latest runs and its schedules."""

from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.session import Scope

# Both parts are bounded ranges of an index, so this costs the same however long the ledger is.
_USED = """
SELECT task_queue FROM (
    SELECT task_queue FROM (
        SELECT task_queue, namespace FROM {schema}.run
        WHERE tenant_id = :tenant_id AND kind = 'run'
        ORDER BY created_at DESC, id DESC LIMIT 2000
    ) AS latest WHERE namespace = :namespace
    UNION
    SELECT task_queue FROM (
        SELECT task_queue FROM {schema}.schedule
        WHERE tenant_id = :tenant_id AND deleted_at IS NULL ORDER BY id DESC LIMIT 2000
    ) AS planned
) AS used ORDER BY task_queue LIMIT :most
"""


class TaskQueues:
    """Task queues.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def used_by(self, tenant_id: str, namespace: str, most: int = 50) -> list[str]:
        """Return the task queues of a tenant's 2,000 latest runs and schedules, by name.

        Args:
            tenant_id: Whose.
            namespace: Temporal namespace of the runs; schedules are in that of the service.
            most: At most this many.
        """
        values = {"tenant_id": inputs.tenant(tenant_id), "namespace": namespace, "most": most}
        async with self._scope.read() as session:
            return list((await session.execute(_USED, values)).scalars())
