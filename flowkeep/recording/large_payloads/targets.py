"""Who a payload is stored for: the SDK's targets, with what a reference in the history means."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType
from temporalio.converter import (
    ActivitySerializationContext,
    StorageDriverActivityInfo,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from temporalio.worker import WorkflowInstance
from temporalio.workflow import Info

from flowkeep.contracts.identity import Identity
from flowkeep.contracts.large_payloads import Need
from flowkeep.recording.identity import read_header

DEFAULT_TENANT = Identity().tenant_id

Target = StorageDriverWorkflowInfo | StorageDriverActivityInfo | None

_CHILD = CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION
_SIGNAL = CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION
_COMPLETE = CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION


@dataclass(frozen=True, slots=True)
class Storing:
    """What code outside workflows knows of the values it hands to the SDK.

    Attributes:
        tenant_id: Whose they are, None where it is not known.
        schedule_id: The schedule whose every firing will refer to them.
    """

    tenant_id: str | None = None
    schedule_id: str | None = None


storing: ContextVar[Storing] = ContextVar("flowkeep_storing", default=Storing())  # noqa: B039


@contextmanager
def storing_for(what: Storing) -> Iterator[None]:
    """Say what is known of the values that are handed to the SDK inside."""
    token = storing.set(what)
    try:
        yield
    finally:
        storing.reset(token)


@dataclass(frozen=True, kw_only=True)
class ExecutionTarget(StorageDriverWorkflowInfo):
    """The target of a value that workflow code hands out.

    Attributes:
        headers: Of the execution; they say the tenant.
        beside: The execution itself, where the target is another one: both histories will hold
            the reference.
        parent: The parent, where its history will hold the reference too and the SDK names only
            the execution itself.
        instance: The execution, to be asked what the value is; only for errors.
        command: Which of its commands holds the value.
        replaying: Whether the history holds it already, so that Temporal does not get it again.
    """

    headers: Mapping[str, Payload] = field(default_factory=dict, repr=False)
    beside: StorageDriverWorkflowInfo | None = None
    parent: StorageDriverWorkflowInfo | None = None
    instance: WorkflowInstance | None = field(default=None, repr=False)
    command: Any = None
    replaying: bool = False

    @property
    def tenant_id(self) -> str:
        """Whose execution it is."""
        header = read_header(self.headers) or {}
        return str(header.get("tenant_id") or DEFAULT_TENANT)


class Targets:
    """The targets of one execution, told without asking its sandbox.

    The worker asks for one per command. The sandbox compiles and executes a piece of source for
    each answer, which is a good part of the work of a short activity. What it would say follows
    from what the execution was made with, but for children and signals, whose ids it alone knows.

    Args:
        info: What the execution was made with.
        sandboxed: The execution.
    """

    def __init__(self, info: Info, sandboxed: WorkflowInstance) -> None:
        self._info = info
        self._sandboxed = sandboxed
        self._own = ExecutionTarget(
            id=info.workflow_id,
            run_id=info.run_id,
            type=info.workflow_type,
            namespace=info.namespace,
            headers=info.headers,
            instance=sandboxed,
        )

    def begin(self, *, replaying: bool) -> None:
        """Note whether the commands that follow stand in the history already."""
        if replaying is not self._own.replaying:
            self._own = replace(self._own, replaying=replaying)

    def of(self, command: Any) -> StorageDriverStoreContext:
        """Return the target of a command's values.

        Args:
            command: The SDK's `CommandInfo`, None for values of no command.
        """
        parent = self._parent()
        if command is None:  # a failure, perhaps, which the parent's history gets too
            return StorageDriverStoreContext(replace(self._own, parent=parent))
        kind = command.command_type
        if kind in (_CHILD, _SIGNAL):
            other = self._sandboxed.get_external_store_context(command).target
            if isinstance(other, StorageDriverWorkflowInfo):
                return self._shared(other, command)
        if kind != _COMPLETE or parent is None:
            return StorageDriverStoreContext(replace(self._own, command=command))
        if self._info.continued_run_id is None:
            return self._shared(parent, command)
        return StorageDriverStoreContext(replace(self._own, command=command, parent=parent))

    def _parent(self) -> StorageDriverWorkflowInfo | None:
        parent = self._info.parent
        if parent is None:
            return None
        return StorageDriverWorkflowInfo(
            id=parent.workflow_id, run_id=parent.run_id, namespace=parent.namespace
        )

    def _shared(self, other: StorageDriverWorkflowInfo, command: Any) -> StorageDriverStoreContext:
        """Return another execution as the target; this one's history holds the reference too."""
        target = replace(
            self._own,
            namespace=other.namespace,
            id=other.id,
            run_id=other.run_id,
            type=other.type,
            beside=self._own,
            command=command,
        )
        return StorageDriverStoreContext(target)


def needs_of(target: Target) -> list[Need]:
    """Return what will refer to a value that is stored for a target."""
    schedule_id = storing.get().schedule_id
    if isinstance(target, StorageDriverActivityInfo):
        return [Need(target.namespace, "activity", target.id or "")]
    if target is None or not target.id:
        return [Need(target.namespace if target is not None else "", "unknown", "")]
    if schedule_id is not None:
        return [Need(target.namespace, "schedule", schedule_id)]
    needs = [Need(target.namespace, "workflow", target.id)]
    others = (target.beside, target.parent) if isinstance(target, ExecutionTarget) else ()
    needs += [Need(one.namespace, "workflow", one.id) for one in others if one and one.id]
    return needs


def named(target: Target) -> str:
    """Name the value for an error, as closely as it is known."""
    from temporalio import activity

    if activity.in_activity():
        info = activity.info()
        return f"the result of activity {info.activity_type!r} in workflow {info.workflow_id!r}"
    if isinstance(target, ExecutionTarget) and target.instance is not None:
        own = target.beside or target
        return f"{_commanded(target)} in workflow {own.id!r}"
    if isinstance(target, StorageDriverActivityInfo):
        return f"a value for activity {target.id!r}"
    if target is not None and target.id:
        return f"a value for workflow {target.id!r}"
    return "a value"


def _commanded(target: ExecutionTarget) -> str:
    assert target.instance is not None
    if target.command is None:
        return "a value"
    if target.command.command_type == _COMPLETE:
        return "the result"
    context = target.instance.get_serialization_context(target.command)
    if isinstance(context, ActivitySerializationContext):
        return f"an argument of activity {context.activity_type!r}"
    return "a value" if target.beside is None else f"a value for workflow {target.id!r}"
