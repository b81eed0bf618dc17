"""An answer that reaches a reset run together with the news that it was reset."""

import asyncio
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import WorkflowUpdateStage
from temporalio.service import RPCError

from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import TaskType
from flowkeep.contracts.definition_loading import Answer
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.definitions.runs.test_truth_of_rows import reset
from tests.support import eventually

UPDATE = "again"
ASKS = """
ref: back
tasks:
  - name: first
    human: {assignee: ada, title: ok}
    transitions: [{when: "{{ result().answer.more }}", do: second}]
  - {name: second, human: {assignee: ada, title: ok}}
"""


def worker(stage: Stage) -> Worker:
    """A worker that serves no other tests."""
    return Worker(stage.client, actions=actions.ALL, action_tenants=[])


async def admitted(stage: Stage, handle: RunHandle) -> None:
    """Wait until the server keeps the answer for the next worker."""
    service = stage.client.temporal.workflow_service
    execution = WorkflowExecution(workflow_id=handle.workflow_id)
    request = PollWorkflowExecutionUpdateRequest(
        namespace=stage.client.temporal.namespace,
        update_ref=UpdateRef(workflow_execution=execution, update_id=UPDATE),
    )

    async def known() -> None:
        try:
            await service.poll_workflow_execution_update(request)
        except RPCError as error:
            raise AssertionError(str(error)) from error

    await eventually(known)


async def test_an_answer_that_comes_with_a_reset(runs_settings: Settings) -> None:
    """What the reset undid is marked, and the new answer is a row of the new execution."""
    queue = runs_settings.worker.model_copy(update={"task_queue": f"reset-{uuid4().hex}"})
    own = runs_settings.model_copy(update={"worker": queue})
    async with await WorkflowClient.connect(own) as client:
        stage = Stage(client)
        async with worker(stage):
            handle = await stage.start(ASKS)
            await stage.until(handle, "first", "waiting")
            await client.questions.answer(
                stage.tenant, handle.run_id, "first", {"more": True}, by="ada"
            )
            await stage.until(handle, "second", "waiting")
        await reset(stage, handle)
        message = Answer(task="first", answer={"more": False}, by="ada", run_id=str(handle.run_id))
        answering = asyncio.create_task(
            client.temporal.get_workflow_handle(handle.workflow_id).start_update(
                "answer", message, id=UPDATE, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
        )
        await admitted(stage, handle)
        async with worker(stage):
            await answering
            await stage.result(handle)

            async def marked() -> None:
                found = sorted(
                    (one.activity_id, str(one.status), one.superseded)
                    for one in await stage.rows(handle)
                    if one.type is TaskType.HUMAN
                )
                assert found == [
                    ("first", "succeeded", False),
                    ("first", "succeeded", True),
                    ("second", "cancelled", True),
                    ("second", "skipped", False),
                ]

            await eventually(marked)
            await stage.close()
