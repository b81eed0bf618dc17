"""A `run` of its own for every workflow class: Temporal does not accept an inherited one.

The check in `@workflow.defn` is textual: module and qualified name of `run` must be those of the
class. So each class gets a new function that calls its parent's; sharing one function would mix up
the classes' type names, because the SDK keeps the definition on the function.
"""

from typing import Any, get_type_hints

from temporalio import workflow


def own_run(cls: Any) -> None:
    """Make sure that a class has a marked `run`, its own or one that calls its parent's.

    A type hint on the input is dropped: an input that does not fit it would hang the run before
    any code of ours could say what is wrong.

    Args:
        cls: A workflow class that is just being made.
    """
    run = cls.__dict__.get("run")
    if run is None:
        run = _inherited_run(cls)
        cls.run = run
    if "workflow_config" in getattr(run, "__annotations__", {}):
        run.__annotations__["workflow_config"] = Any
    if not hasattr(run, "__temporal_workflow_run"):
        workflow.run(run)


def _inherited_run(cls: Any) -> Any:
    inherited = cls.run

    async def run(self: Any, workflow_config: Any) -> Any:
        return await super(cls, self).run(workflow_config)

    run.__module__, run.__qualname__ = cls.__module__, f"{cls.__qualname__}.run"
    run.__doc__ = inherited.__doc__
    # Resolved, because strings would be read among this module's names.
    run.__annotations__ = get_type_hints(inherited)
    return run
