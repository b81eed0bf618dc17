"""Runs moved into the archive's table by hand, as an archive leaves them there."""

from uuid import UUID

from sqlalchemy import text

from flowkeep.contracts import RunSummary
from flowkeep.statestore import Store
from tests.statestore.records import TENANT, new_id

COLUMNS = ", ".join(name for name in RunSummary.model_fields if name not in ("archived", "stuck"))
BUNDLE = """
INSERT INTO flowkeep.archive_bundle
    (id, tenant_id, month, shard, url, prefix, status, created_at)
VALUES (:bundle, :tenant, '2026-01-01', 0, 'memory:///', 'p', 'archived', now())
"""
MOVE = f"""
WITH gone AS (DELETE FROM flowkeep.run WHERE id = ANY(:runs) RETURNING {COLUMNS})
INSERT INTO flowkeep.run_archive ({COLUMNS}, bundle_id, archived_at)
SELECT {COLUMNS}, CAST(:bundle AS uuid), now() FROM gone
"""
LABELS = "UPDATE flowkeep.run_label SET archived = true WHERE run_id = ANY(:runs)"


async def archive(store: Store, *runs: UUID) -> None:
    """Move the summary lines of runs into the archive, in one transaction."""
    bundle = new_id()
    async with store.transaction() as tx:
        await tx.connection.execute(text(BUNDLE), {"bundle": bundle, "tenant": TENANT})
        await tx.connection.execute(text(MOVE), {"runs": list(runs), "bundle": bundle})
        await tx.connection.execute(text(LABELS), {"runs": list(runs)})
