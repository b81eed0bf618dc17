"""Differences between the schedules of the ledger and those of Temporal, found and repaired."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from temporalio.client import ScheduleListDescription

from flowkeep.clients.schedule_actions import translated
from flowkeep.contracts.schedules import KeptSchedule
from flowkeep.errors import FlowkeepError, InvalidInput, NotFound

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_PAGE = 100
_KEPT = timedelta(days=1)
"""How long deleted schedules are kept for firings that nobody has reported yet."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What one comparison did.

    Attributes:
        applied: Schedules that Temporal had not, or had otherwise.
        removed: Schedules of Temporal that the ledger has deleted, or never had.
        paused: Schedules that Temporal paused or resumed by itself; the ledger says so now.
        refused: Schedules that Temporal refuses; they say why.
        halted: Schedules that were paused because their owner may start no runs any more.
        purged: Schedules that were deleted long ago.
    """

    applied: int = 0
    removed: int = 0
    paused: int = 0
    refused: int = 0
    halted: int = 0
    purged: int = 0


class ScheduleRepair:
    """Brings schedules of all tenants together. It may stop anywhere, and run several times.

    Args:
        client: Connected to the ledger and to Temporal.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._temporal = client.temporal
        self._schedules = client.schedules
        self._system = client.store.system

    async def run(self, interval_seconds: float = 60.0) -> NoReturn:
        """Compare again and again until cancelled; servers that are away are waited for.

        Args:
            interval_seconds: Time between two comparisons.
        """
        while True:
            try:
                await self.repair()
            except FlowkeepError as error:
                logger.warning("schedules are not compared now: %s", error)
            await asyncio.sleep(interval_seconds)

    async def repair(self) -> Repaired:
        """Compare all schedules once.

        Raises:
            LedgerUnavailable: If the ledger is away.
            TemporalUnavailable: If Temporal is away; what was repaired stays repaired.
        """
        there = await self._listed()
        counts = dict.fromkeys(Repaired.__dataclass_fields__, 0)
        after: UUID | None = None
        while page := await self._system.schedules_after(after, limit=_PAGE):
            for one in page:
                done = await self._settle(one, there.pop(one.temporal_id, None))
                if done is not None:
                    counts[done] += 1
            after = page[-1].id
        for temporal_id in there:
            counts["removed"] += await self._remove_unknown(temporal_id)
        counts["halted"] = await self._halt()
        counts["purged"] = await self._system.purge_schedules(_KEPT)
        return Repaired(**counts)

    async def _halt(self) -> int:
        """Pause what would go on with rights that its owner has lost; returns how many."""
        count = 0
        for tenant_id, name, why in await self._system.schedules_without_rights():
            try:
                await self._schedules.pause(tenant_id, name, why)
            except NotFound:  # deleted at this moment
                continue
            logger.warning("schedule %r of tenant %r is paused: %s", name, tenant_id, why)
            count += 1
        return count

    async def _listed(self) -> dict[str, ScheduleListDescription]:
        """Return this ledger's schedules in Temporal, by id."""
        prefix = self._schedules.prefix
        found: dict[str, ScheduleListDescription] = {}
        async with translated(prefix):
            async for one in await self._temporal.list_schedules(page_size=_PAGE):
                if one.id.startswith(prefix):
                    found[one.id] = one
        return found

    async def _settle(self, one: KeptSchedule, there: ScheduleListDescription | None) -> str | None:
        """Repair one; returns what was done."""
        if one.deleted_at is not None:
            if one.applied and there is None:
                return None
            await self._schedules.remove(one)
            return "removed"
        if one.applied and await self._is_there(one, there):
            return await self._take_over(one, there)
        try:
            await self._schedules.apply(one)
        except NotFound:  # deleted at this moment
            return "removed"
        except InvalidInput as error:
            await self._system.schedule_applied(one.id, one.revision, error=error.message)
            logger.warning("schedule %s cannot be applied: %s", one.id, error.message)
            return "refused"
        return "applied"

    async def _is_there(self, one: KeptSchedule, there: ScheduleListDescription | None) -> bool:
        """Return whether Temporal has a schedule; its list may be behind."""
        if there is not None:
            return True
        try:
            async with translated(one.name):
                await self._schedules.handle(one).describe()
        except NotFound:
            return False
        return True

    async def _take_over(
        self, one: KeptSchedule, there: ScheduleListDescription | None
    ) -> str | None:
        """Say in the ledger what Temporal has paused or resumed by itself, if it did."""
        listed = None if there is None else there.schedule
        if listed is None or listed.state.paused == one.paused:
            return None
        async with translated(one.name):  # the list may be behind
            state = (await self._schedules.handle(one).describe()).schedule.state
        if state.paused == one.paused:
            return None
        await self._system.schedule_paused(
            one.id, one.revision, paused=state.paused, note=state.note or None
        )
        return "paused"

    async def _remove_unknown(self, temporal_id: str) -> int:
        """Remove a schedule that the ledger never had, or that was erased; returns 1 if it was."""
        text = temporal_id.removeprefix(self._schedules.prefix)
        try:
            if await self._system.schedule_known(temporal_id, UUID(text)):
                return 0  # made since we looked
            async with translated(temporal_id):
                await self._temporal.get_schedule_handle(temporal_id).delete()
        except (ValueError, NotFound):
            return 0
        return 1
