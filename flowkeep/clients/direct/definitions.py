"""Stored definitions: everything that can be done with them."""

from typing import Literal
from uuid import UUID

from flowkeep.clients.direct.definition_reading import DefinitionReading
from flowkeep.clients.direct.definition_writing import DefinitionWriting
from flowkeep.clients.lookup import find_run
from flowkeep.contracts import Definition
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.definition_answers import DefinitionUsage, Execution
from flowkeep.contracts.api.definitions import ExecuteRequest
from flowkeep.errors import NotFound
from flowkeep.statestore.repositories.request_answers import taken


class Definitions(DefinitionReading, DefinitionWriting):
    """Definitions; it is `client.definitions`.

    Everybody sees what is theirs and what is visible to them: `private` to its owner, `tenant` to
    the members of its tenant (who has roles in apps only: of these apps), `shared` to all tenants.
    Owners with the role editor change what is theirs; staff see and change everything.
    """

    async def execute(
        self, definition: UUID | str, request: ExecuteRequest | None = None
    ) -> Execution:
        """Start a run of a definition; it belongs to the caller, and to their tenant.

        Args:
            definition: Its id or, of the tenant's own, its ref.
            request: How; with the parameters' defaults when left out.

        Raises:
            NotFound: If there is none that the caller may see.
            Forbidden: If the caller is no operator there.
            InvalidInput: If it is a draft or disabled, or the parameters do not fit; names them.
            Conflict: If a run with the `workflow_id` is open that is not the caller's, or there
                may be none.
            TemporalUnavailable: If Temporal cannot be reached.
        """
        wanted = request or ExecuteRequest()
        found = await self._find(definition)
        app_id = self._app_of_run(found, wanted.app_id)
        owner = self._access.owner_of_new(wanted.owner, app_id)
        await self._refuse_others(wanted)
        client = await self._client.temporal()
        async with self._journal.writing("definition.execute", "definition", found.id) as entry:
            handle = await client.definitions.run(
                found.id,
                wanted.parameters,
                tenant_id=self._tenant,
                app_id=app_id,
                owner=owner,
                run_id=self._client.caller.request_key,
                allowed=self._access.allowed,
                **wanted.model_dump(exclude={"parameters", "app_id", "owner"}),
            )
            entry.became({"run_id": str(handle.run_id), "created": handle.created})
        return Execution(
            run_id=handle.run_id,
            workflow_id=handle.workflow_id,
            definition_id=found.id,
            temporal_run_id=handle.temporal_run_id,
            created=handle.created,
        )

    def _app_of_run(self, found: Definition, asked: str | None) -> str | None:
        """Return the app that a run is to belong to.

        Raises:
            Forbidden: If the caller may start no runs there.
        """
        own = found.tenant_id == self._tenant
        app_id = asked if asked is not None else found.app_id if own else None
        if own or app_id is not None:
            self._access.require(Role.OPERATOR, app_id)
        else:
            self._access.require_anywhere(Role.OPERATOR)
        if own:
            self._access.require(Role.OPERATOR, found.app_id)
        return app_id

    async def _refuse_others(self, wanted: ExecuteRequest) -> None:
        """Refuse a `workflow_id` under which a run is open that the caller may not see.

        One that is opened from now on is refused where it is met.

        Raises:
            Conflict: If there is one.
        """
        if wanted.workflow_id is None:
            return
        self._access.require_foreign_key(wanted.workflow_id)
        try:
            run = await find_run(self._store, self._tenant, wanted.workflow_id)
        except NotFound:
            return
        if not run.status.terminal and not self._access.owns_run(run):
            raise taken(wanted.workflow_id)

    async def usage(
        self,
        *,
        by: Literal["module", "step"] = "module",
        app_id: str | None = None,
        limit: int = 20,
    ) -> DefinitionUsage:
        """Return the modules or steps whose definitions have most runs; for staff.

        Args:
            by: What is counted.
            app_id: Only the runs of this app.
            limit: Most rows, 1 to 100.

        Raises:
            Forbidden: If the caller is no admin of the tenant, or of the app.
        """
        self._access.require(Role.ADMIN, app_id)
        found = await self._store.statistics.usage(self._tenant, limit, by=by, app_id=app_id)
        return DefinitionUsage(data=tuple(found.data), as_of=found.as_of)
