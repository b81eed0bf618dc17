"""What the function of an action gets of the attempt it is called in, and how it says no."""

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flowkeep.errors import FlowkeepError

if TYPE_CHECKING:
    from flowkeep.activities.services import Services

P = ParamSpec("P")
T = TypeVar("T")

_LOG: "logging.Logger | logging.LoggerAdapter[Any]" = logging.getLogger("flowkeep.actions")


class ActionError(FlowkeepError):
    """An action failed in a way that it foresaw.

    Args:
        message: What happened; never holds a value that may be secret.
        code: Stable code in UPPER_SNAKE; `on_error` of a task may name it.
        hint: What to do next.
        retryable: Whether another attempt may help.
        retry_after: Seconds before the next attempt, where the other side named them.
    """

    code = "ACTION_FAILED"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retryable = retryable  # type: ignore[misc]
        self.retry_after = retry_after


def _no_progress(**_details: Any) -> None:
    """Report to nobody."""


def _nothing_hidden(_value: Any) -> None:
    """Hide nothing."""


@dataclass(frozen=True, kw_only=True)
class ActionContext:
    """The attempt that a function is called in; a parameter with this annotation gets it.

    A test may make one by hand.

    Attributes:
        ref: The action.
        task: Text of the task that calls it, for example `load[3]`.
        key: The same for every attempt of this call and for no other call: an idempotency key.
        attempt: From 1.
        services: Ledger, state, secrets and storage, bound to the run and its tenant.
        log: A logger; secrets that were resolved for this call do not show in it.
        stopped: Set when the attempt is cancelled: for functions that run in a thread.
    """

    ref: str = "core.return"
    task: str = ""
    key: str = ""
    attempt: int = 1
    services: "Services" = field(default=None)  # type: ignore[assignment]
    log: "logging.Logger | logging.LoggerAdapter[Any]" = _LOG
    stopped: threading.Event = field(default_factory=threading.Event)
    progress: Callable[..., None] = _no_progress
    """Report progress by named plain values; they travel with the next heartbeat."""
    hide: Callable[[Any], None] = _nothing_hidden
    """Treat a value as a secret from now on: a token that was made of one, for example."""

    async def run_blocking(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking code of an async function in the worker's threads.

        Args:
            fn: A plain function.
            *args: Its arguments.
            **kwargs: Its named arguments.
        """
        call = functools.partial(contextvars.copy_context().run, fn, *args, **kwargs)
        executor = None if self.services is None else self.services.executor
        return await asyncio.get_running_loop().run_in_executor(executor, call)

    def refuse_repetition(self, what: str, hint: str) -> None:
        """Refuse an attempt after the first of what must not happen twice.

        An earlier attempt may have done it and died before it could say so.

        Args:
            what: What must not be repeated.
            hint: What makes it repeatable.

        Raises:
            ActionError: In any attempt but the first.
        """
        if self.attempt > 1:
            raise ActionError(
                f"{what} is not repeated: an earlier attempt may have done it",
                code="NOT_REPEATED",
                hint=hint,
                retryable=False,
            )
