"""The audit log, and answers to requests that may be repeated."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowkeep.contracts import Page
from flowkeep.contracts.api.audit import AuditEnd, AuditEntry, AuditOutcome
from flowkeep.contracts.api.idempotency import Claim, KeptAnswer


class AuditRepository(Protocol):
    """Who did what. Lines name their own tenant: one batch holds those of many requests."""

    async def begin(self, entries: Sequence[AuditEntry], ends: Sequence[AuditEnd] = ()) -> None:
        """Write lines and how others ended, all or none; lines that are there stay as they are.

        Args:
            entries: New lines; committed when this returns.
            ends: Of lines that an earlier call wrote.
        """
        ...

    async def finish(self, ends: Sequence[AuditEnd]) -> int:
        """Write how lines ended; returns how many had not ended yet.

        What is lost in a crash of the server leaves a line begun, which is true of it.
        """
        ...

    async def list(
        self,
        tenant_id: str | None,
        *,
        subject: str | None = None,
        action: str | None = None,
        object_kind: str | None = None,
        object_id: str | None = None,
        outcome: AuditOutcome | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 20,
        last_id: UUID | None = None,
    ) -> Page[AuditEntry]:
        """Return a page of lines, newest first.

        Args:
            tenant_id: Whose; None reads those of all tenants.
            subject: Only what this one did.
            action: Only this action.
            object_kind: Only objects of this kind.
            object_id: Only this object; with its kind.
            outcome: Only lines that ended so.
            since: Only from this time on.
            until: Only before this time.
            limit: Rows per page, 1 to 100.
            last_id: Id of the last line of the page before.

        Raises:
            InvalidInput: If a filter is malformed.
        """
        ...

    async def purge(self, before: datetime, *, limit: int = 1000) -> int:
        """Remove the oldest lines of all tenants in one short transaction.

        Args:
            before: Only lines that began before this time.
            limit: Most lines that go.

        Returns:
            How many went; fewer than `limit` when none is left.
        """
        ...


class IdempotencyRepository(Protocol):
    """Answers to requests that may be repeated, kept for `KEPT_HOURS`."""

    async def claim(
        self,
        tenant_id: str,
        subject: str,
        key: str,
        *,
        request: str,
        digest: str,
        lease_seconds: float,
    ) -> Claim:
        """Begin a request, or find what became of it.

        Of many at once, one begins. Who began and let the lease run out has died, so another
        one begins again, under the first one's `created_at`.

        Args:
            tenant_id: The caller's tenant.
            subject: The caller: keys of others are other keys.
            key: What the caller calls the request.
            request: Method and path.
            digest: Digest of what was sent.
            lease_seconds: How long nobody else may begin.
        """
        ...

    async def renew(
        self, tenant_id: str, subject: str, key: str, holder: UUID, *, lease_seconds: float
    ) -> bool:
        """Hold the lease longer; False where another one has begun again."""
        ...

    async def answer(
        self, tenant_id: str, subject: str, key: str, holder: UUID, kept: KeptAnswer | None
    ) -> bool:
        """Keep the answer, or only that there was one; False where another one has begun again."""
        ...

    async def release(self, tenant_id: str, subject: str, key: str, holder: UUID) -> None:
        """Let the next one begin at once: this answer says nothing for good."""
        ...

    async def purge(self, *, limit: int = 1000) -> int:
        """Remove keys that have expired, of all tenants; returns how many went."""
        ...
