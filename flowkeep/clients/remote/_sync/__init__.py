# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""The source of both clients."""
