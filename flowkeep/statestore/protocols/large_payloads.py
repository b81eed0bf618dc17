"""What can be done with large payloads."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from flowkeep.contracts.large_payloads import DueNeed, KeptPayload, Need, PayloadPlace


class LargePayloadRepository(Protocol):
    """Contents by hash, kept while something in Temporal may ask for them."""

    async def put(
        self,
        tenant_id: str,
        content: bytes,
        needs: Iterable[Need],
        *,
        place: PayloadPlace = "ledger",
        encrypt: bool = False,
    ) -> KeptPayload:
        """Store a content, unless it is there, and note who needs it.

        Args:
            tenant_id: Whose it is; the same content of two tenants is stored twice.
            content: The bytes.
            needs: What in Temporal will refer to it.
            place: Where the content goes; the needs are always in the ledger.
            encrypt: Encrypt it with the newest key. What lay in clear is written anew.

        Raises:
            LedgerUnavailable: If the ledger cannot be reached.
            SourceUnavailable: If the object storage cannot be reached.
            ConfigurationError: If it is to be encrypted and no key is configured.
        """
        ...

    async def get(self, tenant_id: str, sha256: str) -> bytes:
        """Return a content, verified by its hash.

        Raises:
            PayloadMissing: If it is not there, or damaged (code `PAYLOAD_DAMAGED`).
            ConfigurationError: If its key is not configured.
            LedgerUnavailable: If the ledger cannot be reached.
            SourceUnavailable: If the object storage cannot be reached.
        """
        ...

    async def tenant_of(self, namespace: str, workflow_id: str) -> str | None:
        """Return whose open run has a workflow_id, None when there is none."""
        ...

    async def due(self, namespace: str, limit: int) -> Sequence[DueNeed]:
        """Return needs whose check has come, the longest due first.

        Args:
            namespace: Temporal's namespace.
            limit: Most of them.
        """
        ...

    async def postpone(self, need: Need, wait: timedelta, *, gone: bool = False) -> None:
        """Check a need again after some time.

        Args:
            need: The need.
            wait: How long not to look.
            gone: Whether Temporal does not know it: it is released when it is so again.
        """
        ...

    async def release(self, due: DueNeed) -> int:
        """Forget a need, unless it was renewed since it was read; returns of how many contents."""
        ...

    async def collect(self) -> tuple[int, int]:
        """Delete contents that nobody needs; one that is being stored again stays.

        Returns:
            How many there were, and what they took where they lay, in bytes.
        """
        ...

    async def collect_objects(self) -> int:
        """Delete objects that an interrupted store or sweep left a day ago; returns how many."""
        ...
