"""`core.sleep` and `core.workflow`: declared here, carried out by the workflow itself."""

from typing import Annotated, Any, NoReturn

from pydantic import Field

from flowkeep.definitions.action_context import ActionError
from flowkeep.definitions.action_definition import Action, make_action
from flowkeep.definitions.durations import Seconds


async def sleep(seconds: Annotated[Seconds, Field(description="How long to wait.")]) -> None:
    """Wait, by a timer that outlives every worker."""
    _not_here("core.sleep")


async def workflow(
    workflow_type: Annotated[
        str, Field(min_length=1, max_length=1000, description="Registered name of the class.")
    ],
    arguments: Annotated[dict[str, Any], Field(description="Its arguments.", default_factory=dict)],
    task_queue: Annotated[
        str | None, Field(min_length=1, description="Where it runs; where this run does if null.")
    ] = None,
    workflow_id: Annotated[
        str | None, Field(min_length=1, max_length=1000, description="Chosen when null.")
    ] = None,
) -> Any:
    """Run a workflow class written in code as a child, and give its result."""
    _not_here("core.workflow")


def workflow_actions() -> list[Action]:
    """Return what the workflow carries out itself."""
    return [
        make_action("core.sleep", sleep, idempotent=True, built_in=True, timer=True),
        make_action("core.workflow", workflow, built_in=True, child=True),
    ]


def _not_here(ref: str) -> NoReturn:
    raise ActionError(f"{ref} is carried out by the workflow, not by a worker", retryable=False)
