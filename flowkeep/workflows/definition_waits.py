"""What a run has open without an activity, from its begin to its end, over continue-as-new."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict
from temporalio import workflow

from flowkeep.contracts.named_tasks import TaskNote
from flowkeep.contracts.records import ErrorInfo
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.definitions.plan_commands import AskHuman, CallAction, RunChild, TaskRef

Tell = Callable[[TaskNote], None]
"""Hears every note for the ledger."""

End = Callable[[TaskRef, TaskStatus, Any, dict[str, Any] | None], None]
"""Hears how a task ended: which, its status, its result, its error."""

CANCELLED = {"code": "CANCELLED", "type": "CancelledError", "message": "it was cancelled"}
"""Error of what was cancelled."""


class Open(BaseModel):
    """One task that the workflow itself has under way; the ledger's row of it.

    Attributes:
        begun_at: When it began, by the workflow's clock.
        deadline_at: When it ends by itself; None where it does not.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    iteration: int
    index: int
    batch: str | None
    begun_at: datetime
    deadline_at: datetime | None = None

    @classmethod
    def of(cls, command: AskHuman | CallAction | RunChild, **more: Any) -> Self:
        """Return what a command begins now."""
        batch = None if command.batch is None else str(command.batch)
        return cls(**{**command.ref._asdict(), "batch": batch, "begun_at": workflow.now(), **more})

    @property
    def ref(self) -> TaskRef:
        """The task."""
        return TaskRef(self.name, self.iteration, self.index)

    @property
    def opened(self) -> TaskNote:
        """What the ledger is told while it is open."""
        raise NotImplementedError

    def row(self, kind: TaskType, status: TaskStatus, **more: Any) -> TaskNote:
        """Return what the ledger is told.

        Args:
            kind: Of the row.
            status: How it stands now.
            **more: Further fields of the note; `error` as a dict.
        """
        error = more.pop("error", None)
        given = {
            "scheduled_at": self.begun_at,
            "started_at": self.begun_at,
            "deadline_at": self.deadline_at,
            **more,
        }
        return TaskNote(
            activity_id=self.ref.text,
            task_name=self.name,
            task_index=self.index,
            batch=self.batch,
            type=kind,
            status=status,
            at=workflow.now(),
            error=None if error is None else ErrorInfo(**error),
            **given,
        )


W = TypeVar("W", bound=Open)


class Waits(Generic[W]):
    """What of one kind is open.

    Args:
        tell: Hears every note for the ledger.
        end: Hears how each ended.
    """

    kind: type[W]

    def __init__(self, tell: Tell, end: End) -> None:
        self._tell = tell
        self._end = end
        self._open: dict[str, W] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def open(self) -> list[str]:
        """Texts of the tasks, in order."""
        return list(self._open)

    @property
    def notes(self) -> Iterator[TaskNote]:
        """What the ledger is told of those that are open."""
        return (one.opened for one in self._open.values())

    @property
    def next_deadline(self) -> datetime | None:
        """When the next one ends by itself."""
        ends = (one.deadline_at for one in self._open.values())
        return min((at for at in ends if at is not None), default=None)

    def overdue(self) -> list[str]:
        """Return the texts of those whose time is over."""
        now = workflow.now()
        return [
            text
            for text, one in self._open.items()
            if one.deadline_at is not None and one.deadline_at <= now
        ]

    def dump(self) -> Any:
        """Return them as JSON."""
        return [one.model_dump(mode="json") for one in self._open.values()]

    def restore(self, dump: Any) -> None:
        """Take over what `dump` returned."""
        found = [self.kind.model_validate(one) for one in dump]
        self._open = {one.ref.text: one for one in found}

    def _begin(self, one: W) -> None:
        self._open[one.ref.text] = one
        self._tell(one.opened)

    def _finish(
        self, text: str, note: TaskNote, result: Any = None, error: dict[str, Any] | None = None
    ) -> None:
        ref = self._open.pop(text).ref
        self._tell(note)
        self._end(ref, note.status, result, error)
