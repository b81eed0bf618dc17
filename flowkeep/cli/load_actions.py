"""Actions named on the command line as `module` or `module:object`."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from flowkeep.cli.load import load_object
from flowkeep.errors import ConfigurationError

_HINT = 'put @action("group.name") above a function, and name its module'


def load_actions(targets: Iterable[str]) -> list[Any]:
    """Import what `worker start --actions` was given.

    Args:
        targets: `module`, whose functions marked with `@action` are taken; `module:function`, or
            `module:list`.

    Raises:
        ConfigurationError: If one cannot be imported or names no action; names it.
    """
    found: list[Any] = []
    for target in targets:
        named = load_object(target)
        if isinstance(named, ModuleType):
            listed = _actions_of(named)
        else:
            listed = list(named) if isinstance(named, list | tuple) else [named]
        if not listed or not all(map(_is_action, listed)):
            raise ConfigurationError(f"{target} names no action", hint=_HINT)
        found.extend(one for one in listed if not any(one is known for known in found))
    return found


def _actions_of(module: ModuleType) -> list[Any]:
    """Return the actions that a module itself defines, in its order."""
    marked = [one for one in vars(module).values() if _is_action(one)]
    return [one for one in marked if getattr(one, "__module__", None) == module.__name__]


def _is_action(found: Any) -> bool:
    try:
        from flowkeep.definitions.actions import Action
    except ImportError as error:
        raise ConfigurationError(
            f"definitions need {error.name}", hint="install flowkeep[definitions]"
        ) from error
    from flowkeep.definitions.action_definition import MARK

    return isinstance(found, Action) or isinstance(getattr(found, MARK, None), Action)
