"""One call of a step: what is called, and what it is known by."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from flowkeep.contracts.steps import RecordedStep
from flowkeep.errors import InvalidInput, StepMismatch
from flowkeep.recording.steps.digest import digest_of
from flowkeep.recording.steps.results import ResultType, result_type

_MOST_NAME_BYTES = 400


@dataclass(frozen=True, slots=True)
class StepCall:
    """One call of a step.

    Attributes:
        ordinal: Its place among the steps of the activity, from 1.
        name: What it is called.
        function: Module and name of what it calls.
        digest: Hash of the arguments.
        run: Calls the function.
        is_async: Whether that gives something to await.
        result: How the result is written and read.
        behind: Places of steps that had failed when this one was called.
        retry: How often it is tried within one attempt of the activity.
        timeout_seconds: How long one try may take.
    """

    ordinal: int
    name: str
    function: str
    digest: str
    run: Callable[[], Any]
    is_async: bool
    result: ResultType
    behind: tuple[int, ...] = ()
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None

    @classmethod
    def of(
        cls,
        ordinal: int,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        behind: tuple[int, ...],
        name: str | None,
        retry: RetryPolicy | None,
        timeout: timedelta | float | None,
    ) -> "StepCall":
        """Describe a call.

        Raises:
            InvalidInput: If it is no function, or name or timeout mean nothing.
        """
        if not callable(fn):
            raise InvalidInput(
                f"step {ordinal} is a {type(fn).__name__}, not a function",
                hint="pass the function and its arguments: step(fn, *args)",
            )
        code = _code(fn)
        given: str = name or getattr(code, "__name__", None) or type(fn).__name__
        return cls(
            ordinal=ordinal,
            name=_checked(given, ordinal),
            function=_path(code),
            digest=digest_of(fn, args, kwargs),
            run=functools.partial(fn, *args, **kwargs),
            is_async=inspect.iscoroutinefunction(code),
            result=result_type(code),
            behind=behind,
            retry=retry,
            timeout_seconds=_seconds(timeout, given),
        )

    def check(self, recorded: RecordedStep) -> None:
        """Make sure that this is what was recorded at its place.

        Raises:
            StepMismatch: If it is not.
        """
        for what, now, then in (
            ("name", self.name, recorded.name),
            ("function", self.function, recorded.function),
            ("arguments", self.digest, recorded.digest),
        ):
            if now != then:
                raise StepMismatch(
                    f"step {self.ordinal} was recorded as {recorded.name!r} with the {what}"
                    f" {then}, and is {self.name!r} with {now} now"
                )


def _code(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind partial calls, methods and decorators."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__func__", fn)


def _path(code: Callable[..., Any]) -> str:
    owner = code if hasattr(code, "__qualname__") else type(code)
    return f"{owner.__module__}.{owner.__qualname__}"


def _checked(name: str, ordinal: int) -> str:
    if not name.isprintable() or len(name.encode(errors="replace")) > _MOST_NAME_BYTES:
        raise InvalidInput(
            f"the name of step {ordinal} holds control characters or is longer than"
            f" {_MOST_NAME_BYTES} bytes"
        )
    return name


def _seconds(timeout: timedelta | float | None, name: str) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not seconds > 0:
        raise InvalidInput(
            f"the timeout of step {name!r} is {seconds:g} s", hint="use a longer one"
        )
    return seconds
