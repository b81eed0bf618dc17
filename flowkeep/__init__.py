"""Durable workflows on Temporal with a PostgreSQL ledger."""
