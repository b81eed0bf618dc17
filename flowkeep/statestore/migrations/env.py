"""Alembic's entry: runs migrations on the connection that `migrate.upgrade` hands over."""

from alembic import context

from flowkeep.statestore.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=context.config.attributes["schema_name"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
