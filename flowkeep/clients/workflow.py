"""The client: starts runs, finds them again, and talks to them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from temporalio.client import Client

from flowkeep.clients.connection import connect_temporal
from flowkeep.clients.definitions import DefinitionRuns
from flowkeep.clients.deletion import Deleter
from flowkeep.clients.executions import Executions
from flowkeep.clients.handle import RunHandle
from flowkeep.clients.launch import Launcher
from flowkeep.clients.lookup import find_run
from flowkeep.clients.notes import StartNotes
from flowkeep.clients.questions import Questions
from flowkeep.clients.request import OnConflict, build_request
from flowkeep.clients.schedules import Schedules
from flowkeep.clients.start import Starter
from flowkeep.clients.transactional import TransactionalStarter
from flowkeep.contracts import Run
from flowkeep.contracts.erasure import Erased
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from flowkeep.statestore.store import Store

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["RunHandle", "WorkflowClient"]


class WorkflowClient:
    """Starts runs and finds them; workers are made from it too.

    Use `connect`; close it, or use it as an async context manager.

    Attributes:
        temporal: The SDK's client, with the plugin.
        settings: What it was connected with.
        store: The ledger.
        notes: Says behind, in the ledger, which runs Temporal accepted.
        executions: Asks Temporal about executions.
        launcher: Starts recorded runs.
        definitions: Starts and repeats runs of definitions.
        questions: Those of runs to people.
        schedules: What Temporal starts at times.
    """

    def __init__(self, temporal: Client, plugin: Plugin) -> None:
        self.temporal = temporal
        self.plugin = plugin
        self.settings = plugin.settings
        self.store = plugin.store
        self.notes = StartNotes(self.store, plugin.settings.recorder, lambda: plugin.recorder)
        self.executions = Executions(temporal)
        self.launcher = Launcher(self)
        self._opened: Store | None = None
        self.starter = Starter(self)
        self.definitions = DefinitionRuns(self)
        self.questions = Questions(self)
        self.schedules = Schedules(self)
        self._transactional = TransactionalStarter(self)
        self._deleter = Deleter(self)

    @classmethod
    async def connect(cls, settings: Settings | None = None, *, store: Store | None = None) -> Self:
        """Connect to the ledger and to Temporal, and check both.

        Args:
            settings: Read from the environment when left out.
            store: A ledger that is open already; it stays open when the client closes.

        Raises:
            LedgerUnavailable, TemporalUnavailable: If one of the servers cannot be reached.
            ConfigurationError: If settings, login or the ledger's migration are wrong.
        """
        settings = settings or Settings.load()
        opened = None if store is not None else Store.lazy(settings)
        plugin = Plugin(settings, store=store or opened, auto_place="ledger")
        try:
            await plugin.store.check()
            temporal = await connect_temporal(plugin.settings.temporal, plugin)
        except BaseException:
            if opened is not None:
                await opened.close()
            raise
        client = cls(temporal, plugin)
        client._opened = opened
        return client

    async def close(self) -> None:
        """Write what is still to be noted and close the ledger's connections."""
        await self.notes.close()
        await self.plugin.close()
        if self._opened is not None:
            await self._opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start_workflow(
        self,
        workflow_args: dict[str, Any] | None = None,
        workflow_class: type[Any] | str | None = None,
        *,
        task_queue: str | None = None,
        workflow_id: str | None = None,
        tenant_id: str = "default",
        app_id: str | None = None,
        triggered_from: str = "sdk",
        owner: str | None = None,
        on_conflict: OnConflict = "existing",
        labels: dict[str, str] | None = None,
        goal: str | None = None,
        retry_of: UUID | None = None,
        run_id: UUID | None = None,
        allowed: Callable[[Run], bool] | None = None,
        **options: Any,
    ) -> RunHandle:
        """Start a run: arguments go to the state store, Temporal gets only the workflow_id.

        Credentials (`credentials` at any depth, secret strings, passwords in URLs) are replaced
        by references to encrypted secrets before anything is stored.

        Args:
            workflow_args: Arguments of the run. With nothing but `workflow_id` in it (or None)
                it uses those that are stored under that key.
            workflow_class: A workflow class, or the name of a workflow type.
            task_queue: Where workers listen; the setting `FLOWKEEP_TASK_QUEUE` when left out.
            workflow_id: Temporal's id and the idempotency key; the run id when left out.
            tenant_id: Owner boundary.
            app_id: Container inside the tenant.
            triggered_from: What started it, for example `schedule` or `api`.
            owner: Who it belongs to.
            on_conflict: When a run with this workflow_id is open: `existing` returns it,
                `reject` raises, `replace` cancels it, waits for its end and starts.
            labels: For filters of lists.
            goal: What the run is meant to achieve, in words.
            retry_of: The run that this one repeats.
            run_id: Its id, a UUIDv7; repeating a start with the same one starts nothing new.
            allowed: Tells which runs with this workflow_id may be met; all of the tenant's else.
            **options: Temporal's options: `execution_timeout`, `run_timeout`, `task_timeout`,
                `start_delay`, `retry_policy`, `priority`, `cron_schedule`, `search_attributes`.

        Returns:
            A handle; `created` tells whether this call started the run.

        Raises:
            InvalidInput: If arguments or options do not fit, or none are stored.
            Conflict: If it meets an open run with other arguments, or one that is not allowed.
            LedgerUnavailable: If the ledger cannot be reached; nothing was started.
            TemporalUnavailable: If Temporal cannot be reached; the run stays pending.
        """
        request = build_request(
            self.settings,
            workflow_args,
            workflow_class,
            task_queue=task_queue,
            workflow_id=workflow_id,
            tenant_id=tenant_id,
            app_id=app_id,
            triggered_from=triggered_from,
            owner=owner,
            on_conflict=on_conflict,
            labels=labels,
            goal=goal,
            retry_of=retry_of,
            run_id=run_id,
            allowed=allowed,
            **options,
        )
        return await self.starter.start(request)

    async def start_in(
        self,
        connection: "AsyncConnection | psycopg.AsyncConnection[Any]",
        workflow_args: dict[str, Any] | None = None,
        workflow_class: type[Any] | str | None = None,
        **start: Any,
    ) -> RunHandle:
        """Request a run in the caller's own transaction: it is started once that commits.

        A rollback undoes the request too. Nobody asks Temporal here; a `StarterLoop`, which
        `flowkeep worker start` runs, hears of the commit and starts the run.

        Args:
            connection: An async connection of SQLAlchemy or psycopg to the ledger's database,
                inside a transaction; its owner commits.
            workflow_args: See `start_workflow`.
            workflow_class: See `start_workflow`.
            **start: Every other argument of `start_workflow`. With `on_conflict="existing"` an
                open run with equal arguments is returned as the ledger has it; `replace` is not
                possible, as it waits for Temporal.

        Returns:
            A handle without `temporal_run_id`, to be used after the commit.

        Raises:
            InvalidInput: If arguments, options or the connection do not fit.
            Conflict: If a run with the workflow_id is open; see `start_workflow`.
        """
        request = build_request(self.settings, workflow_args, workflow_class, **start)
        return await self._transactional.start(connection, request)

    def start_in_sync(
        self,
        connection: "Connection | psycopg.Connection[Any]",
        workflow_args: dict[str, Any] | None = None,
        workflow_class: type[Any] | str | None = None,
        **start: Any,
    ) -> RunHandle:
        """Request a run in the transaction of a sync connection; see `start_in`.

        Any thread may call it; what the handle offers is awaited in the client's event loop.
        """
        request = build_request(self.settings, workflow_args, workflow_class, **start)
        return self._transactional.start_sync(connection, request)

    async def get_handle(self, tenant_id: str, run: UUID | str) -> RunHandle:
        """Find a run.

        Args:
            tenant_id: Whose run.
            run: Its run id, or a workflow_id, which names its newest run.

        Raises:
            NotFound: If the tenant has no such run.
        """
        found = await find_run(self.store, tenant_id, run)
        return RunHandle(
            self,
            tenant_id=tenant_id,
            run_id=found.id,
            workflow_id=found.workflow_id,
            temporal_run_id=found.temporal_run_id,
            created=False,
        )

    async def delete_runs(
        self,
        tenant_id: str,
        run_ids: Sequence[UUID],
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Delete runs from the ledger; open ones are terminated in Temporal first.

        Args:
            tenant_id: Whose runs.
            run_ids: Their ids; one that does not exist is no error.
            force: Terminate open runs instead of refusing.
            dry_run: Only check and count.

        Returns:
            How many runs were deleted, or would be.

        Raises:
            Conflict: If runs are open and `force` is not given, or held; names them, and nothing
                was terminated or deleted.
            TemporalUnavailable: If open runs cannot be terminated; none was deleted.
        """
        return await self._deleter.delete_runs(tenant_id, run_ids, force=force, dry_run=dry_run)

    async def erase_tenant(
        self,
        tenant_id: str,
        *,
        force: bool = False,
        despite_hold: bool = False,
        keep_files: bool = False,
        on_progress: Callable[[Erased], None] | None = None,
    ) -> Erased:
        """Remove everything of a tenant; with `force` its open runs are terminated first.

        Args:
            tenant_id: The tenant.
            force: Terminate and take open runs.
            despite_hold: Take runs under a legal hold too.
            keep_files: Leave alone what runs stored as files.
            on_progress: Called after each batch with what is gone so far.

        Raises:
            Conflict: See `store.system.erase_tenant`; nothing was terminated or removed.
            TemporalUnavailable: If open runs cannot be terminated; nothing was removed.
        """
        return await self._deleter.erase_tenant(
            tenant_id,
            force=force,
            despite_hold=despite_hold,
            keep_files=keep_files,
            on_progress=on_progress,
        )
