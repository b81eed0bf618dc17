"""Retention: what the policies of a tenant remove, counted or done."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from flowkeep.contracts.archive import BundleStatus
from flowkeep.contracts.retention import (
    Removed,
    RetentionPolicy,
    RetentionReport,
    RetentionStep,
)
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import (
    executions,
    expiry,
    families,
    folding,
    holds,
    inputs,
    payloads,
    removal,
    tombstones,
)
from flowkeep.statestore.repositories.archive import Archive
from flowkeep.statestore.repositories.expiry import Selection
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.repositories.policies import Policies, selections
from flowkeep.statestore.session import EngineScope, Scope

OnProgress = Callable[[RetentionReport], None]
Tell = Callable[[RetentionStep], None]
_SWEEP = 5_000
_WINDOW = 1000
_IN_BUNDLE = 20_000


class Retention(Policies):
    """Retention; see the Protocol `RetentionRepository`.

    Args:
        scope: Where sessions come from.
        archive: Where runs of `archive_first` policies go.
    """

    def __init__(self, scope: Scope, archive: Archive) -> None:
        super().__init__(scope)
        self._archive = archive

    async def plan(
        self,
        tenant_id: str,
        *,
        now: datetime | None = None,
        on_progress: OnProgress | None = None,
    ) -> RetentionReport:
        """Count what `apply` would remove; nothing is locked or changed."""
        tenant_id, now = inputs.tenant(tenant_id), _now(now)
        policies = await self.list_policies(tenant_id)
        held, count, steps = Holds.of(policies), removal.Count(), list[RetentionStep]()
        tell = _telling(tenant_id, steps, on_progress)
        for policy, selection in selections(policies, now):
            step = RetentionStep(policy=policy, before=selection.before if selection else None)
            if selection is not None and not held.everything:
                async for window in expiry.windows(self._scope, selection, _WINDOW):
                    ids = window.may_go(selection, held)
                    async with self._scope.read() as session:
                        chunks = await families.chunks_of(session, tenant_id, ids)
                        removed = await count.add(session, tenant_id, [*ids, *chunks])
                    step = _further(step, removed)
                    tell(step)
            steps.append(step)
        return RetentionReport(tenant_id=tenant_id, steps=tuple(steps))

    async def apply(
        self,
        tenant_id: str,
        *,
        now: datetime | None = None,
        batch_size: int = 1000,
        max_runs_per_second: float | None = None,
        max_seconds: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> RetentionReport:
        """Remove what the policies say, batch by batch."""
        tenant_id, now = inputs.tenant(tenant_id), _now(now)
        size = inputs.batch_size(batch_size)
        pace = Pace(max_runs_per_second, max_seconds)
        if not isinstance(self._scope, EngineScope):
            raise InvalidInput(
                "retention.apply makes transactions of its own",
                hint="call it on the store, not inside `transaction()` or `using()`",
            )
        steps: list[RetentionStep] = []
        tell = _telling(tenant_id, steps, on_progress)
        # What leaves before it was counted makes its whole quarter of an hour be counted anew.
        await folding.fold(self._scope, within=pace.left)
        policies = await self.list_policies(tenant_id)
        for policy, selection in selections(policies, now):
            step = RetentionStep(policy=policy, before=selection.before if selection else None)
            if selection is not None and policy.archive_first:
                step = await self._archive_runs(step, selection, pace, tell)
            elif selection is not None:
                step = await self._delete_runs(step, selection, policies, size, pace, tell)
            steps.append(step)
        report = RetentionReport(tenant_id=tenant_id, steps=tuple(steps))
        return report if pace.over else await self._tidy(report)

    async def _delete_runs(
        self,
        step: RetentionStep,
        selection: Selection,
        policies: Sequence[RetentionPolicy],
        size: int,
        pace: "Pace",
        tell: Tell,
    ) -> RetentionStep:
        tenant_id, held = selection.tenant_id, Holds.of(policies)
        async for window in expiry.windows(self._scope, selection, size):
            ids = window.may_go(selection, held)
            while ids and not pace.over:
                async with self._scope.write() as session:
                    if await holds.read(session, tenant_id, steady=True) != policies:
                        return step.model_copy(update={"done": False})
                    gone = await families.delete(session, tenant_id, ids, strict=False)
                step, ids = _further(step, gone.removed, done=not gone.left), gone.later
                tell(step)
                await pace.rest(gone.removed.runs)
            if pace.over:
                return step.model_copy(update={"done": False}) if ids or window.full else step
        return step

    async def _archive_runs(
        self,
        step: RetentionStep,
        selection: Selection,
        pace: "Pace",
        tell: Tell,
    ) -> RetentionStep:
        """Move runs bundle by bundle; bundles that an interrupted call left are finished first."""
        tenant_id = selection.tenant_id
        assert selection.before is not None
        for bundle_id in await self._unfinished(tenant_id):
            step = await self._finish(step, tenant_id, bundle_id, pace, tell)
        while not pace.over:
            published = await self._archive.publish(
                tenant_id,
                selection.before,
                app_id=selection.app_id,
                definition_id=selection.definition_id,
                without_apps=selection.without_apps,
                without_definitions=selection.without_definitions,
                limit=_IN_BUNDLE,
            )
            if not published:
                return step
            before = step.archived
            for bundle in published:
                step = await self._finish(step, tenant_id, bundle.id, pace, tell)
            if step.archived == before:  # others are writing to all of them
                break
        return step.model_copy(update={"done": False})

    async def _unfinished(self, tenant_id: str) -> list[UUID]:
        found: list[UUID] = []
        for status in (BundleStatus.PUBLISHED, BundleStatus.VERIFIED, BundleStatus.DELETING):
            last: UUID | None = None
            while True:
                page = await self._archive.list(tenant_id, status=status, limit=100, last_id=last)
                found += [bundle.id for bundle in page.data]
                if not page.has_more:
                    break
                last = page.data[-1].id
        return found

    async def _finish(
        self,
        step: RetentionStep,
        tenant_id: str,
        bundle_id: UUID,
        pace: "Pace",
        tell: Tell,
    ) -> RetentionStep:
        await self._archive.verify(tenant_id, bundle_id)
        moved = await self._archive.delete(tenant_id, bundle_id)
        step = step.model_copy(update={"archived": step.archived + moved.archived})
        tell(step)
        await pace.rest(moved.archived)
        return step

    async def _tidy(self, report: RetentionReport) -> RetentionReport:
        """Remove values and marks that nobody needs any more, and add up executions."""
        while await self._fold_executions(report.tenant_id) == executions.MOST_FOLDED:
            pass
        swept, after = 0, b""
        while True:
            async with self._scope.write() as session:
                gone, last = await payloads.sweep(session, report.tenant_id, after, _SWEEP)
            swept += gone
            if last is None:
                break
            after = last
        pruned = 0
        while True:
            async with self._scope.write() as session:
                gone = await tombstones.prune(session, _SWEEP)
            pruned += gone
            if gone < _SWEEP:
                break
        return report.model_copy(update={"payloads": swept, "tombstones": pruned})

    async def _fold_executions(self, tenant_id: str) -> int:
        async with self._scope.write() as session:
            return await executions.fold(session, tenant_id, executions.MOST_FOLDED)


class Pace:
    """How fast and how long to go on.

    Args:
        max_runs_per_second: None for as fast as it goes.
        max_seconds: None for as long as it takes.

    Raises:
        InvalidInput: If one of them is not above zero.
    """

    def __init__(self, max_runs_per_second: float | None, max_seconds: float | None) -> None:
        for name, value in (
            ("max_runs_per_second", max_runs_per_second),
            ("max_seconds", max_seconds),
        ):
            if value is not None and not value > 0:
                raise InvalidInput(f"{name} is {value!r}", hint="it must be above 0")
        self._rate = max_runs_per_second
        self._started = time.monotonic()
        self._end = None if max_seconds is None else self._started + max_seconds
        self._runs = 0

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() >= self._end

    @property
    def left(self) -> float | None:
        """Seconds until the time is up; None without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    async def rest(self, runs: int) -> None:
        """Wait until so many more runs fit the rate, but not beyond the end."""
        self._runs += runs
        if self._rate is None:
            return
        due = self._started + self._runs / self._rate
        if self._end is not None:
            due = min(due, self._end)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def _telling(tenant_id: str, done: list[RetentionStep], on_progress: OnProgress | None) -> Tell:
    def tell(step: RetentionStep) -> None:
        if on_progress is not None:
            on_progress(RetentionReport(tenant_id=tenant_id, steps=(*done, step)))

    return tell


def _further(step: RetentionStep, removed: Removed, *, done: bool = True) -> RetentionStep:
    """Return a step to which a batch was added."""
    done = done and step.done
    if step.policy.archive_first:
        return step.model_copy(update={"archived": step.archived + removed.runs, "done": done})
    return step.model_copy(update={"removed": step.removed + removed, "done": done})


def _now(now: datetime | None) -> datetime:
    present = datetime.now(UTC)
    chosen = inputs.instant(now, "now") or present
    if chosen > present:
        raise InvalidInput(f"now is {chosen.isoformat()}, in the future")
    return chosen
