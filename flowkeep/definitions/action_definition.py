"""One action: a function with what tasks need to know of it, and the decorator that makes it."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic_core import from_json, to_json

from flowkeep.definitions.action_context import ActionError
from flowkeep.definitions.action_signature import Signature, place_of
from flowkeep.definitions.durations import LONGEST_SECONDS, read_seconds
from flowkeep.definitions.spec import REF, Backoff, Retry
from flowkeep.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

IDEMPOTENT_RETRY = Retry(count=3, delay=1.0, backoff=Backoff.EXPONENTIAL, max_delay=60.0)
"""How often an idempotent action is tried again when nobody says otherwise."""

NO_RETRY = Retry(count=0)

BUILT_IN = "core."
_OUR_ACTIVITIES = "flowkeep."
MARK = "__flowkeep_action__"
"""Attribute of a function that holds its action."""
_LONGEST_REF = 256


@dataclass(frozen=True)
class Action:
    """Something that a task can call; made by `action`.

    Attributes:
        ref: Its name, for example `files.copy`.
        function: What is called, async or plain; a plain one runs in the worker's threads.
        description: What it does, for people.
        idempotent: Whether calling it twice does no more than calling it once.
        retry: How often it is tried again when the task does not say.
        timeout: Seconds that one attempt may take when the task does not say.
        timer: The workflow carries it out, as a timer of `seconds`.
        child: The workflow carries it out, as a child workflow.
        built_in: Whether it comes with flowkeep.
    """

    ref: str
    function: Callable[..., Any]
    description: str = ""
    idempotent: bool = False
    retry: Retry = NO_RETRY
    timeout: float | None = None
    timer: bool = False
    child: bool = False
    built_in: bool = field(default=False, repr=False)

    @property
    def by_workflow(self) -> bool:
        """Whether the workflow carries it out itself, so that no activity does."""
        return self.timer or self.child

    @property
    def is_async(self) -> bool:
        """Whether its function is a coroutine function."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def where(self) -> str:
        """Its function, for messages."""
        return place_of(self.function)

    @cached_property
    def signature(self) -> Signature:
        """What its function takes and gives.

        Raises:
            ConfigurationError: If JSON cannot tell it.
        """
        return Signature(self.ref, self.function)

    @property
    def param_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the input, an object.

        It refuses other inputs than the named ones, unless the function takes `**kwargs`.
        """
        return self.signature.param_schema

    @property
    def out_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the result."""
        return self.signature.out_schema

    def validate_input(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the named arguments for the function, without its context.

        Args:
            values: The input, rendered and without references.

        Raises:
            InvalidInput: If it does not fit; names each field, never shows a value.
        """
        return self.signature.bind(values)

    def dump_result(self, value: Any) -> Any:
        """Return a result as plain JSON types; see `encode_result`."""
        return from_json(self.encode_result(value))

    def encode_result(self, value: Any) -> bytes:
        """Return a result as JSON: models as objects, times as ISO 8601, bytes as base64.

        Args:
            value: What the function returned.

        Raises:
            ActionError: If JSON cannot tell it; code `RESULT_NOT_JSON`.
        """
        try:
            data = to_json(value, bytes_mode="base64", inf_nan_mode="null")
            from_json(data)  # reads less depth than it writes
        except (ValueError, RecursionError) as error:
            why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        else:
            return data
        raise ActionError(
            f"the result of {self.ref} cannot be told as JSON: {why}",
            code="RESULT_NOT_JSON",
            hint="return plain types, dataclasses or pydantic models",
            retryable=False,
        )


def action(
    ref: str,
    *,
    description: str | None = None,
    idempotent: bool = False,
    retry: Retry | None = None,
    timeout: float | str | None = None,
) -> Callable[[F], F]:
    """Make a function one that tasks can call; it is returned as it was, but marked.

    Args:
        ref: Its name: with a dot in it, and not beginning with `core.`.
        description: What it does; the first paragraph of its docstring when left out.
        idempotent: Whether calling it twice does no more than calling it once.
        retry: How often it is tried again when the task does not say; when left out, three times
            if it is idempotent, else never.
        timeout: How long one attempt may take when the task does not say: seconds, or text like
            `10m`.

    Raises:
        ConfigurationError: If the name, the timeout or the function cannot be used.
    """

    def mark(function: F) -> F:
        setattr(
            function,
            MARK,
            make_action(
                ref,
                function,
                description=description,
                idempotent=idempotent,
                retry=retry,
                timeout=timeout,
            ),
        )
        return function

    return mark


def make_action(
    ref: str,
    function: Callable[..., Any],
    *,
    description: str | None = None,
    idempotent: bool = False,
    retry: Retry | None = None,
    timeout: float | str | None = None,
    **marks: bool,
) -> Action:
    """Return the action of a function without marking it; see `action`.

    Args:
        ref: Its name.
        function: What is called.
        description: What it does.
        idempotent: Whether calling it twice does no more than calling it once.
        retry: How often it is tried again.
        timeout: How long one attempt may take.
        **marks: `timer`, `child` and `built_in`.
    """
    where = f"{place_of(function)}, the action {ref!r}"
    if not callable(function) or inspect.isclass(function):
        raise ConfigurationError(f"{where}, is no function", hint="mark an async or plain function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{where}, is a generator", hint="return the whole result")
    check_ref(ref, where, built_in=marks.get("built_in", False))
    text = inspect.cleandoc(function.__doc__ or "") if description is None else description
    return Action(
        ref=ref,
        function=function,
        description=text.partition("\n\n")[0].replace("\n", " "),
        idempotent=idempotent,
        retry=retry or (IDEMPOTENT_RETRY if idempotent else NO_RETRY),
        timeout=_seconds(timeout, where),
        **marks,
    )


def check_ref(ref: str, where: str, *, built_in: bool) -> None:
    """Check the name of an action.

    Raises:
        ConfigurationError: If it cannot be used; names the function, `where`.
    """
    if not re.match(REF, ref) or len(ref) > _LONGEST_REF:
        why = f"is no name of at most {_LONGEST_REF} letters, digits, '_', '-' and '.'"
    elif "." not in ref.strip("."):
        why = "has no dot in it"
    elif ref.startswith(_OUR_ACTIVITIES) or (ref.startswith(BUILT_IN) and not built_in):
        why = f"begins with {ref.partition('.')[0]!r}, which is flowkeep's own"
    else:
        return
    raise ConfigurationError(
        f"the ref {ref[:80]!r} of {where} {why}", hint="call it like `files.copy`"
    )


def _seconds(timeout: float | str | None, where: str) -> float | None:
    if timeout is None:
        return None
    try:
        seconds = float(read_seconds(timeout))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the timeout of {where}: {error}") from None
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ConfigurationError(f"the timeout of {where} is no length of time", hint="write 10m")
    return seconds
