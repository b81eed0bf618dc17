"""A client and a worker on real servers."""

from tests.served import client, letters, worker

__all__ = ["client", "letters", "worker"]
