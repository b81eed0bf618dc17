"""The workflow that extracts query logs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, cast

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from flowkeep.activities.base import ActivitiesInterface
    from flowkeep.activities.query_extraction.sql import SQLQueryExtractionActivities
    from flowkeep.contracts.messages import ALWAYS_FIRST, RUN_STEPS
    from flowkeep.contracts.query_extraction import (
        QueryBatch,
        QueryBatches,
        QueryExtractionResult,
    )
    from flowkeep.errors import InvalidInput
    from flowkeep.workflows.base import WorkflowInterface
    from flowkeep.workflows.declared import STEPS, flatten

PLAN = "get_query_batches"
FETCH = "fetch_queries"
REDUCE = "reduce_queries"
PARSE = "parse_queries"
FINISH = "finish_query_extraction"
_ORDER = (PLAN, FETCH, REDUCE, PARSE)


@workflow.defn
class SQLQueryExtractionWorkflow(WorkflowInterface):
    """Preflight, then plan, fetch by window, reduce and parse by bucket, outputs.

    `get_activities` decides what runs: without `parse_queries` statements are counted and not
    parsed. An activity that is none of ours runs at its place in the list, alone, with the
    arguments of the run. Windows and buckets are worked on with bounded concurrency, thousands of
    them through child runs. At the end the manifest is written and the high-water mark moves.
    """

    activities_cls: type[ActivitiesInterface] = SQLQueryExtractionActivities
    patient_retry_policy: ClassVar[RetryPolicy] = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=60),
        maximum_attempts=8,
    )
    """How each window and bucket is tried again: for about two minutes, in which a source or a
    store comes back."""
    per_child: ClassVar[int] = 1000
    """Windows, or buckets, that one child run takes, when there are more than these."""

    def __init__(self) -> None:
        super().__init__()
        self._arguments: dict[str, Any] = {}
        self._batches: QueryBatches | None = None
        self._done: list[str] = []
        self._results: dict[str, Any] = {}

    @staticmethod
    def get_activities(activities: ActivitiesInterface) -> Sequence[Any]:
        """Return what an extraction does; see the class.

        Args:
            activities: An instance of `activities_cls` (in workflow code: the class itself).
        """
        sql = cast("SQLQueryExtractionActivities", activities)
        return [
            sql.get_query_batches,
            sql.fetch_queries,
            sql.preflight_check,
            sql.reduce_queries,
            sql.parse_queries,
        ]

    async def run(self, workflow_config: Any) -> QueryExtractionResult:
        """Extract.

        Args:
            workflow_config: `{"workflow_id": …}`.

        Returns:
            Where the manifest lies, and the counts it proves.

        Raises:
            PreflightFailed: If a check failed; names every reason.
        """
        arguments = await super().run(workflow_config)
        self._arguments = (
            arguments.model_dump(mode="json") if isinstance(arguments, BaseModel) else arguments
        )
        for entry in self.declared_activities:
            await self._run_entry(entry, arguments)
        return await self._finish()

    async def _run_entry(self, entry: Any, arguments: Any) -> None:
        if isinstance(entry, dict):
            self._refuse_own(entry[STEPS])
            self._results.update(await self.execute(RUN_STEPS, entry[STEPS], arguments))
            return
        names = [entry] if isinstance(entry, str) else flatten(entry)
        names = [name for name in names if name not in ALWAYS_FIRST]
        if len(names) > 1:
            self._refuse_own(names)
        await self.gather(*(self._run_one(name, arguments) for name in names))

    def _refuse_own(self, names: Any) -> None:
        own = [name for name in flatten(names) if name in _ORDER]
        if own:
            raise InvalidInput(
                f"get_activities of {type(self).__qualname__} lists {', '.join(own)} in a group",
                hint="list them one after the other: each works on what the one before it left",
            )

    async def _run_one(self, name: str, arguments: Any) -> None:
        if name not in _ORDER:
            self._results[name] = await self.execute(name, arguments)
            return
        lacking = [one for one in _ORDER[: _ORDER.index(name)] if one not in self._done]
        if lacking:
            raise InvalidInput(
                f"get_activities of {type(self).__qualname__} lists {name} without "
                f"{', '.join(lacking)} before it",
                hint=f"list them in this order: {', '.join(_ORDER)}",
            )
        if name == PLAN:
            found = await self._execute(PLAN, self._arguments)
            self._batches = QueryBatches.model_validate(found)
        else:
            await self._map(name)
        self._done.append(name)

    async def _map(self, name: str) -> None:
        batches = self._planned()
        count = batches.windows if name == FETCH else batches.buckets
        batch = QueryBatch(key=batches.key, digest=batches.digest, number=0)
        await self.map(
            name,
            [{**batch.model_dump(), "number": number} for number in range(count)],
            args=[self._arguments],
            window=batches.concurrency,
            chunk=self.per_child,
            retry_policy=self.patient_retry_policy,
        )

    async def _finish(self) -> QueryExtractionResult:
        if REDUCE not in self._done:
            return QueryExtractionResult(results=self._results)
        batches = self._planned()
        plan = QueryBatch(key=batches.key, digest=batches.digest, number=0)
        found = await self._execute(FINISH, plan, self._arguments, PARSE in self._done)
        return QueryExtractionResult.model_validate(found).model_copy(
            update={"results": self._results}
        )

    def _planned(self) -> QueryBatches:
        assert self._batches is not None, "the order was checked"
        return self._batches

    async def _execute(self, name: str, *arguments: Any) -> Any:
        return await self.execute(name, *arguments, retry_policy=self.patient_retry_policy)
