"""Every way in which ledger and Temporal can differ, found and mended on real servers."""

from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle

from tests.recording.history import flows
from tests.recording.history.conftest import Ledger, Serve, kinds
from tests.recording.history.steps import (
    complete_elsewhere,
    ended,
    ends_only,
    started,
    working,
)
from tests.support import eventually


async def test_every_way_a_task_can_end(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """What no interceptor saw is rebuilt, and so is whatever is lost or damaged afterwards."""
    async with serve(recorded):
        handle = await started(recorded, flows.Everything.run, task_queue=task_queue)
        await complete_elsewhere(recorded, handle)
        await ended(handle)

        async def reported() -> None:
            assert kinds(await ledger.examine(handle)) == [
                "attempt_missing 5/1",  # nobody serves its queue: it was never started
                "attempt_missing 6/1",  # cancelled before it was started
                "attempt_not_ended 8/1",  # the server gave it up; its worker still works
                "attempt_not_ended elsewhere/1",  # completed by another program
            ]

        await eventually(reported)
        await ledger.repaired(handle)
        rows, run, segments = (
            await ledger.rows(handle),
            await ledger.run(handle),
            await ledger.segments(handle),
        )
        assert sorted(
            (key[1], key[2], status) for key, status in rows.items() if key[1] != "1"
        ) == [
            ("10", 1, "failed"),
            ("10", 2, "failed"),
            *(("2", number, "failed") for number in (1, 2, 3)),
            ("2", 4, "succeeded"),
            ("5", 1, "timed_out"),
            ("6", 1, "cancelled"),
            ("7", 1, "cancelled"),
            ("8", 1, "timed_out"),
            ("8", 2, "succeeded"),
            ("9", 1, "failed"),
            ("L1", 1, "succeeded"),
            *(("L2", number, "failed") for number in (1, 2)),
            ("L2", 3, "succeeded"),
            *(("L3", number, "failed") for number in (1, 2)),
            ("L3", 3, "succeeded"),
            ("elsewhere", 1, "succeeded"),
            ("mine", 1, "succeeded"),
            ("mine~2", 1, "succeeded"),
        ]

        await ledger.sql("DELETE FROM task WHERE temporal_run_id = %s", segments[0][0])
        lost = await ledger.repaired(handle)
        assert len([one for one in lost if one.startswith("attempt_missing")]) == len(rows)
        assert ends_only(await ledger.rows(handle)) == ends_only(rows)
        assert await ledger.run(handle) == run

        await ledger.forget(handle)
        assert await ledger.repaired(handle) == ["run_missing"]
        assert ends_only(await ledger.rows(handle)) == ends_only(rows)
        assert await ledger.run(handle) == run
        assert await ledger.segments(handle) == segments


async def test_damaged_attempts(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """Attempts that say something else than history are told apart, and the server wins."""
    async with serve(recorded):
        handle = await started(recorded, flows.Damaged.run, task_queue=task_queue)
        await ended(handle)
    await ledger.agrees(handle)
    rows, run = await ledger.rows(handle), await ledger.run(handle)
    for change, found in [
        ("status = 'running', finished_at = NULL WHERE activity_id = '1'", "attempt_not_ended 1/1"),
        ("status = 'failed' WHERE activity_id = '1'", "attempt_differs 1/1"),
        ("status = 'cancelled', source = 1 WHERE activity_id = '1'", "attempt_not_ended 1/1"),
        ("status = 'waiting' WHERE activity_id = '2' AND attempt = 3", "attempt_not_ended 2/3"),
        ("status = 'running' WHERE activity_id = '2' AND attempt = 1", "attempt_not_ended 2/1"),
        ("status = 'succeeded' WHERE activity_id = '2' AND attempt = 2", "attempt_differs 2/2"),
        ("status = 'succeeded' WHERE activity_id = '2' AND attempt = 1", "attempt_differs 2/1"),
        ("next_retry_at = now() WHERE activity_id = '3'", "attempt_not_ended 3/1"),
        ("status = 'running' WHERE activity_id = 'L1' AND attempt = 1", "attempt_not_ended L1/1"),
        ("status = 'cancelled', source = 1 WHERE activity_id = 'L1'", "attempt_not_ended L1/1"),
    ]:
        await ledger.sql(f"UPDATE task SET {change}")
        assert found in await ledger.repaired(handle)
        assert ends_only(await ledger.rows(handle)) == ends_only(rows)
        assert await ledger.run(handle) == run
    reasons = await ledger.sql(
        "SELECT activity_id, attempt, status, error ->> 'code' FROM task"
        " WHERE activity_id IN ('2', 'L1') AND attempt = 1 ORDER BY 1"
    )
    assert reasons == [
        ("2", 1, "failed", "RESULT_NOT_ACCEPTED"),
        ("L1", 1, "timed_out", "ATTEMPT_NOT_REPORTED"),
    ]


async def test_invented_attempts(
    recorded: Client, ledger: Ledger, serve: Serve, task_queue: str
) -> None:
    """Attempts that history rules out stay as evidence, but count no more."""
    async with serve(recorded):
        handle = await started(recorded, flows.Damaged.run, task_queue=task_queue)
        await ended(handle)
    await ledger.agrees(handle)
    rows = await ledger.rows(handle)
    copy = (
        "INSERT INTO task SELECT (t).* FROM (SELECT jsonb_populate_record(o, %s) AS t"
        " FROM task AS o WHERE activity_id = '2' AND attempt = 3) AS c"
    )
    await ledger.sql(copy, '{"attempt": 4, "status": "failed"}')
    await ledger.sql(copy, '{"activity_id": "ghost"}')
    await ledger.sql(copy, '{"activity_id": "L9", "type": "local_activity"}')  # cannot be known
    await ledger.sql(copy, '{"activity_id": "a/s#1", "type": "step"}')  # the ledger's own
    assert await ledger.repaired(handle) == [
        "attempt_invented 2/4",
        "attempt_invented ghost/3",
        "count_differs",
    ]
    left = await ledger.rows(handle)
    assert {key[1:] for key in left.keys() - rows.keys()} == {("L9", 3), ("a/s#1", 3)}


async def test_ends(recorded: Client, ledger: Ledger, serve: Serve, task_queue: str) -> None:
    """However an execution ends, the ledger says so after a comparison: status, reason, error."""
    hold = {"flow": flows.Holds.run, "task_queue": task_queue}
    second = timedelta(seconds=1)
    async with serve(recorded):
        cancelled = await started(recorded, **hold)
        terminated = await started(recorded, **hold)
        cases = [
            (await started(recorded, flows.Leaf.run, task_queue=task_queue), "succeeded", None),
            (
                await started(recorded, flows.Fails.run, task_queue=task_queue),
                "failed",
                "activity_error",
            ),
            (cancelled, "cancelled", None),
            (terminated, "cancelled", "terminated"),
            (await started(recorded, **hold, run_timeout=second), "timed_out", "run_timeout"),
            (
                await started(recorded, **hold, execution_timeout=second),
                "timed_out",
                "execution_timeout",
            ),
        ]
        await working(cancelled)
        await cancelled.cancel()
        await working(terminated)
        await terminated.terminate(reason="enough of postgresql://me:hunter2@host/db")
        for handle, _, _ in cases:
            await ended(handle)
    for handle, status, reason in cases:
        await check_end(ledger, handle, status, reason)
    [[told]] = await ledger.sql(
        "SELECT error ->> 'message' FROM run WHERE error ->> 'code' = 'TERMINATED'"
    )
    assert told.startswith("enough of postgresql://")
    assert "hunter2" not in told


async def check_end(
    ledger: Ledger, handle: WorkflowHandle[Any, Any], status: str, reason: str | None
) -> None:
    """Damage what is recorded of an end in every way, and have it repaired."""
    await ledger.examine(handle, deep=True, repair=True)
    assert await ledger.examine(handle) == []
    run, rows = await ledger.run(handle), ends_only(await ledger.rows(handle))
    assert run[:2] == (status, reason)
    code = None if status == "cancelled" and reason is None else run[3]  # history tells none
    for damage, kind, shallow in [
        (
            "status = 'running', source = 2, failure_reason = NULL, error = NULL",
            "not_ended",
            ["not_ended"],
        ),
        ("status = 'unknown', source = 4", "status_differs", ["status_differs"]),
        ("failure_reason = 'lost', source = 4", "outcome_differs", []),
    ]:
        await ledger.damage_end(handle, damage)
        assert kinds(await ledger.examine(handle, deep=False)) == shallow
        assert await ledger.repaired(handle) == [kind]
        again = await ledger.run(handle)
        assert (*again[:3], *again[4:]) == (*run[:3], *run[4:])
        assert again[3] in (run[3], code)
    await ledger.forget(handle)
    assert await ledger.repaired(handle) == ["run_missing"]
    assert (await ledger.run(handle))[:4] == (*run[:3], code)
    rebuilt = ends_only(await ledger.rows(handle))
    assert rebuilt.keys() == rows.keys()  # only a worker can tell how what was cut off ended
    assert all(rebuilt[key] in (rows[key], "cancelled") for key in rows)
