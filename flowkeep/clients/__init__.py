"""Clients: how programs start runs and talk to them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.clients.workflow import RunHandle, WorkflowClient

__all__ = ["RunHandle", "WorkflowClient"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from flowkeep.clients import workflow

        return getattr(workflow, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
