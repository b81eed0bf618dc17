"""Retention: what the policies of a tenant remove, counted or done."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from flowkeep.contracts.archive import BundleStatus
from flowkeep.contracts.retention import (
    Removed,
    RetentionCursor,
    RetentionPolicy,
    RetentionReport,
    RetentionStep,
)
from flowkeep.errors import InvalidInput
from flowkeep.statestore.repositories import (
    expiry,
    families,
    folding,
    holds,
    inputs,
    removal,
    tidying,
)
from flowkeep.statestore.repositories.archive import Archive
from flowkeep.statestore.repositories.expiry import Selection
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.repositories.pace import Pace
from flowkeep.statestore.repositories.policies import Policies, begin, selections
from flowkeep.statestore.session import EngineScope, Scope

OnProgress = Callable[[RetentionReport], None]
Tell = Callable[[RetentionStep], None]
Taken = tuple[RetentionStep, RetentionCursor | None]
"""What a policy removed, and where it goes on when it was cut short."""
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
        resume: RetentionCursor | None = None,
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
        at, finished = begin(tenant_id, policies, resume)
        rest: RetentionCursor | None = None
        for policy, selection in selections(policies, now):
            step = RetentionStep(policy=policy, before=selection.before if selection else None)
            if selection is not None and policy.id in {*finished, at.policy_id}:
                step = step.model_copy(update={"done": at.done})
            if selection is not None and policy.id not in finished:
                at = at.of(policy.id)
                if rest is not None or pace.over:
                    rest, step = rest or at, _undone(step)
                elif policy.archive_first:
                    step, rest = await self._archive_runs(step, selection, at, pace, tell)
                else:
                    step, rest = await self._delete_runs(
                        step, selection, at, policies, size, pace, tell
                    )
                at = at.model_copy(update={"done": at.done and step.done})
            steps.append(step)
        report = RetentionReport(tenant_id=tenant_id, steps=tuple(steps), resume=rest)
        return report if rest is not None else await self._tidy(report, at.of(None), pace)

    async def _delete_runs(
        self,
        step: RetentionStep,
        selection: Selection,
        at: RetentionCursor,
        policies: Sequence[RetentionPolicy],
        size: int,
        pace: Pace,
        tell: Tell,
    ) -> Taken:
        tenant_id, held = selection.tenant_id, Holds.of(policies)
        async for window in expiry.windows(self._scope, selection, size, at.position):
            ids = window.may_go(selection, held)
            while ids and not pace.over:
                async with self._scope.write() as session:
                    if await holds.read(session, tenant_id, steady=True) != policies:
                        return _undone(step), None
                    gone = await families.delete(session, tenant_id, ids, strict=False)
                step, ids = _further(step, gone.removed, done=not gone.left), gone.later
                tell(step)
                await pace.rest(gone.removed.runs)
            reached = {} if ids or not window.rows else {"position": window.last}
            at = at.model_copy(update={"done": at.done and step.done, **reached})
            tell(step)
            await pace.rest()
            if pace.over and (ids or window.full):
                return _undone(step), at
        return step, None

    async def _archive_runs(
        self,
        step: RetentionStep,
        selection: Selection,
        at: RetentionCursor,
        pace: Pace,
        tell: Tell,
    ) -> Taken:
        """Move runs bundle by bundle; bundles that an interrupted call left are finished first."""
        tenant_id = selection.tenant_id
        assert selection.before is not None
        for bundle_id in await self._unfinished(tenant_id):
            step = await self._finish(step, tenant_id, bundle_id, pace, tell)
            if pace.over:
                break
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
                return step, None
            before = step.archived
            for bundle in published:
                step = await self._finish(step, tenant_id, bundle.id, pace, tell)
            if step.archived == before:  # others are writing to all of them
                return _undone(step), None
        return _undone(step), at

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
        pace: Pace,
        tell: Tell,
    ) -> RetentionStep:
        await self._archive.verify(tenant_id, bundle_id)
        moved = await self._archive.delete(tenant_id, bundle_id)
        step = step.model_copy(update={"archived": step.archived + moved.archived})
        tell(step)
        await pace.rest(moved.archived)
        return step

    async def _tidy(
        self, report: RetentionReport, at: RetentionCursor, pace: Pace
    ) -> RetentionReport:
        """Clear away what nobody needs any more, unless the time is up already."""
        if pace.over:
            return report.model_copy(update={"resume": at})
        after = bytes.fromhex(at.payload)
        tidied = await tidying.tidy(self._scope, report.tenant_id, after, pace)
        rest = None
        if tidied.after is not None:
            rest = at.model_copy(update={"payload": tidied.after.hex()})
        return report.model_copy(
            update={
                "payloads": tidied.payloads,
                "tombstones": tidied.tombstones,
                "resume": rest,
            }
        )


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


def _undone(step: RetentionStep) -> RetentionStep:
    return step.model_copy(update={"done": False})


def _now(now: datetime | None) -> datetime:
    present = datetime.now(UTC)
    chosen = inputs.instant(now, "now") or present
    if chosen > present:
        raise InvalidInput(f"now is {chosen.isoformat()}, in the future")
    return chosen
