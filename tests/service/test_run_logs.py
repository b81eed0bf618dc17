"""Log lines of runs, directly and over HTTP."""

from uuid import UUID

import pytest

from flowkeep.contracts.api.runs import RunStart
from flowkeep.contracts.task_logs import LogLevel, NewLogLine
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.settings import Settings
from flowkeep.statestore import Store
from tests.service.conftest import ServiceClient
from tests.statestore.records import at, new_id


async def logged(settings: Settings, run_id: UUID) -> None:
    """Write five lines of two tasks."""
    said = [("1", 1, 10), ("1", 1, 20), ("1", 2, 40), ("2", 1, 20), ("2", 1, 35)]
    lines = [
        NewLogLine(run_id, "default", "r", task, number, at(n), level, "x", f"line {n}", None)
        for n, (task, number, level) in enumerate(said)
    ]
    async with Store.lazy(settings) as store:
        assert not await store.task_logs.keep(lines)


async def test_lines_of_a_run(client: ServiceClient, settings: Settings) -> None:
    """Lines come in order, page by page, by task, attempt and level; levels between are lower."""
    run = await client.runs.start(RunStart(workflow_type="Elsewhere", external=True))
    await logged(settings, run.run_id)

    async def numbers(**filters: object) -> list[int]:
        page = await client.run_logs.list(run.run_id, **filters)  # type: ignore[arg-type]
        return [int(line.message.removeprefix("line ")) for line in page.data]

    assert await numbers() == [0, 1, 2, 3, 4]
    assert await numbers(activity_id="1") == [0, 1, 2]
    assert await numbers(activity_id="1", attempt=2) == [2]
    assert await numbers(level=LogLevel.WARNING) == [2, 4]
    first = await client.run_logs.list(run.run_id, limit=3)
    second = await client.run_logs.list(run.run_id, limit=3, cursor=first.next)
    assert [line.message for line in second.data] == ["line 3", "line 4"]
    assert [line.level for line in second.data] == [LogLevel.INFO, LogLevel.WARNING]
    assert second.next is None


async def test_lines_that_are_not_there(client: ServiceClient) -> None:
    """An unknown run is not found, and a cursor of another list is refused."""
    with pytest.raises(NotFound):
        await client.run_logs.list(new_id())
    run = await client.runs.start(RunStart(workflow_type="Elsewhere", external=True))
    assert (await client.run_logs.list(run.run_id)).data == ()
    with pytest.raises(InvalidInput, match="cursor"):
        await client.run_logs.list(run.run_id, cursor="x")
