"""Workflows of the tests: the base, and what people make of it."""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities.query_extraction.sql import SQLQueryExtractionActivities
    from flowkeep.workflows.query_extraction.sql import SQLQueryExtractionWorkflow
    from tests.extraction.logs.listed import Listed


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.05)


class ListedActivities(SQLQueryExtractionActivities):
    """Knows the tests' own log."""

    log_sources = (Listed,)

    @activity.defn
    async def look(self, workflow_args: dict[str, Any]) -> int:
        """Count the files that lie in storage at this moment."""
        return len(list(self.services.storage.list(workflow_args["output_path"])))

    @activity.defn
    async def hold(self, workflow_args: dict[str, Any]) -> None:
        """Wait until the test lets go, by a file beside the log."""
        path = Path(workflow_args["logs"]["options"]["path"] + ".go")
        await self.run_blocking(_wait_for, path)


@workflow.defn
class ReadListed(SQLQueryExtractionWorkflow):
    """Reads the tests' own log."""

    activities_cls = ListedActivities


@workflow.defn
class ReadByTwenties(SQLQueryExtractionWorkflow):
    """Leaves windows to child runs as soon as there are more than twenty."""

    activities_cls = ListedActivities
    per_child = 20


@workflow.defn
class CountListed(SQLQueryExtractionWorkflow):
    """Counts statements, looks at the files on the way, and parses nothing."""

    activities_cls = ListedActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        own = cast("ListedActivities", activities)
        return [own.get_query_batches, own.fetch_queries, own.look, own.reduce_queries]


@workflow.defn
class Held(SQLQueryExtractionWorkflow):
    """Is held between reading and counting."""

    activities_cls = ListedActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        own = cast("ListedActivities", activities)
        fetched = [own.get_query_batches, own.fetch_queries]
        return [*fetched, own.hold, own.reduce_queries, own.parse_queries]


@workflow.defn
class Disordered(SQLQueryExtractionWorkflow):
    """Lists what works on the result of something before it."""

    activities_cls = ListedActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        own = cast("ListedActivities", activities)
        return [own.get_query_batches, own.reduce_queries, own.fetch_queries]


@workflow.defn
class ReadLogs(SQLQueryExtractionWorkflow):
    """Notices soon that a worker is gone."""

    default_heartbeat_timeout = timedelta(seconds=3)
