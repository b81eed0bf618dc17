"""Sources beside PostgreSQL."""
