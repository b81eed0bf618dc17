"""Log lines of the code of tasks, kept with their runs within limits."""

from flowkeep.recording.task_logs.keeping import LineKeeper

__all__ = ["LineKeeper"]
