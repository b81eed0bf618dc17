"""What an activity gets from its worker, bound to the run and the tenant it works for."""

import functools
import inspect
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flowkeep.contracts import RunRef

if TYPE_CHECKING:
    from flowkeep.settings import Settings
    from flowkeep.statestore.store import Store
    from flowkeep.storage import Storage


@dataclass(frozen=True)
class WorkerServices:
    """What a worker shares between all activities of its process.

    Attributes:
        store: The ledger.
        storage: Object storage for big results.
        settings: The settings of the worker.
        executor: Threads for blocking work.
    """

    store: "Store"
    storage: "Storage"
    settings: "Settings"
    executor: Executor | None = None


class TenantBound:
    """A repository whose methods have their first argument, the tenant, filled in."""

    def __init__(self, repository: Any, tenant_id: str) -> None:
        self._repository = repository
        self._tenant_id = tenant_id

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._repository, name)
        if not callable(method) or inspect.isclass(method):
            return method
        return functools.partial(method, self._tenant_id)


@dataclass(frozen=True)
class BoundStore:
    """The repositories, bound to one tenant."""

    runs: Any
    tasks: Any
    state: Any
    secrets: Any

    @classmethod
    def bind(cls, store: "Store", tenant_id: str) -> "BoundStore":
        """Bind every repository that takes a tenant."""
        names = ("runs", "tasks", "state", "secrets")
        return cls(**{name: TenantBound(getattr(store, name), tenant_id) for name in names})


@dataclass(frozen=True)
class Services:
    """What one attempt may use; its resources are closed when the attempt ends.

    Attributes:
        run: The run that the attempt belongs to.
        store: Repositories bound to the run's tenant: `store.runs.append_event(run_id, …)`.
        storage: Object storage.
        settings: The worker's settings.
        executor: Threads for blocking work.
        resources: Closed with the attempt: `await services.resources.enter_async_context(…)`.
    """

    run: RunRef
    store: BoundStore
    storage: "Storage"
    settings: "Settings"
    executor: Executor | None = None
    resources: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def state(self) -> Any:
        """The state store, bound to the run's tenant."""
        return self.store.state

    @property
    def secrets(self) -> Any:
        """The secrets, bound to the run's tenant."""
        return self.store.secrets

    @classmethod
    def bind(cls, worker: WorkerServices, run: RunRef) -> "Services":
        """Make the services of one attempt.

        Args:
            worker: What the process shares.
            run: The run that the attempt belongs to.
        """
        return cls(
            run=run,
            store=BoundStore.bind(worker.store, run.tenant_id),
            storage=worker.storage,
            settings=worker.settings,
            executor=worker.executor,
        )
