"""Requesting a run in a transaction of the caller's own."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowkeep.clients.handle import RunHandle
from flowkeep.clients.request import StartRequest
from flowkeep.errors import ConfigurationError, InvalidInput, OpenRunExists
from flowkeep.statestore.borrowed import run_steps, run_steps_sync
from flowkeep.statestore.repositories.request_answers import (
    require_database,
    require_same,
    require_stored,
)
from flowkeep.statestore.repositories.requests import Steps
from flowkeep.statestore.secrets import extract_secrets

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient


class TransactionalStarter:
    """Writes requests on connections of callers; see `WorkflowClient.start_in`.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._store = client.store

    async def start(self, connection: Any, request: StartRequest) -> RunHandle:
        """Record the run on an async connection."""
        _require_possible(request)
        if self._store.identity is None:
            await self._store.check()
        steps = self._steps(request)
        return self._handle(request, *await run_steps(connection, steps, self._store.schema_name))

    def start_sync(self, connection: Any, request: StartRequest) -> RunHandle:
        """Record the run on a sync connection."""
        _require_possible(request)
        if self._store.identity is None:
            raise ConfigurationError(
                "this client has not looked at its ledger yet",
                hint="make it by WorkflowClient.connect, or await client.store.check()",
            )
        steps = self._steps(request)
        return self._handle(request, *run_steps_sync(connection, steps, self._store.schema_name))

    def _steps(self, request: StartRequest) -> Steps[tuple[UUID, bool]]:
        """Return the run that answers a request, and whether it is new."""
        assert self._store.identity is not None
        yield from require_database(self._store.identity, self._store.name)
        if request.arguments is None:
            yield from require_stored(request.tenant_id, request.workflow_id)
        clean, found = extract_secrets(request.arguments)
        new = request.new_run(self._client.temporal.namespace, clean)
        try:
            yield from self._store.requests.steps(
                request.tenant_id, new, secrets=found, channel=self._store.channel
            )
        except OpenRunExists as error:
            given = request.plain_arguments()
            tenant_id, run_id = request.tenant_id, error.run_id
            if request.on_conflict == "reject":
                given = None
            yield from require_same(
                tenant_id, request.workflow_id, run_id, given, self._store.keyring
            )
            if request.on_conflict == "reject":
                raise
            return run_id, False
        return request.run_id, True

    def _handle(self, request: StartRequest, run_id: UUID, created: bool) -> RunHandle:
        return RunHandle(
            self._client,
            tenant_id=request.tenant_id,
            run_id=run_id,
            workflow_id=request.workflow_id,
            temporal_run_id=None,
            created=created,
        )


def _require_possible(request: StartRequest) -> None:
    if request.on_conflict == "replace":
        raise InvalidInput(
            "on_conflict is 'replace', which waits for the end of the open run",
            hint="cancel the open run first, or use start_workflow",
        )
