"""What the code of an attempt can know of the run it works for."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from temporalio import activity
from temporalio.common import RetryPolicy

from flowkeep.contracts.identity import Identity, RunRef
from flowkeep.recording.recorder import Recorder
from flowkeep.settings import RecorderSettings

if TYPE_CHECKING:
    from flowkeep.recording.steps.writer import StepWriter
    from flowkeep.recording.target import StepTarget
    from flowkeep.recording.task_logs import LineKeeper


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


@dataclass(slots=True)
class CurrentAttempt:
    """The attempt of an activity that is executed right now.

    Attributes:
        host: Whose recorder gets it.
        run: Whose it is.
        info: What Temporal says of it.
        key: What the ledger names its task.
        loop: The worker's event loop; the activity's own code may run in a thread.
        left: Returns the seconds until the server gives it up; None where it never does.
        send: Sends a heartbeat from the event loop; None where none is wanted.
        steps: What is known of its steps, once it has opened them.
        opening: Held while it opens them.
        listener: Hears of progress while steps beat by themselves.
        logged: How much its code has logged, once it has.
    """

    host: "RecordingHost"
    run: CurrentRun
    info: activity.Info
    key: str
    loop: asyncio.AbstractEventLoop
    left: Callable[[], float | None]
    send: Callable[..., None] | None
    steps: Any = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    listener: Callable[[Sequence[Any]], None] | None = None
    logged: Any = None

    def beat(self, details: dict[str, Any]) -> None:
        """Report progress: with the next heartbeat, where one is sent anyway."""
        listener = heartbeat_listener.get() or self.listener
        if listener is not None:
            listener([details])
        elif self.send is not None:
            self.send(details)


current_attempt: ContextVar[CurrentAttempt | None] = ContextVar(
    "flowkeep_current_attempt", default=None
)


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
    def step_writer(self) -> "StepWriter | None":
        """What commits steps while a worker runs."""
        ...

    @property
    def step_threads(self) -> Executor | None:
        """Where plain functions run as steps of async activities."""
        ...

    @property
    def lines(self) -> "LineKeeper | None":
        """What keeps log lines while a worker runs."""
        ...

    @property
    def steps(self) -> "StepTarget":
        """Where steps are committed."""
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
