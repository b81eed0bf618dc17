"""A run while it is watched, and how that travels: server-sent events (WHATWG HTML, section 9.2).

`progress` carries a snapshot, `event` an audit event and its number as `id`, `end` the last
snapshot, `gone` nothing: the run was deleted. `problem` carries why the service tells no more: the
watcher's key was revoked, or has expired. Whoever reconnects with `Last-Event-ID` gets the audit
events behind that number.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Literal

from pydantic import TypeAdapter

from flowkeep.contracts.api.problem import ProblemDetails
from flowkeep.contracts.progress import RunProgress
from flowkeep.contracts.record import Record
from flowkeep.contracts.records import Event

HEARTBEAT = b": still here\n\n"
"""A comment that keeps proxies from closing a quiet connection."""

_PROGRESS = TypeAdapter(RunProgress)
_EVENT = TypeAdapter(Event)
_PROBLEM = TypeAdapter(ProblemDetails)


class RunUpdate(Record):
    """One thing that a watcher of a run is told.

    Attributes:
        kind: What it is.
        progress: The snapshot of `progress` and `end`. Until the end its run comes without inputs,
            outputs and state.
        event: The audit event of `event`.
        problem: What is the matter, of `problem`.
    """

    kind: Literal["progress", "event", "end", "gone", "problem"]
    progress: RunProgress | None = None
    event: Event | None = None
    problem: ProblemDetails | None = None

    @cached_property
    def frame(self) -> bytes:
        """As a server-sent event; made once, however many watch."""
        data, number = b"{}", b""
        if self.event is not None:
            data, number = _EVENT.dump_json(self.event), b"id: %d\n" % self.event.seq
        elif self.progress is not None:
            data = _PROGRESS.dump_json(self.progress)
        elif self.problem is not None:
            data = _PROBLEM.dump_json(self.problem)
        return b"event: %b\n%bdata: %b\n\n" % (self.kind.encode(), number, data)


def read_frame(lines: Iterable[str]) -> RunUpdate | None:
    """Read the lines of one server-sent event; None for a comment, or a kind that is unknown."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    kind, data = fields.get("event"), fields.get("data", "{}")
    if kind == "event":
        return RunUpdate(kind=kind, event=_EVENT.validate_json(data))
    if kind == "progress" or kind == "end":
        return RunUpdate(kind=kind, progress=_PROGRESS.validate_json(data))
    if kind == "problem":
        return RunUpdate(kind=kind, problem=_PROBLEM.validate_json(data))
    return RunUpdate(kind=kind) if kind == "gone" else None
