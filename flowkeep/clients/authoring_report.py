"""What is wrong with a text that is meant to be a definition, here and among its neighbours."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowkeep.clients.authoring_calls import endless_calls
from flowkeep.clients.authoring_known import Callee, Known
from flowkeep.contracts import Problem
from flowkeep.definitions.document import Document, read
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.definitions.validate import validate
from flowkeep.errors import InvalidInput

_PLACE = re.compile(r" line (\d+)(?:, column (\d+))?: ")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What was found about a text.

    Attributes:
        name: What the text is called, for example the name of its file.
        document: What it says; None where it could not be read.
        spec: The definition; None when there are errors.
        problems: In the order of lines.
    """

    name: str
    document: Document | None
    spec: DefinitionSpec | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep it from being run."""
        return [one for one in self.problems if one.level == "error"]

    @property
    def ref(self) -> str | None:
        """The ref that the text gives; None where it gives none."""
        ref = None if self.document is None else self.document.data.get("ref")
        return ref if isinstance(ref, str) and ref else None


class InvalidDefinition(InvalidInput):
    """A definition has errors, so it was not stored.

    Args:
        name: What the text is called.
        problems: All that was found, warnings too.
    """

    code = "INVALID_DEFINITION"
    hint = "correct it, or save it as a draft"

    def __init__(self, name: str, problems: list[Problem]) -> None:
        errors = [str(one) for one in problems if one.level == "error"]
        more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
        super().__init__(f"{name}: {'; '.join(errors[:_SHOWN])}{more}")
        self.problems = problems


async def examine(text: str | bytes, *, name: str, known: Known) -> Report:
    """Return a text as a definition, or all that is wrong with it.

    Args:
        text: YAML or JSON.
        name: What it is called.
        known: What there is around it.
    """
    try:
        document = read(text, name=name)
    except InvalidInput as error:
        return Report(name, None, problems=[_unreadable(error, name)])
    return await examine_document(document, name=name, known=known)


async def examine_document(document: Document, *, name: str, known: Known) -> Report:
    """Return what was read as a definition, or all that is wrong with it; see `examine`."""
    workflows, called = _called(document.data)
    callees = {ref: one for ref in workflows if (one := await known.callee(ref)) is not None}
    definitions = set(callees) if len(callees) == len(workflows) else await known.refs()
    actions = await known.actions()
    if actions is not None:
        # An action that no worker serves may be the ref of a definition.
        others = [ref for ref in called if ref not in actions]
        callees |= {ref: one for ref in others if (one := await known.callee(ref)) is not None}
    found = validate(
        document.data,
        lines=document.lines,
        actions=None if actions is None else {*actions, *callees},
        actions_schemas=actions,
        definitions=definitions,
    )
    problems = found.problems
    if found.spec is not None:
        more = list(_refusals(found.spec, callees))
        more += await _endless(found.spec, known, actions)
        lined = [one.model_copy(update={"line": document.lines.get(one.path)}) for one in more]
        told = {one.path for one in lined}
        problems = [one for one in problems if one.path not in told] + lined
        problems.sort(key=lambda one: one.line or 0)
    has_errors = any(one.level == "error" for one in problems)
    return Report(name, document, None if has_errors else found.spec, problems)


def _called(data: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the refs of other workflows and of actions that tasks name, whatever else is wrong."""
    tasks = [one for one in _listed(data.get("tasks")) if isinstance(one, Mapping)]
    tasks += [
        one for task in tasks for one in _listed(task.get("tasks")) if isinstance(one, Mapping)
    ]
    named = [
        dict.fromkeys(task[key] for task in tasks if isinstance(task.get(key), str) and task[key])
        for key in ("workflow", "action")
    ]
    return [ref for ref in named[0] if ref != data.get("ref")], list(named[1])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _refusals(spec: DefinitionSpec, callees: Mapping[str, Callee]) -> Iterator[Problem]:
    for task, path in spec.all_tasks():
        key = "workflow" if task.workflow is not None else "action"
        ref = task.workflow or task.action
        callee = callees.get(ref or "")
        if callee is not None and callee.refusal is not None and ref != spec.ref:
            yield Problem(
                path=f"{path}.{key}",
                message=f"calls {ref!r}, which is {callee.refusal}: its runs are refused",
                hint="enable it" if callee.refusal == "disabled" else "correct and apply it",
                level="warning",
            )


async def _endless(
    spec: DefinitionSpec, known: Known, actions: Mapping[str, Any] | None
) -> list[Problem]:
    async def load(ref: str) -> DefinitionSpec | None:
        callee = await known.callee(ref)
        return None if callee is None else callee.spec

    return [
        Problem(
            path=call.path,
            message=f"never ends: {' → '.join(way)}, and no call on the way has a condition",
            hint="give one of these tasks a `when`",
        )
        for call, way in await endless_calls(spec, load, actions)
    ]


def _unreadable(error: InvalidInput, name: str) -> Problem:
    """Return why a text cannot be read, with the line that the reader named."""
    message = error.message.removeprefix(name)
    place = _PLACE.match(message)
    line = None if place is None else int(place[1])
    what = message.strip() if place is None else message[place.end() :]
    if place is not None and place[2] is not None:
        what = f"{what}, at column {place[2]}"
    return Problem(path="document", message=what, hint=error.hint or None, line=line)
