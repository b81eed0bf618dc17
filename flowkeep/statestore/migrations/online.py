"""Steps of a migration that readers and writers of a filled ledger do not notice.

Each runs outside a transaction and may be repeated: a migration that was interrupted goes on where
it was.
"""

import time
from collections.abc import Mapping

import psycopg
from alembic import context, op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from flowkeep.statestore.migrations import labels

_PATIENCE = "200ms"
"""Whoever comes behind a lock that is waited for waits as long."""
_TRIES = 300
_PAUSE_SECONDS = 0.2

_VALID = """
SELECT i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relname = :name AND c.relnamespace = current_schema()::regnamespace
"""


def tell(line: str) -> None:
    """Tell whoever runs the migration what happens now."""
    on_progress = context.config.attributes.get("on_progress")
    if on_progress is not None:
        on_progress(line)


def alter(statement: str) -> None:
    """Run a statement that locks a table for a moment.

    It waits only briefly for the lock, because every reader would queue behind it, and tries
    again later.

    Args:
        statement: DDL that may be repeated (IF EXISTS, IF NOT EXISTS).
    """
    for left in range(_TRIES - 1, -1, -1):
        op.execute(f"SET lock_timeout = '{_PATIENCE}'")
        try:
            op.execute(statement)
            return
        except DBAPIError as error:
            if not left or not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
        finally:
            op.execute("SET lock_timeout = 0")
        time.sleep(_PAUSE_SECONDS)


def build(indexes: Mapping[str, str]) -> None:
    """Build indexes beside readers and writers; those that are there already are left.

    Args:
        indexes: CREATE INDEX CONCURRENTLY statements by the index's name.
    """
    # These wait for the end of older transactions and hold nobody up meanwhile.
    op.execute("SET lock_timeout = 0")
    for number, (name, statement) in enumerate(indexes.items(), 1):
        valid = op.get_bind().execute(text(_VALID), {"name": name}).scalar_one_or_none()
        if valid:
            continue
        tell(f"index {number} of {len(indexes)}: {name}")
        if valid is not None:  # its build was interrupted
            drop(name)
        op.execute(statement)


def drop(index: str) -> None:
    """Drop an index beside readers and writers."""
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


def fill_labels() -> None:
    """Write the table of labels from the runs, in short statements."""
    # Of all runs; those that are written meanwhile by the version before, afterwards.
    last, seen = "00000000-0000-0000-0000-000000000000", 0
    while True:
        found = op.get_bind().execute(text(labels.NEXT), {"last": last}).one_or_none()
        if found is None:
            break
        last, seen = str(found[0]), seen + found[1]
        if seen % (20 * labels.BATCH) == 0:
            tell(f"labels: {seen:,} runs")
    op.get_bind().execute(text(labels.RECENT))
