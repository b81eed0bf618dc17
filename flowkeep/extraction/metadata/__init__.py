"""Metadata of a SQL database: from catalogue statements to files with a manifest."""
