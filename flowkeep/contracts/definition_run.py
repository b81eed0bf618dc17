"""What the workflow that runs definitions and the workers of its actions tell each other."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_serializer

from flowkeep.contracts.record import Record

INLINE_BYTES = 64 * 1024
"""Most bytes of JSON of a result that stays in the memory of its run."""


class CallRetry(Record):
    """How often an action is tried again; attempts are counted by Temporal.

    Attributes:
        count: How many attempts may follow the first one.
        delay: Seconds before the second attempt.
        backoff: How the delay grows. Temporal knows no linear one: there the worker names each
            delay.
        max_delay: Longest delay in seconds.
    """

    model_config = ConfigDict(extra="ignore")  # workers may be older than the workflow

    count: int = 0
    delay: float = 1.0
    backoff: Literal["constant", "linear", "exponential"] = "exponential"
    max_delay: float | None = None


class ActionCall(Record):
    """What an action is called with.

    Attributes:
        task: Text of the task that calls it, for example `load[3]`.
        input: The rendered input. `{"$stored": key, "bytes": n}` and `{"$secret": name}` in it are
            replaced by what they stand for, in the worker only.
        on_error: Codes and types after which another attempt may follow; null for all.
        retry: How often it is tried again.
        inline_bytes: Results with more bytes of JSON are stored and returned as a reference.
    """

    model_config = ConfigDict(extra="ignore")

    task: str
    input: dict[str, Any] = Field(default_factory=dict)
    on_error: list[str] | None = None
    retry: CallRetry = CallRetry()
    inline_bytes: int = Field(default=INLINE_BYTES, ge=0)

    @model_serializer
    def _told(self) -> dict[str, Any]:
        """Leave out what is as always: each call is stored twice, in history and in the ledger."""
        told: dict[str, Any] = {"task": self.task, "input": self.input}
        if self.on_error is not None:
            told["on_error"] = self.on_error
        if self.retry != _NO_RETRY:
            told["retry"] = self.retry.model_dump(exclude_defaults=True)
        if self.inline_bytes != INLINE_BYTES:
            told["inline_bytes"] = self.inline_bytes
        return told


_NO_RETRY = CallRetry()
