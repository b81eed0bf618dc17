"""The answer to an activity that nobody registered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from flowkeep.recording.current import current_run

CODE = "ACTIVITY_NOT_REGISTERED"

GRACE = timedelta(minutes=5)
"""How long a rolling deployment may take until a worker knows the activity."""

_LONGEST_DELAY_SECONDS = 30.0


@activity.defn(dynamic=True)
async def unregistered(args: Sequence[RawValue]) -> NoReturn:
    """Fail an unknown activity, retryable for five minutes; Temporal alone would retry for ever.

    The delay before the next attempt is chosen so that the attempts the retry policy still has
    cover the rest of the five minutes, each twice as long as the one before.

    Raises:
        ApplicationError: Always.
    """
    info = activity.info()
    left = (info.scheduled_time + GRACE - datetime.now(UTC)).total_seconds()
    run = current_run.get()
    policy = run.retry_policy if run is not None else info.retry_policy
    attempts = policy.maximum_attempts if policy else 0
    details: dict[str, Any] = {"code": CODE, "activity": info.activity_type}
    message = (
        f"activity {info.activity_type!r} is not registered on task queue {info.task_queue!r}: "
        "add it to workflow_activities of the Worker"
    )
    if left <= 0 or (attempts and info.attempt >= attempts):
        raise ApplicationError(message, details, type=CODE, non_retryable=True)
    raise ApplicationError(
        message, details, type=CODE, next_retry_delay=_delay(left, info.attempt, attempts)
    )


def _delay(left_seconds: float, attempt: int, attempts: int) -> timedelta:
    """Return d with d·(1 + 2 + … + 2^(n−1)) = the seconds left, for n attempts to come."""
    to_come = attempts - attempt if attempts else 64
    seconds = left_seconds / (2 ** min(to_come, 64) - 1)
    if not attempts:
        seconds = min(2.0 ** min(attempt - 1, 10), _LONGEST_DELAY_SECONDS)
    return timedelta(seconds=max(1.0, seconds))
