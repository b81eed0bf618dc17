"""What the templates of a run can name, and the parts of tasks that are rendered."""

import json
from collections.abc import Mapping
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import AskHuman, Call, CallAction, RunChild, TaskRef
from flowkeep.definitions.plan_failure import FAILING, Failure
from flowkeep.definitions.spec import Kind, Task, Transition
from flowkeep.definitions.templates import Ended, Scope, TemplateError, holds, render


class Context:
    """What templates can name.

    Args:
        given: `parameters`, `config` and `run`.
        tasks: Where each task stands, by name.

    Attributes:
        vars: The variables; replaced when one is set, never changed.
    """

    def __init__(self, given: Mapping[str, Any], tasks: Mapping[str, Any]) -> None:
        self._fixed = {**given, "tasks": tasks}
        self.vars: dict[str, Any] = {}

    def _scope(self, ended: Ended | None = None, more: Mapping[str, Any] | None = None) -> Scope:
        return Scope({**self._fixed, "vars": self.vars, **(more or {})}, ended)

    def holds(self, condition: str | bool | None, path: str, ended: Ended | None = None) -> bool:
        """Whether a condition holds; no condition does.

        Raises:
            TemplateError: If it cannot be decided; names the path.
        """
        if condition is None or isinstance(condition, bool):
            return condition is not False
        return holds(condition, self._scope(ended), path)

    def render(self, value: Any, path: str) -> Any:
        """Return a value with its templates filled in.

        Raises:
            TemplateError: If one cannot be; names the path.
        """
        return render(value, self._scope(), path)

    def publish(self, values: dict[str, Any], path: str, ended: Ended | None = None) -> None:
        """Set variables, all of them or none; they do not see each other.

        Raises:
            TemplateError: If one cannot be rendered; names the path.
        """
        if values:
            self.vars = {**self.vars, **render(values, self._scope(ended), path)}

    def succeeded(self, task: Task, result: Any) -> None:
        """Set the variables of a task that succeeded.

        Raises:
            TemplateError: If one cannot be rendered; names the path.
        """
        ended = Ended(TaskStatus.SUCCEEDED.value, result)
        self.publish(task.publish, f"tasks.{task.name}.publish", ended)

    def fired(self, task: Task, status: TaskStatus, result: Any, error: Failure) -> list[str]:
        """Decide the transitions of a task that has ended; those that fire set their variables.

        Of a skipped task only the default branch can fire.

        Args:
            task: The task.
            status: How it ended.
            result: What it gave.
            error: Why it failed.

        Returns:
            The names that they lead to, in order.

        Raises:
            Unhandled: If the task failed and none has fired.
            TemplateError: If one cannot be decided, or what it publishes not be rendered.
        """
        seen = TaskStatus.FAILED if status is TaskStatus.CANCELLED else status
        ended = Ended(seen.value, result, error)
        fired: list[Transition] = []
        default: tuple[Transition, str] | None = None
        for number, transition in enumerate(task.transitions or ()):
            path = f"tasks.{task.name}.transitions[{number}]"
            if transition.when is None:
                default = default or (transition, path)
            elif status is not TaskStatus.SKIPPED and self.holds(
                transition.when, f"{path}.when", ended
            ):
                fired.append(transition)
                self.publish(transition.publish, f"{path}.publish", ended)
        if default is not None and not fired and status not in FAILING:
            fired.append(default[0])
            self.publish(default[0].publish, f"{default[1]}.publish", ended)
        if not fired and status in FAILING:
            raise Unhandled
        return [name for transition in fired for name in transition.do]

    def call(
        self, ref: TaskRef, task: Task, kind: Kind, more: Mapping[str, Any], calls: int = 1
    ) -> Call:
        """Return what begins a task, or one item of it.

        Args:
            ref: What is begun.
            task: Its description.
            kind: What it is.
            more: `item`, `index` and `batch` where there are items.
            calls: How many calls of the task there are in all.

        Raises:
            TemplateError: If something of it cannot be rendered; names the path.
        """
        batch = more.get("batch")
        if kind is Kind.HUMAN:
            return _question(ref, task, self._scope(more=more), batch)
        path = f"tasks.{task.name}.input"
        values = render(task.input, self._scope(more=more), path) if task.input else {}
        if kind is Kind.WORKFLOW:
            return RunChild(ref, task, values, batch)
        return CallAction(ref, task, values, batch, calls)


class Unhandled(Exception):
    """A task failed and none of its transitions fired."""


def _question(ref: TaskRef, task: Task, scope: Scope, batch: int | None) -> AskHuman:
    human, path = task.human, f"tasks.{task.name}.human"
    assert human is not None
    assignee = render(human.assignee, scope, f"{path}.assignee")
    names = [name for given in assignee for name in (given if isinstance(given, list) else [given])]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TemplateError(
            f"{path}.assignee gives no list of texts", hint="let it name who may answer"
        )
    title = render(human.title, scope, f"{path}.title")
    return AskHuman(
        ref,
        task,
        assignee=names,
        title=title if isinstance(title, str) else json.dumps(title, ensure_ascii=False),
        details=render(human.details, scope, f"{path}.details"),
        response=human.response,
        deadline=human.deadline,
        batch=batch,
    )
