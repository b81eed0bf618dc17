"""Deleting runs, and holding them against it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.contracts import EventKind, Run, RunSummary
from flowkeep.errors import InvalidInput, LedgerUnavailable
from flowkeep.statestore.repositories import archived_lines, expiry, families, holds, inputs
from flowkeep.statestore.repositories.changes import change, lock
from flowkeep.statestore.repositories.expiry import ENDED, Selection
from flowkeep.statestore.repositories.holds import Holds
from flowkeep.statestore.repositories.rows import SUMMARY, full_run
from flowkeep.statestore.repositories.run_commands import RunCommands
from flowkeep.statestore.tables import run

_SLICE = 1000
_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


class RunDeletes(RunCommands):
    """Deletes of runs; see the Protocol `RunDeletes`."""

    async def get_expired_runs_batch(
        self, tenant_id: str, before_date: datetime, batch_size: int = 1000
    ) -> Sequence[RunSummary]:
        """Return the oldest ended runs that were created before a time and that nothing holds."""
        before = inputs.instant(before_date, "before_date")
        selection, size = Selection(inputs.tenant(tenant_id), before), inputs.batch_size(batch_size)
        held, chosen = await self._holds(selection.tenant_id), list[UUID]()
        async for window in expiry.windows(self._scope, selection, size):
            chosen += window.may_go(selection, held)
            if len(chosen) >= size:
                break
        statement = select(*SUMMARY).where(run.c.id.in_(chosen[:size]))
        async with self._scope.read() as session:
            found = (await session.execute(statement)).mappings().all()
        ordered = sorted(found, key=lambda row: (row["created_at"], row["id"]))
        return [RunSummary.model_validate(dict(row)) for row in ordered]

    async def delete_runs_by_ids(
        self,
        tenant_id: str,
        run_ids: Sequence[UUID],
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Delete runs with everything that is theirs; returns how many of them existed."""
        tenant_id = inputs.tenant(tenant_id)
        wanted = sorted({inputs.run_id(run_id, "run_ids") for run_id in run_ids})
        slices = [wanted[n : n + _SLICE] for n in range(0, len(wanted), _SLICE)]
        stay: dict[UUID, str] = {}
        found: list[list[UUID]] = []
        archived = 0
        for part in slices:
            there, lines, reasons = await self._judge(tenant_id, part, force=force)
            found.append(there)
            archived += lines
            stay |= reasons
        families.refuse(stay)
        if dry_run:
            return archived + sum(map(len, found))
        deleted = 0
        for part in found:
            deleted += await self._delete(tenant_id, part, force=force)
        # Of all of them: a run may have been archived meanwhile.
        for part in slices:
            deleted += await self._forget(tenant_id, part)
        return deleted

    async def delete_runs_by_app(
        self,
        tenant_id: str,
        app_id: str,
        batch_size: int = 1000,
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Delete all runs of an app, in short transactions; returns how many."""
        selection = Selection(inputs.tenant(tenant_id), app_id=inputs.name(app_id, "app_id"))
        tenant_id, size, total = selection.tenant_id, inputs.batch_size(batch_size), 0
        held = await self._holds(tenant_id)
        async for window in expiry.windows(self._scope, selection, size):
            families.refuse(window.stay(held, force=force))
            total += len(window.rows)
        async for lines in archived_lines.windows(self._scope, tenant_id, app_id, size):
            archived_lines.refuse_held(held, lines)
            total += len(lines)
        if dry_run:
            return total
        total = 0
        async for window in expiry.windows(self._scope, selection, size):
            ids = [row["id"] for row in window.rows]
            total += await self._delete(tenant_id, ids, force=force)
        async for lines in archived_lines.windows(self._scope, tenant_id, app_id, size):
            total += await self._forget(tenant_id, [row["id"] for row in lines])
        return total

    async def prune_terminal_runs(
        self, tenant_id: str, retain_days: float, dry_run: bool = False
    ) -> int:
        """Delete ended runs that nobody changed for some days; returns how many."""
        tenant_id, before = inputs.tenant(tenant_id), _days_ago(retain_days)
        held, total = await self._holds(tenant_id), 0
        for status in ENDED:
            selection = Selection(tenant_id, before, status=status)
            async for window in expiry.windows(self._scope, selection, _SLICE):
                ids = window.may_go(selection, held)
                while ids and not dry_run:
                    async with self._scope.write() as session:
                        gone = await families.delete(session, tenant_id, ids, strict=False)
                    total += len(gone.runs)
                    ids = gone.later
                total += len(ids)
        return total

    async def set_hold(
        self, tenant_id: str, run_id: UUID, until: datetime | None, *, actor: str | None = None
    ) -> Run:
        """Hold a run against every removal until a time; None releases it."""
        until = inputs.instant(until, "until")
        async with self._scope.write() as session:
            row = await lock(session, inputs.run_id(run_id), tenant_id=inputs.tenant(tenant_id))
            if row["hold_until"] != until:
                told = {
                    "hold_until": until.isoformat() if until else None,
                    "changed": ["hold_until"],
                }
                values: Mapping[str, Any] = {"hold_until": until}
                kind = EventKind.STATE_PATCHED
                row, _ = await change(session, row, values, kind, told, actor=actor)
            return await full_run(session, row)

    async def _holds(self, tenant_id: str) -> Holds:
        async with self._scope.read() as session:
            return Holds.of(await holds.read(session, tenant_id, steady=False))

    async def _judge(
        self, tenant_id: str, run_ids: Sequence[UUID], *, force: bool
    ) -> tuple[list[UUID], int, dict[UUID, str]]:
        """Return which of some runs exist, how many are archived, and which must stay and why."""
        held = await self._holds(tenant_id)
        async with self._scope.read() as session:
            rows = await families.rows_of(session, tenant_id, run_ids)
            there = [row["id"] for row in rows]
            chunks = await families.chunks_of(session, tenant_id, there)
            rows += await families.rows_of(session, tenant_id, list(chunks)) if chunks else []
            lines = await archived_lines.rows_of(session, tenant_id, run_ids)
        stay: dict[UUID, str] = {}
        for row in [*rows, *lines]:
            named = chunks.get(row["id"], row["id"])
            if held.cover(row):
                stay[named] = "held"
            elif not force and row["status"] not in ENDED:
                stay.setdefault(named, "open")
        return there, len(lines), stay

    async def _delete(self, tenant_id: str, run_ids: Sequence[UUID], *, force: bool) -> int:
        """Delete runs in as many transactions as it takes; what is written to is waited for."""
        waiting, total, deadline = list(run_ids), 0, time.monotonic() + _PATIENCE_SECONDS
        while waiting:
            async with self._scope.write() as session:
                gone = await families.delete(session, tenant_id, waiting, strict=True, force=force)
            total += len(gone.runs)
            waiting = sorted([*gone.left, *gone.later])
            if gone.runs:
                deadline = time.monotonic() + _PATIENCE_SECONDS
            elif waiting and time.monotonic() > deadline:
                raise LedgerUnavailable(
                    f"run {waiting[0]} is being written to all the time; {total} were deleted",
                    hint="try again",
                )
            elif waiting:
                await asyncio.sleep(_PAUSE_SECONDS)
        return total

    async def _forget(self, tenant_id: str, run_ids: Sequence[UUID]) -> int:
        async with self._scope.write() as session:
            return await archived_lines.forget(session, tenant_id, run_ids)


def _days_ago(days: float) -> datetime:
    if isinstance(days, bool) or not isinstance(days, (int, float)) or days != days:
        raise InvalidInput(f"retain_days is {days!r}", hint="it must be a number of days")
    try:
        return datetime.now(UTC) - timedelta(days=max(days, 0))
    except OverflowError:
        raise InvalidInput(f"retain_days is {days!r}", hint="use at most 700000") from None
