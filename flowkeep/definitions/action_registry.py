"""The actions that a worker offers."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from flowkeep.contracts.definitions import NewAction
from flowkeep.definitions.action_definition import MARK, Action, check_ref
from flowkeep.definitions.action_signature import place_of
from flowkeep.errors import ConfigurationError


class ActionRegistry(Mapping[str, Action]):
    """The actions that a worker offers, by ref.

    Args:
        actions: Functions marked with `action`, bound methods among them, and actions.

    Raises:
        ConfigurationError: If two have one ref, one is not marked, or JSON cannot tell what one
            takes or gives.
    """

    def __init__(self, actions: Iterable[Action | Callable[..., Any]] = ()) -> None:
        self._actions: dict[str, Action] = {}
        for entry in actions:
            one = _action_of(entry)
            check_ref(one.ref, one.where, built_in=one.built_in)
            other = self._actions.get(one.ref)
            if other is not None:
                raise ConfigurationError(
                    f"{other.where} and {one.where} are both the action {one.ref!r}",
                    hint="give one of them another name",
                )
            assert one.signature, "read now, so that a mistake in it shows now"
            self._actions[one.ref] = one

    @staticmethod
    def built_in(**options: Any) -> list[Action]:
        """Return the actions that come with flowkeep; see `flowkeep.definitions.builtin`."""
        from flowkeep.definitions.builtin import built_in

        return built_in(**options)

    def new_actions(self) -> list[NewAction]:
        """Return what the ledger is told about them."""
        return [
            NewAction(
                ref=one.ref,
                description=one.description or None,
                param_schema=one.param_schema,
                out_schema=one.out_schema,
            )
            for one in self._actions.values()
        ]

    def __getitem__(self, ref: str) -> Action:
        return self._actions[ref]

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions)

    def __len__(self) -> int:
        return len(self._actions)


def _action_of(entry: Any) -> Action:
    if isinstance(entry, Action):
        return entry
    marked = getattr(entry, MARK, None)
    if not isinstance(marked, Action):
        raise ConfigurationError(
            f"{place_of(entry)} is no action", hint='put @action("group.name") above the function'
        )
    # The mark of a method is the one of its function, which still wants `self`.
    return replace(marked, function=entry) if inspect.ismethod(entry) else marked
