"""What `get_activities` declares, as names that travel in history."""

from collections.abc import Callable, Sequence
from typing import Any, Union

from temporalio import activity

from flowkeep.errors import ConfigurationError

ActivityNames = list[Union[str, "ActivityNames"]]
"""Names in order; a list inside is a parallel group."""


def activity_name(ref: str | Callable[..., Any]) -> str:
    """Return the registered name of an activity.

    Args:
        ref: A marked method, or the name itself.

    Raises:
        ConfigurationError: If the method is not marked with `@activity.defn`.
    """
    if isinstance(ref, str):
        return ref
    definition = activity._Definition.from_callable(ref)  # noqa: SLF001 - no public way to a name
    if definition is None or definition.name is None:
        name = getattr(ref, "__qualname__", repr(ref))
        raise ConfigurationError(
            f"{name} is not marked with @activity.defn", hint="put @activity.defn above it"
        )
    return definition.name


def names_of(entries: Sequence[Any]) -> ActivityNames:
    """Return the names of declared entries; tuples and lists become groups."""
    return [
        names_of(entry) if isinstance(entry, list | tuple) else activity_name(entry)
        for entry in entries
    ]


def flatten(entries: Sequence[Any]) -> list[Any]:
    """Return the entries without their groups."""
    flat: list[Any] = []
    for entry in entries:
        if isinstance(entry, list | tuple):
            flat.extend(flatten(entry))
        else:
            flat.append(entry)
    return flat


def declared_names(workflow_class: Any) -> ActivityNames:
    """Read a workflow class's list by passing the activity class instead of an instance."""
    return names_of(workflow_class.get_activities(workflow_class.activities_cls))
