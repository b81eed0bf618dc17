"""The data converter with external storage, told its targets at little cost."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any, Self

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    ExternalStorage,
    StorageDriverSelectContext,
    StorageDriverStoreContext,
)
from temporalio.service import RPCError

from flowkeep.contracts.large_payloads import PayloadPlace
from flowkeep.errors import InvalidInput
from flowkeep.recording.failures import RedactingFailureConverter
from flowkeep.recording.large_payloads.driver import LedgerDriver
from flowkeep.recording.large_payloads.targets import named
from flowkeep.settings import PayloadSettings
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LedgerStorage(ExternalStorage):
    """External storage that names what is too big to stay in the history.

    Temporal refuses the result of an activity after the worker has reported it, and terminates a
    workflow whose command is too big.

    Attributes:
        temporal_limit: Returns most bytes of values that Temporal takes together; None where it
            checks them itself.
    """

    temporal_limit: Callable[[], int | None] = lambda: None

    async def _store_payload_sequence(self, payloads: Sequence[Payload]) -> list[Payload]:
        stored = await super()._store_payload_sequence(payloads)
        limit, target = self.temporal_limit(), self._store_context.target
        size = sum(payload.ByteSize() for payload in stored)
        if limit is None or size <= limit or getattr(target, "replaying", False):
            return stored
        raise InvalidInput(
            f"{named(target)} takes {size:,} bytes; Temporal takes at most {limit:,}",
            hint="set FLOWKEEP_PAYLOADS_PLACE=ledger on clients and workers, or hand over a "
            "reference to where the value lies",
            code="PAYLOAD_TOO_LARGE",
        )

    def _with_store_context(self, ctx: StorageDriverStoreContext) -> Self:
        """Copy without checking the drivers again: it happens several times per activity."""
        copy: Self = _copied(
            self,
            _store_context=ctx,
            _select_context=StorageDriverSelectContext(target=ctx.target),
        )
        return copy


@dataclasses.dataclass(frozen=True)
class LedgerDataConverter(DataConverter):
    """A converter that is copied for another target without making its parts anew."""

    def _with_store_context(self, store_ctx: StorageDriverStoreContext) -> Self:
        storage = self.external_storage
        if storage is None:
            return self
        bound = storage._with_store_context(store_ctx)  # noqa: SLF001 - as the SDK does it
        copy: Self = _copied(self, external_storage=bound)
        return copy


class Converters:
    """Data converters of one plugin.

    Args:
        settings: What leaves the history.
        store: The ledger.
        auto_place: What `auto` means.
    """

    def __init__(
        self, settings: PayloadSettings, store: Store, auto_place: PayloadPlace | None
    ) -> None:
        self._settings = settings
        place = auto_place if settings.place == "auto" else settings.place
        self._place: PayloadPlace | None = None if place == "off" else place
        self._repository = store.large_payloads
        self._limit: int | None = settings.temporal_limit_bytes
        self._learnt = False

    def of(self, existing: DataConverter | None) -> DataConverter:
        """Take pydantic payloads, redacted failures and our storage, unless the user brought any.

        What is stored can be read even where nothing is.
        """
        converter = existing or DataConverter.default
        changes: dict[str, Any] = {}
        if converter.payload_converter_class is DefaultPayloadConverter:
            changes["payload_converter_class"] = PydanticPayloadConverter
        if converter.failure_converter_class is DefaultFailureConverter:
            changes["failure_converter_class"] = RedactingFailureConverter
        if changes:
            converter = dataclasses.replace(converter, **changes)
        if converter.external_storage is not None:
            return converter
        return _with_storage(converter, self._storage(writes=True))

    def for_replay(self, converter: DataConverter | None) -> DataConverter:
        """Return a converter that reads what is stored and stores nothing."""
        converter = converter or DataConverter.default
        if not isinstance(converter.external_storage, LedgerStorage):
            return converter
        return _with_storage(converter, self._storage(writes=False))

    async def learn_limit(self, client: Client) -> None:
        """Ask Temporal how big values may be; older servers do not say so."""
        if self._learnt:
            return
        request = DescribeNamespaceRequest(namespace=client.namespace)
        try:
            answer = await client.workflow_service.describe_namespace(request)
        except RPCError as error:
            logger.debug("Temporal does not say how big values may be: %s", error.message)
            return
        self._learnt = True
        self._limit = answer.namespace_info.limits.blob_size_limit_error or self._limit

    def _storage(self, *, writes: bool) -> LedgerStorage:
        driver = LedgerDriver(self._repository, self._settings, self._place if writes else None)
        chosen = None if self._place is None else driver
        return LedgerStorage(
            drivers=[driver],
            driver_selector=lambda _context, _payload: chosen,
            payload_size_threshold=self._settings.threshold_bytes,
            temporal_limit=lambda: self._limit if writes else None,
        )


def _with_storage(converter: DataConverter, storage: ExternalStorage) -> DataConverter:
    """Return a converter with external storage; a class of the user's own is kept."""
    if type(converter) not in (DataConverter, LedgerDataConverter):
        return dataclasses.replace(converter, external_storage=storage)
    return LedgerDataConverter(
        payload_converter_class=converter.payload_converter_class,
        payload_codec=converter.payload_codec,
        failure_converter_class=converter.failure_converter_class,
        external_storage=storage,
    )


def _copied(original: Any, **changes: Any) -> Any:
    """Copy a frozen dataclass without running its checks again."""
    copy = object.__new__(type(original))
    copy.__dict__.update(original.__dict__, **changes)
    return copy
