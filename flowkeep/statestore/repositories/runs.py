"""Runs: creation, saving, and changes under the revision check."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func

from flowkeep.contracts import Event, EventKind, NewRun, Run, RunStatus, Source, check_move
from flowkeep.errors import Forbidden, InvalidInput, RevisionMismatch
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import creation, inputs, labels, payloads
from flowkeep.statestore.repositories.changes import EVENT_OF, append, change, lock
from flowkeep.statestore.repositories.outcome import close_pause, end
from flowkeep.statestore.repositories.rows import full_run
from flowkeep.statestore.repositories.run_counts import RunCounts
from flowkeep.statestore.repositories.run_deletes import RunDeletes
from flowkeep.statestore.session import Session

_FREE = (
    "task_queue",
    "start_options",
    "start_attempts",
    "labels",
    "owner",
    "origin",
    "goal",
    "current_step",
    "state",
    "wait",
    "cancel_requested",
    "pause_reason",
    "failure_reason",
    "started_at",
    "finished_at",
    "hold_until",
)
_FIXED = (
    "app_id",
    "namespace",
    "workflow_id",
    "workflow_type",
    "kind",
    "definition_id",
    "definition_revision",
    "parent_run_id",
    "root_run_id",
    "retry_of",
    "triggered_from",
    "created_by",
    "created_at",
)


class Runs(RunDeletes, RunCounts):
    """Runs; see the Protocol `RunRepository`."""

    async def create(self, tenant_id: str, run: NewRun) -> Run:
        """Record a run before Temporal hears of it: arguments, row and event `created`."""
        async with self._scope.write() as session:
            row = await creation.create(session, inputs.tenant(tenant_id), run)
            return await full_run(session, row)

    async def save(self, tenant_id: str, run: Run) -> Run:
        """Insert a run, or bring the stored one to its content; safe to repeat."""
        _own(tenant_id, run)
        async with self._scope.write() as session:
            if await creation.insert_saved(session, tenant_id, run):
                return await full_run(session, await lock(session, run.id))
            row = await lock(session, run.id, tenant_id=tenant_id)
            if run.revision > row["revision"]:
                raise RevisionMismatch(
                    f"run {run.id}", expected=run.revision, actual=row["revision"]
                )
            if run.revision == row["revision"]:
                row, _ = await _update(session, row, run, None, {}, None)
            return await full_run(session, row)

    async def update_with_revision(
        self, tenant_id: str, run: Run, *, actor: str | None = None
    ) -> Run:
        """Compare the revision and set everything that may change."""
        _own(tenant_id, run)
        async with self._scope.write() as session:
            row = await lock(session, run.id, tenant_id=tenant_id, expected_revision=run.revision)
            row, _ = await _update(session, row, run, None, {}, actor)
            return await full_run(session, row)

    async def update_and_append(
        self,
        tenant_id: str,
        run: Run,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
    ) -> tuple[Run, Event]:
        """Like `update_with_revision`, with an event of the caller's choice."""
        _own(tenant_id, run)
        kind, told = inputs.event_kind(kind), encoding.strict(dict(payload or {}), "payload")
        async with self._scope.write() as session:
            row = await lock(session, run.id, tenant_id=tenant_id, expected_revision=run.revision)
            row, event = await _update(session, row, run, kind, told, actor)
            if event is None:
                event = await append(session, row, kind, told, actor=actor)
            return await full_run(session, row), event

    async def modify(
        self,
        tenant_id: str,
        run_id: UUID,
        fn: Callable[[Run], Run | Awaitable[Run]],
        *,
        attempts: int = 5,
        actor: str | None = None,
    ) -> Run:
        """Read, change by `fn`, write; read again when somebody else was first."""
        for left in reversed(range(max(attempts, 1))):
            wanted = fn(await self.get(tenant_id, run_id))
            run = await wanted if inspect.isawaitable(wanted) else wanted
            try:
                return await self.update_with_revision(tenant_id, run, actor=actor)
            except RevisionMismatch:
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def append_event(
        self,
        tenant_id: str,
        run_id: UUID,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
    ) -> Event:
        """Append an audit event without changing the run."""
        kind, told = inputs.event_kind(kind), encoding.strict(dict(payload or {}), "payload")
        async with self._scope.write() as session:
            row = await lock(session, inputs.run_id(run_id), tenant_id=inputs.tenant(tenant_id))
            return await append(session, row, kind, told, actor=actor)


def _own(tenant_id: str, run: Run) -> None:
    if run.tenant_id != inputs.tenant(tenant_id):
        raise Forbidden(f"run {run.id} belongs to another tenant")


async def _update(
    session: Session,
    row: dict[str, Any],
    wanted: Run,
    kind: str | None,
    payload: Mapping[str, Any],
    actor: str | None,
) -> tuple[dict[str, Any], Event | None]:
    """Bring a locked run to the content of a record; nothing is written where nothing differs.

    Args:
        session: The transaction that holds the lock.
        row: The run as locked.
        wanted: What it shall be.
        kind: Kind of the event; told from what changed when None.
        payload: What the event says.
        actor: Who did it.
    """
    stored = await full_run(session, row)
    fixed = [name for name in _FIXED if getattr(stored, name) != getattr(wanted, name)]
    if fixed:
        raise InvalidInput(f"run {wanted.id}: {', '.join(fixed)} never change")
    values = _differences(stored, wanted)
    packed = {}
    for name in ("inputs", "outputs"):
        if getattr(stored, name) != getattr(wanted, name):
            packed[name] = payloads.pack(encoding.strict(getattr(wanted, name), name))
            values |= payloads.columns(name, packed[name])
    if "labels" in values:
        values["labels"] = labels.checked(wanted.labels)
        await labels.replace(session, row, stored.labels, values["labels"])
    if stored.error != wanted.error:
        values["error"] = wanted.error.model_dump(mode="json") if wanted.error else None
    await payloads.keep(session, [(stored.tenant_id, stored.id, p) for p in packed.values()])
    if stored.status is not wanted.status:
        return await _move(session, row, wanted, values, kind, payload, actor)
    if not values:
        return row, None
    if stored.status.terminal:
        _check_ended(stored, values)
    told = payload or {"changed": sorted(n for n in values if not n.endswith("_hash"))}
    derived = EventKind.LABELS_CHANGED if set(values) == {"labels"} else EventKind.STATE_PATCHED
    return await change(session, row, values, kind or derived, told, actor=actor)


def _check_ended(stored: Run, values: Mapping[str, Any]) -> None:
    """Raise AlreadyTerminal unless only what is empty is filled, or what may still change is."""
    fillable = {n for n in ("outputs", "error", "failure_reason") if getattr(stored, n) is None}
    names = {name.removesuffix("_hash") for name in values}
    if names - fillable - {"hold_until", "labels", "owner"}:
        check_move(f"run {stored.id}", stored.status, stored.status)


def _differences(stored: Run, wanted: Run) -> dict[str, Any]:
    values = {
        name: getattr(wanted, name)
        for name in _FREE
        if getattr(stored, name) != getattr(wanted, name)
    }
    if values.get("owner") is not None:
        inputs.short(values["owner"], "owner")
    return {
        name: encoding.strict(value, name) if isinstance(value, (dict, str)) else value
        for name, value in values.items()
    }


async def _move(
    session: Session,
    row: dict[str, Any],
    wanted: Run,
    values: dict[str, Any],
    kind: str | None,
    payload: Mapping[str, Any],
    actor: str | None,
) -> tuple[dict[str, Any], Event]:
    """Change the status of a locked run, under the table of moves, with all that it entails."""
    current, target = RunStatus(row["status"]), wanted.status
    check_move(f"run {wanted.id}", current, target, cancel_requested=row["cancel_requested"])
    source = Source.CLIENT
    values |= {"status": target.value, "source": int(source)}
    told = {"source": source.name.lower(), **payload}
    if target.terminal:
        values.setdefault("finished_at", wanted.finished_at or func.now())
        return await end(
            session, row, values, kind or EVENT_OF[target], told, at=wanted.finished_at, actor=actor
        )
    if target is RunStatus.WAITING:
        return await change(session, row, values, kind or EVENT_OF[target], told, actor=actor)
    if current is RunStatus.PENDING:
        values.setdefault("started_at", wanted.started_at or func.now())
        return await change(session, row, values, kind or EventKind.STARTED, told, actor=actor)
    await close_pause(session, wanted.id, actor=actor)
    values |= {"wait": None, "pause_reason": None}
    return await change(session, row, values, kind or EventKind.RESUMED, told, actor=actor)
