"""Ending what runs on a connection when somebody says stop."""

import threading
from collections.abc import Callable

_POLL_SECONDS = 0.1


class StopWatch:
    """Ends a connection as soon as a stop flag is set, also while nobody reads from it.

    Args:
        end: What to do then; called by a thread.
        stop: The flag.
    """

    def __init__(self, end: Callable[[], None], stop: threading.Event | None) -> None:
        self._end = end
        self._stop = stop
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flowkeep-stop", daemon=True)

    def __enter__(self) -> None:
        if self._stop is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        assert self._stop is not None
        while not self._done.is_set():
            if self._stop.wait(_POLL_SECONDS):
                if not self._done.is_set():
                    self._end()
                return
