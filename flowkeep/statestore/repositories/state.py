"""Named state of a tenant, and the arguments of its runs."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import StateEntry, StateType
from flowkeep.errors import InvalidInput, NotFound, RevisionMismatch
from flowkeep.statestore import encoding
from flowkeep.statestore.repositories import arguments, inputs
from flowkeep.statestore.repositories.archive_reads import ArchivedReads
from flowkeep.statestore.session import Scope, Session
from flowkeep.statestore.tables import state_entry
from flowkeep.storage import Storage


class State:
    """Named state; see the Protocol `StateRepository`.

    Args:
        scope: Where sessions come from.
        storage: Gives the storage of archived runs when it is needed.
    """

    def __init__(self, scope: Scope, storage: Callable[[], Storage]) -> None:
        self._scope = scope
        self._archived = ArchivedReads(scope, storage)

    async def get_arguments(self, tenant_id: str, run_id: UUID) -> dict[str, Any]:
        """Return what a run was started with; nobody can have changed it since."""
        async with self._scope.read() as session:
            found = await arguments.read(session, inputs.tenant(tenant_id), inputs.run_id(run_id))
        if found is None:
            found = await self._archived.arguments(tenant_id, inputs.run_id(run_id))
        if found is None:
            raise NotFound(
                f"run {run_id} was started without arguments of its own",
                hint="look them up under its workflow_id",
            )
        return found

    async def get_state(
        self, tenant_id: str, key: str, kind: StateType = StateType.STATE
    ) -> StateEntry:
        """Return an entry; a workflow_id leads to the arguments of its newest run."""
        tenant_id, key, kind = _names(tenant_id, key, kind)
        async with self._scope.read() as session:
            row = await _row(session, tenant_id, kind, key)
            if row is None:
                raise NotFound(
                    f"there is no {kind} state {key!r}", hint="save it, or check the key"
                )
            return await _entry(session, tenant_id, kind, row)

    async def save_state(
        self,
        tenant_id: str,
        key: str,
        value: Mapping[str, Any],
        kind: StateType = StateType.STATE,
        *,
        expected_revision: int | None = None,
    ) -> StateEntry:
        """Replace the whole value."""
        tenant_id, key, kind = _names(tenant_id, key, kind)
        plain = _object(value)
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, kind, key, expected_revision)
            return await _write(session, row, plain, kind)

    async def save_state_object(
        self,
        tenant_id: str,
        key: str,
        value: Mapping[str, Any],
        kind: StateType = StateType.STATE,
        *,
        expected_revision: int | None = None,
    ) -> StateEntry:
        """Merge the top-level keys into the stored value and return the result."""
        tenant_id, key, kind = _names(tenant_id, key, kind)
        plain = _object(value)
        async with self._scope.write() as session:
            row = await _locked(session, tenant_id, kind, key, expected_revision)
            old = await _value(session, tenant_id, kind, row)
            if old is not None and row["revision"] and {**old, **plain} == old:
                return await _entry(session, tenant_id, kind, row)
            return await _write(session, row, {**(old or {}), **plain}, kind)

    async def delete_state(
        self, tenant_id: str, key: str, kind: StateType = StateType.STATE
    ) -> bool:
        """Remove an entry; returns whether it existed. Arguments of runs stay."""
        tenant_id, key, kind = _names(tenant_id, key, kind)
        statement = delete(state_entry).where(*_at(tenant_id, kind, key))
        async with self._scope.write() as session:
            removed = await session.execute(statement.returning(state_entry.c.key))
            return removed.first() is not None


def _names(tenant_id: str, key: str, kind: StateType | str) -> tuple[str, str, StateType]:
    try:
        known = StateType(kind)
    except ValueError:
        raise InvalidInput(
            f"state kind {str(kind)[:80]!r} is not known",
            hint=f"use one of {', '.join(StateType)}",
        ) from None
    return inputs.tenant(tenant_id), inputs.name(key, "key", inputs.TEMPORAL_BYTES), known


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(
            f"value is of type {type(value).__name__}", hint="state is an object with text keys"
        )
    plain: dict[str, Any] = encoding.strict(value, "value")
    return plain


def _at(tenant_id: str, kind: str, key: str) -> tuple[Any, ...]:
    columns = state_entry.c
    return columns.tenant_id == tenant_id, columns.kind == kind, columns.key == key


async def _row(
    session: Session, tenant_id: str, kind: StateType, key: str
) -> dict[str, Any] | None:
    """Return the entry under a key; for workflows, else the arguments of the run of that id.

    Those count as revision 0: they cannot be changed, only covered by an entry of their key.
    """
    found = await session.execute(select(state_entry).where(*_at(tenant_id, kind.value, key)))
    row = found.mappings().one_or_none()
    if row is not None or kind is not StateType.WORKFLOWS:
        return None if row is None else dict(row)
    found = await session.execute(select(state_entry).where(*_at(tenant_id, arguments.KIND, key)))
    row = found.mappings().one_or_none()
    return None if row is None else {**row, "revision": 0}


async def _value(
    session: Session, tenant_id: str, kind: StateType, row: dict[str, Any]
) -> dict[str, Any] | None:
    """Return the value of a row, following an alias; None where there is none yet."""
    if row["arguments_of"] is not None:
        return await arguments.read(session, tenant_id, row["arguments_of"])
    value: dict[str, Any] | None = row["value"]
    if row["revision"] == 0 and kind is StateType.WORKFLOWS:
        return await _arguments_under(session, tenant_id, row["key"])
    return value if row["revision"] else None


async def _arguments_under(session: Session, tenant_id: str, key: str) -> dict[str, Any] | None:
    try:
        return await arguments.read(session, tenant_id, UUID(key))
    except ValueError:
        return None


async def _entry(
    session: Session, tenant_id: str, kind: StateType, row: dict[str, Any]
) -> StateEntry:
    value = await _value(session, tenant_id, kind, row)
    if value is None:
        raise NotFound(
            f"the arguments of run {row['arguments_of']}, which {row['key']!r} leads to, are gone"
        )
    return StateEntry(
        tenant_id=tenant_id,
        kind=kind,
        key=row["key"],
        value=value,
        revision=row["revision"],
        updated_at=row["updated_at"],
    )


async def _locked(
    session: Session, tenant_id: str, kind: StateType, key: str, expected_revision: int | None
) -> dict[str, Any]:
    """Lock an entry, making an empty one of revision 0 when there is none.

    So two writers of a new key wait for each other like those of an old one.
    """
    await session.execute(
        insert(state_entry)
        .values(
            tenant_id=tenant_id,
            kind=kind.value,
            key=key,
            value={},
            revision=0,
            created_at=func.now(),
            updated_at=func.now(),
        )
        .on_conflict_do_nothing()
    )
    found = await session.execute(
        select(state_entry).where(*_at(tenant_id, kind.value, key)).with_for_update()
    )
    row = dict(found.mappings().one())
    if expected_revision is not None and row["revision"] != expected_revision:
        raise RevisionMismatch(
            f"{kind} state {key!r}", expected=expected_revision, actual=row["revision"]
        )
    return row


async def _write(
    session: Session, row: dict[str, Any], value: dict[str, Any], kind: StateType
) -> StateEntry:
    written = await session.execute(
        update(state_entry)
        .where(*_at(row["tenant_id"], kind.value, row["key"]))
        .values(
            value=value,
            arguments_of=null(),
            revision=state_entry.c.revision + 1,
            updated_at=func.now(),
        )
        .returning(state_entry)
    )
    stored = dict(written.mappings().one())
    return StateEntry.model_validate(
        {name: stored[name] for name in StateEntry.model_fields} | {"kind": kind}
    )
