"""How errors leave a worker: typed, and without secrets."""

from typing import Any

import temporalio.api.failure.v1
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from flowkeep.errors import FlowkeepError
from flowkeep.recording.capture import text_of
from flowkeep.recording.current import reported_success
from flowkeep.redaction import redact


def as_application_error(error: BaseException) -> ApplicationError:
    """Make an error of ours, or a bug, one that Temporal understands.

    The type is the class name; flowkeep's errors carry their code and say whether another
    attempt may help.
    """
    if isinstance(error, FlowkeepError):
        return ApplicationError(
            str(error),
            {"code": error.code, "hint": error.hint},
            type=type(error).__name__,
            non_retryable=not error.retryable,
        )
    text = text_of(error)
    return ApplicationError(f"{type(error).__name__}: {text}", type=type(error).__name__)


def told(error: BaseException) -> BaseException | None:
    """Return an error as the cause of another, unless its own text raises: nobody could send it."""
    try:
        str(error)
    except Exception:  # noqa: BLE001 - whatever a foreign class does there
        return None
    return error


class RedactingFailureConverter(DefaultFailureConverter):
    """Takes secrets out of messages and stack traces before they reach Temporal's history.

    It also hears first when the result of an attempt cannot be encoded: the SDK makes a failure
    of that after our interceptor has seen a success.
    """

    def to_failure(
        self,
        exception: BaseException,
        payload_converter: PayloadConverter,
        failure: temporalio.api.failure.v1.Failure,
    ) -> None:
        """Convert as the SDK does, then redact every text of the chain."""
        report = reported_success.get()
        if report is not None:
            reported_success.set(None)
            report.refuted(exception)
        if isinstance(exception, FlowkeepError):  # of a payload on its way into the ledger
            exception = as_application_error(exception)
        super().to_failure(exception, payload_converter, failure)
        current: Any = failure
        while current is not None:
            current.message = redact(current.message)
            current.stack_trace = redact(current.stack_trace)
            current = current.cause if current.HasField("cause") else None
