"""What the code of an attempt can know of the run it works for."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from temporalio import activity
from temporalio.common import RetryPolicy

from flowkeep.contracts.identity import Identity, RunRef
from flowkeep.recording.recorder import Recorder
from flowkeep.settings import RecorderSettings


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run that the activity executed right now belongs to.

    Attributes:
        ref: The run and its Temporal execution.
        identity: What the header says.
        retry_policy: The policy the activity was scheduled with, where it is known.
    """

    ref: RunRef
    identity: Identity
    retry_policy: RetryPolicy | None = None


current_run: ContextVar[CurrentRun | None] = ContextVar("flowkeep_current_run", default=None)


heartbeat_listener: ContextVar[Callable[[Sequence[Any]], None] | None] = ContextVar(
    "flowkeep_heartbeat_listener", default=None
)
"""Hears of every heartbeat of the attempt, so that automatic ones can repeat its details."""


class Refutable(Protocol):
    """A success that was reported and may yet turn out not to be one."""

    def refuted(self, error: BaseException) -> None:
        """Hear why Temporal does not get the result."""
        ...


reported_success: ContextVar[Refutable | None] = ContextVar(
    "flowkeep_reported_success", default=None
)
"""The success that the task of an attempt reported last."""


@runtime_checkable
class AttemptScope(Protocol):
    """An object whose methods are activities may wrap each attempt, its recording included."""

    def attempt_scope(
        self, run: CurrentRun, info: activity.Info
    ) -> AbstractAsyncContextManager[None]:
        """Return what is entered before the attempt and left after its record."""
        ...


class RecordingHost(Protocol):
    """What the interceptor needs of the plugin."""

    @property
    def recorder(self) -> Recorder | None:
        """The recorder while a worker runs."""
        ...

    @property
    def recorder_settings(self) -> RecorderSettings:
        """How attempts are recorded."""
        ...

    @property
    def worker_identity(self) -> str:
        """Who executes: process and host."""
        ...

    async def resolve(self, info: activity.Info) -> Identity | None:
        """Find the identity of an attempt that came without a header."""
        ...
