"""Whether a document has the shape of a definition: the errors of its model in plain words."""

import copy
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flowkeep.contracts import Problem
from flowkeep.definitions.spec import MOST_TASKS, DefinitionSpec, Human, Retry, Task, Transition
from flowkeep.definitions.wording import kind_of, shortened, suggestion

MOST_PROBLEMS = 1_000
"""Most problems that are told; then one says that there are more."""

_MODELS: dict[str, type[BaseModel]] = {
    "tasks": Task,
    "retry": Retry,
    "transitions": Transition,
    "human": Human,
}
_TYPES = {
    "string_type": "a text",
    "dict_type": "an object",
    "model_type": "an object",
    "list_type": "a list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a length of time",
    "float_parsing": "a length of time",
    "literal_error": "`all`",
}
# What other formats call what is called differently here.
_ELSEWHERE = {
    **dict.fromkeys(("next", "needs", "depends_on", "dependsOn", "on_success"), "transitions"),
    **dict.fromkeys(("foreach", "for_each", "loop", "items"), "with_items"),
    **dict.fromkeys(("if", "condition", "unless"), "when"),
    **dict.fromkeys(("inputs", "params", "args", "arguments", "with"), "input"),
    **dict.fromkeys(("steps", "jobs", "states", "branches"), "tasks"),
    **dict.fromkeys(("uses", "run", "function", "call"), "action"),
    **dict.fromkeys(("retries", "retry_policy"), "retry"),
    **dict.fromkeys(("outputs", "result", "results"), "output_map"),
    **dict.fromkeys(("variables", "env"), "vars"),
    **dict.fromkeys(("id", "key"), "name"),
    **dict.fromkeys(("target", "to", "then"), "do"),
}

Location = tuple[str | int, ...]


def shape(data: Mapping[str, Any]) -> tuple[DefinitionSpec | None, list[Problem], set[str]]:
    """Return a document as a definition, what is wrong with its shape, and what was left out.

    What is wrong is left out, field by field, so that the rest can be looked at too.

    Args:
        data: Plain JSON.

    Returns:
        The definition, or None where too little is left of it; the problems; the paths of the
        fields that were left out. Of very many problems only the first are told.
    """
    listed = data.get("tasks")
    count = _count(listed) if isinstance(listed, list) else 0
    if count > MOST_TASKS:
        hint = "split it into definitions that call one another, or use with_items"
        message = f"are {count}, and {MOST_TASKS} are the most"
        return None, [Problem(path="tasks", message=message, hint=hint)], set()
    try:
        return DefinitionSpec.model_validate(data), [], set()
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=True)
    places: dict[Location, list[ErrorDetails]] = {}
    for one in errors:
        places.setdefault(_location(one["loc"], data), []).append(one)
    told = islice(places.items(), MOST_PROBLEMS + 1)
    problems = [_problem(place, found, data) for place, found in told]
    rest, removed = _without(data, list(places))
    try:
        return DefinitionSpec.model_validate(rest), problems, removed
    except ValidationError:
        return None, problems, removed


def path_of(location: Location) -> str:
    """Return a location as a path like `tasks[3].retry.count`."""
    path = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in location)
    return path.removeprefix(".")


def _count(tasks: list[Any]) -> int:
    inner = (one["tasks"] for one in tasks if isinstance(one, Mapping) and "tasks" in one)
    return len(tasks) + sum(len(one) for one in inner if isinstance(one, list))


def _location(location: Location, data: Any) -> Location:
    """Return where an error is, without the names of alternatives that end its location."""
    found: list[str | int] = []
    for step in location:
        if isinstance(step, int) and isinstance(data, list) and step < len(data):
            data = data[step]
        elif isinstance(data, Mapping) and isinstance(step, str):
            data = data.get(step)
        else:
            break
        found.append(step)
    return tuple(found)


def _problem(place: Location, errors: list[ErrorDetails], data: Any) -> Problem:
    # Of the alternatives of a field, one that only a bound rules out says more than the types do.
    bounds = [one for one in errors if one["type"] not in _TYPES]
    error = (bounds or errors)[0]
    if not bounds:
        wanted = " or ".join(dict.fromkeys(_TYPES[one["type"]] for one in errors))
        what = "a number with a fraction" if error["type"] == "int_from_float" else None
        given = error["input"]
        if isinstance(given, str) and what is None:
            what = f"the text {shortened(given, 40)!r}" if error["type"] != "string_type" else None
        message = f"is {what or kind_of(given)}, not {wanted}"
        return Problem(path=path_of(place), message=message, hint=_type_hint(error, given))
    message, hint = _worded(error, place, data)
    return Problem(path=path_of(place), message=message, hint=hint)


def _type_hint(error: ErrorDetails, given: Any) -> str | None:
    if given is None:
        return "give it a value, or leave it out"
    if error["type"] == "string_type" and isinstance(given, (bool, int, float)):
        return "put it in quotes"
    if error["type"] == "model_type":
        return "write its fields by name"
    return None


def _worded(error: ErrorDetails, place: Location, data: Any) -> tuple[str, str | None]:
    """Return message and hint for an error that is not about a type."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind == "extra_forbidden":
        return "is not known", _known_hint(place)
    if kind == "string_pattern_mismatch" and place[-1] == "name":
        return "is no name", "use letters, digits and _, and begin with a letter or _"
    if kind == "string_pattern_mismatch":
        return "is no name of that kind", "use letters, digits and . _ - without spaces"
    if kind == "enum":
        options = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
        near = suggestion(str(error["input"]), options.split(", "))
        return f"is none of {options}", near if near and near.startswith("did") else None
    limits = {
        "missing": "is missing",
        "greater_than_equal": f"is less than {_number(context.get('ge'))}",
        "greater_than": f"is not more than {_number(context.get('gt'))}",
        "less_than_equal": f"is more than {_number(context.get('le'))}",
        "string_too_long": f"is longer than {context.get('max_length')} characters",
        "too_short": "is empty",
        "finite_number": "is not finite",
        "value_error": str(context.get("error", error["msg"])),
    }
    if kind == "missing" and place[-1] == "name" and isinstance(data, Mapping):
        return "is missing", "every task has a name of its own"
    return limits.get(kind, error["msg"][:1].lower() + error["msg"][1:]), None


def _number(limit: Any) -> Any:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _known_hint(place: Location) -> str | None:
    names = [one for one in place[:-1] if one in _MODELS]
    model = _MODELS[str(names[-1])] if names else DefinitionSpec
    word = str(place[-1])
    meant = _ELSEWHERE.get(word)
    if meant in model.model_fields:
        return f"did you mean {meant}?"
    near = suggestion(word, model.model_fields)
    return near if near or not word[:1].isspace() else "remove the space"


def _without(data: Mapping[str, Any], places: list[Location]) -> tuple[dict[str, Any], set[str]]:
    """Return a document without the fields that are wrong, and their paths."""
    rest, removed = copy.deepcopy(dict(data)), set()
    for place in dict.fromkeys(_field(place) for place in places):
        removed.add(path_of(place))
        holder: Any = rest
        for step in place[:-1]:
            holder = holder[step]
        name = place[-1]
        if isinstance(name, int):
            holder[name] = {"name": f"unnamed_{len(removed)}", "action": "unnamed"}
        elif name in ("ref", "name"):
            holder[name] = f"unnamed_{len(removed)}"
        elif name == "transitions":
            holder[name] = []  # a graph stays one
        else:
            holder.pop(name, None)
    return rest, removed


def _field(place: Location) -> Location:
    """Return the field of a definition or of a task that a place lies in, or that task."""
    depth = 0
    while place[depth : depth + 1] == ("tasks",) and len(place) > depth + 1:
        depth += 2
    return place[: depth + 1]
