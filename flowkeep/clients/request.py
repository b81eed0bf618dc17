"""What a start needs to know."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from flowkeep.clients.options import StartOptions

OnConflict = Literal["existing", "reject", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """Everything a start needs.

    Attributes:
        arguments: Arguments of the run; None to use those stored under `workflow_id`.
    """

    run_id: UUID
    tenant_id: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    arguments: dict[str, Any] | None
    app_id: str | None
    triggered_from: str
    owner: str | None
    labels: dict[str, str]
    goal: str | None
    retry_of: UUID | None
    options: StartOptions
    on_conflict: OnConflict
