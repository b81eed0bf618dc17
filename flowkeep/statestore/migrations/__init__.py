"""Alembic migrations of the ledger: forward only, run by `flowkeep.statestore.migrate`.

A migration names no schema: the connection's search path does. It must not hold a lock for long:
new indexes on filled tables are built concurrently, new constraints are validated in a second
step, new columns have no volatile default.
"""

HEAD = "0014"
"""The newest migration. Kept here so that a connection can be checked without loading Alembic."""
