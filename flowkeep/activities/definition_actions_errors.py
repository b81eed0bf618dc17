"""Errors of actions as Temporal has to hear them: typed, without secrets, with the next delay."""

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from flowkeep.contracts.definition_run import ActionCall, CallRetry
from flowkeep.contracts.records import ErrorInfo
from flowkeep.definitions.action_context import ActionError
from flowkeep.definitions.action_references import KnownSecrets
from flowkeep.errors import FlowkeepError
from flowkeep.recording.capture import MESSAGE_BYTES, clip, error_info, text_of

_LONGEST_WAIT_SECONDS = 3_600.0
"""Longest that the other side may keep us waiting where the retry names no longest delay."""
_MOST_CAUSES = 5


def as_failure(
    error: Exception, call: ActionCall, secrets: KnownSecrets, attempt: int
) -> ApplicationError:
    """Return what Temporal is told of an error.

    It has the error's type, code, text and traceback, and its causes the same way.

    Args:
        error: What the function raised.
        call: What it was called with.
        secrets: What must not show.
        attempt: Which attempt this was, from 1.
    """
    info = error_info(error)
    final = not info.retryable or not _wanted(info, call.on_error)
    failure = ApplicationError(
        clip(secrets.redact(_text(error)), MESSAGE_BYTES),
        *_details(error, info, secrets),
        type=info.type,
        non_retryable=final,
        next_retry_delay=None if final else _delay(error, call.retry, attempt),
    )
    failure.__cause__ = _cause(error, secrets)
    return failure.with_traceback(error.__traceback__)


def _wanted(info: ErrorInfo, on_error: list[str] | None) -> bool:
    return on_error is None or info.code in on_error or info.type in on_error


def _text(error: BaseException) -> str:
    if isinstance(error, ApplicationError):
        return error.message
    text = text_of(error)
    return text if isinstance(error, FlowkeepError) else f"{type(error).__name__}: {text}"


def _details(error: Exception, info: ErrorInfo, secrets: KnownSecrets) -> tuple[object, ...]:
    if isinstance(error, ApplicationError):
        return tuple(secrets.scrub(detail) for detail in error.details)
    hint = {"hint": secrets.redact(error.hint)} if isinstance(error, FlowkeepError) else {}
    return ({"code": info.code, **hint},)


def _delay(error: Exception, retry: CallRetry, attempt: int) -> timedelta | None:
    """Return the delay that the other side asked for, or that Temporal cannot work out itself."""
    wanted: float | None = None
    longest = _LONGEST_WAIT_SECONDS if retry.max_delay is None else retry.max_delay
    if isinstance(error, ActionError):
        wanted = error.retry_after
    elif isinstance(error, ApplicationError) and error.next_retry_delay is not None:
        wanted = error.next_retry_delay.total_seconds()
    if wanted is None and retry.backoff == "linear":
        wanted = retry.delay * attempt
        longest = wanted if retry.max_delay is None else retry.max_delay
    return None if wanted is None else timedelta(seconds=min(wanted, longest))


def _cause(error: BaseException, secrets: KnownSecrets, depth: int = 1) -> ApplicationError | None:
    """Return the cause of an error as a copy that shows no secret."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None or depth > _MOST_CAUSES:
        return None
    copy = ApplicationError(
        clip(secrets.redact(_text(cause)), MESSAGE_BYTES), type=type(cause).__name__
    )
    copy.__cause__ = _cause(cause, secrets, depth + 1)
    return copy.with_traceback(cause.__traceback__)
