"""What the workflow calls."""

from typing import Any

from temporalio import activity

from flowkeep import ActivitiesInterface


class GreetingActivities(ActivitiesInterface):
    """Activities are methods, so that they can share what the class holds."""

    @activity.defn
    async def greet(self, workflow_args: dict[str, Any]) -> str:
        """Greet the person the run was started for."""
        return f"Hello, {workflow_args['name']}!"
