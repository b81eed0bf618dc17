"""What a start needs to know."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from flowkeep.clients.options import StartOptions
from flowkeep.errors import InvalidInput

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


def split_arguments(
    workflow_args: Any, workflow_id: str | None
) -> tuple[dict[str, Any] | None, str | None]:
    """Tell arguments from the workflow_id, wherever it was given."""
    if workflow_args is None:
        workflow_args = {}
    if not isinstance(workflow_args, dict):
        raise InvalidInput(
            f"workflow_args is a {type(workflow_args).__name__}, not a dict",
            hint="pass a dict, or None to use stored arguments",
        )
    arguments = dict(workflow_args)
    inside = arguments.pop("workflow_id", None)
    if inside is not None and not isinstance(inside, str):
        raise InvalidInput("workflow_args['workflow_id'] is no text")
    if workflow_id is not None and inside is not None and workflow_id != inside:
        raise InvalidInput(
            f"workflow_id is {workflow_id!r} but workflow_args['workflow_id'] is {inside!r}",
            hint="give it once",
        )
    named = workflow_id or inside
    return (arguments if arguments or named is None else None), named
