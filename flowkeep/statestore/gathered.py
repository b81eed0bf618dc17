"""All repositories behind one scope: that of a pool, or of one transaction."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories.actions import Actions
from flowkeep.statestore.repositories.api_keys import ApiKeys
from flowkeep.statestore.repositories.apps import Apps
from flowkeep.statestore.repositories.archive import Archive
from flowkeep.statestore.repositories.audit import Audit
from flowkeep.statestore.repositories.definitions import Definitions
from flowkeep.statestore.repositories.idempotency import Idempotency
from flowkeep.statestore.repositories.large_payloads import LargePayloads
from flowkeep.statestore.repositories.requests import Requests
from flowkeep.statestore.repositories.retention import Retention
from flowkeep.statestore.repositories.runs import Runs
from flowkeep.statestore.repositories.schedules import Schedules
from flowkeep.statestore.repositories.secrets import Secrets
from flowkeep.statestore.repositories.state import State
from flowkeep.statestore.repositories.statistics import Statistics
from flowkeep.statestore.repositories.system import System
from flowkeep.statestore.repositories.task_logs import TaskLogs
from flowkeep.statestore.repositories.task_queues import TaskQueues
from flowkeep.statestore.repositories.tasks import Tasks
from flowkeep.statestore.repositories.webhooks import Webhooks
from flowkeep.statestore.session import BoundScope, Scope
from flowkeep.storage import Storage


class Repositories:
    """What the ledger holds, by noun.

    Attributes:
        runs: Runs, their events, segments and pauses.
        requests: Runs before Temporal hears of them.
        tasks: Tasks and attempts.
        api_keys: What shows who calls the service.
        apps: Containers inside a tenant.
        definitions: Stored definitions and their versions.
        actions: What tasks can call.
        retention: How long runs are kept, and their removal.
        archive: Runs that moved to object storage.
        audit: Who did what through the service.
        idempotency: Answers to requests that may be repeated.
        statistics: Counts and durations of runs.
        state: Named state and arguments.
        schedules: What Temporal starts at times.
        secrets: Encrypted credentials.
        task_logs: What the code of tasks logged.
        task_queues: Where runs of a tenant wait for workers.
        webhooks: Who is told of runs.
        large_payloads: Contents that Temporal's history holds only a reference to.
        system: Forms without a tenant, for the recorder and the reconciler.
    """

    def __init__(
        self,
        scope: Scope,
        keyring: Callable[[], Keyring],
        archive: Callable[[], Storage],
        files: Callable[[], Storage],
    ) -> None:
        self.runs = Runs(scope, archive)
        self.requests = Requests(scope, keyring)
        self.tasks = Tasks(scope, archive)
        self.api_keys = ApiKeys(scope)
        self.apps = Apps(scope)
        self.definitions = Definitions(scope)
        self.actions = Actions(scope)
        self.archive = Archive(scope, archive)
        self.audit = Audit(scope)
        self.idempotency = Idempotency(scope)
        self.retention = Retention(scope, self.archive)
        self.statistics = Statistics(scope)
        self.state = State(scope, archive)
        self.schedules = Schedules(scope, keyring)
        self.secrets = Secrets(scope, keyring)
        self.task_logs = TaskLogs(scope)
        self.task_queues = TaskQueues(scope)
        self.webhooks = Webhooks(scope, keyring)
        self.large_payloads = LargePayloads(scope, keyring, files)
        self.system = System(scope, keyring, archive, files)


class Transaction(Repositories):
    """The same repositories in one transaction.

    Attributes:
        connection: The SQLAlchemy connection, for statements of the caller's own.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        schema_name: str,
        keyring: Callable[[], Keyring],
        archive: Callable[[], Storage],
        files: Callable[[], Storage],
    ) -> None:
        super().__init__(BoundScope(connection, schema_name), keyring, archive, files)
        self.connection = connection
