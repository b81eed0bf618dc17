"""Checkpointed steps: inside one activity, results that are committed before it goes on."""
