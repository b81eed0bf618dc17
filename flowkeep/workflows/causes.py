"""Why something that workflow code called has failed."""

from temporalio.exceptions import ActivityError, FailureError


def cause_of(error: FailureError) -> BaseException | None:
    """Return why an activity failed.

    A local activity's own error comes bare, and has a cause of its own; all others come wrapped.
    """
    return error.cause if isinstance(error, ActivityError) else error
