"""The ledger's tables, as SQLAlchemy Core definitions; one file per noun.

Names carry no schema: sessions translate them to the schema of the settings. Migrations create
these tables; a test compares the two.
"""

from flowkeep.statestore.tables.api_key import api_key
from flowkeep.statestore.tables.archive import archive_bundle, archive_pending, run_archive
from flowkeep.statestore.tables.audit import audit_log, idempotency
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
from flowkeep.statestore.tables.schedule import schedule
from flowkeep.statestore.tables.state import secret, secret_ref, state_entry
from flowkeep.statestore.tables.step import step_scope
from flowkeep.statestore.tables.task import task
from flowkeep.statestore.tables.task_log import task_log
from flowkeep.statestore.tables.webhook import webhook, webhook_delivery

__all__ = [
    "action",
    "api_key",
    "app",
    "archive_bundle",
    "archive_pending",
    "audit_log",
    "definition",
    "definition_component",
    "definition_execution",
    "definition_version",
    "idempotency",
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
    "schedule",
    "secret",
    "secret_ref",
    "served_queue",
    "state_entry",
    "step_scope",
    "task",
    "task_log",
    "webhook",
    "webhook_delivery",
]
