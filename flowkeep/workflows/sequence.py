"""A workflow that executes exactly what `get_activities` declares."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.contracts.messages import ALWAYS_FIRST, RUN_STEPS
    from flowkeep.workflows.base import WorkflowInterface
    from flowkeep.workflows.declared import STEPS, flatten


class SequenceWorkflow(WorkflowInterface):
    """Executes the declared activities in order; a tuple or list inside is a parallel group.

    Those in `steps(…)` are the durable steps of one Temporal activity.

    Each activity is called with the arguments of the run; results are not merged.
    """

    async def run(self, workflow_config: Any) -> dict[str, Any]:
        """Run the list.

        Args:
            workflow_config: `{"workflow_id": …}`.

        Returns:
            The result of each activity by its name.
        """
        arguments = await super().run(workflow_config)
        results: dict[str, Any] = {}
        for entry in self.declared_activities:
            if isinstance(entry, dict):
                results.update(await self.execute(RUN_STEPS, entry[STEPS], arguments))
                continue
            group = [entry] if isinstance(entry, str) else flatten(entry)
            names = [name for name in group if name not in ALWAYS_FIRST]
            found = await self.gather(*(self.execute(name, arguments) for name in names))
            results.update(zip(names, found, strict=True))
        return results
