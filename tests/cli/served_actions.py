"""Actions that the tests of the command line serve."""

from pathlib import Path

from flowkeep.definitions.actions import ActionError, action


@action("cli.double", idempotent=True)
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@action("cli.need")
def need(path: str) -> str:
    """Fail unless there is a file."""
    if not Path(path).exists():
        raise ActionError("there is no such file", code="NO_FILE", retryable=False)
    return "found"


both = [double, need]
number = 7
