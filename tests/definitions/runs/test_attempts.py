"""Retries and timeouts of tasks on real servers."""

from datetime import UTC, datetime, timedelta

import pytest

from flowkeep.contracts import RunStatus, TaskStatus
from tests.definitions.runs.support import Stage
from tests.support import eventually, flushed


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [("constant", [0.1, 0.1]), ("linear", [0.1, 0.2]), ("exponential", [0.1, 0.2])],
)
async def test_every_attempt_has_a_row(stage: Stage, backoff: str, delays: list[float]) -> None:
    """Attempts are numbered from 1, and each but the last says when the next one is due."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: tries
tasks:
  - name: only
    action: test.flaky
    input: {{name: {name}, failures: 2}}
    retry: {{count: 3, delay: 0.1, backoff: {backoff}}}
output_map: {{attempt: "{{{{ tasks.only.result }}}}"}}
"""
    )
    assert await stage.result(handle) == {"attempt": 3}
    rows = await stage.rows(handle)
    assert [(one.attempt, str(one.status), one.max_attempts) for one in rows] == [
        (1, "failed", 4),
        (2, "failed", 4),
        (3, "succeeded", 4),
    ]
    for row, later, delay in zip(rows[:-1], rows[1:], delays, strict=True):
        assert row.finished_at is not None
        assert later.started_at is not None
        assert (later.started_at - row.finished_at).total_seconds() >= delay * 0.95
        assert row.error is not None
        assert row.error.code == "FLAKY"
    assert [one.next_retry_at for one in rows] == [None, None, None]
    run = await stage.recorded(handle)
    assert (run.status, run.exceptions_count) == (RunStatus.SUCCEEDED, 2)
    assert (run.tasks_total, run.tasks_finished) == (2, 2)


@pytest.mark.parametrize(("code", "attempts"), [("FLAKY", 2), ("OTHER", 1)])
async def test_on_error_chooses(stage: Stage, code: str, attempts: int) -> None:
    """Only errors that `on_error` names are tried again."""
    handle = await stage.start(
        f"""
ref: chosen
tasks:
  - name: only
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 9, code: {code}}}
    retry: {{count: 1, delay: 0.01, on_error: FLAKY}}
"""
    )
    run = await stage.ended(handle)
    assert run.status is RunStatus.FAILED
    assert [one.attempt for one in await stage.rows(handle)] == list(range(1, attempts + 1))


async def test_a_retry_that_is_waited_for(stage: Stage) -> None:
    """While an attempt waits for the next, `find_pending_retries` finds it."""
    handle = await stage.start(
        f"""
ref: later
tasks:
  - name: only
    action: test.flaky
    input: {{name: {stage.unique("n")}, failures: 9}}
    retry: {{count: 1, delay: 1h}}
"""
    )
    soon = datetime.now(UTC) + timedelta(hours=2)

    async def found() -> None:
        await flushed(stage.client)
        page = await stage.client.store.tasks.find_pending_retries(stage.tenant, soon)
        assert [one.activity_id for one in page.data] == ["only"]
        assert page.data[0].attempt == 1

    await eventually(found)
    run = await stage.recorded(handle)
    assert run.status is RunStatus.RUNNING
    await handle.cancel()
    stage.repairs = True  # the attempt that was waited for is cancelled by the server alone
    assert (await stage.ended(handle)).status is RunStatus.CANCELLED
    page = await stage.client.store.tasks.find_pending_retries(stage.tenant, soon)
    assert page.data == []


async def test_a_timeout(stage: Stage) -> None:
    """A task that takes too long has timed out: status, flag, deadline; it can be handled."""
    handle = await stage.start(
        f"""
ref: slow
vars: {{why: null}}
tasks:
  - name: slow
    action: test.hold
    input: {{name: {stage.unique("n")}}}
    timeout: 1s
    retry: {{count: 0}}
    transitions:
      - {{when: "{{{{ timed_out() }}}}", publish: {{why: "{{{{ error().code }}}}"}}, do: after}}
  - {{name: after, action: test.echo, input: {{value: "{{{{ vars.why }}}}"}}}}
output_map: {{why: "{{{{ tasks.after.result }}}}"}}
"""
    )
    assert await stage.result(handle) == {"why": "TIMEOUT"}

    async def told() -> None:
        row = await stage.row(handle, "slow")
        assert row.status is TaskStatus.TIMED_OUT
        assert row.timed_out
        assert row.started_at is not None
        assert row.deadline_at is not None
        assert row.timeout_seconds == 1
        assert 0 < (row.deadline_at - row.started_at).total_seconds() < 1.1

    await eventually(told)
    since = datetime.now(UTC) - timedelta(minutes=1)
    page = await stage.client.store.tasks.find_timed_out(stage.tenant, since)
    assert [one.activity_id for one in page.data] == ["slow"]
