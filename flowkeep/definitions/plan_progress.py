"""Where each task of a run stands: as templates see it, and counted."""

from collections.abc import Iterable
from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import TaskRef

_COUNTED_AS = {
    TaskStatus.PENDING: "waiting",
    TaskStatus.SUCCEEDED: "succeeded",
    TaskStatus.FAILED: "failed",
    TaskStatus.TIMED_OUT: "failed",
    TaskStatus.CANCELLED: "failed",
    TaskStatus.SKIPPED: "skipped",
}


class Progress:
    """Where each task stands, top-level ones and those inside parallel ones.

    Args:
        names: The tasks.

    Attributes:
        tasks: What `tasks` is in templates: per task `{status, result, error}` of the newest
            iteration that has ended. Its values are replaced, never changed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.tasks = {name: _shown(TaskStatus.PENDING) for name in names}
        self._newest: dict[str, int] = {}
        self._running: dict[str, int] = {}
        self._counts = {
            "active": 0,
            "succeeded": 0,
            "failed": 0,
            "skipped": 0,
            "waiting": len(self.tasks),
        }

    def counts(self) -> dict[str, int]:
        """Return how many tasks are active, succeeded, failed, skipped, or have yet to begin.

        Each task counts once: as active while an iteration of it runs, else as its newest one
        ended.
        """
        return dict(self._counts)

    def begin(self, ref: TaskRef) -> None:
        """Take note that an iteration of a task began."""
        before = self._counted_as(ref.name)
        self._running[ref.name] = self._running.get(ref.name, 0) + 1
        if ref.name not in self._newest:
            self.tasks[ref.name] = _shown(TaskStatus.RUNNING)
        self._move(ref.name, before)

    def show(
        self,
        ref: TaskRef,
        status: TaskStatus,
        result: Any = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """Show templates how an iteration ended, unless a newer one has."""
        if ref.iteration >= self._newest.get(ref.name, 0):
            self._newest[ref.name] = ref.iteration
            self.tasks[ref.name] = _shown(status, result, error)

    def end(self, ref: TaskRef) -> None:
        """Take note that an iteration is over, after it was shown."""
        before = self._counted_as(ref.name)
        self._running[ref.name] -= 1
        if not self._running[ref.name]:
            del self._running[ref.name]
        self._move(ref.name, before)

    def skip(self, ref: TaskRef) -> None:
        """Take note of a task that nothing led to."""
        self.begin(ref)
        self.show(ref, TaskStatus.SKIPPED)
        self.end(ref)

    def _counted_as(self, name: str) -> str:
        return "active" if name in self._running else _COUNTED_AS[self.tasks[name]["status"]]

    def _move(self, name: str, before: str) -> None:
        self._counts[before] -= 1
        self._counts[self._counted_as(name)] += 1

    def dump(self) -> dict[str, Any]:
        """Return where it stands, as JSON: of tasks that have not begun, nothing."""
        return {
            "tasks": {
                name: shown
                for name, shown in self.tasks.items()
                if shown["status"] != TaskStatus.PENDING
            },
            "newest": {name: newest for name, newest in self._newest.items() if newest},
            "running": dict(self._running),
            "counts": self.counts(),
        }

    def restore(self, dump: dict[str, Any]) -> None:
        """Go on where `dump` stood."""
        for name, shown in dump["tasks"].items():
            status = TaskStatus(shown["status"])
            self.tasks[name] = _shown(status, shown["result"], shown["error"])
            if status is not TaskStatus.RUNNING:
                self._newest[name] = dump["newest"].get(name, 0)
        self._running = dict(dump["running"])
        self._counts = dict(dump["counts"])


def _shown(
    status: TaskStatus, result: Any = None, error: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"status": status.value, "result": result, "error": error}
