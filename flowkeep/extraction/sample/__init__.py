"""A database to try things on: created by `create_sample_database`."""
