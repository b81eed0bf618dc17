# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Schedules: what Temporal starts at times."""

from urllib.parse import quote

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.contracts import RunSummary
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.schedules import ScheduleDetail, SchedulePause, ScheduleTrigger
from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import (
    Backfill,
    NewSchedule,
    Schedule,
    ScheduleContent,
    ScheduleState,
)

_SCHEDULE = TypeAdapter(Schedule)
_DETAIL = TypeAdapter(ScheduleDetail)
_SCHEDULES = TypeAdapter(Listing[Schedule])
_STATE = TypeAdapter(ScheduleState)
_RUNS = TypeAdapter(Listing[RunSummary])
_NOTHING = TypeAdapter(None)


class Schedules:
    """Schedules; it is `client.schedules`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, new: NewSchedule) -> Schedule:
        """Make a schedule, or return the one that was made with the same content."""
        return self._transport.call("POST", "/schedules", _SCHEDULE, body=new)

    def put(
        self, name: str, content: ScheduleContent, expected_revision: int | None = None
    ) -> Schedule:
        """Make a schedule, or bring the one of that name to this content."""
        headers = _expecting(expected_revision)
        return self._transport.call("PUT", _path(name), _SCHEDULE, body=content, headers=headers)

    def get(self, name: str) -> ScheduleDetail:
        """Return a schedule as the ledger has it."""
        return self._transport.call("GET", _path(name), _DETAIL)

    def list(
        self, *, app_id: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[Schedule]:
        """Return a page of the schedules that the caller sees, by name."""
        query = {"app_id": app_id, "limit": limit, "cursor": cursor}
        return self._transport.call("GET", "/schedules", _SCHEDULES, query=query)

    def describe(self, name: str) -> ScheduleState:
        """Return what Temporal tells of a schedule: next firings, last ones, open runs."""
        return self._transport.call("GET", f"{_path(name)}/state", _STATE)

    def runs(self, name: str, *, limit: int = 20, cursor: str | None = None) -> Listing[RunSummary]:
        """Return a page of the runs of a schedule that the caller sees, newest first."""
        query = {"limit": limit, "cursor": cursor}
        return self._transport.call("GET", f"{_path(name)}/runs", _RUNS, query=query)

    def pause(
        self, name: str, note: str | None = None, expected_revision: int | None = None
    ) -> Schedule:
        """Let a schedule fire no more until `resume`; open runs go on."""
        return self._steer(f"{_path(name)}/pause", note, expected_revision)

    def resume(
        self, name: str, note: str | None = None, expected_revision: int | None = None
    ) -> Schedule:
        """Let a schedule fire again."""
        return self._steer(f"{_path(name)}/resume", note, expected_revision)

    def trigger(self, name: str, overlap: Overlap | None = None) -> None:
        """Let a schedule fire once, now, paused or not."""
        body = ScheduleTrigger(overlap=overlap)
        self._transport.call("POST", f"{_path(name)}/trigger", _NOTHING, body=body)

    def backfill(self, name: str, backfill: Backfill) -> None:
        """Let a schedule fire now for each time between two moments at which it would have."""
        self._transport.call("POST", f"{_path(name)}/backfill", _NOTHING, body=backfill)

    def delete(self, name: str, expected_revision: int | None = None) -> None:
        """Remove a schedule; open runs of it go on."""
        headers = _expecting(expected_revision)
        self._transport.call("DELETE", _path(name), _NOTHING, headers=headers)

    def _steer(self, path: str, note: str | None, expected_revision: int | None) -> Schedule:
        return self._transport.call(
            "POST",
            path,
            _SCHEDULE,
            body=SchedulePause(note=note),
            headers=_expecting(expected_revision),
        )


def _path(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"


def _expecting(revision: int | None) -> dict[str, str] | None:
    return None if revision is None else {"If-Match": f'"{revision}"'}
