"""What a worker is asked to serve, checked before it serves anything.

A mistake that Temporal would turn into a silent retry loop or a hanging run is an error here, at
build time, and names the object and the way out.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from flowkeep.activities.base import ActivitiesInterface
from flowkeep.contracts.identity import MAP_CHUNK_TYPE
from flowkeep.errors import ConfigurationError
from flowkeep.router import route
from flowkeep.workflows.base import WorkflowInterface
from flowkeep.workflows.declared import activity_name, declared_names, flatten

Activity = Callable[..., Any]


def workflow_name(workflow_class: type[Any]) -> str | None:
    """Return the registered name of a workflow class, None for a dynamic one.

    Raises:
        ConfigurationError: If the class is not marked with `@workflow.defn`.
    """
    definition = vars(workflow_class).get("__temporal_workflow_definition")
    if definition is None:
        raise ConfigurationError(
            f"workflow class {workflow_class.__qualname__} is not marked with @workflow.defn",
            hint="put @workflow.defn above the class; a subclass needs its own",
        )
    name: str | None = definition.name
    return name


def check_workflow(workflow_class: type[Any]) -> None:
    """Check one workflow class.

    Raises:
        ConfigurationError: If it lacks `@workflow.defn`, `activities_cls` or `get_activities`, or
            its list names something that is no activity.
    """
    workflow_name(workflow_class)
    if not issubclass(workflow_class, WorkflowInterface):
        return
    name = workflow_class.__qualname__
    activities_cls = getattr(workflow_class, "activities_cls", None)
    if activities_cls is None:
        raise ConfigurationError(
            f"workflow class {name} has no activities_cls",
            hint="set activities_cls to the activity class whose methods it calls",
        )
    if not (isinstance(activities_cls, type) and issubclass(activities_cls, ActivitiesInterface)):
        raise ConfigurationError(
            f"activities_cls of workflow class {name} is no subclass of ActivitiesInterface",
            hint="derive it from flowkeep.ActivitiesInterface, which brings get_workflow_args",
        )
    if workflow_class.get_activities is WorkflowInterface.get_activities:
        raise ConfigurationError(
            f"workflow class {name} has no get_activities",
            hint="add a static method that returns the list of activities to run",
        )
    check_overrides(activities_cls)
    try:
        declared_names(workflow_class)
    except ConfigurationError as error:
        raise ConfigurationError(f"get_activities of {name}: {error}") from error
    except Exception as error:
        raise ConfigurationError(
            f"get_activities of {name} fails when it gets the class instead of an instance: "
            f"{type(error).__name__}: {error}",
            hint="return attributes of the argument only; workflow code reads the list this way",
        ) from error


def check_overrides(activities_cls: type[Any]) -> None:
    """Check that overrides of activities are activities of the same name.

    Raises:
        ConfigurationError: If an override lacks `@activity.defn` or changes the name.
    """
    for base in reversed(activities_cls.__mro__):
        for attribute, value in vars(base).items():
            definition = _definition(value)
            if definition is None:
                continue
            where = f"{activities_cls.__qualname__}.{attribute}"
            found = _definition(inspect.getattr_static(activities_cls, attribute))
            if found is None:
                raise ConfigurationError(
                    f"{where} overrides an activity without @activity.defn",
                    hint=f'put @activity.defn(name="{definition.name}") above it',
                )
            if found.name != definition.name:
                raise ConfigurationError(
                    f"{where} overrides the activity {definition.name!r} as {found.name!r}",
                    hint=f'use @activity.defn(name="{definition.name}")',
                )


class Registration:
    """The workflows and activities of one worker.

    Args:
        workflow_classes: Workflow classes.
        workflow_activities: Activities; tuples and lists inside are flattened.

    Raises:
        ConfigurationError: If anything does not fit together.
    """

    def __init__(
        self, workflow_classes: Sequence[type[Any]], workflow_activities: Sequence[Any]
    ) -> None:
        self.workflow_classes = list(dict.fromkeys(workflow_classes))
        for workflow_class in self.workflow_classes:
            check_workflow(workflow_class)
        self._check_types()
        given = flatten(list(workflow_activities))
        self.instances = _instances(given)
        self._add_missing_instances()
        self.activities = self._named([*given, *self._always_first(), *self._step_runners()])
        self._check_listed()

    def _flowkeep_classes(self) -> list[type[WorkflowInterface]]:
        return [c for c in self.workflow_classes if issubclass(c, WorkflowInterface)]

    def _check_types(self) -> None:
        seen: dict[str | None, type[Any]] = {}
        for workflow_class in self.workflow_classes:
            name = workflow_name(workflow_class)
            if name in seen:
                raise ConfigurationError(
                    f"{seen[name].__module__}.{seen[name].__qualname__} and "
                    f"{workflow_class.__module__}.{workflow_class.__qualname__} are both "
                    f"registered as workflow type {name!r}",
                    hint="give one of them another @workflow.defn(name=…)",
                )
            seen[name] = workflow_class

    def _add_missing_instances(self) -> None:
        """Make the instance that a workflow needs for its base activities, if none was given."""
        for workflow_class in self._flowkeep_classes():
            cls = workflow_class.activities_cls
            if any(isinstance(instance, cls) for instance in self.instances):
                continue
            try:
                self.instances.append(cls())
            except TypeError as error:
                raise ConfigurationError(
                    f"workflow_activities holds no instance of {cls.__qualname__}, which "
                    f"{workflow_class.__qualname__} needs, and it cannot be made without arguments",
                    hint=f"pass {workflow_class.__name__}.get_activities({cls.__name__}(…))",
                ) from error

    def _always_first(self) -> list[Activity]:
        return [
            getattr(instance, name)
            for instance in self.instances
            if isinstance(instance, ActivitiesInterface) and self._serves(instance)
            for name in sorted(instance.base_activities)
        ]

    def _step_runners(self) -> list[Activity]:
        """Return what executes groups of steps, for the classes that declare some."""
        classes = [c for c in self._flowkeep_classes() if _declares_steps(c)]
        return [
            instance.run_steps
            for instance in self.instances
            if isinstance(instance, ActivitiesInterface)
            and any(isinstance(instance, c.activities_cls) for c in classes)
        ]

    def _serves(self, instance: ActivitiesInterface) -> bool:
        """Tell whether some registered workflow calls this instance's base activities."""
        return any(
            isinstance(instance, c.activities_cls)
            for c in self._flowkeep_classes()
            if workflow_name(c) != MAP_CHUNK_TYPE  # it gets its arguments from its parent
        )

    def _named(self, activities: list[Activity]) -> dict[str, Activity]:
        by_name: dict[str, list[Activity]] = {}
        for entry in activities:
            if not callable(entry):
                raise ConfigurationError(
                    f"workflow_activities holds {entry!r}, which is no activity",
                    hint="pass methods of an instance, for example through get_activities",
                )
            same = by_name.setdefault(activity_name(entry), [])
            if entry not in same:
                same.append(entry)
        return {name: self._one(name, entries) for name, entries in by_name.items()}

    def _one(self, name: str, entries: list[Activity]) -> Activity:
        """Return the activity of a name, or a router where several connectors share it."""
        if len(entries) == 1:
            return entries[0]
        owners: dict[type[Any], Activity] = {}
        for entry in entries:
            owner = type(getattr(entry, "__self__", None))
            if owner in owners or not self._workflows_of(owner):
                places = ", ".join(getattr(e, "__qualname__", repr(e)) for e in entries)
                raise ConfigurationError(
                    f"several activities are registered as {name!r}: {places}",
                    hint="rename one by @activity.defn(name=…), or bind each to the "
                    "activities_cls of a registered workflow class",
                )
            owners[owner] = entry
        targets = {
            workflow_type: entry
            for owner, entry in owners.items()
            for workflow_type in self._workflows_of(owner)
        }
        return route(name, targets)

    def _workflows_of(self, owner: type[Any]) -> list[str]:
        return [
            workflow_name(c) or ""
            for c in self._flowkeep_classes()
            if issubclass(owner, c.activities_cls) and self._best_owner(c) is owner
        ]

    def _best_owner(self, workflow_class: type[WorkflowInterface]) -> type[Any] | None:
        """Return the class of the instance that serves a workflow: its own, else a subclass."""
        wanted = workflow_class.activities_cls
        owners = [type(instance) for instance in self.instances]
        if wanted in owners:
            return wanted
        return next((owner for owner in owners if issubclass(owner, wanted)), None)

    def _check_listed(self) -> None:
        for workflow_class in self._flowkeep_classes():
            for name in flatten(declared_names(workflow_class)):
                if name not in self.activities:
                    raise ConfigurationError(
                        f"{workflow_class.__qualname__} lists the activity {name!r}, which is "
                        "not registered",
                        hint=f"pass workflow_activities={workflow_class.__name__}"
                        ".get_activities(instance)",
                    )


def _declares_steps(workflow_class: type[WorkflowInterface]) -> bool:
    return any(isinstance(entry, dict) for entry in declared_names(workflow_class))


def _instances(activities: Sequence[Activity]) -> list[Any]:
    found: list[Any] = []
    for entry in activities:
        owner = getattr(entry, "__self__", None)
        if owner is not None and not any(owner is known for known in found):
            found.append(owner)
    return found


def _definition(value: Any) -> Any:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if not callable(value):
        return None
    return activity._Definition.from_callable(value)  # noqa: SLF001 - no public way to a name
