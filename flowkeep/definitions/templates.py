"""Templates: texts with Jinja2 expressions in definitions.

A text that is exactly one `{{ … }}` becomes the value of the expression, with its type. In any
other text each `{{ … }}` is replaced by its value as text: texts as they are, everything else as
JSON, so `true`, `null` and `[1, 2]`. Line ends in such a text become plain line feeds. Two braces
that mean nothing are written `{{ '{{' }}`. Keys of objects are never templates.

After a dot stands a key, never something that Python knows about a value. `default(…)` and
`is defined` may be used on a path of which any part is missing; otherwise that is an error.

Rendering depends on nothing but the text and the values: there is no clock, no chance and no time
limit; what it may take is counted (`template_limits`). Values are never changed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from flowkeep.contracts.definitions import Problem
from flowkeep.definitions.template_functions import FUNCTIONS
from flowkeep.definitions.template_hints import nearest
from flowkeep.definitions.template_limits import (
    DEEPEST_DATA,
    MOST_CACHED,
    Account,
    Ended,
    TemplateError,
)
from flowkeep.definitions.template_reading import BEGIN, has_marks, read
from flowkeep.definitions.template_sandbox import Part, joined, ready
from flowkeep.definitions.template_values import as_text, plain

__all__ = [
    "Ended",
    "Scope",
    "TemplateError",
    "as_template",
    "check",
    "holds",
    "render",
    "task_names",
]


class Scope:
    """What templates can see.

    Args:
        variables: Values by top-level name, JSON-like: `parameters`, `vars`, `tasks`, `item` …
        ended: The task whose transitions are decided, for `result()` and the like.
    """

    __slots__ = ("ended", "variables")

    def __init__(self, variables: Mapping[str, Any], ended: Ended | None = None) -> None:
        self.variables = variables
        self.ended = ended


@dataclass(frozen=True, slots=True)
class _Compiled:
    parts: tuple[Part, ...]
    size: int
    names: tuple[str, ...]
    tasks: tuple[str, ...]
    is_expression: bool


def render(value: Any, scope: Scope, path: str = "") -> Any:
    """Return a value with its templates replaced.

    Args:
        value: Texts, and lists and dicts with texts in them; anything else stays as it is.
        scope: What templates can see.
        path: Where the value stands, for errors.

    Raises:
        TemplateError: If a template cannot be read or rendered; says where and why.
    """
    account = Account(scope.variables, scope.ended)
    return _replaced(value, path, lambda text: _rendered(text, account))


def holds(condition: str | bool, scope: Scope, path: str = "") -> bool:
    """Return whether a condition holds: like in Python, null, 0 and what is empty do not.

    Args:
        condition: One expression, with or without `{{ }}`.
        scope: What it can see.
        path: Where it stands, for errors.

    Raises:
        TemplateError: If it is no single expression, or cannot be read or rendered.
    """
    if isinstance(condition, bool):
        return condition
    account = Account(scope.variables, scope.ended)

    def decide(text: str) -> bool:
        if not _compiled(text).is_expression:
            raise TemplateError("is no single expression", hint="write {{ a == 1 and b }}")
        return bool(_rendered(text, account))

    return bool(_replaced(as_template(condition), path, decide))


def as_template(condition: str | bool) -> str | bool:
    """Return a condition with `{{ }}` around it if it has none, as `check` and others need it."""
    if isinstance(condition, bool):
        return condition
    bare = condition.strip()
    return bare if BEGIN in bare else f"{BEGIN} {bare} }}}}"


def check(value: Any, path: str, names: Collection[str]) -> list[Problem]:
    """Return what is wrong with the templates in a value, as far as it can be known before a run.

    Args:
        value: What `render` takes.
        path: Where it stands, for example `tasks[0].input`.
        names: The top-level names that there will be.
    """
    problems: list[Problem] = []
    try:
        for text, where, is_key in _texts(value, path):
            problems.extend(_key_problems(where) if is_key else _problems(text, where, names))
    except TemplateError as error:
        problems.append(Problem(path=path, message=error.message))
    return problems


def task_names(value: Any) -> set[str]:
    """Return the tasks that templates mention as `tasks.<name>` or `tasks["name"]`.

    Templates that cannot be read mention none.

    Raises:
        TemplateError: If the value is nested too deeply.
    """
    mentioned: set[str] = set()
    for text, _, is_key in _texts(value, ""):
        with suppress(TemplateError):
            mentioned.update(() if is_key else _compiled(text).tasks)
    return mentioned


def _texts(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    """Yield every text with a template, where it stands, and whether it is a key."""
    if isinstance(value, str):
        if has_marks(value):
            yield value, path, False
        return
    if depth == DEEPEST_DATA:
        raise TemplateError(f"is nested deeper than {DEEPEST_DATA} levels")
    if isinstance(value, Mapping):
        for key, part in value.items():
            if isinstance(key, str) and BEGIN in key:
                yield key, path, True
            yield from _texts(part, f"{path}.{key}" if path else f"{key}", depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _texts(part, f"{path}[{index}]", depth + 1)


def _replaced(value: Any, path: str, replace: Callable[[str], Any], depth: int = 0) -> Any:
    if isinstance(value, str):
        if not has_marks(value):
            return value
        where = f"{path}: " if path else ""
        try:
            return replace(value)
        except TemplateError as error:
            raise TemplateError(f"{where}{error.message}", hint=error.hint) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            # Never the message: it could tell a value.
            kind = type(error).__name__
            raise TemplateError(f"{where}the values do not fit the template ({kind})") from None
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if depth == DEEPEST_DATA:
        raise TemplateError(f"{path[:200]}: is nested deeper than {DEEPEST_DATA} levels")
    if isinstance(value, Mapping):
        return {
            key: _replaced(part, f"{path}.{key}" if path else f"{key}", replace, depth + 1)
            for key, part in value.items()
        }
    return [
        _replaced(part, f"{path}[{index}]", replace, depth + 1) for index, part in enumerate(value)
    ]


def _rendered(text: str, account: Account) -> Any:
    compiled = _compiled(text)
    account.spend(compiled.size)
    if compiled.is_expression:
        return plain(account, compiled.parts[0](account))
    return plain(
        account, joined(account, [as_text(account, part(account)) for part in compiled.parts])
    )


@lru_cache(maxsize=MOST_CACHED)
def _compiled(text: str) -> _Compiled:
    found, every = read(text)
    return _Compiled(
        parts=tuple(
            _data(node) if isinstance(node, nodes.TemplateData) else ready(node) for node in found
        ),
        size=len(every),
        names=tuple(sorted(_names(every))),
        tasks=tuple(sorted(set(_tasks(every)))),
        is_expression=len(found) == 1 and not isinstance(found[0], nodes.TemplateData),
    )


def _data(node: nodes.TemplateData) -> Part:
    data = node.data
    return lambda _account: data


def _names(every: list[nodes.Node]) -> set[str]:
    called = {id(node.node) for node in every if isinstance(node, nodes.Call)}
    return {node.name for node in every if isinstance(node, nodes.Name) and id(node) not in called}


def _tasks(every: list[nodes.Node]) -> Iterator[str]:
    for node in every:
        if isinstance(node, (nodes.Getattr, nodes.Getitem)) and isinstance(node.node, nodes.Name):
            key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
            if node.node.name == "tasks" and isinstance(key, str):
                yield key


def _key_problems(path: str) -> Iterator[Problem]:
    yield Problem(
        path=path,
        message="has a template as a key, where it stays as it is",
        hint="write {{ {key: value} }} as the value of the whole object",
    )


def _problems(text: str, path: str, names: Collection[str]) -> Iterator[Problem]:
    try:
        compiled = _compiled(text)
    except TemplateError as error:
        yield Problem(path=path, message=error.message, hint=error.hint or None)
        return
    for name in compiled.names:
        if name not in names:
            hint = f"call it: {name}()" if name in FUNCTIONS else nearest(name, names)
            known = f"there are {', '.join(sorted(names))}"
            yield Problem(path=path, message=f"{name} is not known here", hint=hint or known)
    if text != text.strip() and _compiled(text.strip()).is_expression:
        yield Problem(
            path=path,
            message="becomes a text, because there is space around the expression",
            hint="remove the space; in YAML, end a block with >- or |-",
            level="warning",
        )
