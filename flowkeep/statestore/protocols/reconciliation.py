"""What the reconciler reads and writes besides records of what happened."""

from collections.abc import Sequence
from typing import Protocol


class ReconciliationRepository(Protocol):
    """The queue of executions that are to be compared with Temporal."""

    async def reconcile_soon(self, namespace: str, temporal_run_id: str) -> int:
        """Have one execution compared with Temporal as soon as possible; see below."""
        ...

    async def reconcile_all_soon(self, executions: Sequence[tuple[str, str]]) -> int:
        """Have executions compared with Temporal as soon as possible.

        For records that were refused or lost: Temporal's history still has what they said.

        Args:
            executions: Pairs of namespace and Temporal's run id.

        Returns:
            How many of them the ledger knows. The others are found by Temporal's own list.
        """
        ...
