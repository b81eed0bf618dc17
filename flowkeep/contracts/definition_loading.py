"""What a run of a definition begins with, and what is said to it on the way."""

from typing import Any, Literal, Self

from pydantic import Field

from flowkeep.contracts.definition_run import CallRetry
from flowkeep.contracts.named_tasks import TaskNote, TaskNotes
from flowkeep.contracts.record import Record
from flowkeep.contracts.status import TaskStatus

LOAD_DEFINITION = "flowkeep.load_definition"
"""The activity that a run of a definition begins with."""

DEFINITION_KEY = "definition"
"""Key of a child's config: the ref or the id of the definition it runs."""

PARAMETERS_KEY = "parameters"
"""Key of the arguments, or of a child's config: the parameters."""

REUSE_KEY = "reuse"
"""Key of the arguments of a rerun: which tasks of which run it takes over."""

KEPT_KEY = "kept"
"""Key of the config of a run that continues as new: where it stands, see `Kept`."""

DEPTH_KEY = "depth"
"""Key of a child's config: how many definitions have called each other down to it."""

MOST_DEPTH = 30
"""How deep definitions may call each other; what goes on for ever is found out by then."""

ANSWER = "answer"
"""Name of the update that answers a question to a person."""


def child_key(ref: str) -> str:
    """Return the key of `LoadedDefinition.actions` for a definition that a task runs as `workflow`.

    An action may have the same ref, and mean something else.
    """
    return f"workflow {ref}"


class ActionFacts(Record):
    """What is known of an action when a run begins; a deployment does not change it any more.

    Attributes:
        kind: `activity` is served by a worker, `definition` is a child run of one, `workflow` a
            child run of a workflow class, `timer` a wait.
        retry: What it asks for where a task says nothing.
        timeout: Seconds that one attempt may take where a task says nothing.
        definition: Id of the definition that it is linked to, or that its ref means; None where
            the ref is looked up when the child begins.
    """

    kind: Literal["activity", "definition", "workflow", "timer"] = "activity"
    retry: CallRetry = CallRetry()
    timeout: float | None = None
    definition: str | None = None


class RecordedOutcome(Record):
    """How a task of an earlier run ended.

    Attributes:
        status: How.
        result: What it gave.
        input: What it was called with.
    """

    status: TaskStatus
    result: Any = None
    input: Any = None


class LoadedDefinition(Record):
    """Everything that a run of a definition has to know.

    Attributes:
        ref: The definition.
        revision: The version that the run pins.
        spec: Its content.
        parameters: Checked, with defaults filled in.
        config: Settings of the app.
        run: What templates can name as `run`.
        actions: What is known of the actions it calls, by ref, and of the definitions that it
            runs where they are another tenant's, by `child_key`.
        reuse: Outcomes that are taken over from an earlier run, by task.
        most_events: Events of history after which the run continues as new, if the server does not
            ask for it earlier.
    """

    ref: str
    revision: int
    spec: dict[str, Any]
    parameters: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict)
    actions: dict[str, ActionFacts] = Field(default_factory=dict)
    reuse: dict[str, RecordedOutcome] = Field(default_factory=dict)
    most_events: int = 10_000


class Kept(Record):
    """Where a run stands that continues as new.

    Attributes:
        plan: What its plan dumped.
        questions: Its questions to people, open and closed.
        timers: Its waits.
        waits_for: What it waits for.
        changed: Whether the ledger has not been told that yet.
        first: What is to be said first of a retry or a reset, and has not been told yet.
        execution: The execution whose rows the ledger has of it; see `TaskNotes.execution`.
        notes: What the ledger could not be told so far.
        paused: Whether nothing may begin.
        pause_reason: Why.
        actions: What was known of the actions when it began.
    """

    plan: dict[str, Any]
    questions: dict[str, Any]
    timers: list[dict[str, Any]]
    waits_for: dict[str, Any] = Field(default_factory=dict)
    changed: bool = False
    first: TaskNotes | None = None
    execution: str
    notes: list[TaskNote] = Field(default_factory=list)
    paused: bool = False
    pause_reason: str | None = None
    actions: dict[str, ActionFacts] = Field(default_factory=dict)

    @classmethod
    def of(cls, config: Any) -> Self | None:
        """Read what the input of a run brings along; None for one that begins."""
        kept = config.get(KEPT_KEY) if isinstance(config, dict) else None
        return None if kept is None else cls.model_validate(kept)


class Answer(Record):
    """What a person answers.

    Attributes:
        task: Text of the task that asks, `name` or `name[index]#iteration`.
        answer: What fits the schema of the question.
        by: Who answers.
        trusted: Whether a valid token stands for the assignee, whoever `by` is.
        run_id: The run that asks: another one of the same workflow_id does not take it.
    """

    task: str
    answer: Any = None
    by: str
    trusted: bool = False
    run_id: str
