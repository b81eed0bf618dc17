"""A workflow that calls actions as the one of definitions does, and actions for its tests."""

import asyncio
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from flowkeep.workflows import WorkflowInterface

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from flowkeep.activities import ActivitiesInterface
    from flowkeep.definitions.actions import ActionContext, ActionError, action

CANARY = "canary-4711/ß+"


@workflow.defn
class Calls(WorkflowInterface):
    """Calls actions one after the other; tells the result of each, or how it failed."""

    activities_cls = ActivitiesInterface

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        return []

    @workflow.run
    async def run(self, workflow_config: Any) -> list[Any]:
        arguments = await super().run(workflow_config)
        return [await self.call_action(one["ref"], one["call"]) for one in arguments["calls"]]

    async def call_action(self, ref: str, call: dict[str, Any]) -> Any:
        policy = RetryPolicy(
            initial_interval=timedelta(milliseconds=10),
            maximum_attempts=1 + call.get("retry", {}).get("count", 0),
        )
        try:
            return await workflow.execute_activity(
                ref,
                {"task": "one", **call},
                start_to_close_timeout=timedelta(seconds=30),
                heartbeat_timeout=timedelta(seconds=1),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                retry_policy=policy,
            )
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, CancelledError) or not isinstance(cause, ApplicationError):
                raise
            return {"type": cause.type, "message": cause.message, "details": list(cause.details)}


class Note(BaseModel):
    text: str


class Trace:
    """What the actions of one test have seen."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.stopped = threading.Event()

    @action("trace.note", idempotent=True)
    async def note(self, note: Note, context: ActionContext, again: int = 0) -> dict[str, Any]:
        """Fails until it was called more than `again` times."""
        thread = threading.current_thread().name
        self._seen(context, note.text, thread)
        context.progress(text=note.text)
        if len(self.calls) <= again:
            raise ActionError(f"not yet: {note.text}", code="NOT_YET")
        return {"text": note.text[:3], "key": context.key, "attempt": context.attempt}

    @action("trace.plain")
    def plain(self, text: str, context: ActionContext) -> str:
        """Runs in a thread."""
        self._seen(context, text, threading.current_thread().name)
        return text.upper()

    @action("trace.fails")
    def fails(self, how: str, context: ActionContext, secret: str = "") -> Any:
        """Fails in every way there is."""
        self._seen(context, secret, "")
        if how == "exit":
            sys.exit(3)
        if how == "stop":
            raise StopIteration
        if how == "final":
            raise ApplicationError(f"no {secret}", {"code": "OWN", "s": secret}, non_retryable=True)
        if how == "later":
            raise ActionError("come back", code="LATER", retry_after=0.3)
        try:
            raise KeyError(f"inner {secret}")
        except KeyError as error:
            context.log.exception("it shows %s", secret)
            raise RuntimeError(f"outer {secret}") from error

    @action("trace.gives")
    async def give(self, what: str, size: int = 0, secret: str = "") -> Any:
        """Returns something that may not be returned, or that is big."""
        return {
            "big": {"rows": ["x" * 98] * (size // 101)},
            "secret": {"a": [f"<{secret}>"]},
            "reference": {"a": [{"$secret": "other"}]},
            "object": asyncio.Lock(),
        }[what]

    @action("trace.size")
    async def size(self, value: Any) -> int:
        """How many texts there are."""
        return len(value["rows"])

    @action("trace.waits")
    def wait(self, context: ActionContext) -> None:
        """Works in a thread until it is stopped."""
        self._seen(context, "", "")
        if context.stopped.wait(20):
            self.stopped.set()

    def _seen(self, context: ActionContext, text: str, thread: str) -> None:
        run = context.services.run
        self.calls.append(
            {
                "text": text,
                "key": context.key,
                "attempt": context.attempt,
                "task": context.task,
                "tenant": run.tenant_id,
                "thread": thread,
                "at": time.monotonic(),
            }
        )
