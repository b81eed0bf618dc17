"""The audit log: every write, and every access that was denied."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from flowkeep.contracts.record import Record

SYSTEM_TENANT = "-"
"""Tenant of what concerns no single one: failed authentications, erasures of tenants."""


class AuditOutcome(StrEnum):
    """How a write ended."""

    BEGUN = "begun"
    """Nobody told how it ended: it goes on, or its process died. Whether it happened is unknown."""
    DONE = "done"
    """It happened."""
    FAILED = "failed"
    """It ended with the error that `code` names."""
    DENIED = "denied"
    """The caller may not do it, or may not know that the object exists."""


class AuditEntry(Record):
    """One line of the audit log.

    Attributes:
        id: A UUIDv7; its order is that of time.
        tenant_id: The tenant it happened in.
        at: When it began.
        subject: Who; `-` where nobody knows.
        via: How they showed who they are: `key`, `token`, `session`, `local`, or `none`.
        key_id: The API key they showed.
        address: Where the request came from; null for programs on the ledger.
        request_id: Names the request in logs and answers.
        action: What, for example `run.cancel`; of a denial, the request: `DELETE /apps/{app_id}`.
        object_kind: Kind of the object, for example `run`.
        object_id: The object; null where it has no id.
        outcome: How it ended.
        code: Code of the error it ended with; null where it ended well.
        before_digest: SHA-256 of the object before, in hexadecimal digits.
        after_digest: SHA-256 of the object after.
        times: How many denials the line stands for; 1 for everything else.
        ended_at: When its end was told.
    """

    id: UUID
    tenant_id: str
    at: datetime
    subject: str
    via: str
    key_id: UUID | None = None
    address: str | None = None
    request_id: str
    action: str
    object_kind: str
    object_id: str | None = None
    outcome: AuditOutcome
    code: str | None = None
    before_digest: str | None = None
    after_digest: str | None = None
    times: int = 1
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """How a write that had begun ended.

    Attributes:
        id: Its line.
        tenant_id: Tenant of the line.
        outcome: `done`, `failed` or `denied`.
        ended_at: When.
        code: Code of the error.
        object_id: The object, where it got its id meanwhile.
        before_digest: SHA-256 of the object before.
        after_digest: SHA-256 of the object after.
    """

    id: UUID
    tenant_id: str
    outcome: AuditOutcome
    ended_at: datetime
    code: str | None = None
    object_id: str | None = None
    before_digest: str | None = None
    after_digest: str | None = None
