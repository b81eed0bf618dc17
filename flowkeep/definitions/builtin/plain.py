"""`core.log`, `core.fail` and `core.return`: actions that reach nothing outside."""

import logging
from typing import Annotated, Any, Literal

from pydantic import Field

from flowkeep.definitions.action_context import ActionContext, ActionError
from flowkeep.definitions.action_definition import Action, make_action

_MOST_MESSAGE = 10_000


async def log(
    context: ActionContext,
    message: Annotated[str, Field(max_length=_MOST_MESSAGE)],
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> None:
    """Write a line to the log of the worker."""
    number = logging.getLevelNamesMapping()[level.upper()]
    context.log.log(number, "%s", message.replace("\r", "\\r").replace("\n", "\\n"))


async def fail(
    message: Annotated[str, Field(max_length=_MOST_MESSAGE)],
    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "FAILED",
    retryable: bool = False,
) -> None:
    """Fail, with a code and a message of one's own."""
    raise ActionError(message, code=code, retryable=retryable)


async def return_input(**values: Any) -> dict[str, Any]:
    """Return the input as it is."""
    return values


def plain_actions() -> list[Action]:
    """Return the actions of this module."""
    return [
        make_action("core.log", log, idempotent=True, built_in=True),
        make_action("core.fail", fail, idempotent=True, built_in=True),
        make_action("core.return", return_input, idempotent=True, built_in=True),
    ]
