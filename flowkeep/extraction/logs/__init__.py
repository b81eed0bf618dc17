"""Query logs: which statements ran, when, for whom, and what they read and wrote."""
