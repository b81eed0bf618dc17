"""The storage driver `flowkeep`: contents in the ledger or in object storage, by hash."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from flowkeep.contracts.large_payloads import PayloadPlace
from flowkeep.errors import InvalidInput, PayloadMissing
from flowkeep.recording.large_payloads.targets import (
    DEFAULT_TENANT,
    ExecutionTarget,
    Target,
    named,
    needs_of,
    storing,
)
from flowkeep.settings import PayloadSettings
from flowkeep.statestore.protocols.large_payloads import LargePayloadRepository

DRIVER = "flowkeep"
"""The driver's name; it stands in every reference, so it never changes."""


class LedgerDriver(StorageDriver):
    """Stores what leaves the history, once per content and tenant.

    A claim holds `tenant`, `sha256`, `size` and `workflow`, which only messages need.

    Args:
        repository: Where contents lie.
        settings: Limit and encryption.
        place: Where new contents go; None only says what the references would be.
    """

    def __init__(
        self,
        repository: LargePayloadRepository,
        settings: PayloadSettings,
        place: PayloadPlace | None,
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._place = place

    def name(self) -> str:
        """Return the name that stands in references."""
        return DRIVER

    def type(self) -> str:
        """Return the kind of driver."""
        return DRIVER

    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[Payload]
    ) -> list[StorageDriverClaim]:
        """Store payloads.

        Raises:
            InvalidInput: If one is above the limit; names it (code `PAYLOAD_TOO_LARGE`).
            LedgerUnavailable: If the ledger cannot be reached.
            SourceUnavailable: If the object storage cannot be reached.
            ConfigurationError: If they are to be encrypted and no key is configured.
        """
        for payload in payloads:
            self._check(context.target, payload.ByteSize())
        tenant_id = await self._tenant(context.target)
        return [await self._store(context.target, tenant_id, payload) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return stored payloads.

        Raises:
            PayloadMissing: If one is lost or damaged; names workflow and hash.
            ConfigurationError: If its key is not configured.
            LedgerUnavailable: If the ledger cannot be reached.
            SourceUnavailable: If the object storage cannot be reached.
        """
        return [await self._retrieve(claim.claim_data) for claim in claims]

    async def _store(self, target: Target, tenant_id: str, payload: Payload) -> StorageDriverClaim:
        content = payload.SerializeToString(deterministic=True)
        if self._place is None:
            sha256 = hashlib.sha256(content).hexdigest()
        else:
            kept = await self._repository.put(
                tenant_id,
                content,
                needs_of(target),
                place=self._place,
                encrypt=self._settings.encrypt,
            )
            sha256 = kept.sha256
        claim = {"tenant": tenant_id, "sha256": sha256, "size": str(len(content))}
        if target is not None and target.id:
            claim["workflow"] = target.id
        return StorageDriverClaim(claim)

    async def _retrieve(self, claim: Mapping[str, str]) -> Payload:
        try:
            tenant_id, sha256 = claim["tenant"], claim["sha256"]
            bytes.fromhex(sha256)
        except (KeyError, ValueError):
            raise InvalidInput("a reference to a large payload is malformed") from None
        try:
            content = await self._repository.get(tenant_id, sha256)
        except PayloadMissing as error:
            whose = claim.get("workflow", "unknown")
            raise PayloadMissing(
                f"{error.message}; workflow {whose!r} refers to it",
                hint=error.hint,
                code=error.code,
            ) from None
        return await asyncio.to_thread(Payload.FromString, content)

    def _check(self, target: Target, size: int) -> None:
        limit = self._settings.limit_bytes
        if size > limit:
            raise InvalidInput(
                f"{named(target)} takes {size:,} bytes; at most {limit:,} are stored",
                hint="write it to object storage and return its key, "
                "or raise FLOWKEEP_PAYLOADS_LIMIT_BYTES",
                code="PAYLOAD_TOO_LARGE",
            )

    async def _tenant(self, target: Target) -> str:
        if isinstance(target, ExecutionTarget):
            return target.tenant_id
        known = storing.get().tenant_id
        if known is None and target is not None and target.id:
            known = await self._repository.tenant_of(target.namespace, target.id)
        return known or DEFAULT_TENANT
