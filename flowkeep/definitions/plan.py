"""The planner: what a definition asks for after each event.

Pure: the same definition and the same events give the same commands, in the same order. Whoever
drives a plan carries the commands out and tells it how each thing that was begun has ended.

::

    plan = Plan(spec, parameters={"day": "2024-05-01"})
    commands = plan.begin()
    commands = plan.ended(TaskRef("load"), TaskStatus.SUCCEEDED, {"rows": 10})
"""

from collections.abc import Mapping
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import (
    AskHuman,
    CallAction,
    CancelTask,
    Command,
    Finish,
    Note,
    Reused,
    RunChild,
    TaskRef,
)
from flowkeep.definitions.plan_context import Context
from flowkeep.definitions.plan_course import Course
from flowkeep.definitions.plan_failure import complete_failure
from flowkeep.definitions.plan_flow import Flow
from flowkeep.definitions.plan_graph import Graph
from flowkeep.definitions.plan_progress import Progress
from flowkeep.definitions.plan_state import State
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import InvalidInput

__all__ = [
    "AskHuman",
    "CallAction",
    "CancelTask",
    "Command",
    "Finish",
    "Note",
    "Plan",
    "Reused",
    "RunChild",
    "TaskRef",
]

MOST_ACTIVE = 200
"""Actions and children that run at a time when nothing else is asked for."""


class Plan:
    """One run of a definition.

    Args:
        spec: The definition, without errors.
        parameters: Its parameters, defaults filled in.
        config: Settings of the app.
        run: What templates can name as `run`.
        reuse: Outcomes of an earlier run by the text of a `TaskRef`: instead of beginning, such a
            task or item ends like this at once.
        most_active: Most actions and children that run at a time; further ones wait in order.
            Questions to people do not count.

    Raises:
        InvalidInput: If the definition cannot be planned, or `most_active` is below 1.
    """

    def __init__(
        self,
        spec: DefinitionSpec,
        *,
        parameters: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        run: Mapping[str, Any] | None = None,
        reuse: Mapping[str, Reused] | None = None,
        most_active: int = MOST_ACTIVE,
    ) -> None:
        if most_active < 1:
            raise InvalidInput(f"most_active is {most_active}, it must be at least 1")
        self._given = {
            "parameters": dict(parameters),
            "config": dict(config or {}),
            "run": dict(run or {}),
        }
        self._state = State(most_active=most_active, reuse=dict(reuse or {}))
        self._flow = Flow(spec.tasks, Graph.of(spec))
        self._progress = Progress(task.name for task, _ in spec.all_tasks())
        self._context = Context(self._given, self._progress.tasks)
        self._course = Course(spec, self._flow, self._progress, self._context, self._state)

    def begin(self) -> list[Command]:
        """Begin the run; a second time changes nothing."""
        if self._state.started or self._state.outcome is not None:
            return []
        self._course.start()
        return self._commands()

    def ended(
        self,
        ref: TaskRef,
        status: TaskStatus,
        result: Any = None,
        error: Mapping[str, Any] | None = None,
    ) -> list[Command]:
        """Go on after something that was begun has ended for good.

        What has ended already, or was never begun, changes nothing.

        Args:
            ref: What has ended.
            status: How.
            result: What it gave, as JSON; only used when it succeeded.
            error: Why it failed: `{code, type, message}`, what is missing is filled in.

        Raises:
            InvalidInput: If the status is not one that something ends with.
        """
        status = TaskStatus(status)
        if not status.terminal:
            raise InvalidInput(f"{ref.text} cannot have ended as {status}")
        if ref not in self._state.active:
            return []
        given = result if status is TaskStatus.SUCCEEDED else None
        self._course.ended(ref, status, given, complete_failure(status, error))
        return self._commands()

    def cancel(self) -> list[Command]:
        """Cancel the run: nothing begins any more, it ends when nothing is active.

        What runs is cancelled or may finish, as the definition's `cancellation_policy` says;
        questions to people are withdrawn either way. A run that has failed stays failed.
        """
        if self._state.outcome is not None:
            return []
        self._course.stop(Finish("cancelled"))
        return self._commands()

    def hold(self) -> None:
        """Let nothing begin until `release`; what is active goes on."""
        self._state.held = True

    def release(self) -> list[Command]:
        """Let what has waited begin."""
        self._state.held = False
        return [] if self._state.outcome is not None else self._commands()

    def _commands(self) -> list[Command]:
        self._course.pump()
        commands, self._course.commands = self._course.commands, []
        return commands

    @property
    def active(self) -> list[TaskRef]:
        """What was begun and has not ended, in order."""
        return list(self._state.active)

    @property
    def quiet(self) -> bool:
        """Whether nothing is active."""
        return not self._state.active

    @property
    def outcome(self) -> Finish | None:
        """How the run ended; None while it goes on."""
        return self._state.outcome

    def counts(self) -> dict[str, int]:
        """Return how many tasks are `active, succeeded, failed, skipped, waiting`.

        Tasks are counted, not their items: inner ones of parallel tasks too, each once. Timed out
        and cancelled ones count as failed; what was never reached as waiting.
        """
        return self._progress.counts()

    def dump(self) -> dict[str, Any]:
        """Return everything but the definition, as JSON."""
        return {
            **self._given,
            "vars": self._context.vars,
            "flow": self._flow.dump(),
            "progress": self._progress.dump(),
            "state": self._state.dump(),
        }

    @classmethod
    def load(cls, spec: DefinitionSpec, dump: Mapping[str, Any]) -> "Plan":
        """Return a plan that goes on where the dumped one stood.

        Args:
            spec: The same definition.
            dump: What `dump` returned, directly or through JSON.
        """
        plan = cls(spec, parameters=dump["parameters"], config=dump["config"], run=dump["run"])
        plan.restore(dump)
        return plan

    def restore(self, dump: Mapping[str, Any]) -> None:
        """Go on where the dump of a plan with the same definition and parameters stood."""
        self._context.vars = dict(dump["vars"])
        self._flow.restore(dump["flow"])
        self._progress.restore(dump["progress"])
        self._state.restore(dump["state"])
