"""How many connections this process holds to one source at a time."""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

_changed = threading.Condition()
_open: Counter[str] = Counter()
_proved: set[str] = set()
_waiting: defaultdict[str, deque[object]] = defaultdict(deque)
_POLL_SECONDS = 0.2


@contextmanager
def connection_slot(
    source: str, limit: int, stop: threading.Event | None = None
) -> Iterator[Callable[[], None]]:
    """Wait for a free place at a source and hold it; who came first is served first.

    Until one connection has succeeded, places are given out one by one: many cold connections with
    a wrong password can lock an account.

    Args:
        source: What the limit counts for, for example `postgres://host:port`.
        limit: Most connections of this process.
        stop: Ends the wait when set.

    Yields:
        A function to call once the connection stands.

    Raises:
        concurrent.futures.CancelledError: If `stop` was set while waiting.
    """
    ticket = object()
    with _changed:
        line = _waiting[source]
        line.append(ticket)
        try:
            while line[0] is not ticket or _open[source] >= (limit if source in _proved else 1):
                if stop is not None and stop.is_set():
                    raise CancelledError(f"stopped while waiting for a connection to {source}")
                _changed.wait(_POLL_SECONDS)
            _open[source] += 1
        finally:
            line.remove(ticket)
            _changed.notify_all()

    def proved() -> None:
        with _changed:
            _proved.add(source)
            _changed.notify_all()

    try:
        yield proved
    finally:
        with _changed:
            _open[source] -= 1
            _changed.notify_all()


def open_connections(source: str) -> int:
    """Return how many places at a source are taken now."""
    with _changed:
        return _open[source]
