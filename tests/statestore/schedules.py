"""Schedules in tests of the ledger."""

from typing import Any

from flowkeep.contracts.schedule_spec import SchedulePolicy, ScheduleSpec
from flowkeep.contracts.schedules import Schedule, ScheduleWrite
from flowkeep.errors import NotFound
from flowkeep.statestore import Store
from tests.statestore.records import OTHER, TENANT, new_id


def to_write(name: str = "nightly", **fields: Any) -> ScheduleWrite:
    """A schedule as it is to be stored."""
    schedule_id = new_id()
    given: dict[str, Any] = {
        "id": schedule_id,
        "temporal_id": f"flowkeep-schedule:test:{schedule_id}",
        "name": name,
        "app_id": None,
        "workflow_type": "Extract",
        "task_queue": "q",
        "definition_id": None,
        "definition_revision": None,
        "labels": {},
        "spec": ScheduleSpec(cron=("@daily",)),
        "policy": SchedulePolicy(),
        "remaining_actions": None,
        "paused": False,
        "note": None,
        "owner": "ana",
        "created_by": "ana",
        "arguments": {"a": 1},
    }
    return ScheduleWrite(**{**given, **fields})


async def stored_schedule(store: Store, name: str = "nightly", **fields: Any) -> Schedule:
    """Store a schedule."""
    found, _ = await store.schedules.save(TENANT, to_write(name, **fields))
    return found


def foreign_schedules(store: Store, found: Schedule) -> dict[str, Any]:
    """Return, by method, a call with the foreign tenant and what must come of it."""
    schedules, name = store.schedules, found.name
    return {
        "schedules.save": (schedules.save(OTHER, to_write("another")), None),
        "schedules.get": (schedules.get(OTHER, name), NotFound),
        "schedules.arguments": (schedules.arguments(OTHER, name), NotFound),
        "schedules.require_rights": (schedules.require_rights(OTHER, name), NotFound),
        "schedules.list": (schedules.list("third"), "absent"),
        "schedules.set_paused": (schedules.set_paused(OTHER, name, paused=True), NotFound),
        "schedules.delete": (schedules.delete(OTHER, name), NotFound),
        "schedules.discard": (schedules.discard(OTHER, found.id), NotFound),
    }
