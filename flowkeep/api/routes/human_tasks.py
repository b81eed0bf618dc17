"""`/human-tasks`: questions of runs to people."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from flowkeep.api.context import Client, Cursor, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.questions import Answered, Question, QuestionAnswer, QuestionToken

router = APIRouter(prefix="/human-tasks", tags=["human tasks"], responses=documented())

RunName = Annotated[
    str, Path(max_length=1000, description="The run's id, or a workflow_id for its newest run.")
]
TaskName = Annotated[
    str, Path(max_length=1000, description="The task that asks: `name` or `name[index]#iteration`.")
]


@router.get("")
async def list_questions(
    client: Client,
    run: Annotated[str | None, Query(max_length=1000, description="Only this run's.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Listing[Question]:
    """List the open questions that the caller is asked, or that their runs ask."""
    return await client.questions.list(run=run, limit=limit, cursor=cursor)


@router.get("/{run}/{task}")
async def get_question(client: Client, run: RunName, task: TaskName) -> Question:
    """Return the open question of a task."""
    return await client.questions.get(run, task)


@router.post("/{run}/{task}/answer", responses=documented(409))
async def answer_question(
    client: Client, run: RunName, task: TaskName, body: QuestionAnswer
) -> Answered:
    """Answer the question of a task, as the caller."""
    run_id = await client.questions.answer(run, task, body.answer, by=body.by, token=body.token)
    return Answered(run_id=run_id, task=task)


@router.post("/{run}/{task}/token")
async def question_token(client: Client, run: RunName, task: TaskName) -> QuestionToken:
    """Return the token that lets its bearer answer a question, once; for staff."""
    return QuestionToken(token=await client.questions.token(run, task))
