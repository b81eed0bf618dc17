"""Groups of steps in `get_activities`."""

from collections import Counter
from typing import Any

import pytest

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import ConfigurationError, RunFailed
from flowkeep.registration import Registration
from flowkeep.worker import Worker
from flowkeep.workflows import steps
from flowkeep.workflows.declared import names_of
from tests.support import flushed
from tests.workflows import flows, stepped_flows


async def run(client: WorkflowClient, cls: type[Any], *activities: Any) -> Any:
    """Run a class on a worker of its own; returns the handle and its result."""
    async with Worker(client, workflow_classes=[cls], workflow_activities=list(activities)):
        handle = await client.start_workflow({"suffix": "!"}, cls)
        return handle, await handle.result()


async def test_a_group_is_one_activity(client: WorkflowClient, letters: flows.Letters) -> None:
    """Its activities are steps: each ends once, though another one makes the activity try again."""
    handle, result = await run(
        client, stepped_flows.Stepped, *stepped_flows.Stepped.get_activities(letters)
    )
    assert result == {"first": "a!", "second": "b", "third": "c", "flaky": "recovered"}
    assert Counter(letters.calls) == {"first": 1, "second": 1, "third": 1}
    await flushed(client)
    page = await client.store.tasks.list_attempts("default", handle.run_id, limit=100)
    found = Counter((task.task_name, task.type.value, task.status.value) for task in page)
    del found["third", "step", "cancelled"]  # where the failure beside it came first
    assert found == {
        ("get_workflow_args", "local_activity", "succeeded"): 1,
        ("preflight_check", "local_activity", "succeeded"): 1,
        ("first", "activity", "succeeded"): 1,
        ("flowkeep.run_steps", "activity", "failed"): 2,
        ("flowkeep.run_steps", "activity", "succeeded"): 1,
        ("second", "step", "succeeded"): 1,
        ("third", "step", "succeeded"): 1,
        ("flaky", "step", "failed"): 2,
        ("flaky", "step", "succeeded"): 1,
    }


async def test_connectors_have_groups_of_their_own(
    client: WorkflowClient, letters: flows.Letters
) -> None:
    """Two classes on one worker execute each their own steps of one name."""
    classes = [stepped_flows.Stepped, stepped_flows.SteppedDigits]
    activities = [
        *stepped_flows.Stepped.get_activities(letters),
        *stepped_flows.SteppedDigits.get_activities(stepped_flows.Digits()),
    ]
    async with Worker(client, workflow_classes=classes, workflow_activities=activities):
        first = await client.start_workflow({"a": 1}, stepped_flows.Stepped)
        second = await client.start_workflow({"a": 1}, stepped_flows.SteppedDigits)
        assert (await first.result())["second"] == "b"
        assert await second.result() == {"second": 2}


async def test_a_step_of_another_class_is_named(
    client: WorkflowClient, letters: flows.Letters
) -> None:
    """Steps run in the instance of the workflow's activities_cls, so they must be its own."""
    with pytest.raises(RunFailed, match=r"steps\(…\) lists 'elsewhere', which is no activity of"):
        await run(client, stepped_flows.Foreign, stepped_flows.elsewhere, letters.first)


def test_a_group_in_a_group_is_refused(letters: flows.Letters) -> None:
    """A group of steps holds activities and parallel groups, no other group of steps."""
    with pytest.raises(ConfigurationError, match=r"a steps\(…\) group holds another one"):
        Registration([stepped_flows.Nested], [letters.first, letters.second])
    with pytest.raises(ConfigurationError, match=r"a parallel group holds a steps\(…\) group"):
        Registration([stepped_flows.NestedInParallel], [letters.first, letters.second])


def test_groups_inside_a_parallel_group_run_with_it() -> None:
    """A parallel group in a parallel group is one, inside steps as well."""
    assert names_of([steps("a", ("b", ("c", "d")))]) == [{"steps": ["a", ["b", "c", "d"]]}]
