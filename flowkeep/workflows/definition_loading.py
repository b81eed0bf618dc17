"""How a run of a definition gets what it runs, which lies in the ledger."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from flowkeep.contracts.definition_loading import KEPT_KEY, LOAD_DEFINITION, LoadedDefinition
from flowkeep.workflows.causes import cause_of
from flowkeep.workflows.definition_rests import Rests

_TIMEOUT = timedelta(minutes=2)
_INTERVAL = timedelta(seconds=5)

_FIRST = 120
"""Attempts when a run begins: the ledger may be away for ten minutes."""

_AGAIN = 3
"""Attempts of a run that goes on, between two rests. Temporal grows the history every few seconds
while a local activity is tried again, so there are few of them."""

_REST = timedelta(seconds=5)
"""First rest of a run that goes on."""


async def load(config: dict[str, Any], *, goes_on: bool) -> LoadedDefinition:
    """Load the definition that a run pins, and what goes with it.

    Args:
        config: The input of the run.
        goes_on: Whether it has continued as new: then it waits for the ledger for as long as it
            takes.

    Raises:
        FailureError: If there is nothing to run, or the ledger stays away when a run begins.
    """
    if not goes_on:
        return await _attempt(config, _FIRST)
    rests = Rests(_REST)
    while True:
        try:
            return await _attempt({**config, KEPT_KEY: True}, _AGAIN)
        except FailureError as error:
            cause = cause_of(error)
            if is_cancelled_exception(error) or _is_final(cause):
                raise
            workflow.logger.warning("the definition cannot be loaded yet: %s", cause)
        await workflow.sleep(rests.next())


async def _attempt(config: dict[str, Any], attempts: int) -> LoadedDefinition:
    loaded: LoadedDefinition = await workflow.execute_local_activity(
        LOAD_DEFINITION,
        args=[config],
        retry_policy=RetryPolicy(maximum_interval=_INTERVAL, maximum_attempts=attempts),
        start_to_close_timeout=_TIMEOUT,
        result_type=LoadedDefinition,
    )
    return loaded


def _is_final(cause: BaseException | None) -> bool:
    return isinstance(cause, ApplicationError) and cause.non_retryable
