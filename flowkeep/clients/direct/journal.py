"""Writes of a caller, and accesses they are denied, told to the audit log."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import uuid_utils.compat as uuids

from flowkeep.clients.direct.journal_writer import writer_of
from flowkeep.contracts.api.access import Caller
from flowkeep.contracts.api.audit import AuditEnd, AuditEntry, AuditOutcome
from flowkeep.contracts.record import Record
from flowkeep.errors import FlowkeepError, Forbidden
from flowkeep.statestore.store import Store


class Entry:
    """One write while it happens.

    Attributes:
        before: Digest of the object before; None where there was none, or none was read.
        after: Digest of the object after; None where none is left.
        object_id: The object; may be set late, when it gets its id.
    """

    def __init__(self, object_id: str | None) -> None:
        self.object_id = object_id
        self.before: str | None = None
        self.after: str | None = None

    def was(self, value: Record | dict[str, Any] | None) -> None:
        """Note what the object was before."""
        self.before = digest(value)

    def became(self, value: Record | dict[str, Any] | None, object_id: Any = None) -> None:
        """Note what the object is now, and its id where it had none before."""
        self.after = digest(value)
        if object_id is not None:
            self.object_id = str(object_id)


class Journal:
    """Tells the audit log what one caller does.

    Args:
        caller: Who, in which request.
        store: The ledger.
    """

    def __init__(self, caller: Caller, store: Store) -> None:
        self._caller = caller
        self._store = store

    @asynccontextmanager
    async def writing(
        self, action: str, kind: str, object_id: object = None, *, tenant_id: str | None = None
    ) -> AsyncIterator[Entry]:
        """Tell of one write: before it happens, and how it ended.

        The line is committed before the body runs, so a write without a line cannot be; how it
        ended follows within a moment. A process that dies in between leaves the line `begun`.

        Args:
            action: What is done, for example `run.cancel`.
            kind: Kind of the object, for example `run`.
            object_id: The object; None where it has no id yet.
            tenant_id: Tenant of the line; the caller's when left out.

        Raises:
            LedgerUnavailable: If the line cannot be written; the body does not run.
        """
        entry = Entry(None if object_id is None else str(object_id))
        writer = writer_of(self._store)
        line = self._line(action, kind, entry.object_id, tenant_id=tenant_id)
        await writer.begin(line)
        try:
            yield entry
        except Exception as error:  # cancelled, nobody knows: the line stays begun
            await writer.end(_ended(line, entry, error))
            raise
        await writer.end(_ended(line, entry, None))

    def denied(
        self,
        error: FlowkeepError,
        kind: str,
        object_id: object = None,
        *,
        action: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        """Tell behind of an access that was denied; of many in a minute, some share a line.

        Args:
            error: What the caller is told.
            kind: Kind of the object, for example `run`.
            object_id: The object.
            action: What was tried; the caller's request when left out.
            tenant_id: Tenant of the line; the caller's when left out.
        """
        name = None if object_id is None else str(object_id)
        if kind == "tenant" and self._caller.target is not None:
            kind, name = "request", self._caller.target  # more than the tenant's name
        line = self._line(
            action or self._caller.operation or "access",
            kind,
            name,
            tenant_id=tenant_id,
            outcome=AuditOutcome.DENIED,
            code=error.code,
        )
        writer_of(self._store).denials.tell(line.model_copy(update={"ended_at": line.at}))

    def note(self, action: str, kind: str, object_id: object = None) -> None:
        """Tell behind of something that is no write, such as entering another tenant.

        Like denials, of many in a minute some share a line.
        """
        name = None if object_id is None else str(object_id)
        line = self._line(action, kind, name, outcome=AuditOutcome.DONE)
        writer_of(self._store).denials.tell(line.model_copy(update={"ended_at": line.at}))

    def _line(
        self,
        action: str,
        kind: str,
        object_id: str | None,
        *,
        tenant_id: str | None = None,
        outcome: AuditOutcome = AuditOutcome.BEGUN,
        code: str | None = None,
    ) -> AuditEntry:
        principal, line_id = self._caller.principal, uuids.uuid7()
        return AuditEntry(
            id=line_id,
            tenant_id=tenant_id or principal.tenant_id,
            at=time_of(line_id),
            subject=principal.subject,
            via=principal.via,
            key_id=principal.key_id,
            address=self._caller.address,
            request_id=self._caller.request_id,
            action=action,
            object_kind=kind,
            object_id=object_id,
            outcome=outcome,
            code=code,
        )


def time_of(line_id: UUID) -> datetime:
    """Return the time in a UUIDv7 (RFC 9562, section 5.7), to the millisecond."""
    return datetime.fromtimestamp((line_id.int >> 80) / 1000, tz=UTC)


def _ended(line: AuditEntry, entry: Entry, error: Exception | None) -> AuditEnd:
    outcome, code = AuditOutcome.DONE, None
    if isinstance(error, FlowkeepError):
        denied = isinstance(error, Forbidden)
        outcome, code = AuditOutcome.DENIED if denied else AuditOutcome.FAILED, error.code
    elif error is not None:
        outcome, code = AuditOutcome.FAILED, type(error).__name__
    return AuditEnd(
        id=line.id,
        tenant_id=line.tenant_id,
        outcome=outcome,
        ended_at=datetime.now(UTC),
        code=code,
        object_id=entry.object_id,
        before_digest=entry.before,
        after_digest=entry.after if error is None else None,
    )


def digest(value: Record | dict[str, Any] | None) -> str | None:
    """Return the SHA-256 of an object's JSON with sorted keys, in hexadecimal digits."""
    if value is None:
        return None
    plain = value.model_dump(mode="json") if isinstance(value, Record) else value
    try:
        text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS, default=str)
    except TypeError:  # an integer of more than 64 bits
        text = json.dumps(plain, sort_keys=True, default=str).encode()
    return hashlib.sha256(text).hexdigest()
