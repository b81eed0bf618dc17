"""The format of definitions: what a YAML or JSON document may say.

Only shapes and bounds of single fields are checked here; what fields mean together is checked by
`validate`. Text with `{{ … }}` in it is a template, see `templates`.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from flowkeep.definitions.durations import Seconds

MOST_TASKS = 5_000
"""Most tasks of one definition, those inside parallel tasks included."""

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
"""Names that templates can say after a dot."""

REF = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$"


class Backoff(StrEnum):
    """How the delay between attempts grows."""

    CONSTANT = "constant"
    LINEAR = "linear"
    """delay · attempt"""
    EXPONENTIAL = "exponential"
    """delay · 2^(attempt - 1)"""


class CancellationPolicy(StrEnum):
    """What becomes of tasks that run when the run is cancelled, or has failed for good."""

    CANCEL_RUNNING = "cancel_running"
    """They are cancelled."""
    ALLOW_FINISH = "allow_finish"
    """They may finish; nothing follows them."""


class Kind(StrEnum):
    """What a task is."""

    ACTION = "action"
    PARALLEL = "parallel"
    WORKFLOW = "workflow"
    HUMAN = "human"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_listed)]
"""A list of names; a single one may stand alone."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Retry(_Part):
    """How often a task that failed is tried again."""

    count: int = Field(ge=0, le=1_000)
    """How many attempts may follow the first one."""
    delay: Seconds = 1.0
    """How long to wait before the second attempt."""
    backoff: Backoff = Backoff.EXPONENTIAL
    """How the delay grows."""
    max_delay: Seconds | None = None
    """Longest delay."""
    on_error: Names | None = None
    """Only try again after these errors: their code or their type. Left out: after all of them
    that may go away by themselves."""


class Transition(_Part):
    """What follows a task.

    One without `when` is the default branch: it fires when the task did not fail and no other
    fired.
    """

    when: str | bool | None = None
    """A condition, for example `{{ failed() }}`."""
    publish: dict[str, Any] = Field(default_factory=dict)
    """Variables that are set when it fires."""
    do: Names = Field(default_factory=list)
    """Tasks that it leads to; all of them are started."""


class Human(_Part):
    """A question to a person."""

    assignee: Names
    """Who may answer; templates are allowed."""
    title: str
    """The question in a line."""
    details: Any = None
    """What the person needs to know."""
    response: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    """JSON Schema of the answer."""
    deadline: Seconds | None = None
    """How long there is time to answer; after that the task has timed out."""


class Task(_Part):
    """One step of a definition: what is done, with what, and what follows."""

    name: str = Field(pattern=NAME, max_length=128)
    """Unique in the definition."""
    label: str | None = None
    """Name for people."""
    description: str | None = None
    type: Kind | None = None
    """Follows from `action`, `workflow`, `human` or `tasks` when left out."""
    action: str | None = Field(default=None, pattern=REF, max_length=256)
    """What is called."""
    workflow: str | None = Field(default=None, pattern=REF, max_length=256)
    """Ref of the definition that is run as a child."""
    human: Human | None = None
    """The question to a person."""
    tasks: list["Task"] | None = None
    """Tasks that run side by side."""
    input: dict[str, Any] = Field(default_factory=dict)
    """Named inputs of the action, or parameters of the child."""
    when: str | bool | None = None
    """A condition; when it does not hold the task is skipped."""
    with_items: str | list[Any] | None = None
    """A list, or a template that gives one: the task is done for every item."""
    batch_size: int | None = Field(default=None, ge=1, le=10_000)
    """How many items one call gets, as a list in `item`."""
    concurrency: int | None = Field(default=None, ge=1, le=1_000)
    """How many items, or tasks of a parallel task, are worked on at a time."""
    retry: Retry | None = None
    """How often it is tried again; what the action says when left out."""
    timeout: Seconds | None = Field(default=None, gt=0)
    """Longest that one attempt may take; for a child, the whole of it."""
    publish: dict[str, Any] = Field(default_factory=dict)
    """Variables that are set when it succeeds."""
    transitions: list[Transition] | None = None
    """What follows; an empty list: nothing."""
    join: Literal["all"] | Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    """How many transitions have to lead here: all of them, or this many. Left out: it waits until
    each has been decided, and begins if at least one has fired."""
    max_iterations: int = Field(default=1_000, ge=1, le=100_000)
    """How often it may run in a cycle."""
    module: str | None = None
    """The module of a canvas that it belongs to."""
    step: str | None = None
    """The step of that module."""
    node: str | None = None
    """The node of a canvas that it was made from."""

    @property
    def kind(self) -> Kind:
        """What it is, said or not."""
        if self.type is not None:
            return self.type
        given = {
            Kind.WORKFLOW: self.workflow,
            Kind.HUMAN: self.human,
            Kind.PARALLEL: self.tasks,
        }
        return next((kind for kind, value in given.items() if value is not None), Kind.ACTION)

    @property
    def inner(self) -> list["Task"]:
        """The tasks of a parallel task."""
        return self.tasks or []


class DefinitionSpec(_Part):
    """A workflow described by data."""

    ref: str = Field(pattern=REF, max_length=256)
    """Its name within the tenant; also the name under which others call it."""
    label: str | None = None
    """Name for people; the ref when left out."""
    version: str | None = None
    """Free text."""
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    """JSON Schema (2020-12) of the parameters, an object; defaults in it are filled in."""
    output: dict[str, Any] = Field(default_factory=dict)
    """JSON Schema that the result of `output_map` has to fit."""
    vars: dict[str, Any] = Field(default_factory=dict)
    """Variables and what they begin with; templates are allowed, those above can be used."""
    tasks: list[Task] = Field(min_length=1)
    """What is done. When no task has `transitions` they run one after the other; otherwise those
    that no transition leads to begin."""
    output_map: dict[str, Any] = Field(default_factory=dict)
    """The result of a run, by name."""
    cancellation_policy: CancellationPolicy = CancellationPolicy.CANCEL_RUNNING
    """What becomes of running tasks when the run is cancelled, or has failed for good."""

    @property
    def is_sequence(self) -> bool:
        """Whether the tasks run one after the other."""
        return all(task.transitions is None for task in self.tasks)

    def all_tasks(self) -> Iterator[tuple[Task, str]]:
        """Yield every task with its path, those inside parallel tasks after theirs."""
        for number, task in enumerate(self.tasks):
            yield task, f"tasks[{number}]"
            for inner, one in enumerate(task.inner):
                yield one, f"tasks[{number}].tasks[{inner}]"
