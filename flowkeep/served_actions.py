"""What a worker needs to run definitions: their workflow, and the actions that tasks call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from flowkeep.errors import ConfigurationError, FlowkeepError, LedgerUnavailable
from flowkeep.settings import DefinitionSettings
from flowkeep.statestore.store import Store

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 15.0


class ServedActions:
    """The actions of a worker, flowkeep's own among them.

    Args:
        actions: Functions marked with `action`, and actions; one that names a built-in action
            takes its place.
        tenants: Whose definitions may know of them.
        settings: What the built-in ones may do.

    Raises:
        ConfigurationError: If the extra `definitions` is not installed, or an action cannot be
            served; names it.
    """

    def __init__(
        self,
        actions: Sequence[Any],
        tenants: Sequence[str],
        settings: DefinitionSettings | None = None,
    ) -> None:
        try:
            from flowkeep.activities.definition import DefinitionActivities
            from flowkeep.activities.definition_actions import activities_of
            from flowkeep.definitions.actions import Action, ActionRegistry
            from flowkeep.workflows.definition import DefinitionWorkflow
        except ImportError as error:
            raise ConfigurationError(
                f"definitions need {error.name}", hint="install flowkeep[definitions]"
            ) from error
        own = {one.ref for one in actions if isinstance(one, Action)}
        allowed = settings or DefinitionSettings()
        offered = ActionRegistry.built_in(
            allow_shell=allowed.allow_shell,
            http_allow=allowed.http_allow,
            http_refuse=_refused(allowed),
        )
        built_in = [one for one in offered if one.ref not in own]
        self.registry: ActionRegistry = ActionRegistry([*built_in, *actions])
        self.tenants = tuple(tenants)
        self.workflow_classes: list[type[Any]] = [DefinitionWorkflow]
        self.activities: list[Callable[..., Any]] = [
            *DefinitionWorkflow.get_activities(DefinitionActivities(self.registry)),
            *activities_of(self.registry.values()),
        ]

    @asynccontextmanager
    async def announced(self, store: Store, worker: str) -> AsyncIterator[None]:
        """Tell the ledger in the background; one that is away is tried again.

        Args:
            store: The ledger.
            worker: Who serves them while the block runs.
        """
        telling = asyncio.create_task(self._announce(store, worker), name="flowkeep-actions")
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _announce(self, store: Store, worker: str) -> None:
        waiting = list(self.tenants)
        while waiting:
            try:
                await store.actions.register(waiting[0], self.registry.new_actions(), worker=worker)
            except LedgerUnavailable:  # the recorder tells of it
                await asyncio.sleep(_AGAIN_SECONDS)
            except FlowkeepError as error:
                logger.warning("actions are not announced to %r: %s", waiting.pop(0), error)
            else:
                waiting.pop(0)


def _refused(settings: DefinitionSettings) -> Sequence[str]:
    """Return what `core.http` must not reach: private networks, unless the operator decides."""
    from flowkeep.definitions.builtin.http_hosts import PRIVATE

    if settings.http_refuse is not None:
        return settings.http_refuse
    return PRIVATE if settings.http_allow is None else ()
