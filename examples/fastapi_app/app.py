"""A web application that starts runs and tells how they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from examples.hello.workflows import HelloWorkflow
from flowkeep import Settings, WorkflowClient
from flowkeep.errors import Conflict, FlowkeepError, Forbidden, InvalidInput, NotFound

HTTP_STATUS = {InvalidInput: 422, NotFound: 404, Forbidden: 404, Conflict: 409}
"""What errors mean to a caller; whatever is not listed is a fault of the service."""


class Greeting(BaseModel):
    """Body of a request: whom to greet. Two requests with the same key make one run."""

    name: str
    key: str | None = None


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application.

    Args:
        settings: Read from the environment when left out.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await WorkflowClient.connect(settings) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_exception_handler(FlowkeepError, explain)
    app.post("/greetings", status_code=202)(start)
    app.get("/runs/{run_id}")(status)
    app.get("/runs/{run_id}/tasks")(tasks)
    return app


async def start(request: Request, greeting: Greeting) -> dict[str, Any]:
    """Start a run; the answer comes as soon as Temporal has accepted it."""
    client: WorkflowClient = request.app.state.client
    run = await client.start_workflow(
        {"name": greeting.name},
        workflow_class=HelloWorkflow,
        workflow_id=greeting.key,
        triggered_from="api",
    )
    return {"run_id": run.run_id, "created": run.created}


async def status(request: Request, run_id: UUID) -> dict[str, Any]:
    """Tell how the run is."""
    client: WorkflowClient = request.app.state.client
    handle = await client.get_handle("default", run_id)
    status = await handle.status()
    return {"run_id": run_id, "status": status, "outputs": (await handle.run()).outputs}


async def tasks(request: Request, run_id: UUID) -> list[dict[str, Any]]:
    """List the newest attempt of each task."""
    client: WorkflowClient = request.app.state.client
    await client.get_handle("default", run_id)
    return [
        {"name": task.task_name, "status": task.status, "attempt": task.attempt}
        for task in await client.store.tasks.list_tasks("default", run_id)
    ]


async def explain(request: Request, error: Exception) -> JSONResponse:
    """Answer with the error's code and words."""
    assert isinstance(error, FlowkeepError)
    fault = 503 if error.retryable else 500
    code = next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), fault)
    return JSONResponse({"code": error.code, "message": str(error)}, status_code=code)
