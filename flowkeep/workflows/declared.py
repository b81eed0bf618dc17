"""What `get_activities` declares, as names that travel in history."""

from collections.abc import Callable, Sequence
from typing import Any, Union

from temporalio import activity

from flowkeep.errors import ConfigurationError

STEPS = "steps"

ActivityNames = list[Union[str, "ActivityNames", dict[str, "ActivityNames"]]]
"""Names in order; a list inside is a parallel group, `{"steps": […]}` one Temporal activity."""


class StepGroup(tuple[Any, ...]):
    """Activities that are executed as the steps of one Temporal activity."""

    __slots__ = ()


def steps(*activities: Any) -> StepGroup:
    """Group activities that one Temporal activity executes, each as a durable step.

    ::

        return [a.find, steps(a.extract, a.clean, a.load), a.report]

    Without the group the same activities run one by one. As steps they cost a fraction, share a
    worker, a slot, a timeout and a retry policy, and a retry goes on behind the last that ended.

    Args:
        *activities: Marked methods, in order; a tuple or list inside is a parallel group.
    """
    return StepGroup(activities)


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
    """Return the names of declared entries; tuples and lists become groups.

    Raises:
        ConfigurationError: If an entry is no activity, or a group of steps holds another.
    """
    return [_names_of_one(entry) for entry in entries]


def _names_of_one(entry: Any) -> str | ActivityNames | dict[str, ActivityNames]:
    if isinstance(entry, StepGroup):
        if any(isinstance(inner, StepGroup) for inner in entry):
            raise ConfigurationError("a steps(…) group holds another one", hint="join them")
        return {STEPS: [n if isinstance(n, str) else flatten([n]) for n in names_of(entry)]}
    if not isinstance(entry, list | tuple):
        return activity_name(entry)
    if any(isinstance(inner, StepGroup) for inner in entry):
        raise ConfigurationError(
            "a parallel group holds a steps(…) group",
            hint="put the parallel group into steps(…), or one behind the other",
        )
    return names_of(entry)


def flatten(entries: Sequence[Any]) -> list[Any]:
    """Return the entries without their groups."""
    flat: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            flat.extend(flatten(entry[STEPS]))
        elif isinstance(entry, list | tuple):
            flat.extend(flatten(entry))
        else:
            flat.append(entry)
    return flat


def declared_names(workflow_class: Any) -> ActivityNames:
    """Read a workflow class's list by passing the activity class instead of an instance."""
    return names_of(workflow_class.get_activities(workflow_class.activities_cls))
