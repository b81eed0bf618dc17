"""What one attempt knows of its activity's steps: those recorded before, and its own place."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus
from flowkeep.contracts.steps import RecordedStep, StepRecord, StepScope
from flowkeep.errors import LedgerUnavailable
from flowkeep.recording.current import CurrentAttempt
from flowkeep.recording.steps.call import StepCall
from flowkeep.recording.steps.writer import StepEntry, StepWriter
from flowkeep.recording.target import StepTarget

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_BEATS_EVERY_SECONDS = 1.0
_LOOKS_EVERY_SECONDS = 0.5
_RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)


class StepLog:
    """Steps of one activity, as one attempt of it reads and writes them.

    Args:
        attempt: The attempt.
        target: The ledger's tenantless repository.
        writer: Commits steps of this process.
    """

    def __init__(self, attempt: CurrentAttempt, target: StepTarget, writer: StepWriter) -> None:
        self._attempt = attempt
        self._target = target
        self._writer = writer
        ref = attempt.run.ref
        self._scope = StepScope(
            run_id=ref.run_id,
            tenant_id=ref.tenant_id,
            temporal_run_id=ref.temporal_run_id,
            activity_id=attempt.key,
            fence=attempt.info.current_attempt_scheduled_time,
        )
        self._recorded: dict[int, RecordedStep] = {}
        self._passed: set[int] = set()  # failed before, and the code went on
        self._failed: dict[int, None] = {}  # failed now, and no record tells that the code goes on
        self._ordinal = 0
        self._beat_at = 0.0

    async def open(self) -> None:
        """Take the steps over from earlier attempts.

        Raises:
            StaleAttempt: If a newer attempt has taken them.
            LedgerUnavailable: If the ledger stays away.
        """
        found = await self._patiently(
            lambda: self._target.open_steps(self._scope, self._attempt.run.ref)
        )
        self._recorded = {step.ordinal: step for step in found}
        self._passed = {place for step in found for place in step.behind}

    def next_ordinal(self) -> int:
        """Return the place of the next step."""
        self._ordinal += 1
        return self._ordinal

    def is_behind(self, ordinal: int) -> bool:
        """Tell whether an earlier attempt got to a place, or beyond it."""
        return any(known >= ordinal for known in self._recorded)

    @property
    def place(self) -> int:
        """The place of the step that comes next."""
        return self._ordinal + 1

    @property
    def failed(self) -> tuple[int, ...]:
        """Places of failed steps of which no recorded step tells yet that the code went on."""
        return tuple(self._failed)

    def note_failure(self, ordinal: int) -> None:
        """Note that a step failed: what is called from now on is behind that."""
        self._failed[ordinal] = None

    def is_passed(self, ordinal: int) -> bool:
        """Tell whether an earlier attempt went on behind the failure of a step."""
        return ordinal in self._passed

    def recorded(self, ordinal: int) -> RecordedStep | None:
        """Return what an earlier attempt recorded at a place."""
        return self._recorded.get(ordinal)

    async def output_of(self, step: RecordedStep) -> str:
        """Return a recorded result as JSON text."""
        digest = step.output_hash
        if digest is not None:
            tenant_id = self._scope.tenant_id
            return await self._patiently(lambda: self._target.step_output(tenant_id, digest))
        return "null" if step.output is None else step.output

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read from the ledger; while it is away, beat and try again."""
        deadline = time.monotonic() + self._patience()
        for tries in itertools.count():
            try:
                return await read()
            except LedgerUnavailable:
                delay = _RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)]
                if time.monotonic() + delay > deadline:
                    raise
                self._beat({"waits_for": "ledger"})
                await asyncio.sleep(delay)
        raise AssertionError("counting has no end")

    def may_try_again(self, seconds: float) -> bool:
        """Tell whether Temporal would begin another attempt after a time."""
        policy, info = self._attempt.run.retry_policy, self._attempt.info
        if policy is not None and 0 < policy.maximum_attempts <= info.attempt:
            return False
        if not info.schedule_to_close_timeout:
            return True
        end = info.scheduled_time + info.schedule_to_close_timeout
        return datetime.now(UTC) + timedelta(seconds=seconds) < end

    async def wait(self, call: StepCall, seconds: float) -> None:
        """Wait in a sleep, beating."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._beat({"step": call.name, "ordinal": call.ordinal})
            await asyncio.sleep(min(left, _BEATS_EVERY_SECONDS))

    def show(self, call: StepCall, attempt: int, began: datetime) -> StepEntry:
        """Show a step that runs for long; nobody waits for that."""
        self._beat({"step": call.name, "ordinal": call.ordinal})
        return self._writer.show(self._record(call, attempt, TaskStatus.RUNNING, began))

    async def write(
        self,
        call: StepCall,
        attempt: int,
        status: TaskStatus,
        began: datetime,
        *,
        output: str | None = None,
        error: ErrorInfo | None = None,
        next_retry_at: datetime | None = None,
    ) -> None:
        """Commit an attempt of a step. A cancel meanwhile comes after it.

        Raises:
            StaleAttempt: If a newer attempt of the activity has taken its steps.
            LedgerUnavailable: If the ledger stays away.
        """
        done = self._writer.write(
            self._record(
                call,
                attempt,
                status,
                began,
                finished_at=datetime.now(UTC) if status.terminal else None,
                output=output,
                error=error,
                next_retry_at=next_retry_at,
            )
        )
        await self._committed(done)
        for place in call.behind:
            self._failed.pop(place, None)
        self._beat({"step": call.name, "ordinal": call.ordinal})

    def _record(
        self, call: StepCall, attempt: int, status: TaskStatus, began: datetime, **rest: Any
    ) -> StepRecord:
        return StepRecord(
            scope=self._scope,
            ordinal=call.ordinal,
            name=call.name,
            attempt=attempt,
            status=status,
            function=call.function,
            digest=call.digest,
            behind=call.behind,
            started_at=began,
            worker=self._attempt.host.worker_identity,
            **rest,
        )

    async def _committed(self, done: "asyncio.Future[None]") -> None:
        """Wait for a record, beating, while patience lasts; a cancel meanwhile comes after it."""
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + self._patience()
        cancelled: asyncio.CancelledError | None = None
        timer: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal timer
            if done.done():
                return
            if time.monotonic() >= deadline:
                done.set_exception(LedgerUnavailable("a step could not be recorded in time"))
                return
            self._beat({"waits_for": "ledger"})
            timer = loop.call_later(_LOOKS_EVERY_SECONDS, look)

        timer = loop.call_later(_LOOKS_EVERY_SECONDS, look)
        try:
            while not done.done():
                try:
                    await asyncio.shield(done)
                except asyncio.CancelledError as error:
                    cancelled = error
        finally:
            timer.cancel()
        done.result()
        if cancelled is not None:
            raise cancelled

    def _beat(self, details: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._beat_at >= _BEATS_EVERY_SECONDS:
            self._beat_at = now
            self._attempt.beat(details)

    def _patience(self) -> float:
        left = self._attempt.left()
        return _PATIENCE_SECONDS if left is None else min(_PATIENCE_SECONDS, max(left - 1.0, 0.5))
