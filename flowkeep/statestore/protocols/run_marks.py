"""Whether runs have moved."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from flowkeep.contracts.run_mark import RunMark


class RunMarkRepository(Protocol):
    """What watches of many runs ask; who asks compares the tenants."""

    async def read_marks(self, run_ids: Sequence[UUID]) -> Mapping[UUID, RunMark]:
        """Return what moves whenever a run does.

        Args:
            run_ids: The runs, of whatever tenant; those that are archived or unknown are left out.
        """
        ...
