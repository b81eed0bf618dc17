"""Whether the templates of every field can be read, and name what there is at that place."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from flowkeep.contracts import Problem
from flowkeep.definitions.spec import DefinitionSpec, Task
from flowkeep.definitions.templates import as_template, check, task_names
from flowkeep.definitions.wording import suggestion

_START = ("parameters", "vars", "config", "run")
_NAMES = (*_START, "tasks")
_ABOUT_THE_END = ("result", "succeeded", "failed", "timed_out", "error")
_CALLS = re.compile(rf"\b(?:{'|'.join(_ABOUT_THE_END)})\s*\(")
_LEXER = SandboxedEnvironment()
_EXPRESSION = re.compile(r"\{\{(?:(?!\{\{|\}\}).)*\}\}", re.DOTALL)


def template_problems(spec: DefinitionSpec, written: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with templates.

    Args:
        spec: The definition.
        written: Names that the document gives to tasks, those with errors too.
    """
    reader = _Reader(written)
    yield from reader.value(spec.vars, "vars", _START)
    for task, path in spec.all_tasks():
        yield from _task_problems(task, path, reader)
    yield from reader.value(spec.output_map, "output_map", _NAMES)


def _task_problems(task: Task, path: str, reader: "_Reader") -> Iterator[Problem]:
    of_items = ("item", "index") if task.with_items is not None else ()
    of_batches = ("batch",) if of_items and task.batch_size is not None else ()
    names = (*_NAMES, *of_items, *of_batches)
    yield from reader.condition(task.when, f"{path}.when", _NAMES)
    if isinstance(task.with_items, str):
        yield from reader.items(task.with_items, f"{path}.with_items")
    else:
        yield from reader.value(task.with_items, f"{path}.with_items", _NAMES)
    yield from reader.value(task.input, f"{path}.input", names)
    if task.human is not None:
        for field in ("assignee", "title", "details"):
            yield from reader.value(getattr(task.human, field), f"{path}.human.{field}", names)
    yield from reader.value(task.publish, f"{path}.publish", _NAMES, at_end=True)
    for number, transition in enumerate(task.transitions or ()):
        where = f"{path}.transitions[{number}]"
        yield from reader.condition(transition.when, f"{where}.when", _NAMES, at_end=True)
        yield from reader.value(transition.publish, f"{where}.publish", _NAMES, at_end=True)


class _Reader:
    """Checks templates against the names that there are.

    Args:
        written: Names of tasks.
    """

    def __init__(self, written: Collection[str]) -> None:
        self._written = written

    def value(
        self, value: Any, path: str, names: Collection[str], *, at_end: bool = False
    ) -> Iterator[Problem]:
        """Yield problems of a value.

        Args:
            value: What is rendered.
            path: Where it stands.
            names: The top-level names that there are.
            at_end: Whether it is rendered when a task has ended.
        """
        if not value:
            return
        yield from check(value, path, names)
        for text, where in _texts(value, path):
            if "tasks" in names and "tasks" in text:
                yield from self._unknown_tasks(text, where)
            if not at_end and _CALLS.search(text):
                yield from _misplaced_calls(text, where)

    def condition(
        self,
        condition: str | bool | None,
        path: str,
        names: Collection[str],
        *,
        at_end: bool = False,
    ) -> Iterator[Problem]:
        """Yield problems of a condition; see `value`."""
        if isinstance(condition, str):
            text = str(as_template(condition))
            yield from self.value(text, path, names, at_end=at_end)
            yield from _unless_expression(text, path, "is no single expression", "a == 1 and b")

    def items(self, text: str, path: str) -> Iterator[Problem]:
        """Yield problems of a template that has to give a list."""
        yield from self.value(text, path, _NAMES)
        message = "is a text, which is no list"
        yield from _unless_expression(text, path, message, "parameters.files")

    def _unknown_tasks(self, text: str, path: str) -> Iterator[Problem]:
        for name in sorted(task_names(text)):
            if name not in self._written:
                yield Problem(
                    path=path,
                    message=f"names the task {name!r}, which is not there",
                    hint=suggestion(name, self._written),
                )


def _unless_expression(text: str, path: str, message: str, example: str) -> Iterator[Problem]:
    if _EXPRESSION.fullmatch(text):
        return
    kinds = [kind for kind, _ in _tokens(text)]
    begins = kinds.count("variable_begin")
    if (begins, kinds[:1], kinds[-1:]) != (1, ["variable_begin"], ["variable_end"]):
        yield Problem(path=path, message=message, hint=f"write {{{{ {example} }}}}")


def _misplaced_calls(text: str, path: str) -> Iterator[Problem]:
    tokens = [("", ""), *_tokens(text), ("", "")]
    called = {
        name
        for (_, before), (kind, name), (_, after) in zip(
            tokens, tokens[1:], tokens[2:], strict=False
        )
        if kind == "name" and after == "(" and before not in (".", "|")
    }
    for name in _ABOUT_THE_END:
        if name in called:
            yield Problem(
                path=path,
                message=f"calls {name}(), which is about a task that has just ended",
                hint="use it in publish and transitions; elsewhere write tasks.<name>.result or "
                ".status",
            )


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return kinds and texts of what a template consists of; nothing of one that is none."""
    try:
        found = list(_LEXER.lex(text))
    except TemplateSyntaxError:
        return []
    return [(kind, token) for _, kind, token in found if kind != "whitespace"]


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the texts with templates in a value, with their paths."""
    if isinstance(value, str):
        if "{{" in value:
            yield value, path
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, f"{path}.{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _texts(one, f"{path}[{number}]")
