"""Payloads and failures of a history, in the form in which the ledger keeps them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter

from flowkeep.contracts import ErrorInfo
from flowkeep.recording.capture import (
    MESSAGE_BYTES,
    STACK_BYTES,
    Payloads,
    capture_arguments,
    clip,
    error_info,
)
from flowkeep.recording.history.facts import End
from flowkeep.redaction import redact


class Decoder:
    """Reads what a client can read, and says of the rest that it could not.

    Args:
        converter: The client's converter, codec and storage.
        payloads: How much is kept of a value.
    """

    def __init__(self, converter: DataConverter, payloads: Payloads) -> None:
        self._converter = converter
        self._payloads = payloads

    async def value(self, payloads: Sequence[Payload]) -> Any:
        """Return what the ledger keeps of arguments or of a result."""
        if not payloads or self._payloads == "none":
            return None
        try:
            values = await self._converter.decode(payloads)
        except Exception as error:  # noqa: BLE001 - a foreign codec fails in its own ways
            return {
                "size": sum(len(payload.data) for payload in payloads),
                "not_recorded": f"Temporal's payload cannot be read: {type(error).__name__}",
            }
        return capture_arguments(values, self._payloads)

    async def error(self, failure: Failure) -> ErrorInfo:
        """Return what the ledger keeps of a failure."""
        own = Failure()
        own.CopyFrom(failure)  # decoding changes it
        try:
            info = error_info(await self._converter.decode_failure(own))
        except Exception:  # noqa: BLE001 - a foreign codec fails in its own ways
            return ErrorInfo(
                code="UNREADABLE",
                type=failure.application_failure_info.type or "Failure",
                message=clip(redact(failure.message), MESSAGE_BYTES) or "it cannot be read",
            )
        stack = clip(redact(own.stack_trace), STACK_BYTES, tail=True)
        return info.model_copy(update={"stack": stack or None})

    async def end(self, end: End) -> End:
        """Return an end with what the ledger keeps of its result or failure."""
        if end.result is not None:
            return replace(end, outputs=await self.value(end.result.payloads))
        if end.failure is not None:
            return replace(end, error=await self.error(end.failure))
        return end
