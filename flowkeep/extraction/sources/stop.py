"""Ending what runs on a connection when somebody says stop."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError

_POLL_SECONDS = 0.1


class StopWatch:
    """Ends what runs on a connection as soon as a stop flag is set.

    A statement that waits for a lock or sorts returns nothing between whose rows one could ask.

    Args:
        end: What to do then; called by a thread.
        stop: The flag; where it is set already, nothing is begun.
    """

    def __init__(self, end: Callable[[], None], stop: threading.Event | None) -> None:
        self._end = end
        self._stop = stop
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flowkeep-stop", daemon=True)

    def __enter__(self) -> None:
        if self._stop is not None:
            if self._stop.is_set():
                raise CancelledError("stopped before a statement")
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        assert self._stop is not None
        while not self._done.wait(_POLL_SECONDS):  # not for the flag: the end is what may not wait
            if self._stop.is_set():
                self._end()
                return
