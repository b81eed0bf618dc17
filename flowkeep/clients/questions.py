"""Questions of runs to people: found, and answered."""

import asyncio
import hashlib
import hmac
import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID

from temporalio.client import (
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.clients.executions import unavailable
from flowkeep.clients.lookup import find_run
from flowkeep.contracts import Run, Task
from flowkeep.contracts.definition_loading import ANSWER, Answer
from flowkeep.errors import (
    AlreadyTerminal,
    ConfigurationError,
    Conflict,
    FlowkeepError,
    Forbidden,
    InvalidInput,
    NotFound,
)

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

logger = logging.getLogger(__name__)

_PAGE = 100
_TAKE_SECONDS = 20.0
_RECORD_SECONDS = 10.0
_REFUSALS: dict[str, type[FlowkeepError]] = {
    cls.__name__: cls for cls in (AlreadyTerminal, Forbidden, InvalidInput, NotFound)
}


class Questions:
    """Finds and answers questions of runs to people; it is `client.questions`.

    Args:
        client: The client it belongs to.
    """

    def __init__(self, client: "WorkflowClient") -> None:
        self._client = client
        self._store = client.store

    async def list(self, tenant_id: str, run: UUID | str | None = None) -> list[Task]:
        """Return the open questions to people, of one run or of all, the latest first."""
        run_id = None
        if run is not None:
            run_id = (await find_run(self._store, tenant_id, run)).id
        found: list[Task] = []
        cursor: str | None = None
        while True:
            page = await self._store.tasks.open_questions(
                tenant_id, run_id=run_id, limit=_PAGE, cursor=cursor
            )
            found += page.data
            if not page.has_more:
                return found
            cursor = page.data[-1].cursor

    def token(self, tenant_id: str, run_id: UUID, task: str) -> str:
        """Return the token of a question: who has it may answer, once, whoever they are.

        It is derived (HMAC-SHA-256) from the ledger's secret key and stored nowhere.

        Raises:
            ConfigurationError: If no secret key is configured.
        """
        secret = self._client.settings.database.secret_key
        if secret is None:
            raise ConfigurationError("tokens need a secret key", hint="set FLOWKEEP_SECRET_KEY")
        newest = secret.get_secret_value().split(",")[0].strip()
        told = "\x00".join(("question", tenant_id, str(run_id), task))
        return hmac.new(newest.encode(), told.encode(), hashlib.sha256).hexdigest()

    async def answer(
        self,
        tenant_id: str,
        run: UUID | str,
        task: str,
        answer: Any,
        *,
        by: str,
        token: str | None = None,
    ) -> None:
        """Answer the question of a task; returns once the run has taken the answer.

        By then the ledger shows it, unless the ledger is away: then it does later. The same answer
        of the same person may be given again while the run goes on, and counts once.

        Args:
            tenant_id: Whose run.
            run: The run.
            task: The task, `name` or `name[index]#iteration`.
            answer: What fits the schema of the question.
            by: Who answers: one of those who are asked, unless there is a token.
            token: What `token` gave for this question.

        Raises:
            NotFound: If there is no such run or question.
            Forbidden: If somebody else is asked, or the token is wrong.
            AlreadyTerminal: If it was answered otherwise or by somebody else, or it is too late.
            InvalidInput: If the answer does not fit.
            Conflict: If no worker took it in time; it may still be taken, and be given again.
        """
        found = await find_run(self._store, tenant_id, run)
        if token is not None:
            right = self.token(tenant_id, found.id, task)
            if not hmac.compare_digest(right.encode(), token.encode()):
                raise Forbidden(f"the token is not that of task {task!r}", hint="ask for it again")
        message = Answer(
            task=task, answer=answer, by=by, trusted=token is not None, run_id=str(found.id)
        )
        handle = self._client.temporal.get_workflow_handle(found.workflow_id)
        if found.status.terminal:
            raise _over(found)
        try:
            await _recorded(await _taken(handle, message))
        except WorkflowUpdateFailedError as error:
            raise _refusal(error) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _over(found) from error
            raise unavailable(error) from error


async def _taken(handle: WorkflowHandle[Any, Any], message: Answer) -> WorkflowUpdateHandle[None]:
    """Return the update that brings an answer, once the run has taken or refused it.

    Raises:
        Conflict: If that takes too long.
    """
    patience = asyncio.timeout(_TAKE_SECONDS)
    try:
        async with patience:
            return await handle.start_update(
                ANSWER, message, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=type(None)
            )
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        if not patience.expired():
            raise
        raise Conflict(
            f"run {message.run_id} has not taken the answer within {_TAKE_SECONDS:.0f} s",
            hint="see that a worker serves its task queue, then give the same answer again",
        ) from error


async def _recorded(update: WorkflowUpdateHandle[None]) -> None:
    """Wait until the ledger shows an answer; what was taken stays taken if it does not.

    Raises:
        WorkflowUpdateFailedError: If the run refused it.
    """
    patience = asyncio.timeout(_RECORD_SECONDS)
    try:
        async with patience:
            await update.result()
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError) as error:
        if not isinstance(error, RPCError) and not patience.expired():
            raise
        logger.warning("run %s has taken an answer that is not recorded yet", update.workflow_id)


def _over(run: Run) -> AlreadyTerminal:
    return AlreadyTerminal(f"run {run.id} has ended", hint="nothing can be answered")


def _refusal(error: WorkflowUpdateFailedError) -> FlowkeepError:
    """Return the error of the workflow that refused an answer."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        kind = _REFUSALS.get(cause.type or "")
        if kind is not None:
            return kind(cause.message, hint="")
        return InvalidInput(cause.message)
    return InvalidInput(f"the answer was refused: {error}")
