"""Workflows: which activities run, in what order.

Workflow code is deterministic and runs in Temporal's sandbox, so nothing here imports the
recorder, settings or any heavy library; activity classes are imported passed-through.
"""

from flowkeep.workflows.base import WorkflowInterface
from flowkeep.workflows.declared import steps
from flowkeep.workflows.sequence import SequenceWorkflow

__all__ = ["SequenceWorkflow", "WorkflowInterface", "steps"]
