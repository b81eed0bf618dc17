"""Workflows described by data: their format, its validation, templates, the planner, actions."""
