"""Pages read past SQLAlchemy: how they are planned, what they leave, and rows as records."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from flowkeep.contracts import RunSummary, Stuck
from flowkeep.contracts.unread import Unread
from flowkeep.errors import FlowkeepError
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from flowkeep.statestore.engine import _read_json, parse_url
from tests.statestore.records import START, TENANT, new_run

_SORTS = "SELECT current_setting('enable_sort') AS it"


async def test_pages_plan_in_ranges_and_leave_nothing(store: Store) -> None:
    """A page does not sort; whoever gets its connection next does, also behind an error."""
    scope = store.runs._scope
    async with scope.paging() as pages:
        assert await pages.rows(_SORTS, {}) == [{"it": "off"}]
    with pytest.raises(FlowkeepError):
        async with scope.paging() as pages:
            await pages.rows("SELECT CAST(:it AS int)", {"it": "x"})
    for _ in range(3):
        async with scope.read() as session:
            assert await session.rows(_SORTS, {}) == [{"it": "on"}]


async def test_what_fails_in_a_transaction_is_undone(store: Store) -> None:
    """An error leaves nothing of its transaction, and its connection to the next one clean."""
    new = new_run(created_at=START)

    async def fail() -> None:
        async with store.transaction() as transaction:
            await transaction.runs.create(TENANT, new)
            raise RuntimeError("on purpose")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="on purpose"):
            await fail()
    assert await store.runs.get_run_by_id(TENANT, None, new.id) is None
    await store.runs.create(TENANT, new)
    assert await store.runs.get_run_by_id(TENANT, None, new.id) is not None


async def test_a_row_says_what_its_record_says(store: Store) -> None:
    """The rows of a page are the JSON of its records, to the letter, unless one is stuck."""
    for number in range(3):
        await store.runs.create(TENANT, new_run(created_at=START, labels={"n": str(number)}))
    page = await store.runs.get_paginated_runs(TENANT, limit=2)
    assert isinstance(page.data, Unread)
    assert page.has_more
    records = list(page.data)
    assert to_json(page.data.rows) == TypeAdapter(list[RunSummary]).dump_json(records)
    assert page.data.glance(-1).id == page.data[-1].id == records[-1].id
    assert page.data == records
    assert page.data[:1] == records[:1]
    stuck = Stuck(code="NO_WORKER", message="nobody", attempts=1, since=START)
    assert await store.system.set_stuck(records[0].id, stuck)
    page = await store.runs.get_paginated_runs(TENANT, limit=2)
    assert isinstance(page.data, Unread)
    assert page.data.rows is None
    assert page.data[0].stuck == stuck


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1.5, -0.1, 2.5e-7, 2**70, None, True, "é\U0001f600"]},
        10**400,
        json.loads("[" * 600 + "]" * 600),
        "",
        {},
    ],
    ids=["mixed", "big", "deep", "empty text", "empty"],
)
async def test_json_of_the_ledger_is_read_exactly(store: Store, value: Any) -> None:
    """Big integers keep their digits, and what is nested deep is read all the same."""
    text = json.dumps(value)
    assert _read_json(text.encode()) == value
    async with store.runs._scope.read() as session:
        found = await session.execute("SELECT CAST(:it AS jsonb) AS it", {"it": text})
        assert found.scalar_one() == value


async def test_an_engine_of_the_callers_own_stays_as_it_is(settings: Settings) -> None:
    """Sessions on an engine that begins transactions by itself leave its connections so."""
    url = parse_url(settings.database_url())
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    store = await connect(engine=engine, settings=settings)
    try:
        new = new_run(created_at=START)
        await store.runs.create(TENANT, new)
        assert [run.id for run in await store.runs.get_paginated_runs(TENANT)] == [new.id]
        async with engine.connect() as connection:
            assert not (await driver_of(connection)).autocommit
    finally:
        await store.close()
        await engine.dispose()


async def driver_of(connection: AsyncConnection) -> Any:
    """Return the driver's connection."""
    return (await connection.get_raw_connection()).driver_connection
