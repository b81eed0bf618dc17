"""What the code of runs logged."""

from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.contracts.api.listing import Listing, listed
from flowkeep.contracts.task_logs import LogLevel, LogLine
from flowkeep.errors import InvalidInput


class RunLogs(RunNoun):
    """Log lines of runs; it is `client.run_logs`. Who sees a run sees its lines."""

    async def list(
        self,
        run_id: UUID,
        *,
        activity_id: str | None = None,
        attempt: int | None = None,
        level: LogLevel | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[LogLine]:
        """Return a page of the lines of a run, in the order in which they were written.

        Args:
            run_id: The run.
            activity_id: Only this task's.
            attempt: Only those of attempts with this number.
            level: Only those that are at least as grave.
            limit: Rows per page, 1 to 1000.
            cursor: `next` of the page before, or `seq` of the last line that is known.

        Raises:
            NotFound: If there is no such run that the caller may see.
            InvalidInput: If the cursor is none of this list.
        """
        await self._seen(run_id)
        page = await self._store.task_logs.list(
            self._tenant,
            run_id,
            activity_id=activity_id,
            attempt=attempt,
            level=level,
            limit=limit,
            after=None if cursor is None else _number(cursor),
        )
        return listed(page, lambda one: one.seq)


def _number(cursor: str) -> int:
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= 18:
        return int(cursor)
    raise InvalidInput(
        f"cursor {cursor[:80]!r} is none of this list", hint="pass `next` of the page before"
    )
