"""How runs end when Temporal says so: never stuck, corrected only by who knows better."""

import asyncio

import pytest

from flowkeep.contracts import ErrorInfo, RunStatus, SegmentKind, Source, TaskStatus
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore import Store
from tests.statestore.records import (
    TENANT,
    at,
    attempt,
    close_of,
    kinds,
    new_id,
    new_run,
    ref_of,
    running,
)

ERROR = ErrorInfo(code="BOOM", type="ValueError", message="boom")


@pytest.mark.parametrize("status", [s for s in RunStatus if s.terminal])
async def test_any_open_run_takes_any_outcome(store: Store, status: RunStatus) -> None:
    """Pending, running, waiting or being cancelled: Temporal's outcome ends it."""
    pending = await store.runs.create(TENANT, new_run())
    running_, _ = await running(store)
    waiting, _ = await running(store)
    await store.runs.set_waiting(TENANT, waiting.id)
    asked, _ = await running(store)
    await store.runs.request_cancel(TENANT, asked.id)
    for run in (pending, running_, waiting, asked):
        ended = await store.runs.record_outcome(
            TENANT, run.id, status, source=Source.SERVER, closed_at=at(5), failure_reason="lost"
        )
        assert (ended.status, ended.finished_at, ended.source) == (status, at(5), Source.SERVER)
        assert (await kinds(store, run.id))[-1] == status.value


async def test_the_server_corrects_the_workflow(store: Store) -> None:
    """A stronger source replaces an outcome and says so; a weaker or equal one does not."""
    run, _ = await running(store)

    async def report(status: RunStatus, source: Source, **fields: object) -> None:
        await store.runs.record_outcome(
            TENANT,
            run.id,
            status,
            source=source,
            closed_at=at(int(source)),
            **fields,  # type: ignore[arg-type]
        )

    await report(RunStatus.SUCCEEDED, Source.WORKFLOW, outputs={"n": 1})
    await report(RunStatus.CANCELLED, Source.WORKFLOW)
    await report(RunStatus.FAILED, Source.CLIENT)
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.SUCCEEDED
    await report(RunStatus.FAILED, Source.SERVER, failure_reason="terminated", error=ERROR)
    corrected = await store.runs.get(TENANT, run.id)
    assert (corrected.status, corrected.failure_reason) == (RunStatus.FAILED, "terminated")
    assert (corrected.error, corrected.outputs) == (ERROR, None)
    assert corrected.finished_at == at(int(Source.SERVER))
    await report(RunStatus.SUCCEEDED, Source.SERVER)
    await report(RunStatus.UNKNOWN, Source.SERVER)
    assert await store.runs.get(TENANT, run.id) == corrected
    events = await store.runs.list_events(TENANT, run.id)
    assert (events[0].kind, events[0].payload["from"]) == ("outcome_corrected", "succeeded")


async def test_unknown_is_corrected_and_never_corrects(store: Store) -> None:
    """What nobody knew gives way to who knows; knowing never gives way to not knowing."""
    run, _ = await running(store)
    for status, source in [
        (RunStatus.UNKNOWN, Source.WORKER),
        (RunStatus.SUCCEEDED, Source.WORKFLOW),
        (RunStatus.UNKNOWN, Source.SERVER),
    ]:
        await store.runs.record_outcome(TENANT, run.id, status, source=source, closed_at=at(1))
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.SUCCEEDED


async def test_an_open_status_is_no_outcome(store: Store) -> None:
    """Only terminal statuses end a run, and only runs that exist."""
    run, _ = await running(store)
    with pytest.raises(InvalidInput):
        await store.runs.record_outcome(
            TENANT, run.id, RunStatus.WAITING, source=Source.SERVER, closed_at=at(1)
        )
    with pytest.raises(NotFound):
        await store.runs.record_outcome(
            TENANT, new_id(), RunStatus.FAILED, source=Source.SERVER, closed_at=at(1)
        )


async def test_a_close_ends_segment_and_run(store: Store) -> None:
    """A close record closes the segment with its count, and the run with its result."""
    run, ref = await running(store)
    close = close_of(ref, outputs={"n": 1}, expected_tasks=7)
    ended = await store.system.close_segment(close)
    assert (ended.status, ended.outputs, ended.finished_at) == (
        RunStatus.SUCCEEDED,
        {"n": 1},
        at(100),
    )
    assert ended.source is Source.WORKFLOW
    assert await store.system.close_segment(close) == ended
    (segment,) = await store.runs.list_segments(TENANT, run.id)
    assert (segment.status, segment.expected_tasks, segment.closed_at) == (
        RunStatus.SUCCEEDED,
        7,
        at(100),
    )
    assert segment.kind is SegmentKind.START
    assert await kinds(store, run.id) == ["created", "started", "succeeded"]


async def test_a_tentative_close_leaves_the_run_open(store: Store) -> None:
    """Before a retry the segment is closed and the run goes on; the retry's end is the run's."""
    run, first = await running(store)
    await store.system.close_segment(
        close_of(first, RunStatus.FAILED, tentative=True, error=ERROR, expected_tasks=2)
    )
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.RUNNING
    second = ref_of(run, first_run_id=first.temporal_run_id)
    ended = await store.system.close_segment(close_of(second, kind=SegmentKind.RETRY))
    assert ended.status is RunStatus.SUCCEEDED
    segments = await store.runs.list_segments(TENANT, run.id)
    assert [(s.kind, s.status) for s in segments] == [
        (SegmentKind.START, RunStatus.FAILED),
        (SegmentKind.RETRY, RunStatus.SUCCEEDED),
    ]
    assert segments[0].error == ERROR
    assert await kinds(store, run.id) == ["created", "started", "segment_started", "succeeded"]


async def test_a_late_close_of_an_earlier_segment_does_not_end_the_run(store: Store) -> None:
    """When a later execution is known, the end of an earlier one is only its own."""
    run, first = await running(store)
    later = ref_of(run, first_run_id=first.temporal_run_id)
    await store.system.close_segment(close_of(first, RunStatus.RUNNING))
    await store.system.set_paused(later, _pause(paused=False))
    await store.system.close_segment(close_of(first, RunStatus.FAILED, source=Source.SERVER))
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.RUNNING
    assert len(await store.runs.list_segments(TENANT, run.id)) == 2


async def test_a_reset_begins_an_ended_run_anew(store: Store) -> None:
    """The end of a reset execution replaces the old one; repeating it changes nothing."""
    run, first = await running(store)
    await store.system.close_segment(close_of(first, RunStatus.FAILED, error=ERROR))
    close = close_of(ref_of(run), kind=SegmentKind.RESET, outputs={"n": 2}, closed_at=at(200))
    ended = await store.system.close_segment(close)
    assert (ended.status, ended.outputs, ended.error) == (RunStatus.SUCCEEDED, {"n": 2}, None)
    assert await store.system.close_segment(close) == ended
    assert (await kinds(store, run.id))[-3:] == ["segment_started", "reset", "succeeded"]


async def test_an_attempt_of_a_reset_opens_the_run(store: Store) -> None:
    """Where the record says that its execution is a reset, the event and the segment say so."""
    run, first = await running(store)
    await store.system.close_segment(close_of(first, RunStatus.FAILED, error=ERROR))
    reset = ref_of(run, segment_kind=SegmentKind.RESET)
    await store.system.record([attempt(reset)])
    again = await store.runs.get(TENANT, run.id)
    assert (again.status, again.error, again.tasks_finished) == (RunStatus.RUNNING, None, 1)
    assert (await store.runs.list_segments(TENANT, run.id))[-1].kind is SegmentKind.RESET
    await store.system.close_segment(close_of(reset))
    assert (await kinds(store, run.id))[-3:] == ["segment_started", "reset", "succeeded"]


async def test_a_close_of_a_run_nobody_knew_adopts_it(store: Store) -> None:
    """A run that came without our client is recorded with its end."""
    ref = ref_of(new_run(), tenant_id=TENANT)
    ended = await store.system.close_segment(close_of(ref, RunStatus.TIMED_OUT))
    assert (ended.status, ended.triggered_from) == (RunStatus.TIMED_OUT, "external")
    assert await kinds(store, ref.run_id) == ["adopted", "timed_out"]


async def test_concurrent_closes_give_one_outcome(store: Store, second: Store) -> None:
    """Many reports of one end, at once, leave one event."""
    run, ref = await running(store)
    await asyncio.gather(
        *(
            (store, second)[n % 2].system.close_segment(close_of(ref, outputs={"n": 1}))
            for n in range(10)
        )
    )
    assert await kinds(store, run.id) == ["created", "started", "succeeded"]


def _pause(*, paused: bool, patch: dict[str, object] | None = None):  # type: ignore[no-untyped-def]
    from flowkeep.contracts import PauseRequest

    return PauseRequest(paused=paused, reason="lunch" if paused else None, patch=patch, actor="ana")


async def test_the_workflow_reports_pause_and_resume(store: Store) -> None:
    """Pausing from workflow code waits with an open pause; repeats and late reports do nothing."""
    run, ref = await running(store)
    paused = await store.system.set_paused(ref, _pause(paused=True))
    assert (paused.status, paused.pause_reason) == (RunStatus.WAITING, "lunch")
    assert await store.system.set_paused(ref, _pause(paused=True)) == paused
    resumed = await store.system.set_paused(ref, _pause(paused=False, patch={"fast": True}))
    assert (resumed.status, resumed.state) == (RunStatus.RUNNING, {"fast": True})
    assert await store.system.set_paused(ref, _pause(paused=False)) == resumed
    ended = await store.system.close_segment(close_of(ref))
    assert await store.system.set_paused(ref, _pause(paused=True)) == ended
    assert await kinds(store, run.id) == ["created", "started", "waiting", "resumed", "succeeded"]


async def test_a_pause_while_waiting_for_something_else(store: Store) -> None:
    """A run that waits already keeps its wait and gains the pause."""
    run, ref = await running(store)
    await store.runs.set_waiting(TENANT, run.id, wait={"for": "approval"})
    paused = await store.system.set_paused(ref, _pause(paused=True))
    assert (paused.wait, paused.pause_reason) == ({"for": "approval"}, "lunch")
    (pause,) = await store.runs.list_pauses(TENANT, run.id)
    assert pause.paused_by == "ana"


async def test_the_last_report_of_an_end_holds(store: Store) -> None:
    """A workflow task that the server refused is executed again: its last report is the end."""
    run, ref = await running(store)
    first = close_of(ref, outputs={"n": 1}, expected_tasks=1, closed_at=at(10))
    last = close_of(ref, RunStatus.FAILED, error=ERROR, expected_tasks=3, closed_at=at(30))
    for close in (first, last, first, last):
        ended = await store.system.close_segment(close)
    assert (ended.status, ended.outputs, ended.error) == (RunStatus.FAILED, None, ERROR)
    assert ended.finished_at == at(30)
    (segment,) = await store.runs.list_segments(TENANT, run.id)
    assert (segment.status, segment.expected_tasks) == (RunStatus.FAILED, 3)
    await store.system.record([], closes=[close_of(ref, closed_at=at(20), source=Source.SERVER)])
    await store.system.close_segment(close_of(ref, RunStatus.CANCELLED, closed_at=at(40)))
    ended = await store.runs.get(TENANT, run.id)
    assert (ended.status, ended.finished_at) == (RunStatus.SUCCEEDED, at(20))
    corrected = ["outcome_corrected"] * 2
    assert await kinds(store, run.id) == ["created", "started", "succeeded", *corrected]


async def test_an_activity_after_an_end_shows_that_it_was_refused(store: Store) -> None:
    """A run whose code went on is open again, and stays so whatever arrives late."""
    run, ref = await running(store)
    refused = close_of(ref, outputs={"n": 1}, closed_at=at(10))
    await store.system.record([], closes=[refused])
    # Neither of these began after the end: a retry, and what was scheduled before.
    await store.system.record([attempt(ref, "a", 2, scheduled_at=at(20)), attempt(ref, "b")])
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.SUCCEEDED
    later = {"status": TaskStatus.RUNNING, "scheduled_at": at(20), "finished_at": None}
    await store.system.record([attempt(ref, "c", **later)])
    await store.system.record([], closes=[refused])
    again = await store.runs.get(TENANT, run.id)
    assert (again.status, again.outputs, again.finished_at) == (RunStatus.RUNNING, None, None)
    (task,) = await store.tasks.list_attempts(TENANT, run.id, "c")
    assert task.status is TaskStatus.RUNNING
    (segment,) = await store.runs.list_segments(TENANT, run.id)
    assert (segment.status, segment.closed_at) == (RunStatus.RUNNING, None)
    await store.system.record([], closes=[close_of(ref, closed_at=at(30))])
    assert await kinds(store, run.id) == [
        "created",
        "started",
        "succeeded",
        "outcome_corrected",
        "succeeded",
    ]


async def test_an_ended_run_goes_on_with_a_later_execution(store: Store) -> None:
    """A reset or retry opens the run again, unless another one holds its workflow_id."""
    run, first = await running(store, workflow_id="w")
    await store.system.record([], closes=[close_of(first, source=Source.SERVER)])
    later = ref_of(run, first_run_id=first.temporal_run_id)
    await store.system.record([attempt(later)])
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.RUNNING
    ended = await store.system.close_segment(close_of(later, RunStatus.FAILED, error=ERROR))
    assert (ended.status, ended.error) == (RunStatus.FAILED, ERROR)
    await running(store, workflow_id="w")
    await store.system.record([attempt(ref_of(run, first_run_id=first.temporal_run_id))])
    assert (await store.runs.get(TENANT, run.id)).status is RunStatus.FAILED


async def test_the_server_knows_better_what_came_out(store: Store) -> None:
    """A confirmed end takes the server's time and result, and keeps what it does not know."""
    run, ref = await running(store)
    await store.system.close_segment(close_of(ref, outputs={"n": 1}, expected_tasks=2))
    for outputs in (None, {"n": 2}):
        server = close_of(ref, outputs=outputs, closed_at=at(101), source=Source.SERVER)
        await store.system.close_segment(server)
    ended = await store.runs.get(TENANT, run.id)
    assert (ended.outputs, ended.finished_at, ended.source) == ({"n": 1}, at(101), Source.SERVER)
    (segment,) = await store.runs.list_segments(TENANT, run.id)
    assert segment.expected_tasks == 2
    assert (await kinds(store, run.id))[-1] == "reconciled"
