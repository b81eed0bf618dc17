"""Statuses, the moves between them, and the words other systems use for them."""

from enum import IntEnum, StrEnum

from flowkeep.errors import AlreadyTerminal, CancelPending, IllegalTransition, InvalidInput


class RunStatus(StrEnum):
    """Where a run stands. The last five are terminal."""

    PENDING = "pending"
    """Recorded; Temporal has not accepted it yet."""
    RUNNING = "running"
    """Temporal accepted it, or its first record arrived."""
    WAITING = "waiting"
    """Paused, or waiting for a person."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    """Temporal no longer knows the run and nobody recorded its end."""

    @property
    def terminal(self) -> bool:
        """Whether the run has ended."""
        return self not in _OPEN_RUN


class TaskStatus(StrEnum):
    """Where an attempt of a task stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    """Handed over to be completed elsewhere."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"

    @property
    def terminal(self) -> bool:
        """Whether the attempt has ended."""
        return self not in _OPEN_TASK


_OPEN_RUN = frozenset({RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING})
_OPEN_TASK = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.WAITING})


class RunKind(StrEnum):
    """What a run row stands for."""

    RUN = "run"
    CHUNK = "chunk"
    """One chunk of a `map`; hidden from lists by default."""


class SegmentKind(StrEnum):
    """Why Temporal began this execution of a run."""

    START = "start"
    CONTINUE = "continue"
    RETRY = "retry"
    CRON = "cron"
    RESET = "reset"


class TaskType(StrEnum):
    """How a task is executed."""

    ACTIVITY = "activity"
    LOCAL_ACTIVITY = "local_activity"
    CHILD = "child"
    ITEM = "item"
    STEP = "step"
    HUMAN = "human"
    TIMER = "timer"


class FailureReason(StrEnum):
    """Why a run did not succeed."""

    START_FAILED = "start_failed"
    WORKFLOW_ERROR = "workflow_error"
    ACTIVITY_ERROR = "activity_error"
    TERMINATED = "terminated"
    EXECUTION_TIMEOUT = "execution_timeout"
    RUN_TIMEOUT = "run_timeout"
    HISTORY_LIMIT = "history_limit"
    LOST = "lost"


class Source(IntEnum):
    """Who reported a fact. A weaker source never overwrites a stronger one."""

    CLIENT = 1
    WORKER = 2
    WORKFLOW = 3
    SERVER = 4


class EventKind(StrEnum):
    """What an audit event of a run tells, in the past tense."""

    CREATED = "created"
    STARTED = "started"
    ADOPTED = "adopted"
    SEGMENT_STARTED = "segment_started"
    WAITING = "waiting"
    RESUMED = "resumed"
    CANCEL_REQUESTED = "cancel_requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    RESET = "reset"
    OUTCOME_CORRECTED = "outcome_corrected"
    STATE_PATCHED = "state_patched"
    LABELS_CHANGED = "labels_changed"
    RECONCILED = "reconciled"
    ARCHIVED = "archived"
    RESTORED = "restored"


class StateType(StrEnum):
    """What kind of named state an entry of the state store holds."""

    WORKFLOWS = "workflows"
    """Arguments of a run."""
    CREDENTIALS = "credentials"
    """References to secrets; never the secrets themselves."""
    STATE = "state"
    """Anything a user keeps between runs, for example a high-water mark."""


_FOREIGN: dict[str, str] = {
    "aborted": "cancelled",
    "canceled": "cancelled",
    "complete": "succeeded",
    "completed": "succeeded",
    "created": "pending",
    "done": "succeeded",
    "error": "failed",
    "errored": "failed",
    "failure": "failed",
    "finished": "succeeded",
    "in_progress": "running",
    "ok": "succeeded",
    "partial_succeeded": "succeeded",
    "partially_succeeded": "succeeded",
    "paused": "waiting",
    "queued": "pending",
    "requested": "pending",
    "scheduled": "pending",
    "started": "running",
    "stopped": "cancelled",
    "success": "succeeded",
    "successful": "succeeded",
    "suspended": "waiting",
    "terminated": "cancelled",
    "timeout": "timed_out",
    "timedout": "timed_out",
    "continued_as_new": "running",
}


def run_status(word: str) -> RunStatus:
    """Translate any common word for a run's status into ours.

    Args:
        word: A status in our words or those of Temporal, the founding documents or similar
            systems; case, spaces and hyphens do not matter.

    Returns:
        The status.

    Raises:
        InvalidInput: If the word means nothing to us.
    """
    return RunStatus(_translate(word, [status.value for status in RunStatus]))


def task_status(word: str) -> TaskStatus:
    """Translate any common word for a task's status into ours; see `run_status`."""
    return TaskStatus(_translate(word, [status.value for status in TaskStatus]))


def _translate(word: str, known: list[str]) -> str:
    plain = str(word).strip().lower().replace("-", "_").replace(" ", "_")
    ours = plain if plain in known else _FOREIGN.get(plain, "")
    if ours not in known:
        raise InvalidInput(f"status {word!r} is not known", hint=f"use one of {', '.join(known)}")
    return ours


_CALLER_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset(
        {RunStatus.RUNNING, RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.CANCELLED}
    ),
    RunStatus.RUNNING: frozenset(
        {
            RunStatus.WAITING,
            RunStatus.SUCCEEDED,
            RunStatus.FAILED,
            RunStatus.TIMED_OUT,
            RunStatus.CANCELLED,
        }
    ),
    RunStatus.WAITING: frozenset(
        {RunStatus.RUNNING, RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.CANCELLED}
    ),
}


def check_move(
    name: str, current: RunStatus, target: RunStatus, *, cancel_requested: bool = False
) -> None:
    """Check a move asked for by a caller; Temporal's own outcome is not subject to this.

    Args:
        name: The object, for the message.
        current: The status now.
        target: The status asked for.
        cancel_requested: Whether a cancel is pending.

    Raises:
        AlreadyTerminal: If the run has ended.
        CancelPending: If a cancel was requested and the target is not `cancelled`.
        IllegalTransition: If the table of moves has no such move.
    """
    if current.terminal:
        raise AlreadyTerminal(f"{name} has already ended as {current}", hint="start a new run")
    if cancel_requested and target is not RunStatus.CANCELLED:
        raise CancelPending(
            f"{name} is being cancelled and cannot become {target}",
            hint="wait until it is cancelled",
        )
    allowed = _CALLER_MOVES[current]
    if target not in allowed:
        moves = ", ".join(sorted(status.value for status in allowed))
        raise IllegalTransition(
            f"{name} cannot move from {current} to {target}", hint=f"allowed: {moves}"
        )
