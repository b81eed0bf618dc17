"""Random changes of a database, each made in SQL and in a model."""
