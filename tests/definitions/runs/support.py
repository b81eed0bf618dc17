"""What tests of runs of definitions need."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import yaml

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import NewDefinition, Run, RunStatus, Task
from flowkeep.definitions.validate import validate
from flowkeep.errors import FlowkeepError
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings
from tests.definitions.runs import actions
from tests.support import eventually, flushed

PATIENCE = 60


@dataclass
class Stage:
    """A client, and a tenant that nobody else uses."""

    client: WorkflowClient
    tenant: str = field(default_factory=lambda: f"t-{uuid4().hex[:12]}")
    handles: list[RunHandle] = field(default_factory=list)
    repairs: bool = False
    """Whether the reconciler has to come first, because no worker could see how something ended."""

    def unique(self, name: str) -> str:
        """A name for counters of actions that no other test uses."""
        return f"{self.tenant}-{name}"

    async def store(self, text: str, **more: Any) -> str:
        """Store a definition written in YAML; returns its ref."""
        data: Any = yaml.safe_load(text)
        found = validate(data)
        assert [str(one) for one in found.errors] == []
        new = NewDefinition(name=data["ref"], ref=data["ref"], spec=data, **more)
        await self.client.store.definitions.create(self.tenant, new)
        return str(data["ref"])

    async def execute(self, ref: str, **parameters: Any) -> RunHandle:
        """Start a run of a stored definition."""
        handle = await self.client.definitions.run(ref, parameters, tenant_id=self.tenant)
        self.handles.append(handle)
        return handle

    async def start(self, text: str, **parameters: Any) -> RunHandle:
        """Store a definition and start a run of it."""
        return await self.execute(await self.store(text), **parameters)

    async def result(self, handle: RunHandle) -> Any:
        """The result of a run, or its error."""
        async with asyncio.timeout(PATIENCE):
            return await handle.result()

    async def run(self, text: str, **parameters: Any) -> Any:
        """Store a definition and run it to its end."""
        return await self.result(await self.start(text, **parameters))

    async def ended(self, handle: RunHandle) -> Run:
        """Wait for the end of a run, however it ends; returns it."""
        try:
            await self.result(handle)
        except FlowkeepError:
            assert (await handle.status()).terminal
        return await self.recorded(handle)

    async def recorded(self, handle: RunHandle) -> Run:
        """The run as the ledger has it."""
        await flushed(self.client)
        return await self.client.store.runs.get(self.tenant, handle.run_id)

    async def attempts(self, handle: RunHandle | UUID) -> list[Task]:
        """All attempts of a run by key."""
        await flushed(self.client)
        run_id = handle if isinstance(handle, UUID) else handle.run_id
        found: list[Task] = []
        more, cursor = True, None
        while more:
            page = await self.client.store.tasks.list_attempts(self.tenant, run_id, cursor=cursor)
            found += page.data
            more, cursor = page.has_more, page.data[-1].attempt_key if page.data else None
        return found

    async def rows(self, handle: RunHandle | UUID) -> list[Task]:
        """The attempts of a run by key, without those that load it; the run counts these too."""
        found = await self.attempts(handle)
        return [one for one in found if not one.task_name.startswith("flowkeep.")]

    async def states(self, handle: RunHandle) -> dict[str, str]:
        """The status of the last attempt of each task, by activity id."""
        rows = sorted(await self.rows(handle), key=lambda one: one.attempt)
        return {one.activity_id: str(one.status) for one in rows}

    async def row(self, handle: RunHandle, activity_id: str) -> Task:
        """The only attempt of a task."""
        found = [one for one in await self.rows(handle) if one.activity_id == activity_id]
        assert len(found) == 1
        return found[0]

    async def kinds(self, handle: RunHandle) -> list[str]:
        """Kinds of the events of a run, in order."""
        events = await self.client.store.runs.list_events(self.tenant, handle.run_id)
        return [str(event.kind) for event in sorted(events, key=lambda one: one.seq)]

    async def until(self, handle: RunHandle, activity_id: str, status: str) -> None:
        """Wait until a task is in a status."""

        async def there() -> None:
            states = await self.states(handle)
            assert states.get(activity_id) == status, f"{states}, {await self.recorded(handle)}"

        await eventually(there)

    async def learned(self, handle: RunHandle, ended: int) -> None:
        """Wait until the run itself knows of so many ends, which the ledger hears of first."""
        temporal = self.client.temporal.get_workflow_handle(handle.workflow_id)

        async def there() -> None:
            assert (await temporal.query("progress"))["finished"] == ended

        await eventually(there)

    async def until_status(self, handle: RunHandle, status: RunStatus) -> Run:
        """Wait until a run is in a status."""

        async def there() -> Run:
            run = await self.recorded(handle)
            assert run.status is status
            return run

        return await eventually(there)

    async def begun(self, *names: str) -> None:
        """Wait until actions have begun."""

        def there() -> None:
            assert all(actions.begun[name] for name in names)

        await eventually(there)

    async def close(self) -> None:
        """End what is open, and compare all runs with Temporal."""
        for handle in self.handles:
            if not (await self.recorded(handle)).status.terminal:
                await handle.terminate("the test is over")
                self.repairs = True
        await flushed(self.client)
        if self.repairs:
            await self.differences(repair=True)
        found = await self.differences()
        assert not found, "; ".join(found)

    async def differences(self, *, repair: bool = False) -> Sequence[str]:
        """What the ledger has otherwise than Temporal, of all runs and their children."""
        found = []
        verification = Verification(
            self.client.temporal, self.client.store, ReconcilerSettings(grace_seconds=0.3)
        )
        for workflow_id in await self._workflow_ids():
            async for one in verification.differences(
                workflow_id=workflow_id, deep=True, repair=repair
            ):
                found.append(str(one))
        return found

    async def _workflow_ids(self) -> list[str]:
        found = []
        for handle in self.handles:
            found.append(handle.workflow_id)
            rows = await self.rows(handle)
            found += [one.external_id for one in rows if one.external_id is not None]
        return found
