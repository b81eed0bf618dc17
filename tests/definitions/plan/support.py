"""Definitions in a line, and a plan that is driven with chosen outcomes."""

import json
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan import (
    AskHuman,
    CallAction,
    CancelTask,
    Command,
    Finish,
    Note,
    Plan,
    RunChild,
    TaskRef,
)
from flowkeep.definitions.spec import DefinitionSpec

Call = CallAction | RunChild | AskHuman


def definition(*tasks: dict[str, Any], **fields: Any) -> DefinitionSpec:
    """A definition with these tasks."""
    return DefinitionSpec.model_validate({"ref": "test", "tasks": list(tasks), **fields})


def step(name: str, *leads_to: str, **fields: Any) -> dict[str, Any]:
    """A task of a sequence; with names, one of a graph whose default branch leads there."""
    task: dict[str, Any] = {"name": name, **fields}
    if not {"workflow", "human", "tasks"} & fields.keys():
        task.setdefault("action", "test.do")
    if leads_to:
        task["transitions"] = [{"do": list(leads_to)}]
    return task


def last(name: str, **fields: Any) -> dict[str, Any]:
    """A task of a graph that leads nowhere."""
    return step(name, transitions=[], **fields)


class Driven:
    """A plan, and everything it has asked for.

    Attributes:
        plan: The plan.
        commands: What it has asked for so far.
    """

    def __init__(self, spec: DefinitionSpec, **options: Any) -> None:
        self.spec = spec
        self.plan = Plan(spec, parameters=options.pop("parameters", {}), **options)
        self.commands: list[Command] = []

    def take(self, commands: list[Command]) -> list[str]:
        """Keep commands; returns what was begun."""
        self.commands += commands
        return [command.ref.text for command in commands if isinstance(command, Call)]

    def begin(self) -> list[str]:
        """Begin the run; returns what was begun."""
        return self.take(self.plan.begin())

    def end(self, text: str, status: TaskStatus, result: Any = None, **error: Any) -> list[str]:
        """End something active; returns what was begun."""
        return self.take(self.plan.ended(self.ref(text), status, result, error or None))

    def ok(self, text: str, result: Any = None) -> list[str]:
        """Let something active succeed; returns what was begun."""
        return self.end(text, TaskStatus.SUCCEEDED, result)

    def fail(self, text: str, message: str = "broken", code: str = "BROKEN") -> list[str]:
        """Let something active fail; returns what was begun."""
        return self.end(text, TaskStatus.FAILED, code=code, type="Broken", message=message)

    def ok_all(self, *texts: str) -> list[str]:
        """Let several succeed; returns what was begun."""
        return [begun for text in texts for begun in self.ok(text)]

    def run(self, results: dict[str, Any] | None = None) -> "Driven":
        """Let everything succeed until nothing is active, the first that was begun first."""
        self.begin()
        while self.plan.active:
            text = self.plan.active[0].text
            self.ok(text, (results or {}).get(text))
        return self

    def reload(self) -> None:
        """Go on with a copy that went through JSON."""
        self.plan = Plan.load(self.spec, json.loads(json.dumps(self.plan.dump())))

    def ref(self, text: str) -> TaskRef:
        """What is active under a text."""
        return next(ref for ref in self.plan.active if ref.text == text)

    @property
    def calls(self) -> list[Call]:
        """Everything that was begun."""
        return [command for command in self.commands if isinstance(command, Call)]

    @property
    def begun(self) -> list[str]:
        """The texts of everything that was begun."""
        return [call.ref.text for call in self.calls]

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The inputs of all actions that were called."""
        return [call.input for call in self.calls if isinstance(call, CallAction)]

    @property
    def notes(self) -> list[Note]:
        """All notes."""
        return [command for command in self.commands if isinstance(command, Note)]

    @property
    def skipped(self) -> list[str]:
        """The texts of what was skipped."""
        return [note.ref.text for note in self.notes if note.status is TaskStatus.SKIPPED]

    @property
    def cancelled(self) -> list[str]:
        """The texts of what was to be cancelled."""
        return [command.ref.text for command in self.commands if isinstance(command, CancelTask)]

    @property
    def finish(self) -> Finish:
        """How the run ended; it has to have ended once."""
        (finish,) = [command for command in self.commands if isinstance(command, Finish)]
        assert finish == self.plan.outcome
        return finish

    @property
    def result(self) -> Any:
        """The result of the run; it has to have succeeded."""
        assert self.finish.status == "succeeded", self.finish
        return self.finish.result

    @property
    def error(self) -> dict[str, Any]:
        """Why the run failed; it has to have."""
        assert self.finish.status == "failed", self.finish
        assert self.finish.error is not None
        return self.finish.error
