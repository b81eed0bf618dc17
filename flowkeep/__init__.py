"""Durable workflows on Temporal with a PostgreSQL ledger of every run, task and attempt.

The public names load when first used, so `import flowkeep` is cheap and workflow files may import
from it: no name drags a database or a worker into Temporal's sandbox before it is asked for.

    WorkflowInterface, SequenceWorkflow     extend these
    ActivitiesInterface                     the code of single steps
    Worker                                  serves both
    WorkflowClient, RunHandle               start runs, and talk to them
    StateStore, StateType                   named state between runs
    steps                                   durable steps inside an activity
    Plugin                                  the ledger for an existing Temporal worker
    Settings                                flags, environment, files, defaults
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.activities.base import ActivitiesInterface
    from flowkeep.clients.workflow import RunHandle, WorkflowClient
    from flowkeep.contracts.messages import CheckResult, MapResult, PreflightResult
    from flowkeep.contracts.status import RunStatus, StateType, TaskStatus
    from flowkeep.recording.plugin import Plugin
    from flowkeep.recording.steps.running import StepFailed
    from flowkeep.recording.steps.scope import steps
    from flowkeep.settings import Settings
    from flowkeep.statestore import StateStore
    from flowkeep.worker import Worker
    from flowkeep.workflows.base import WorkflowInterface
    from flowkeep.workflows.sequence import SequenceWorkflow

__all__ = [
    "ActivitiesInterface",
    "CheckResult",
    "MapResult",
    "Plugin",
    "PreflightResult",
    "RunHandle",
    "RunStatus",
    "SequenceWorkflow",
    "Settings",
    "StateStore",
    "StateType",
    "StepFailed",
    "TaskStatus",
    "Worker",
    "WorkflowClient",
    "WorkflowInterface",
    "__version__",
    "steps",
]

_HOMES = {
    "ActivitiesInterface": "flowkeep.activities.base",
    "CheckResult": "flowkeep.contracts.messages",
    "MapResult": "flowkeep.contracts.messages",
    "Plugin": "flowkeep.recording.plugin",
    "PreflightResult": "flowkeep.contracts.messages",
    "RunHandle": "flowkeep.clients.workflow",
    "RunStatus": "flowkeep.contracts.status",
    "SequenceWorkflow": "flowkeep.workflows.sequence",
    "Settings": "flowkeep.settings",
    "StateStore": "flowkeep.statestore",
    "StateType": "flowkeep.contracts.status",
    "StepFailed": "flowkeep.recording.steps.running",
    "TaskStatus": "flowkeep.contracts.status",
    "Worker": "flowkeep.worker",
    "WorkflowClient": "flowkeep.clients.workflow",
    "WorkflowInterface": "flowkeep.workflows.base",
    "steps": "flowkeep.recording.steps.scope",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("flowkeep")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
