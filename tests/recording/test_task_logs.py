"""Log lines of tasks: what is kept, what is not, and that it harms nobody."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flowkeep.contracts.task_logs import LogLevel, LogLine, NewLogLine
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import RecorderSettings, Settings
from flowkeep.statestore import Store
from flowkeep.telemetry import get_logger
from tests.statestore.records import at, new_id, new_run
from tests.support import eventually

plain = logging.getLogger("orders.load")
fielded = get_logger("orders.fields")


@activity.defn
async def speaks() -> None:
    """Logs in every way, once failing."""
    activity.logger.info("begins with %s", "password=hunter2")
    activity.logger.debug("too quiet")
    plain.warning("odd \x00 row", extra={"row": 7, "api_key": "sesame"})
    fielded.error("bad", table="orders")
    await asyncio.to_thread(plain.error, "from a thread of its own")
    if activity.info().attempt == 1:
        raise ApplicationError("once more")


@activity.defn
def shouts() -> None:
    """Logs more than is kept, from a thread."""
    try:
        raise ValueError("no such order")
    except ValueError:
        plain.exception("x" * 5_000)
    for number in range(300):
        plain.error("line %d", number)


@activity.defn
async def whispers() -> None:
    """Logs nothing."""


@workflow.defn
class Talk:
    """Executes one activity."""

    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(
            name,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
        )


Talking = Callable[[str], Any]


@asynccontextmanager
async def talking(settings: Settings, **recorder: Any) -> AsyncIterator[tuple[Talking, Plugin]]:
    """A plain worker with the plugin; the first value executes an activity by its name."""
    changed = RecorderSettings(**recorder)
    plugin = Plugin(settings.model_copy(update={"recorder": changed}))
    assert settings.temporal.address is not None
    client = await Client.connect(settings.temporal.address, plugins=[plugin])
    queue = f"talk-{uuid4()}"

    async def talk(name: str) -> UUID:
        handle = await client.start_workflow(Talk.run, name, id=f"talk-{uuid4()}", task_queue=queue)
        await handle.result()
        memo = await (await handle.describe()).memo()
        return UUID(memo["flowkeep"]["run_id"])

    with ThreadPoolExecutor(4) as threads:
        async with Worker(
            client,
            task_queue=queue,
            workflows=[Talk],
            activities=[speaks, shouts, whispers],
            activity_executor=threads,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield talk, plugin


async def lines(plugin: Plugin, run_id: UUID, count: int, **filters: Any) -> list[LogLine]:
    """Wait until so many lines of a run are kept."""

    async def check() -> list[LogLine]:
        page = await plugin.store.task_logs.list("default", run_id, limit=1000, **filters)
        assert len(page) == count
        return list(page)

    return await eventually(check)


async def test_lines_are_kept_with_their_attempt(settings: Settings) -> None:
    """Lines of Temporal's logger, of plain ones and of ours are kept in order, without secrets.

    They belong to the attempt whose code logged them, also from a thread that it started.
    """
    before = logging.getLogger("temporalio.activity").level
    async with talking(settings) as (talk, plugin):
        run_id = await talk("speaks")
        found = await lines(plugin, run_id, 8)
        assert [line.attempt for line in found] == [1] * 4 + [2] * 4
        assert [(line.level, line.logger, line.message) for line in found[:4]] == [
            ("INFO", "temporalio.activity", "begins with password=***"),
            ("WARNING", "orders.load", "odd \ufffd row"),
            ("ERROR", "orders.fields", "bad"),
            ("ERROR", "orders.load", "from a thread of its own"),
        ]
        assert [line.fields for line in found[:4]] == [
            None,
            {"row": 7, "api_key": "***"},
            {"table": "orders"},
            None,
        ]
        assert len(await lines(plugin, run_id, 4, attempt=2)) == 4
        assert len(await lines(plugin, run_id, 4, level=LogLevel.ERROR)) == 4
        assert await lines(plugin, run_id, 0, activity_id="other") == []
    assert logging.getLogger("temporalio.activity").level == before


async def test_limits_are_told(settings: Settings) -> None:
    """Of an attempt that shouts the first lines are kept, cut, and the number of the others."""
    async with talking(settings, task_log_lines=5, task_log_line_bytes=100) as (talk, plugin):
        found = await lines(plugin, await talk("shouts"), 6)
        assert len(found[0].message.encode()) <= 100
        assert found[0].fields is not None
        assert "ValueError: no such order" in found[0].fields["exception"]
        assert [line.message for line in found[1:5]] == [f"line {n}" for n in range(4)]
        assert found[5].fields == {"not_kept": 296}
    async with talking(settings, task_log_bytes=6_000, task_log_lines=1_000) as (talk, plugin):
        run_id = await talk("shouts")

        async def told() -> list[LogLine]:
            page = await plugin.store.task_logs.list("default", run_id, limit=1000)
            assert page.data
            assert "not_kept" in (page.data[-1].fields or {})
            return list(page)

        found = await eventually(told)
        kept, last = found[:-1], found[-1]
        assert last.fields == {"not_kept": 301 - len(kept)}
        assert 4_000 < sum(len(line.message) for line in kept) <= 6_000


async def test_nothing_costs_nothing(settings: Settings) -> None:
    """An attempt that logs nothing writes nothing, and with the setting off nobody listens."""
    handlers = list(logging.getLogger().handlers)
    async with talking(settings, task_logs="off") as (talk, plugin):
        assert plugin.lines is None
        assert logging.getLogger().handlers == handlers
        run_id = await talk("speaks")
    async with talking(settings) as (talk, plugin):
        quiet = await talk("whispers")
        assert plugin.lines is not None
        assert len(plugin.lines._queue) == 0
        assert await lines(plugin, run_id, 0) == await lines(plugin, quiet, 0) == []
    assert logging.getLogger().handlers == handlers


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """The ledger alone."""
    async with Store.lazy(settings) as store:
        yield store


async def test_lines_go_with_their_run(store: Store) -> None:
    """A removed run takes its lines along; later ones, and other tenants', are not written."""
    run = await store.runs.create("t", new_run())

    def line(tenant: str, run_id: UUID, text: str) -> NewLogLine:
        return NewLogLine(run_id, tenant, "r", "1", 1, at(1), 20, "x", text, {"a": 1})

    unknown = new_id()
    assert await store.task_logs.keep([line("t", run.id, "a"), line("t", unknown, "b")]) == {
        unknown
    }
    assert await store.task_logs.keep([line("other", run.id, "c")]) == {run.id}
    page = await store.task_logs.list("t", run.id, limit=1)
    assert [one.message for one in page] == ["a"]
    assert len(await store.task_logs.list("other", run.id)) == 0
    await store.runs.fail("t", run.id)
    await store.runs.delete_runs_by_ids("t", [run.id])
    assert len(await store.task_logs.list("t", run.id)) == 0
    assert await store.task_logs.keep([line("t", run.id, "late")]) == {run.id}
