"""What puts a proven execution in doubt again, and what is not compared in a tight circle."""

from datetime import UTC, datetime, timedelta

import pytest

from flowkeep.contracts import FailureReason, RunStatus, Source, TaskStatus
from flowkeep.contracts.reconciliation import DueExecution, Standing
from flowkeep.statestore import Store
from tests.statestore.records import at, attempt, close_of, failed, running
from tests.statestore.test_reconciliation import NS, every, standing


async def test_a_late_report_puts_a_proven_execution_in_doubt(store: Store) -> None:
    """A worker that was frozen reports when all is proven: the execution is compared again."""
    _, ref = await running(store)
    await store.system.record([failed(ref, "1", 1), attempt(ref, "1", 2)])
    await store.system.close_segment(close_of(ref, expected_tasks=1))
    assert await standing(store, ref) is Standing.PROVEN
    assert await every(store) == []
    late = attempt(ref, "1", 1, status=TaskStatus.SUCCEEDED, recorded_at=datetime.now(UTC))
    await store.system.record([late])
    assert await every(store) == [ref.temporal_run_id]
    assert await standing(store, ref) is Standing.INCOMPLETE


async def test_what_the_server_says_again_and_again_is_compared_ever_later(store: Store) -> None:
    """A correction that does not settle an execution doubles the time to the next comparison."""

    async def due() -> DueExecution:
        [one] = await store.system.due_executions(
            NS, closed=True, limit=10, until=datetime.now(UTC) + timedelta(days=1)
        )
        return one

    _, ref = await running(store)
    waits = []
    for n in range(14):
        close = close_of(ref, source=Source.SERVER, closed_at=at(100 + n), outputs={"n": n})
        await store.system.correct_outcome(close, of_run=True)
        await store.system.close_segment(close)
        waits.append(((await due()).due_at - datetime.now(UTC)).total_seconds())
    assert [round(wait / 5) for wait in waits] == [1] + [2 ** min(n, 9) for n in range(13)]


@pytest.mark.parametrize("reason", [FailureReason.TERMINATED, FailureReason.HISTORY_LIMIT])
async def test_terminations_of_the_server_agree(store: Store, reason: FailureReason) -> None:
    """A history that grew too long is a termination to Temporal's list, and no difference."""
    _, ref = await running(store)
    await store.system.close_segment(
        close_of(ref, status=RunStatus.CANCELLED, source=Source.SERVER, failure_reason=reason)
    )
    told = await standing(store, ref, RunStatus.CANCELLED, terminated=True)
    assert told in (Standing.PROVEN, Standing.INCOMPLETE)
    assert await standing(store, ref, RunStatus.CANCELLED) is Standing.DIFFERS
