"""What one execution knows of itself while its workflow code runs."""

import asyncio
import functools
import math
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from flowkeep.contracts.identity import UNCOUNTED, Identity
from flowkeep.contracts.named_tasks import NamedTask
from flowkeep.contracts.status import SegmentKind
from flowkeep.recording.identity import (
    began_at,
    header_payload,
    plain_policy,
    read_header,
    segment_kind,
    workflow_identity,
)


class RunTracker:
    """What one execution knows of itself: who it is and how many tasks it scheduled."""

    def __init__(self) -> None:
        self.started_with_header = False
        self.identity = Identity()
        self._scheduled = 0
        self._succeeded = 0
        self.children = 0
        self._local = 0
        self._explicit: dict[str, int] = {}
        self._begun = False
        self._counts_all = True
        self._flowkeep = False
        self._payloads: dict[str, Any] = {}
        self._segment = SegmentKind.START
        self._began: str | None = None

    def begin(self) -> None:
        """Read the start header, or derive the identity when there is none.

        A message that came with the first workflow task is handled before the workflow's own code
        begins, so whoever comes first does this.
        """
        if self._begun:
            return
        self._begun = True
        value = read_header(workflow.info().headers)
        start = None if value is None else Identity.from_header(value)
        self.started_with_header = start is not None
        info = workflow.info()
        self._counts_all = start is not None or info.continued_run_id is None
        self._flowkeep = getattr(workflow.instance(), "__flowkeep_workflow__", False)
        self._segment = segment_kind(info)
        began = began_at(info)
        self._began = None if began is None else began.isoformat()
        self.identity = workflow_identity(start, info)

    def next_local_id(self) -> str | None:
        """Return an id that stays the same over the back-off of a local activity."""
        if not self.started_with_header:
            return None
        self._local += 1
        return f"L{self._local}"

    def task_header(
        self,
        explicit_id: str | None,
        policy: RetryPolicy | None,
        named: NamedTask | None = None,
    ) -> Any:
        """Return the header of one task.

        An explicit id that was used before in this execution is stored as `id~2`, `id~3`, …
        The retry policy travels along, because an eagerly dispatched activity is not told it. That
        the workflow is one of flowkeep's tells whoever rebuilds records that values are kept whole.
        """
        extra: dict[str, Any] = {"flowkeep": True} if self._flowkeep else {}
        if self._segment is not SegmentKind.START:
            extra["segment"] = self._segment.value
        if self._began is not None:
            extra["began"] = self._began
        if policy is not None:
            extra["retry_policy"] = plain_policy(policy)
        if explicit_id is not None:
            seen = self._explicit[explicit_id] = self._explicit.get(explicit_id, 0) + 1
            if seen > 1:
                extra["task_key"] = f"{explicit_id}~{seen}"
        if named is not None:
            extra["task"] = named.to_header()
        if named is not None or "task_key" in extra:
            return header_payload(self.identity, **extra)
        return self._payload_with(extra)

    def _payload_with(self, extra: dict[str, Any]) -> Any:
        """Return the header, encoded once per retry policy: most tasks share it."""
        key = str(extra)
        if key not in self._payloads:
            self._payloads[key] = header_payload(self.identity, **extra)
        return self._payloads[key]

    def count(self, task: "asyncio.Task[Any]", limit: float = math.inf) -> None:
        """Count a task that was scheduled, and its success when it comes.

        Args:
            task: Ends with the task.
            limit: Seconds after which an attempt of it may have been given up. A success within
                them is certainly not of an attempt that followed one whose answer got lost.
        """
        self._scheduled += 1
        task.add_done_callback(functools.partial(self._note_end, workflow.time() + limit))

    def _note_end(self, deadline: float, task: "asyncio.Task[Any]") -> None:
        # Not `exception()`: that would keep asyncio from telling of one that nobody looks at.
        if task.cancelled() or task._exception is not None:  # noqa: SLF001
            return
        if workflow.time() < deadline:
            self._succeeded += 1

    @property
    def total(self) -> int | None:
        """Tasks counted over the whole continue-as-new chain, all of which succeeded in time.

        None where nobody handed on what earlier executions had counted; and where one failed, is
        open, or took so long that an attempt may have timed out unnoticed. What a worker saw of
        such a task and what the server made of it may differ without a trace in the number of
        attempts, so only the history proves it.
        """
        if not self._counts_all or self.identity.count == UNCOUNTED:
            return None
        return self.identity.count + self._scheduled if self._succeeded == self._scheduled else None

    @property
    def handed_on(self) -> int | None:
        """The count that the next execution of the chain is told; None when it is told nothing."""
        if not self._counts_all:
            return None
        return UNCOUNTED if self.total is None else self.total
