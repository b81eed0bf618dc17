"""The audit log: who did what, and who was denied what."""

from datetime import datetime
from uuid import UUID

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.audit import AuditEntry, AuditOutcome
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.errors import InvalidInput


class AuditLog(Noun):
    """The audit log; it is `client.audit`. Staff of the tenant read it, nobody changes it."""

    async def list(
        self,
        *,
        subject: str | None = None,
        action: str | None = None,
        object_kind: str | None = None,
        object_id: str | None = None,
        outcome: AuditOutcome | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        all_tenants: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[AuditEntry]:
        """Return a page of the log, newest first.

        Args:
            subject: Only what this one did.
            action: Only this action, for example `run.cancel`.
            object_kind: Only objects of this kind, for example `run`.
            object_id: Only this object; with its kind.
            outcome: Only what ended so.
            since: Only from this time on.
            until: Only before this time.
            all_tenants: Read the log of every tenant, and what belongs to none.
            limit: Rows per page, 1 to 100.
            cursor: `next` of the page before.

        Raises:
            Forbidden: If the caller is no admin of the tenant; for all tenants, no system admin.
            InvalidInput: If a filter is malformed.
        """
        if all_tenants:
            self._access.require_system()
        else:
            self._access.require(Role.ADMIN)
        page = await self._store.audit.list(
            None if all_tenants else self._tenant,
            subject=subject,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            outcome=outcome,
            since=since,
            until=until,
            limit=limit,
            last_id=None if cursor is None else _place(cursor),
        )
        return listed(page, lambda entry: entry.id)


def _place(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError:
        raise InvalidInput(
            f"cursor is {cursor[:80]!r}", hint="pass `next` of the page before"
        ) from None
