"""What tells that a run has moved."""

from typing import NamedTuple


class RunMark(NamedTuple):
    """Numbers of a run one of which changes whenever it does.

    Attributes:
        tenant_id: Whose run it is.
        revision: Of the run itself.
        tasks_total: Its tasks.
        tasks_finished: Those that ended.
        exceptions_count: Attempts that failed.
        event: Number of its newest audit event; 0 if it has none.
    """

    tenant_id: str
    revision: int
    tasks_total: int
    tasks_finished: int
    exceptions_count: int
    event: int
