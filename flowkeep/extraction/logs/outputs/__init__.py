"""What an extraction of query logs ends with: queries, their usage of tables, lineage."""
