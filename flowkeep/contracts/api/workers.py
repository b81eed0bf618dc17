"""Task queues and who polls them, as Temporal tells."""

from datetime import datetime
from typing import Literal

from flowkeep.contracts.record import Record

TaskKind = Literal["workflow", "activity"]


class Poller(Record):
    """One process that asked a task queue for work in the last minutes.

    Attributes:
        identity: What it calls itself: process and host, when nobody chose another name.
        kind: Which tasks it asks for.
        last_access_at: When it asked last.
        build_id: What code it runs; null where it does not say.
        deployment: Which deployment of workers it belongs to; null where it does not say.
    """

    identity: str
    kind: TaskKind
    last_access_at: datetime
    build_id: str | None = None
    deployment: str | None = None


class Backlog(Record):
    """Tasks of one kind that wait in a queue.

    Attributes:
        kind: Which tasks.
        waiting: About how many wait.
        oldest_seconds: How long the oldest has waited.
        added_per_second: How many came lately.
        taken_per_second: How many were taken lately.
    """

    kind: TaskKind
    waiting: int
    oldest_seconds: float
    added_per_second: float
    taken_per_second: float


class TaskQueue(Record):
    """A task queue that the tenant uses.

    Attributes:
        name: Its name in Temporal.
        pollers: Who polls it, by name; empty when nobody serves it.
        backlogs: What waits in it; empty where the server does not tell.
    """

    name: str
    pollers: tuple[Poller, ...] = ()
    backlogs: tuple[Backlog, ...] = ()
