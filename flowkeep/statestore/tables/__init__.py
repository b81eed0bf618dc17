"""The ledger's tables, as SQLAlchemy Core definitions; one file per noun.

Names carry no schema: sessions translate them to the schema of the settings. Migrations create
these tables; a test compares the two.
"""

from flowkeep.statestore.tables.archive import archive_bundle, archive_pending, run_archive
from flowkeep.statestore.tables.base import metadata
from flowkeep.statestore.tables.definition import (
    action,
    app,
    definition,
    definition_component,
    definition_execution,
    definition_version,
)
from flowkeep.statestore.tables.large_payload import (
    large_payload,
    large_payload_chunk,
    large_payload_need,
)
from flowkeep.statestore.tables.payload import payload, payload_ref
from flowkeep.statestore.tables.reconciliation import reconcile_mark, served_queue
from flowkeep.statestore.tables.retention import retention_policy, run_tombstone
from flowkeep.statestore.tables.rollup import run_rollup, run_rollup_mark
from flowkeep.statestore.tables.run import run, run_event, run_label, run_pause, run_segment
from flowkeep.statestore.tables.state import secret, secret_ref, state_entry
from flowkeep.statestore.tables.task import task

__all__ = [
    "action",
    "app",
    "archive_bundle",
    "archive_pending",
    "definition",
    "definition_component",
    "definition_execution",
    "definition_version",
    "large_payload",
    "large_payload_chunk",
    "large_payload_need",
    "metadata",
    "payload",
    "payload_ref",
    "reconcile_mark",
    "retention_policy",
    "run",
    "run_archive",
    "run_event",
    "run_label",
    "run_pause",
    "run_rollup",
    "run_rollup_mark",
    "run_segment",
    "run_tombstone",
    "secret",
    "secret_ref",
    "served_queue",
    "state_entry",
    "task",
]
