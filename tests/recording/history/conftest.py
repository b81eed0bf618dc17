"""A ledger that can be damaged, and an examiner that compares it with the real server."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from flowkeep.contracts.truth import Difference
from flowkeep.recording.examination import Examiner
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import Settings
from tests.recording.history import flows
from tests.support import eventually

Rows = dict[tuple[str, str, int], str]
Serve = Callable[..., Worker]


@dataclass
class Ledger:
    """The ledger of one test: what it says, damage to it, and its comparison with Temporal."""

    examiner: Examiner
    connection: psycopg.AsyncConnection[Any]

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement; returns its rows, if it gives any."""
        cursor = await self.connection.execute(statement, values)  # type: ignore[call-overload]
        return await cursor.fetchall() if cursor.description else []

    async def examine(
        self, handle: WorkflowHandle[Any, Any], *, deep: bool = True, repair: bool = False
    ) -> list[Difference]:
        """Compare the execution that a handle names."""
        run_id = handle.run_id or handle.result_run_id or handle.first_execution_run_id
        assert run_id is not None
        return await self.examiner.examine(handle.id, run_id, deep=deep, repair=repair)

    async def agrees(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Wait until everything that workers report is in the ledger and equals history."""

        async def compared() -> None:
            assert await self.examine(handle) == []

        await eventually(compared)

    async def repaired(self, handle: WorkflowHandle[Any, Any]) -> list[str]:
        """Repair an execution, check that this is all it takes, and return what was found."""
        found = await self.examine(handle)
        assert not any(one.repaired for one in found)
        mended = await self.examine(handle, repair=True)
        assert [one.evolve(repaired=True) for one in found] == mended
        assert await self.examine(handle) == []
        assert await self.examine(handle, deep=False) == []
        return kinds(found)

    async def rows(self, handle: WorkflowHandle[Any, Any]) -> Rows:
        """Return the status of every attempt of a run by execution, key and number."""
        found = await self.sql(
            "SELECT temporal_run_id, activity_id, attempt, t.status FROM task AS t"
            " JOIN run AS r ON r.id = t.run_id WHERE r.workflow_id = %s AND NOT superseded",
            handle.id,
        )
        return {(one[0], one[1], one[2]): one[3] for one in found}

    async def run(self, handle: WorkflowHandle[Any, Any]) -> tuple[Any, ...]:
        """Return what a run says of its end, and its counters."""
        [row] = await self.sql(
            "SELECT status, failure_reason, outputs, error ->> 'code', tasks_total, tasks_finished,"
            " exceptions_count FROM run WHERE workflow_id = %s",
            handle.id,
        )
        return tuple(row)

    async def segments(self, handle: WorkflowHandle[Any, Any]) -> list[tuple[Any, ...]]:
        """Return what every execution of a run says of itself."""
        return await self.sql(
            "SELECT temporal_run_id, s.kind, s.status, s.failure_reason, expected_tasks,"
            " closed_at IS NULL FROM run_segment AS s JOIN run AS r ON r.id = s.run_id"
            " WHERE r.workflow_id = %s ORDER BY s.started_at, temporal_run_id",
            handle.id,
        )

    async def damage_end(self, handle: WorkflowHandle[Any, Any], change: str) -> None:
        """Change what a run and its only execution say of their end."""
        opens = "'running'" in change
        segment, run = ", closed_at = NULL", ", finished_at = NULL, outputs = NULL"
        [[run_id]] = await self.sql("SELECT id FROM run WHERE workflow_id = %s", handle.id)
        await self.sql(
            f"UPDATE run_segment SET {change}{segment if opens else ''} WHERE run_id = %s", run_id
        )
        await self.sql(f"UPDATE run SET {change}{run if opens else ''} WHERE id = %s", run_id)

    async def forget(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Lose every row of a run."""
        [[run_id]] = await self.sql("SELECT id FROM run WHERE workflow_id = %s", handle.id)
        for table in ("task", "run_segment", "run_event", "payload_ref", "run_label"):
            await self.sql(f"DELETE FROM {table} WHERE run_id = %s", run_id)
        await self.sql("DELETE FROM run WHERE id = %s", run_id)


def kinds(found: Sequence[Difference]) -> list[str]:
    """Return the kinds of differences, sorted, with the attempt where there is one."""
    return sorted(
        str(one.kind) if one.activity_id is None else f"{one.kind} {one.activity_id}/{one.attempt}"
        for one in found
    )


@pytest.fixture
async def plugin(settings: Settings) -> AsyncIterator[Plugin]:
    """The plugin on the test's own ledger."""
    plugin = Plugin(settings)
    yield plugin
    await plugin.close()


@pytest.fixture
async def recorded(settings: Settings, plugin: Plugin) -> Client:
    """A client that has the plugin."""
    assert settings.temporal.address is not None
    return await Client.connect(settings.temporal.address, plugins=[plugin])


@pytest.fixture
async def ledger(recorded: Client, settings: Settings) -> AsyncIterator[Ledger]:
    """The ledger, with a store of the test's own: workers close theirs."""
    plugin = Plugin(settings)
    connection = await psycopg.AsyncConnection.connect(settings.database_url(), autocommit=True)
    async with connection:
        await connection.execute(f'SET search_path TO "{settings.database.schema_name}"')  # type: ignore[arg-type]
        yield Ledger(Examiner(recorded, plugin.store), connection)
    await plugin.close()


@pytest.fixture
def serve(task_queue: str) -> Serve:
    """Make a worker as a program without flowkeep would."""

    def make(client: Client, **kw: Any) -> Worker:
        options = {"workflows": flows.WORKFLOWS, "activities": flows.ACTIVITIES, **kw}
        return Worker(client, task_queue=task_queue, **options)

    return make
