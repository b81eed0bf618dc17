"""What one process of the service is doing: requests, streams, figures of both, and its end."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from flowkeep.telemetry.metrics import Meter

SAMPLE_SECONDS = 1.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Operations:
    """Counts the requests and streams of one process, and ends its streams.

    Args:
        meter: Makes the instruments; see docs/reference/metrics.md.

    Attributes:
        open: Requests that are being answered, streams included.
        ending: Whether the process stops: streams end, and no new one goes on.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or Meter()
        self._requests = meter.counter("api_requests", "Requests that were answered")
        self._duration = meter.histogram(
            "api_request_duration", "Time until an answer was complete", "seconds"
        )
        self._open = meter.gauge("api_requests_open", "Requests that are being answered")
        self._watchers = meter.gauge("api_watchers", "Streams of events that are open")
        self._audit_queue = meter.gauge("api_audit_queue", "Lines of the audit log in memory")
        self._known: dict[tuple[str, str, int], Callable[[float], None]] = {}
        self._streams: set[asyncio.Task[object]] = set()
        self.open = 0
        self.ending = False

    @property
    def watchers(self) -> int:
        """How many streams of events are open."""
        return len(self._streams)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request.

        Args:
            route: Template of its path, below `/api/v1`.
            method: Its method.
            status: The HTTP status of the answer.
            seconds: How long it took.
        """
        key = (route, method if method in _METHODS else "other", status)
        note = self._known.get(key)
        if note is None:
            note = self._known[key] = self._instruments(*key)
        note(seconds)

    def _instruments(self, route: str, method: str, status: int) -> Callable[[float], None]:
        attributes = {"route": route, "method": method, "status": str(status)}
        requests = self._requests.with_additional_attributes(attributes)
        duration = self._duration.with_additional_attributes(attributes)

        def note(seconds: float) -> None:
            requests.add(1)
            duration.record(seconds)

        return note

    def stream_began(self, task: "asyncio.Task[object]") -> None:
        """Remember the task of a stream; while the process stops, it ends at once."""
        self._streams.add(task)
        if self.ending:
            task.cancel()

    def stream_ended(self, task: "asyncio.Task[object]") -> None:
        """Forget the task of a stream."""
        self._streams.discard(task)

    def end_streams(self) -> None:
        """End every stream: those who watch find their place again by `Last-Event-ID`."""
        self.ending = True
        for task in self._streams:
            task.cancel()

    async def sample(self, audit_queue: Callable[[], int]) -> NoReturn:
        """Tell gauges what is now, every second, until cancelled.

        Args:
            audit_queue: Gives the number of lines that wait for the ledger.
        """
        while True:
            self._open.set(self.open)
            self._watchers.set(self.watchers)
            self._audit_queue.set(audit_queue())
            await asyncio.sleep(SAMPLE_SECONDS)
