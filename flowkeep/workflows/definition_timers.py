"""Waits of a run for a time."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio import workflow

from flowkeep.contracts.named_tasks import TaskNote
from flowkeep.contracts.status import TaskStatus, TaskType
from flowkeep.definitions.durations import Seconds
from flowkeep.definitions.plan_commands import CallAction
from flowkeep.errors import InvalidInput
from flowkeep.workflows.definition_rows import checked_input, failure_of
from flowkeep.workflows.definition_waits import CANCELLED, Open, Waits


class SleepInput(BaseModel):
    """What `core.sleep` takes."""

    model_config = ConfigDict(extra="forbid")

    seconds: Seconds


class Timer(Open):
    """One wait."""

    input: dict[str, Any]

    @property
    def opened(self) -> TaskNote:
        """What the ledger is told while it lasts."""
        return self.note(TaskStatus.RUNNING)

    def note(self, status: TaskStatus, error: dict[str, Any] | None = None) -> TaskNote:
        """Return what the ledger is told."""
        return self.row(TaskType.TIMER, status, input=self.input, error=error)


class Timers(Waits[Timer]):
    """The waits of a run that are under way."""

    kind = Timer

    def begin(self, command: CallAction) -> None:
        """Begin to wait; an input that names no time fails the task."""
        timer = Timer.of(command, input=command.input, deadline_at=workflow.now())
        try:
            seconds = checked_input(SleepInput, command.input).seconds
            ends_at = timer.begun_at + timedelta(seconds=seconds)
        except InvalidInput as error:
            status, _, told = failure_of(error)
            self._tell(timer.note(status, told))
            self._end(timer.ref, status, None, told)
        else:
            self._begin(timer.model_copy(update={"deadline_at": ends_at}))

    def cancel(self, text: str) -> bool:
        """End a wait before its time; returns whether there is one of this task."""
        timer = self._open.get(text)
        if timer is None:
            return False
        self._finish(text, timer.note(TaskStatus.CANCELLED, CANCELLED), error=CANCELLED)
        return True

    def expire(self) -> None:
        """End the waits whose time has come."""
        for text in self.overdue():
            self._finish(text, self._open[text].note(TaskStatus.SUCCEEDED))
