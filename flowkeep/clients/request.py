"""What a start needs to know."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

import uuid_utils.compat as uuids
from pydantic_core import to_jsonable_python

from flowkeep.clients.options import StartOptions
from flowkeep.contracts import Identity, NewRun, Run
from flowkeep.contracts.arguments import validate_arguments
from flowkeep.contracts.records import PendingRun
from flowkeep.errors import InvalidInput
from flowkeep.settings import Settings
from flowkeep.statestore.secrets import extract_secrets, replace_references

OnConflict = Literal["existing", "reject", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """Everything a start needs.

    Attributes:
        arguments: Arguments of the run; None to use those stored under `workflow_id`.
        definition_id: The definition that it runs.
        definition_revision: The version that it pins; None for the newest.
        allowed: Which runs of the tenant the caller may meet under the `workflow_id`: be answered
            with, replace, or take the arguments of; None for all.
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
    definition_id: UUID | None = None
    definition_revision: int | None = None
    allowed: Callable[[Run], bool] | None = None

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

    def allows(self, run: Run) -> bool:
        """Return whether the caller may meet a run that has the same `workflow_id`."""
        return self.allowed is None or self.allowed(run)

    @property
    def identity(self) -> Identity:
        """Who the run is, as header and memo say it."""
        return Identity(
            run_id=str(self.run_id),
            tenant_id=self.tenant_id,
            app_id=self.app_id,
            workflow_id=self.workflow_id,
            origin_type=self.workflow_type,
        )

    def plain_arguments(self) -> dict[str, Any] | None:
        """Return the arguments as JSON, secrets included, to be compared and never stored."""
        if self.arguments is None:
            return None
        clean, found = extract_secrets(self.arguments)
        plain: dict[str, Any] = to_jsonable_python(
            replace_references(clean, found), serialize_unknown=True
        )
        return plain

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
            definition_id=self.definition_id,
            definition_revision=self.definition_revision,
            inputs=arguments,
            arguments=arguments,
        )


def build_request(
    settings: Settings,
    workflow_args: dict[str, Any] | None,
    workflow_class: type[Any] | str | None,
    *,
    task_queue: str | None = None,
    workflow_id: str | None = None,
    tenant_id: str = "default",
    app_id: str | None = None,
    triggered_from: str = "sdk",
    owner: str | None = None,
    on_conflict: OnConflict = "existing",
    labels: dict[str, str] | None = None,
    goal: str | None = None,
    retry_of: UUID | None = None,
    run_id: UUID | None = None,
    allowed: Callable[[Run], bool] | None = None,
    **options: Any,
) -> StartRequest:
    """Check the arguments of a start; they are those of `WorkflowClient.start_workflow`.

    Raises:
        InvalidInput: If one of them does not fit; names it.
    """
    arguments, named = split_arguments(workflow_args, workflow_id)
    if workflow_class is None:
        raise InvalidInput("workflow_class is missing", hint="pass a workflow class or a type name")
    if on_conflict not in get_args(OnConflict):
        raise InvalidInput(
            f"on_conflict is {on_conflict!r}",
            hint=f"use one of {', '.join(get_args(OnConflict))}",
        )
    if arguments is not None:
        _validate(workflow_class, arguments)
    run_id = run_id or uuids.uuid7()
    return StartRequest(
        run_id=run_id,
        tenant_id=tenant_id,
        workflow_id=named or str(run_id),
        workflow_type=workflow_type_of(workflow_class),
        task_queue=task_queue or settings.worker.task_queue,
        arguments=arguments,
        app_id=app_id,
        triggered_from=triggered_from,
        owner=owner,
        labels=labels or {},
        goal=goal,
        retry_of=retry_of,
        options=StartOptions.of(options),
        on_conflict=on_conflict,
        allowed=allowed,
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
    for key in arguments:
        if not isinstance(key, str):
            raise InvalidInput(
                f"workflow_args has the key {key!r} of type {type(key).__name__}",
                hint="keys must be text",
            )
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


def workflow_type_of(workflow_class: type[Any] | str) -> str:
    """Return the registered name of a workflow class.

    Raises:
        InvalidInput: If the class is not marked with `@workflow.defn`.
    """
    if isinstance(workflow_class, str):
        return workflow_class
    definition = vars(workflow_class).get("__temporal_workflow_definition")
    if definition is None or definition.name is None:
        raise InvalidInput(
            f"workflow_class {workflow_class.__name__} is not marked with @workflow.defn",
            hint="put @workflow.defn above the class",
        )
    return str(definition.name)


def _validate(workflow_class: type[Any] | str, arguments: dict[str, Any]) -> None:
    model = getattr(workflow_class, "args_model", None)
    if model is not None:
        # As the workflow will see them: with references in the place of secrets.
        validate_arguments(model, extract_secrets(arguments)[0])
