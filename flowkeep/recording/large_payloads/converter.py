"""The data converter with external storage, told its targets at little cost."""

import dataclasses
import logging
from collections.abc import Callable
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
    StorageDriver,
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
    """External storage that is copied cheaply, as the SDK does several times per activity."""

    def _with_store_context(self, ctx: StorageDriverStoreContext) -> Self:
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


class Selector:
    """Decides which payloads leave the history, and names those that are too big to stay.

    Args:
        driver: Stores them; None leaves all in the history.
        limit: Returns most bytes of a payload that Temporal takes; None where it is not known.
    """

    def __init__(self, driver: StorageDriver | None, limit: Callable[[], int | None]) -> None:
        self._driver = driver
        self._limit = limit

    def __call__(
        self, context: StorageDriverSelectContext, payload: Payload
    ) -> StorageDriver | None:
        """Return the driver of a payload above the threshold.

        Raises:
            InvalidInput: If it stays in the history and Temporal will not take it.
        """
        if self._driver is not None:
            return self._driver
        limit, size = self._limit(), payload.ByteSize()
        if limit is not None and size > limit:
            raise InvalidInput(
                f"{named(context.target)} takes {size:,} bytes; Temporal takes at most {limit:,}",
                hint="set FLOWKEEP_PAYLOADS_PLACE=ledger on clients and workers, "
                "or pass a reference to where the value lies",
                code="PAYLOAD_TOO_LARGE",
            )
        return None


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
        self._limit: int | None = None

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
        """Ask Temporal what it takes, where payloads stay in the history.

        One that does not say so has to refuse them itself.
        """
        if self._place is not None or self._limit is not None:
            return
        request = DescribeNamespaceRequest(namespace=client.namespace)
        try:
            answer = await client.workflow_service.describe_namespace(request)
        except RPCError as error:
            logger.warning("Temporal does not say how big payloads may be: %s", error.message)
            return
        self._limit = answer.namespace_info.limits.blob_size_limit_error or None

    def _storage(self, *, writes: bool) -> LedgerStorage:
        place = self._place if writes else None
        driver = LedgerDriver(self._repository, self._settings, place)
        stores = self._place is not None
        return LedgerStorage(
            drivers=[driver],
            driver_selector=Selector(driver if stores else None, lambda: self._limit),
            payload_size_threshold=self._settings.threshold_bytes,
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
