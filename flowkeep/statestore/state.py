"""`StateStore`: named state for users' code, bound to a ledger and a tenant without their doing.

Inside an activity the Worker has bound both. Elsewhere the ledger is that of the settings and the
tenant is `default`. Light on purpose: workflow files may import it.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from flowkeep.contracts.status import StateType
from flowkeep.errors import ConfigurationError

if TYPE_CHECKING:
    from flowkeep.statestore.protocols import StateRepository
    from flowkeep.statestore.store import Store

_bound: ContextVar[tuple["StateRepository", str] | None] = ContextVar("_bound", default=None)
_default: "Store | None" = None


class StateStore:
    """Named JSON objects that outlive a run: arguments, credentials' references, high-water marks.

    A class of class methods, as in the original SDK's interface. An entry that is missing raises
    NotFound, a ledger that is away raises LedgerUnavailable: neither is ever answered with `{}`.
    """

    @classmethod
    async def get_state(cls, id: str, type: StateType = StateType.STATE) -> dict[str, Any]:  # noqa: A002 - names of the original interface
        """Return a saved object.

        Args:
            id: Its key, for example a workflow_id.
            type: Which kind of state.

        Raises:
            NotFound: If nothing was saved under this key.
            LedgerUnavailable: If the ledger cannot be read.
        """
        state, tenant_id = _current()
        return dict((await state.get_state(tenant_id, id, type)).value)

    @classmethod
    async def save_state(
        cls,
        key: str,
        value: Any,
        id: str,  # noqa: A002 - names of the original interface
        type: StateType = StateType.STATE,  # noqa: A002 - names of the original interface
    ) -> dict[str, Any]:
        """Set one key inside a saved object, making the object when it is missing.

        Args:
            key: Key inside the object.
            value: JSON value.
            id: Key of the object.
            type: Which kind of state.

        Returns:
            The whole object.
        """
        return await cls.save_state_object(id, {key: value}, type)

    @classmethod
    async def save_state_object(
        cls,
        id: str,  # noqa: A002 - names of the original interface
        value: Mapping[str, Any],
        type: StateType = StateType.STATE,  # noqa: A002 - names of the original interface
        *,
        expected_revision: int | None = None,
    ) -> dict[str, Any]:
        """Merge keys into a saved object, making it when it is missing.

        Args:
            id: Key of the object.
            value: Keys to set.
            type: Which kind of state.
            expected_revision: The revision that was read; 0 means it must not exist yet.

        Returns:
            The whole object.

        Raises:
            RevisionMismatch: If somebody else changed it since; nothing was written.
        """
        state, tenant_id = _current()
        entry = await state.save_state_object(
            tenant_id, id, value, type, expected_revision=expected_revision
        )
        return dict(entry.value)


@contextmanager
def bind(state: "StateRepository", tenant_id: str) -> Iterator[None]:
    """Bind `StateStore` to a repository and a tenant for the code inside.

    Args:
        state: `store.state` of a store or of a transaction.
        tenant_id: Whose state.
    """
    token = _bound.set((state, tenant_id))
    try:
        yield
    finally:
        _bound.reset(token)


async def close_default() -> None:
    """Close the connections that unbound calls opened in the running event loop."""
    if _default is not None:
        await _default.close()


def _current() -> tuple["StateRepository", str]:
    bound = _bound.get()
    if bound is not None:
        return bound
    temporal = sys.modules.get("temporalio.workflow")
    if temporal is not None and temporal.in_workflow():
        raise ConfigurationError(
            "StateStore was used in workflow code, which must not read from outside",
            hint="use it in an activity, for example in `get_workflow_args`",
        )
    global _default
    if _default is None:
        from flowkeep.settings import Settings
        from flowkeep.statestore.store import Store

        settings = Settings.load()
        settings.database_url()
        _default = Store.lazy(settings)
    return _default.state, "default"
