"""Workflow classes and workers named on the command line as `module` or `module:object`."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from flowkeep.errors import ConfigurationError
from flowkeep.workflows.base import WorkflowInterface

WorkflowClass = type[WorkflowInterface]

_DEFINITION = "__temporal_workflow_definition"
"""What `@workflow.defn` leaves on a class (sdk-python, `_Definition._apply_to_class`)."""


@dataclass
class Loaded:
    """What a worker is to be made of.

    Attributes:
        workflow_classes: Classes to register, each once.
        options: Further keywords of `Worker`.
        factories: Functions to call with the connected client.
    """

    workflow_classes: list[WorkflowClass] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    factories: list[tuple[str, Callable[..., Any]]] = field(default_factory=list)

    def add(self, classes: Iterable[WorkflowClass]) -> None:
        """Add classes that are not there yet."""
        for one in classes:
            if one not in self.workflow_classes:
                self.workflow_classes.append(one)


def load_targets(targets: Iterable[str]) -> Loaded:
    """Import what `worker start` was given.

    Args:
        targets: `module`, `module:Class`, `module:list` or `module:function`.

    Raises:
        ConfigurationError: If one cannot be imported or is nothing to run; names it.
    """
    loaded = Loaded()
    for target in targets:
        found = load_object(target)
        if isinstance(found, ModuleType):
            loaded.add(_classes_of(found))
        elif _is_workflow_class(found):
            loaded.add([found])
        elif isinstance(found, list | tuple) and found and all(map(_is_workflow_class, found)):
            loaded.add(found)
        elif callable(found) and not isinstance(found, type):
            loaded.factories.append((target, found))
        else:
            raise ConfigurationError(
                f"{target} is {_kind(found)}",
                hint="name a module, a subclass of WorkflowInterface, a list of them, or a "
                "function that returns a Worker or a dict of its keywords",
            )
    return loaded


def load_workflow_class(target: str) -> WorkflowClass:
    """Import one workflow class.

    Raises:
        ConfigurationError: If it cannot be imported or is none.
    """
    found = load_object(target)
    if not _is_workflow_class(found):
        raise ConfigurationError(
            f"{target} is {_kind(found)}", hint="name a subclass of WorkflowInterface"
        )
    loaded: WorkflowClass = found
    return loaded


def load_object(target: str) -> Any:
    """Import `module` or `module:object`; the working directory is searched first.

    Raises:
        ConfigurationError: If the module or the object does not exist, or fails to import.
    """
    name, _, path = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"{name} needs the module {error.name}, which is not installed",
                hint="install it in this environment",
            ) from error
        raise ConfigurationError(
            f"there is no module {name}", hint=f"it is searched from {here}, then as installed"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"importing {name} failed with {type(error).__name__}: {error}",
            hint="--debug shows where",
        ) from error
    for step in path.split(".") if path else ():
        try:
            found = getattr(found, step)
        except AttributeError:
            raise ConfigurationError(
                f"the module {name} has no {path}", hint="check the name after the colon"
            ) from None
    return found


def _classes_of(module: ModuleType) -> list[WorkflowClass]:
    """Return the workflow classes that a module itself defines, in its order.

    Bases without `@workflow.defn` are left out, unless the module has nothing else: then the
    Worker says what they lack.
    """
    defined: list[WorkflowClass] = [
        found
        for found in vars(module).values()
        if _is_workflow_class(found) and found.__module__ == module.__name__
    ]
    if not defined:
        raise ConfigurationError(
            f"the module {module.__name__} defines no subclass of WorkflowInterface",
            hint="name another module, or the class itself as module:Class",
        )
    return [found for found in defined if _DEFINITION in vars(found)] or defined


def _is_workflow_class(found: Any) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, WorkflowInterface)
        and found is not WorkflowInterface
    )


def _kind(found: Any) -> str:
    if isinstance(found, type):
        return f"the class {found.__name__}, not a workflow class"
    return f"an object of type {type(found).__name__}"
