"""The direct client: every noun of the service, as one caller."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from flowkeep.clients.direct.access import Access
from flowkeep.clients.direct.journal import Journal
from flowkeep.contracts.api.access import Caller, Principal
from flowkeep.settings import Settings
from flowkeep.statestore.store import Store

if TYPE_CHECKING:
    from flowkeep.clients.direct.actions import Actions
    from flowkeep.clients.direct.apps import Apps
    from flowkeep.clients.direct.archive import Archive
    from flowkeep.clients.direct.audit import AuditLog
    from flowkeep.clients.direct.definitions import Definitions
    from flowkeep.clients.direct.keys import Keys
    from flowkeep.clients.direct.questions import Questions
    from flowkeep.clients.direct.retention import Retention
    from flowkeep.clients.direct.run_logs import RunLogs
    from flowkeep.clients.direct.runs import Runs
    from flowkeep.clients.direct.schedules import Schedules
    from flowkeep.clients.direct.secrets import Secrets
    from flowkeep.clients.direct.state import State
    from flowkeep.clients.direct.statistics import Statistics
    from flowkeep.clients.direct.tenants import Tenants
    from flowkeep.clients.direct.webhooks import Webhooks
    from flowkeep.clients.direct.workers import Workers
    from flowkeep.clients.workflow import WorkflowClient

TemporalSource = Callable[[], Awaitable["WorkflowClient"]]
"""Gives a connected client, or raises TemporalUnavailable; called only where Temporal is needed."""


class DirectClient:
    """The nouns of the service on the ledger and Temporal.

    It enforces what the caller may do and writes the audit log, so whoever offers it to others
    only has to find out who calls.

    Args:
        store: The ledger.
        temporal: Gives the client that reaches Temporal; what needs the ledger alone never asks.
        settings: Task queue, limits and keys.
        caller: Who calls; whoever owns the ledger when left out.

    Attributes:
        store: The ledger.
        settings: Task queue, limits and keys.
        caller: Who calls.
        access: What they may do.
        journal: Their audit log.
        temporal: See above.
    """

    def __init__(
        self,
        store: Store,
        temporal: TemporalSource,
        settings: Settings,
        caller: Caller | None = None,
    ) -> None:
        self.store = store
        self.temporal = temporal
        self.settings = settings
        self.caller = caller or Caller(principal=Principal.local(), request_id=str(uuid4()))
        self.journal = Journal(self.caller, store)
        self.access = Access(self.caller.principal, self.journal)

    @property
    def principal(self) -> Principal:
        """Who calls."""
        return self.caller.principal

    @cached_property
    def actions(self) -> "Actions":
        """What tasks of definitions can call."""
        from flowkeep.clients.direct.actions import Actions

        return Actions(self)

    @cached_property
    def apps(self) -> "Apps":
        """Containers inside the tenant."""
        from flowkeep.clients.direct.apps import Apps

        return Apps(self)

    @cached_property
    def archive(self) -> "Archive":
        """Runs that move to object storage and back."""
        from flowkeep.clients.direct.archive import Archive

        return Archive(self)

    @cached_property
    def audit(self) -> "AuditLog":
        """Who did what, and who was denied what."""
        from flowkeep.clients.direct.audit import AuditLog

        return AuditLog(self)

    @cached_property
    def definitions(self) -> "Definitions":
        """Stored definitions."""
        from flowkeep.clients.direct.definitions import Definitions

        return Definitions(self)

    @cached_property
    def keys(self) -> "Keys":
        """API keys: what shows who calls."""
        from flowkeep.clients.direct.keys import Keys

        return Keys(self)

    @cached_property
    def questions(self) -> "Questions":
        """Questions of runs to people."""
        from flowkeep.clients.direct.questions import Questions

        return Questions(self)

    @cached_property
    def retention(self) -> "Retention":
        """How long runs are kept, and their removal."""
        from flowkeep.clients.direct.retention import Retention

        return Retention(self)

    @cached_property
    def run_logs(self) -> "RunLogs":
        """What the code of runs logged."""
        from flowkeep.clients.direct.run_logs import RunLogs

        return RunLogs(self)

    @cached_property
    def runs(self) -> "Runs":
        """Executions of workflows and definitions."""
        from flowkeep.clients.direct.runs import Runs

        return Runs(self)

    @cached_property
    def schedules(self) -> "Schedules":
        """What Temporal starts at times."""
        from flowkeep.clients.direct.schedules import Schedules

        return Schedules(self)

    @cached_property
    def secrets(self) -> "Secrets":
        """Secrets with names, never their values."""
        from flowkeep.clients.direct.secrets import Secrets

        return Secrets(self)

    @cached_property
    def state(self) -> "State":
        """Named state that outlives runs."""
        from flowkeep.clients.direct.state import State

        return State(self)

    @cached_property
    def statistics(self) -> "Statistics":
        """Counts and durations of runs."""
        from flowkeep.clients.direct.statistics import Statistics

        return Statistics(self)

    @cached_property
    def tenants(self) -> "Tenants":
        """Tenants as wholes; for system admins."""
        from flowkeep.clients.direct.tenants import Tenants

        return Tenants(self)

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Who is told how runs end."""
        from flowkeep.clients.direct.webhooks import Webhooks

        return Webhooks(self)

    @cached_property
    def workers(self) -> "Workers":
        """Who polls the task queues that the tenant uses."""
        from flowkeep.clients.direct.workers import Workers

        return Workers(self)
