"""The recorder on a real ledger that is held up, away, or refuses a record."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from flowkeep.contracts import (
    Attempt,
    PauseRequest,
    RunRef,
    RunStarted,
    RunStatus,
    SegmentClose,
    TaskStatus,
)
from flowkeep.errors import LedgerUnavailable
from flowkeep.recording.recorder import Recorder
from flowkeep.settings import RecorderSettings, Settings
from flowkeep.statestore import Store
from tests.statestore.records import attempt, close_of, failed, new_run, ref_of
from tests.support import eventually


class Held:
    """The ledger behind a gate: each batch waits until it is let through."""

    def __init__(self, store: Store) -> None:
        self._system = store.system
        self._permits = asyncio.Semaphore(0)
        self.away = False
        self.batches: list[list[str]] = []

    def let_through(self, batches: int = 1) -> None:
        for _ in range(batches):
            self._permits.release()

    async def record(
        self,
        attempts: Sequence[Attempt],
        *,
        closes: Sequence[SegmentClose] = (),
        starts: Sequence[RunStarted] = (),
        durable: bool = True,
    ) -> int:
        self.batches.append([item.activity_id for item in attempts])
        await self._permits.acquire()
        if self.away:
            raise LedgerUnavailable("the ledger is away")
        return await self._system.record(attempts, closes=closes, starts=starts, durable=durable)

    async def set_paused(self, run: RunRef, request: PauseRequest) -> Any:
        if self.away:
            raise LedgerUnavailable("the ledger is away")
        return await self._system.set_paused(run, request)

    async def reconcile_all_soon(self, executions: Sequence[tuple[str, str]]) -> int:
        if self.away:
            raise LedgerUnavailable("the ledger is away")
        return await self._system.reconcile_all_soon(executions)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A store on an empty ledger."""
    store = Store.lazy(settings)
    yield store
    await store.close()


@pytest.fixture
def ref() -> RunRef:
    """A run that the ledger does not know yet."""
    return ref_of(new_run())


@asynccontextmanager
async def recording(target: Any, **settings: Any) -> AsyncIterator[Recorder]:
    recorder = Recorder(target, RecorderSettings(flush_interval_seconds=0.001, **settings))
    recorder.start()
    try:
        yield recorder
    finally:
        if isinstance(target, Held):
            target.away = False
            target.let_through(1000)
        await recorder.stop()


def batches(target: Held, count: int) -> Callable[[], None]:
    def check() -> None:
        assert len(target.batches) == count

    return check


async def names(store: Store, ref: RunRef) -> list[str]:
    page = await store.tasks.list_attempts(ref.tenant_id, ref.run_id)
    return sorted(task.activity_id for task in page)


async def test_flush_does_not_wait_for_what_comes_later(store: Store, ref: RunRef) -> None:
    """A pause is recorded though other runs keep the recorder busy without a break."""
    held = Held(store)
    async with recording(held) as recorder:
        await recorder.record(attempt(ref, "before"), wait=False)
        await eventually(batches(held, 1))
        pausing = asyncio.create_task(recorder.set_paused(ref, PauseRequest(paused=True), 5))
        await asyncio.sleep(0)
        await recorder.record(attempt(ref_of(new_run()), "another run"), wait=False)
        held.let_through()
        await eventually(batches(held, 2))
        assert await pausing
        assert held.batches == [["before"], ["another run"]]
    assert await names(store, ref) == ["before"]


async def test_pause_that_cannot_be_recorded_is_told(
    store: Store, ref: RunRef, caplog: pytest.LogCaptureFixture
) -> None:
    """A pause that the ledger does not take in time leaves a warning that names the run."""
    held = Held(store)
    held.away = True
    async with recording(held) as recorder:
        with caplog.at_level(logging.WARNING):
            assert not await recorder.set_paused(ref, PauseRequest(paused=True), 0.2)
    assert f"the pause state of run {ref.run_id} is not in the ledger" in caplog.text


async def test_attempts_starts_and_ends_go_together(store: Store, ref: RunRef) -> None:
    """What a run tells in one moment is one group, and its end counts what came before."""
    held = Held(store)
    async with recording(held) as recorder:
        held.let_through()
        recorder.report(RunStarted(run=ref, started_at=datetime.now(UTC)))
        recorder.report(attempt(ref, "1"))
        recorder.report(close_of(ref, expected_tasks=1))
        await recorder.flush()
        assert (recorder.stats.recorded, recorder.stats.flushes) == (3, 1)
    run = await store.runs.get(ref.tenant_id, ref.run_id)
    assert (run.status, run.tasks_finished) == (RunStatus.SUCCEEDED, 1)


async def test_an_end_may_come_from_any_thread(store: Store, ref: RunRef) -> None:
    """Workflow code runs in threads; what it hands over arrives without waiting."""
    async with recording(store.system) as recorder:
        await asyncio.to_thread(recorder.hand_over, close_of(ref))
        await recorder.flush()
    run = await store.runs.get(ref.tenant_id, ref.run_id)
    assert run.status is RunStatus.SUCCEEDED


async def test_a_poison_record_loses_nobody_else(store: Store, ref: RunRef) -> None:
    """What the ledger refuses is counted; the rest of its batch is written."""
    foreign = ref_of(new_run())
    async with recording(store.system) as recorder:
        await recorder.record(attempt(foreign, "theirs"), wait=True)
        thief = ref_of(new_run(id=foreign.run_id), tenant_id="thief")
        wanted = [attempt(ref, str(n)) for n in range(5)]
        wanted.insert(2, attempt(thief, "stolen"))
        done = await asyncio.gather(*(recorder.record(item, wait=True) for item in wanted))
        assert recorder.stats.poisoned == 1
    assert done == [True, True, False, True, True, True]
    assert await names(store, ref) == ["0", "1", "2", "3", "4"]


async def due(settings: Settings, ref: RunRef) -> float:
    """Return in how many seconds an execution is to be compared with Temporal."""
    connection = await psycopg.AsyncConnection.connect(settings.database_url())
    async with connection:
        found = await connection.execute(
            "SELECT extract(epoch FROM reconcile_at - now()) FROM flowkeep.run_segment"
            " WHERE temporal_run_id = %s",
            [ref.temporal_run_id],
        )
        row = await found.fetchone()
        assert row is not None
        return float(row[0])


async def test_what_the_ledger_refuses_is_looked_for(
    store: Store, settings: Settings, ref: RunRef
) -> None:
    """An end or an attempt that is refused has its execution compared with Temporal at once."""
    bad_end = close_of(ref, closed_at=datetime.now())  # noqa: DTZ005 - no time zone: refused
    async with recording(store.system) as recorder:
        await recorder.record(attempt(ref, "1"), wait=True)
        assert await due(settings, ref) > 1
        recorder.report(bad_end)
        recorder.report(attempt(ref, "2"))
        await recorder.flush()
        assert recorder.stats.poisoned == 1
    assert await names(store, ref) == ["1", "2"]
    assert await due(settings, ref) <= 0


async def test_a_ledger_that_is_set_up_wrongly_is_waited_for(
    store: Store, settings: Settings, ref: RunRef
) -> None:
    """While tables, rights or the login are missing no record is to blame: all are kept."""

    async def rename(old: str, new: str) -> None:
        url = settings.database_url()
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute(f"ALTER SCHEMA {old} RENAME TO {new}".encode())

    async with recording(store.system) as recorder:
        await rename("flowkeep", "elsewhere")
        written = await asyncio.gather(
            *(recorder.record(failed(ref, str(n)), wait=True, patience_seconds=1) for n in "123")
        )
        assert written == [False, False, False]
        await rename("elsewhere", "flowkeep")
        await recorder.flush()
        assert (recorder.stats.recorded, recorder.stats.poisoned) == (3, 0)
    assert await names(store, ref) == ["1", "2", "3"]


async def test_a_refused_row_may_be_overtaken_meanwhile(store: Store, ref: RunRef) -> None:
    """A record that is refused after its attempt has ended is refused like any other."""
    held = Held(store)
    async with recording(held) as recorder:
        shown = recorder.offer(
            attempt(ref, "1", status=TaskStatus.RUNNING, recorded_at=datetime.now())  # noqa: DTZ005
        )
        assert shown is not None
        await eventually(batches(held, 1))
        shown.record = None
        held.let_through(5)
        assert await recorder.record(attempt(ref, "2"), wait=True, patience_seconds=5)
    assert await names(store, ref) == ["2"]


async def test_what_found_no_room_is_looked_for(
    store: Store, settings: Settings, ref: RunRef
) -> None:
    """A record that was dropped has its execution compared with Temporal once there is a flush."""
    held = Held(store)
    async with recording(held, queue_rows=1) as recorder:
        await recorder.record(attempt(ref, "1"), wait=False)
        recorder.report(close_of(ref))
        held.let_through(5)
        await recorder.flush()
        assert recorder.stats.dropped == 1
    assert await due(settings, ref) <= 0


async def test_an_end_overtakes_the_row_that_shows_it_running(store: Store, ref: RunRef) -> None:
    """While the ledger is away nobody piles up rows `running` whose end is queued behind them."""
    held = Held(store)
    async with recording(held) as recorder:
        shown = recorder.offer(attempt(ref, "1", status=TaskStatus.RUNNING, finished_at=None))
        assert shown is not None
        shown.record = None
        recorder.report(attempt(ref, "1"))
        held.let_through(5)
        await recorder.flush()
        assert recorder.stats.recorded == 1
    [task] = await store.tasks.list_attempts(ref.tenant_id, ref.run_id)
    assert task.status is TaskStatus.SUCCEEDED


async def test_records_that_keep_coming_share_a_flush(store: Store) -> None:
    """A flush waits for company as long as records come, and no longer than its interval."""
    settings = RecorderSettings(flush_interval_seconds=2)
    recorder = Recorder(store.system, settings)
    recorder.start()
    for number in range(20):
        recorder.report(attempt(ref_of(new_run()), str(number)))
        await asyncio.sleep(0.01)

    async def written() -> None:
        assert recorder.stats.recorded == 20

    await eventually(written)
    assert recorder.stats.flushes == 1
    await recorder.stop()


async def test_full_queue_makes_callers_wait(store: Store, ref: RunRef) -> None:
    """Nobody adds a record beyond the bound; with room again whoever waited goes on."""
    held = Held(store)
    async with recording(held, queue_rows=2) as recorder:
        await recorder.record(attempt(ref, "1"), wait=False)
        await recorder.record(attempt(ref, "2"), wait=False)
        await eventually(batches(held, 1))
        third = asyncio.create_task(recorder.record(attempt(ref, "3"), wait=False))
        recorder.report(attempt(ref, "may be lost"))
        await asyncio.sleep(0)
        assert not third.done()
        assert recorder.stats.dropped == 1
        held.let_through(3)
        assert await third
    assert await names(store, ref) == ["1", "2", "3"]


async def test_record_without_room_is_counted_as_dropped(store: Store, ref: RunRef) -> None:
    """A caller that finds no room in time goes on, and its record counts as lost."""
    held = Held(store)
    async with recording(held, queue_rows=1) as recorder:
        await recorder.record(attempt(ref, "1"), wait=False)
        assert not await recorder.record(attempt(ref, "2"), wait=False, patience_seconds=0.05)
        assert (recorder.stats.gave_up, recorder.stats.dropped) == (1, 1)
    assert await names(store, ref) == ["1"]


async def test_record_of_a_caller_that_gave_up_is_written_later(store: Store, ref: RunRef) -> None:
    """A ledger that is away delays a failure only so long; once back it gets the record."""
    held = Held(store)
    held.away = True
    async with recording(held) as recorder:
        assert not await recorder.record(failed(ref, "1"), wait=True, patience_seconds=0.05)
        held.away = False
        held.let_through(10)
        await recorder.flush()
        assert recorder.stats.recorded == 1
        assert recorder.stats.dropped == 0
    assert await names(store, ref) == ["1"]


async def test_required_fails_the_attempt_when_the_ledger_stays_away(
    store: Store, ref: RunRef
) -> None:
    """With `required` nobody goes on without the record, successes included."""
    held = Held(store)
    held.away = True
    async with recording(held, required=True, patience_seconds=0.05) as recorder:
        with pytest.raises(LedgerUnavailable, match="could not be recorded"):
            await recorder.record(attempt(ref, "1"), wait=False)


async def test_strict_waits_for_successes(store: Store, ref: RunRef) -> None:
    """With `strict` a success, too, returns only when it is committed."""
    async with recording(store.system, strict=True) as recorder:
        assert await recorder.record(attempt(ref, "1"), wait=False)
        assert await names(store, ref) == ["1"]


async def test_stop_drains_the_queue_and_refuses_what_comes_after(
    store: Store, ref: RunRef
) -> None:
    """Everything queued is committed before the stop returns; later records are turned away."""
    async with recording(store.system) as recorder:
        for number in range(50):
            await recorder.record(attempt(ref, str(number)), wait=False)
    assert len(await names(store, ref)) == 50
    assert not await recorder.record(attempt(ref, "late"), wait=True, patience_seconds=1)
