"""Plans of retention on a filled table: ranges of an index and look-ups by key, nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from flowkeep.statestore import Store
from flowkeep.statestore.repositories import expiry, families
from flowkeep.statestore.repositories.expiry import Selection
from tests.statestore.plans import BIG, check, plans
from tests.statestore.records import TENANT, new_id
from tests.statestore.test_plans import filled

__all__ = ["filled"]
BEFORE = datetime(2026, 1, 1, 1, tzinfo=UTC)
DEFINITION = new_id()


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize(
    ("selection", "index"),
    [
        (Selection(TENANT, BEFORE), "run_by_tenant_ix"),
        (Selection(TENANT, BEFORE, without_apps=("app2",)), "run_by_tenant_ix"),
        (Selection(TENANT, BEFORE, app_id="app2"), "run_by_app_ix"),
        (Selection(TENANT, app_id="app2"), "run_by_app_ix"),
        (Selection(TENANT, BEFORE, definition_id=DEFINITION), "run_by_definition_ix"),
        (Selection(TENANT, datetime.now(UTC), status="succeeded"), "run_by_rest_ix"),
    ],
)
async def test_windows_are_ranges_of_an_index(
    filled: Store, selection: Selection, index: str, generic: bool
) -> None:
    """Each form of a window reads its index in order, prepared or not, from the start or deep."""

    async def read() -> None:
        async with filled._scope.read() as session:
            first = await expiry.window(session, selection, expiry.START, 100)
            await expiry.window(session, selection, first.last, 100)

    check(await plans(filled, read, generic=generic), wanted={index}, most_sorted=200)


@pytest.mark.parametrize("generic", [False, True])
async def test_removal_looks_up_by_key(filled: Store, generic: bool) -> None:
    """Counting and deleting a batch read only the rows that go, and no big value."""
    page = await filled.runs.get_paginated_runs(TENANT, limit=50, status="succeeded")
    ids = [run.id for run in page.data]

    class Undone(Exception):
        pass

    async def remove() -> None:
        try:
            async with filled._scope.write() as session:
                gone = await families.delete(session, TENANT, ids, strict=True)
                assert len(gone.runs) == 50
                raise Undone
        except Undone:
            return

    async def count() -> None:
        await filled.runs.delete_runs_by_ids(TENANT, ids, dry_run=True)

    for call in (remove, count):
        found = await plans(filled, call, generic=generic)
        check(found, wanted={"run_pk"}, most_sorted=1000)
        for plan in found:
            for node in plan:
                assert node.get("Relation Name") not in BIG or node["Node Type"] != "Seq Scan"


async def test_the_table_is_as_it_was(filled: Store) -> None:
    """The plans above were read without changing anything."""
    async with filled._scope.read() as session:
        found: Any = await session.connection.execute(text("SELECT count(*) FROM flowkeep.run"))
        assert found.scalar_one() == 30_000
