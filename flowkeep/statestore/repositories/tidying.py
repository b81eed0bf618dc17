"""What retention clears away besides runs: values and marks that nobody needs any more."""

from dataclasses import dataclass

from flowkeep.statestore.repositories import executions, payloads, tombstones
from flowkeep.statestore.repositories.pace import Pace
from flowkeep.statestore.session import Scope

_SWEEP = 5_000


@dataclass(frozen=True)
class Tidied:
    """What was cleared away.

    Attributes:
        payloads: Values that nobody referred to.
        tombstones: Marks of runs that were deleted long ago.
        after: The value behind which to go on; None when everything was looked at.
    """

    payloads: int
    tombstones: int
    after: bytes | None


async def tidy(scope: Scope, tenant_id: str, after: bytes, pace: Pace) -> Tidied:
    """Sweep values, prune marks and add up executions, in turns of short transactions.

    Args:
        scope: Where sessions come from.
        tenant_id: Whose values and executions; marks are those of all.
        after: Where the call before was cut short; empty for the beginning.
        pace: When to stop; one turn is always taken.
    """
    swept, pruned = 0, 0
    place: bytes | None = after
    while True:
        async with scope.write() as session:
            folded = await executions.fold(session, tenant_id, executions.MOST_FOLDED)
        if place is not None:
            async with scope.write() as session:
                gone, place = await payloads.sweep(session, tenant_id, place, _SWEEP)
            swept += gone
        async with scope.write() as session:
            marks = await tombstones.prune(session, _SWEEP)
        pruned += marks
        if place is None and folded < executions.MOST_FOLDED and marks < _SWEEP:
            return Tidied(swept, pruned, None)
        await pace.rest()
        if pace.over:
            return Tidied(swept, pruned, place or b"")
