"""How every run begins: its arguments, then a look whether it can succeed."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from flowkeep.activities.base import ActivitiesInterface, workflow_id_of
from flowkeep.contracts import PreflightResult
from flowkeep.contracts.arguments import validate_arguments
from flowkeep.contracts.messages import ACTIVITY_NAMES_KEY, EMPTY_PREFLIGHT_KEY
from flowkeep.workflows.declared import ActivityNames, declared_names
from flowkeep.workflows.preflight import PreflightFailed, read_preflight

if TYPE_CHECKING:
    from flowkeep.workflows.base import WorkflowInterface

_REMOTE = "flowkeep-remote-arguments"
_RETRIES = RetryPolicy(maximum_attempts=3, backoff_coefficient=2.0)
# The ledger is waited for in each of the attempts; the rest is for big arguments on a busy machine.
_LOCAL_TIMEOUT = timedelta(minutes=5)


async def load_arguments(flow: "WorkflowInterface", config: Any) -> tuple[Any, ActivityNames, bool]:
    """Load the arguments of a run.

    Args:
        flow: The workflow.
        config: Its input.

    Returns:
        The arguments as `run` gets them, the names that `get_activities` declared when the run
        began, and whether its preflight is the base's own.
    """
    workflow_id_of(config)
    names = declared_names(type(flow))
    options: dict[str, Any] = {"retry_policy": _RETRIES, "result_type": dict}
    if not _is_remote(flow):
        options |= {"local": True, "start_to_close_timeout": _LOCAL_TIMEOUT}
    loaded: dict[str, Any] = await flow.execute(
        "get_workflow_args", {**config, ACTIVITY_NAMES_KEY: names}, **options
    )
    declared = loaded.pop(ACTIVITY_NAMES_KEY, names)
    empty = bool(loaded.pop(EMPTY_PREFLIGHT_KEY, False))
    model = flow.args_model
    return loaded if model is None else validate_arguments(model, loaded), declared, empty


async def check(flow: "WorkflowInterface", arguments: Any, *, empty: bool) -> PreflightResult:
    """Execute the preflight; one that checks nothing of its own inside the workflow task.

    Args:
        flow: The workflow.
        arguments: The arguments of the run.
        empty: Whether the preflight is the base's own. It comes out of history, so a deployment
            that adds checks changes new runs only.

    Raises:
        PreflightFailed: If a check failed; names every reason.
    """
    found = read_preflight(await flow.execute("preflight_check", arguments, local=empty))
    if found.failures:
        raise PreflightFailed(found.failures)
    for warning in found.warnings:
        workflow.logger.warning("preflight %s: %s", warning.name, warning.message)
    return found


def _is_remote(flow: "WorkflowInterface") -> bool:
    """Tell whether the arguments are loaded by a remote activity, as this run began with.

    What the class says now decides for runs that begin; a marker in history tells it of others,
    so a deployment may change the class while runs are under way.
    """
    own = flow.activities_cls.get_workflow_args is not ActivitiesInterface.get_workflow_args
    wanted = own or not flow.local_short_steps
    return (wanted or workflow.unsafe.is_replaying()) and workflow.patched(_REMOTE)
