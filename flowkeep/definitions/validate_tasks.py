"""What one task may say: its name, what its kind needs, and which fields go together."""

import re
from collections.abc import Iterator

from flowkeep.contracts import Problem
from flowkeep.definitions.spec import Backoff, DefinitionSpec, Kind, Task

RESERVED = frozenset(
    (
        *("parameters", "vars", "tasks", "item", "index", "batch", "config", "run", "secret"),
        *("result", "succeeded", "failed", "timed_out", "error"),
        *("true", "false", "none", "null", "True", "False", "None"),
        *("and", "or", "not", "in", "is", "if", "else"),
    )
)
"""Names that mean something else in templates."""

_LOCAL_ID = re.compile(r"L\d+")

_NEEDS = {
    Kind.ACTION: "action",
    Kind.WORKFLOW: "workflow",
    Kind.HUMAN: "human",
    Kind.PARALLEL: "tasks",
}
_INSIDE = "put it on the tasks inside"


def task_problems(spec: DefinitionSpec) -> Iterator[Problem]:
    """Yield what is wrong with tasks, each looked at by itself."""
    first: dict[str, str] = {}
    for task, path in spec.all_tasks():
        yield from _name_problems(task, path, first)
        yield from _kind_problems(task, path)
        yield from _item_problems(task, path)
        yield from _retry_problems(task, path)
        for number, inner in enumerate(task.inner):
            yield from _inner_problems(inner, f"{path}.tasks[{number}]")


def _name_problems(task: Task, path: str, first: dict[str, str]) -> Iterator[Problem]:
    where = first.setdefault(task.name, path)
    if where != path:
        yield Problem(
            path=f"{path}.name",
            message=f"repeats {task.name!r}, the name of {where}",
            hint="names are unique over the whole definition, inside parallel tasks too",
        )
    if task.name in RESERVED:
        yield Problem(
            path=f"{path}.name",
            message=f"is {task.name!r}, which means something else in templates",
            hint="choose another name",
        )
    if _LOCAL_ID.fullmatch(task.name):
        yield Problem(
            path=f"{path}.name",
            message=f"is {task.name!r}, a name that runs give to their own local activities",
            hint="choose another name",
        )


def _kind_problems(task: Task, path: str) -> Iterator[Problem]:
    """Yield where a task is not exactly one thing."""
    fields = [task.action, task.workflow, task.human, task.tasks]
    given = [name for name, one in zip(_NEEDS.values(), fields, strict=True) if one is not None]
    needed = _NEEDS[task.kind]
    if not given and task.type is None:
        yield Problem(
            path=path,
            message="does nothing",
            hint="it needs one of action, workflow, human and tasks",
        )
    elif needed not in given:
        yield Problem(
            path=f"{path}.{needed}", message="is missing", hint=f"its type is {task.kind}"
        )
    for name in given:
        if name != needed:
            yield Problem(
                path=f"{path}.{name}",
                message=f"does not go together with `{needed if needed in given else 'type'}`",
                hint="a task is one thing: make two of it",
            )
    if task.tasks == []:
        yield Problem(path=f"{path}.tasks", message="is empty", hint="list what runs side by side")
    if task.input and task.kind in (Kind.HUMAN, Kind.PARALLEL):
        hint = "put it into human.details" if task.kind is Kind.HUMAN else _INSIDE
        yield _unfit(task, path, "input", hint)
    if task.timeout is not None and task.kind is Kind.HUMAN:
        yield _unfit(task, path, "timeout", "write human.deadline")
    elif task.timeout is not None and task.kind is Kind.PARALLEL:
        yield _unfit(task, path, "timeout", _INSIDE)


def _item_problems(task: Task, path: str) -> Iterator[Problem]:
    """Yield what is wrong with how a task is done for items."""
    if task.with_items is None:
        if task.batch_size is not None:
            yield Problem(
                path=f"{path}.batch_size", message="needs with_items", hint="or leave it out"
            )
        if task.concurrency is not None and task.kind is not Kind.PARALLEL:
            yield Problem(
                path=f"{path}.concurrency",
                message="needs with_items or a parallel task",
                hint="leave it out: the task is done once",
            )
    elif task.kind is Kind.PARALLEL:
        hint = f"{_INSIDE}, or do them in a definition and call it by `workflow`"
        yield _unfit(task, path, "with_items", hint)


def _retry_problems(task: Task, path: str) -> Iterator[Problem]:
    retry = task.retry
    if retry is None:
        return
    if task.kind in (Kind.HUMAN, Kind.PARALLEL):
        hint = _INSIDE if task.kind is Kind.PARALLEL else "ask again by a transition"
        yield _unfit(task, path, "retry", hint)
        return
    if task.kind is Kind.WORKFLOW and retry.backoff is Backoff.LINEAR:
        yield _unfit(task, path, "retry.backoff", "use constant or exponential")
    if task.kind is Kind.WORKFLOW and retry.on_error is not None:
        yield _unfit(task, path, "retry.on_error", "tell errors apart in the definition it runs")
    if retry.max_delay is not None and retry.max_delay < retry.delay:
        yield Problem(
            path=f"{path}.retry.max_delay",
            message=f"is shorter than delay, {retry.delay:g} seconds",
            hint="make it longer, or leave it out",
        )


def _inner_problems(task: Task, path: str) -> Iterator[Problem]:
    """Yield what a task inside a parallel task cannot have."""
    inside = "cannot be used inside a parallel task"
    if task.kind is Kind.PARALLEL:
        yield Problem(path=path, message="is a parallel task inside another", hint="put it beside")
    for name in ("transitions", "join"):
        if getattr(task, name) is not None:
            hint = "put it on the parallel task, or make it a task of the definition"
            yield Problem(path=f"{path}.{name}", message=inside, hint=hint)


def _unfit(task: Task, path: str, field: str, hint: str) -> Problem:
    kind = {Kind.WORKFLOW: "a child", Kind.HUMAN: "a human task", Kind.PARALLEL: "a parallel task"}
    return Problem(path=f"{path}.{field}", message=f"is not for {kind[task.kind]}", hint=hint)
