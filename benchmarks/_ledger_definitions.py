"""The apps and definitions that filled runs name."""

from sqlalchemy import text

from benchmarks._ledger_rows import APPS, DEFINITIONS, TENANTS, definition_id
from flowkeep.contracts import NewApp, NewDefinition
from flowkeep.statestore import Store

_COUNT = """
UPDATE flowkeep.definition SET execution_count = c.runs, last_executed_at = c.last
FROM (
    SELECT definition_id, count(*) AS runs, max(created_at) AS last
    FROM flowkeep.run WHERE definition_id IS NOT NULL GROUP BY 1
) AS c
WHERE id = c.definition_id
"""


async def write_definitions(store: Store) -> None:
    """Write apps and definitions, each with three modules of two steps, and count their runs.

    Args:
        store: Where runs are filled in already.
    """
    apps = list(APPS)
    for place, tenant in enumerate(TENANTS):
        async with store.transaction() as tx:
            for app in apps:
                await tx.apps.create(tenant, NewApp(id=app))
            for number in range(DEFINITIONS):
                await tx.definitions.create(
                    tenant,
                    NewDefinition(
                        id=definition_id(place, number),
                        name=f"definition-{number:02}",
                        app_id=apps[number % len(apps)],
                        tags=["nightly"],
                        steps_in_modules={
                            f"module-{(number + n) % 10}": [f"step-{n}", "step-9"] for n in range(3)
                        },
                    ),
                )
    async with store.transaction() as tx:
        await tx.connection.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.connection.execute(text("SET LOCAL enable_seqscan = on"))
        await tx.connection.execute(text(_COUNT))
