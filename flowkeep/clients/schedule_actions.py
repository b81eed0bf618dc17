"""Schedules in Temporal's words, and what Temporal tells of them in ours."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from temporalio import client as sdk
from temporalio.service import RPCError, RPCStatusCode

from flowkeep.contracts.identity import HEADER, Identity
from flowkeep.contracts.schedule_spec import Calendar, Overlap, Range, ScheduleSpec
from flowkeep.contracts.schedules import Schedule, ScheduleFiring, ScheduleState
from flowkeep.errors import InvalidInput, NotFound, TemporalUnavailable

MOST_NEXT = 10


def overlap_of(overlap: Overlap | None) -> sdk.ScheduleOverlapPolicy | None:
    """Return an overlap policy in Temporal's words; None stays None."""
    return None if overlap is None else sdk.ScheduleOverlapPolicy[overlap.name]


def temporal_schedule(found: Schedule) -> sdk.Schedule:
    """Return a schedule as Temporal is told of it.

    Its action starts the workflow itself, so overlap policies act on the run; the identity says
    which schedule it comes from, and the ledger knows the rest.
    """
    identity = Identity(tenant_id=found.tenant_id, app_id=found.app_id, schedule_id=str(found.id))
    return sdk.Schedule(
        action=sdk.ScheduleActionStartWorkflow(
            found.workflow_type,
            {"workflow_id": found.temporal_id},
            id=found.temporal_id,
            task_queue=found.task_queue,
            memo={HEADER: identity.to_header()},
        ),
        spec=_spec(found.spec),
        policy=sdk.SchedulePolicy(
            overlap=sdk.ScheduleOverlapPolicy[found.policy.overlap.name],
            catchup_window=found.policy.catchup,
            pause_on_failure=found.policy.pause_on_failure,
        ),
        state=sdk.ScheduleState(
            paused=found.paused,
            note=found.note,
            limited_actions=found.remaining_actions is not None,
            remaining_actions=found.remaining_actions or 0,
        ),
    )


def updated(
    found: Schedule, *, resume: bool, recount: bool
) -> Callable[[sdk.ScheduleUpdateInput], sdk.ScheduleUpdate]:
    """Return what brings Temporal's schedule to the ledger's.

    Args:
        found: The schedule as the ledger has it.
        resume: Whether one that is paused in Temporal fires again; else only people, or Temporal
            itself when a run fails, decide that.
        recount: Whether `remaining_actions` begins anew; else Temporal goes on counting.
    """

    def update(current: sdk.ScheduleUpdateInput) -> sdk.ScheduleUpdate:
        wanted, before = temporal_schedule(found), current.description.schedule.state
        if before.paused and not resume and not wanted.state.paused:
            wanted.state.paused, wanted.state.note = True, before.note
        if before.limited_actions and wanted.state.limited_actions and not recount:
            wanted.state.remaining_actions = before.remaining_actions
        return sdk.ScheduleUpdate(wanted)

    return update


def state_of(found: sdk.ScheduleDescription) -> ScheduleState:
    """Return what Temporal tells of a schedule."""
    state, info = found.schedule.state, found.info
    ahead = () if state.paused else tuple(info.next_action_times[:MOST_NEXT])
    return ScheduleState(
        paused=state.paused,
        note=state.note or None,
        next_at=ahead,
        recent=tuple(
            ScheduleFiring(
                scheduled_at=one.scheduled_at,
                started_at=one.started_at,
                workflow_id=one.action.workflow_id,
            )
            for one in info.recent_actions
            if isinstance(one.action, sdk.ScheduleActionExecutionStartWorkflow)
        ),
        running=tuple(
            one.workflow_id
            for one in info.running_actions
            if isinstance(one, sdk.ScheduleActionExecutionStartWorkflow)
        ),
        fired=info.num_actions,
        missed=info.num_actions_missed_catchup_window,
        skipped=info.num_actions_skipped_overlap,
        remaining_actions=state.remaining_actions if state.limited_actions else None,
    )


def backfill_of(start_at: datetime, end_at: datetime, overlap: Overlap | None) -> Any:
    """Return a backfill in Temporal's words; both ends belong to it."""
    # The server leaves the first moment out.
    start = start_at - timedelta(milliseconds=1)
    return sdk.ScheduleBackfill(start_at=start, end_at=end_at, overlap=overlap_of(overlap))


def _spec(spec: ScheduleSpec) -> sdk.ScheduleSpec:
    return sdk.ScheduleSpec(
        cron_expressions=list(spec.cron),
        intervals=[
            sdk.ScheduleIntervalSpec(
                every=timedelta(seconds=one.every_seconds),
                offset=timedelta(seconds=one.offset_seconds),
            )
            for one in spec.intervals
        ],
        calendars=[_calendar(one) for one in spec.calendars],
        skip=[_calendar(one) for one in spec.skip],
        start_at=spec.start_at,
        end_at=spec.end_at,
        jitter=timedelta(seconds=spec.jitter_seconds),
        time_zone_name=spec.time_zone,
    )


def _calendar(one: Calendar) -> sdk.ScheduleCalendarSpec:
    return sdk.ScheduleCalendarSpec(
        second=_ranges(one.second),
        minute=_ranges(one.minute),
        hour=_ranges(one.hour),
        day_of_month=_ranges(one.day_of_month),
        month=_ranges(one.month),
        year=_ranges(one.year),
        day_of_week=_ranges(one.day_of_week),
        comment=one.comment,
    )


def _ranges(ranges: tuple[Range, ...]) -> list[sdk.ScheduleRange]:
    return [
        sdk.ScheduleRange(one.start, one.start if one.end is None else one.end, one.step)
        for one in ranges
    ]


@asynccontextmanager
async def translated(name: str) -> AsyncIterator[None]:
    """Turn what Temporal answers about a schedule into our errors."""
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFound(
                f"Temporal has no schedule {name!r}",
                hint="it is made again within a minute, where the reconciler runs",
            ) from None
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise InvalidInput(
                f"Temporal refuses schedule {name!r}: {error.message}", hint="correct its spec"
            ) from None
        raise TemporalUnavailable(f"Temporal did not answer: {error.message}") from error
