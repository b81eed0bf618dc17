"""The ledger's tables, as SQLAlchemy Core definitions; one file per noun.

Names carry no schema: sessions translate them to the schema of the settings. Migrations create
these tables; a test compares the two.
"""

from flowkeep.statestore.tables.base import metadata
from flowkeep.statestore.tables.payload import payload, payload_ref
from flowkeep.statestore.tables.run import run, run_event, run_pause, run_segment
from flowkeep.statestore.tables.state import secret, state_entry
from flowkeep.statestore.tables.task import task

__all__ = [
    "metadata",
    "payload",
    "payload_ref",
    "run",
    "run_event",
    "run_pause",
    "run_segment",
    "secret",
    "state_entry",
    "task",
]
