"""Schedules, directly and over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import Backfill, NewSchedule, ScheduleContent
from flowkeep.errors import Conflict, InvalidInput, NotFound, RevisionMismatch
from tests.service.conftest import ServiceClient
from tests.support import eventually

SPEC = {"cron": ["0 3 * * *"], "time_zone": "Europe/Berlin"}


def new(name: str, **fields: Any) -> NewSchedule:
    """A schedule of a workflow class that nobody serves."""
    given = {"name": name, "workflow_type": "Extract", "task_queue": "nobody", "spec": SPEC}
    return NewSchedule.model_validate({**given, **fields})


async def test_a_schedule_lives(client: ServiceClient) -> None:
    """A schedule is made, changed where it was read, paused, resumed and removed."""
    secret = {"table": "t", "credentials": {"password": "canary-pw"}}
    made = await client.schedules.create(new("nightly", arguments=secret))
    assert (made.revision, made.applied, made.paused) == (1, True, False)
    assert await client.schedules.create(new("nightly", arguments=secret)) == made
    found = await client.schedules.get("nightly")
    assert found.arguments["table"] == "t"
    assert "canary-pw" not in found.model_dump_json()
    again = await client.schedules.put("nightly", found.content(), found.revision)
    assert again == made
    content = found.content().evolve(labels={"team": "data"})
    changed = await client.schedules.put("nightly", content, 1)
    assert (changed.revision, changed.labels) == (2, {"team": "data"})
    with pytest.raises(RevisionMismatch):
        await client.schedules.put("nightly", content, 1)
    paused = await client.schedules.pause("nightly", "moving house")
    assert (paused.paused, paused.note, paused.revision) == (True, "moving house", 3)
    assert (await client.schedules.describe("nightly")).next_at == ()
    await client.schedules.resume("nightly", expected_revision=3)
    moments = (await client.schedules.describe("nightly")).next_at
    assert len(moments) > 1
    await client.schedules.delete("nightly")
    with pytest.raises(NotFound, match="schedule 'nightly' does not exist"):
        await client.schedules.get("nightly")


async def test_schedules_are_paged(client: ServiceClient) -> None:
    """Pages follow each other by name, of one app if it is asked for."""
    for name, app in (("a", "crm"), ("b", None), ("c", "crm")):
        await client.schedules.create(new(name, app_id=app))
    first = await client.schedules.list(limit=2)
    second = await client.schedules.list(limit=2, cursor=first.next)
    assert [one.name for one in (*first.data, *second.data)] == ["a", "b", "c"]
    of_app = await client.schedules.list(app_id="crm")
    assert [one.name for one in of_app.data] == ["a", "c"]


async def test_it_fires_when_it_is_told_to(client: ServiceClient) -> None:
    """A trigger fires once, a backfill once for each day of its span."""
    await client.schedules.create(new("nightly", policy={"overlap": "allow_all"}))
    await client.schedules.trigger("nightly", Overlap.ALLOW_ALL)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    await client.schedules.backfill(
        "nightly", Backfill(start_at=start, end_at=start + timedelta(days=2))
    )

    async def fired() -> None:
        state = await client.schedules.describe("nightly")
        assert (state.fired, len(state.recent)) == (3, 3)

    await eventually(fired)
    assert (await client.schedules.runs("nightly")).data == ()


async def test_what_does_not_fit_is_refused(client: ServiceClient) -> None:
    """A taken name, a missing definition and a bad name are told apart."""
    await client.schedules.create(new("nightly"))
    with pytest.raises(Conflict, match="nightly"):
        await client.schedules.create(new("nightly", workflow_type="Other"))
    with pytest.raises(NotFound, match="absent"):
        await client.schedules.create(new("other", workflow_type=None, definition="absent"))
    content = ScheduleContent.model_validate({"workflow_type": "Unserved", "spec": SPEC})
    with pytest.raises(InvalidInput, match="name"):
        await client.schedules.put("no name", content)
    with pytest.raises(NotFound):
        await client.schedules.trigger("absent")
