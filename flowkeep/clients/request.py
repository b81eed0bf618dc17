"""What a start needs to know."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from flowkeep.clients.options import StartOptions
from flowkeep.contracts import Identity, NewRun, Run
from flowkeep.contracts.records import PendingRun
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
    options: StartOptions
    arguments: dict[str, Any] | None = None
    app_id: str | None = None
    triggered_from: str = "sdk"
    owner: str | None = None
    labels: dict[str, str]
    goal: str | None = None
    retry_of: UUID | None = None
    on_conflict: OnConflict = "existing"

    @classmethod
    def of(cls, run: PendingRun | Run) -> "StartRequest":
        """Read a request that was recorded; its arguments lie in the ledger.

        Raises:
            InvalidInput: If its start options cannot be used any more.
        """
        return cls(
            run_id=run.id,
            tenant_id=run.tenant_id,
            workflow_id=run.workflow_id,
            workflow_type=run.workflow_type,
            task_queue=run.task_queue,
            options=StartOptions.of(run.start_options),
            app_id=run.app_id,
            triggered_from=run.triggered_from,
            owner=run.owner,
            labels=run.labels,
        )

    @property
    def identity(self) -> Identity:
        """Who the run is, as header and memo say it."""
        return Identity(
            run_id=str(self.run_id),
            tenant_id=self.tenant_id,
            app_id=self.app_id,
            origin_type=self.workflow_type,
        )

    def new_run(self, namespace: str, arguments: dict[str, Any] | None) -> NewRun:
        """Return what is recorded.

        Args:
            namespace: Temporal namespace.
            arguments: Without secrets.
        """
        return NewRun(
            id=self.run_id,
            namespace=namespace,
            workflow_id=self.workflow_id,
            workflow_type=self.workflow_type,
            task_queue=self.task_queue,
            app_id=self.app_id,
            labels=self.labels,
            start_options=self.options.plain(),
            triggered_from=self.triggered_from,
            owner=self.owner,
            created_by=self.owner,
            goal=self.goal,
            retry_of=self.retry_of,
            inputs=arguments,
            arguments=arguments,
        )


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
