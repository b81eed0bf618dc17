"""Workflows that extract query logs."""
