"""Schedules on real servers: what they start, and what becomes of differences."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.service import RPCError

from flowkeep.clients.schedule_repair import ScheduleRepair
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import Definition, DefinitionPatch, NewDefinition, Run, RunStatus
from flowkeep.contracts.identity import DEFINITION_TYPE
from flowkeep.contracts.schedule_spec import Overlap
from flowkeep.contracts.schedules import Schedule, ScheduleContent
from flowkeep.errors import Conflict, InvalidInput, NotFound, RevisionMismatch
from flowkeep.recording.verification import Verification
from flowkeep.settings import ReconcilerSettings
from flowkeep.worker import Worker
from tests.definitions.runs import actions
from tests.support import eventually, flushed
from tests.workflows import flows

TENANT = "acme"
DAILY = {"intervals": [{"every_seconds": 86_400}]}
SUM: dict[str, Any] = {
    "ref": "sums",
    "parameters": {"type": "object", "properties": {"start": {"type": "integer", "default": 1}}},
    "tasks": [
        {
            "name": "add",
            "action": "test.add",
            "input": {"left": "{{ parameters.start }}", "right": 10},
        }
    ],
    "output_map": {"sum": "{{ tasks.add.result }}"},
}


@pytest.fixture
async def worker(client: WorkflowClient, letters: flows.Letters) -> AsyncIterator[Worker]:
    """A worker for workflow classes and definitions."""
    async with Worker(
        client,
        workflow_classes=[flows.Sequenced, flows.Holding],
        workflow_activities=[letters.first, letters.second, letters.third, letters.hold],
        actions=actions.ALL,
        action_tenants=[],
    ) as worker:
        yield worker


def content(**fields: Any) -> ScheduleContent:
    """What a schedule is to be: every day, unless said otherwise."""
    return ScheduleContent.model_validate({"spec": DAILY, **fields})


async def made(client: WorkflowClient, name: str = "nightly", **fields: Any) -> Schedule:
    """Make a schedule."""
    found, _ = await client.schedules.put(TENANT, name, content(**fields))
    return found


async def define(client: WorkflowClient, spec: dict[str, Any] = SUM) -> Definition:
    """Store a definition."""
    new = NewDefinition(name=spec["ref"], ref=spec["ref"], spec=spec)
    return await client.store.definitions.create(TENANT, new)


async def change(client: WorkflowClient, definition: Definition, **fields: Any) -> None:
    """Change a definition."""
    now = await client.store.definitions.get(TENANT, definition.id)
    await client.store.definitions.update(
        TENANT, now.id, DefinitionPatch(**fields), expected_revision=now.revision
    )


async def runs(client: WorkflowClient, name: str = "nightly") -> list[Run]:
    """The runs of a schedule, oldest first."""
    await flushed(client)
    page = await client.store.runs.get_paginated_runs(TENANT, labels={"schedule": name}, limit=100)
    return [await client.store.runs.get(TENANT, one.id) for one in reversed(page.data)]


async def ended(client: WorkflowClient, count: int = 1, name: str = "nightly") -> list[Run]:
    """Wait until so many runs of a schedule have ended."""

    async def there() -> list[Run]:
        found = await runs(client, name)
        assert sum(one.status.terminal for one in found) == count, found
        return found

    return await eventually(there, timeout=30)


async def test_a_workflow_class_is_run(client: WorkflowClient, worker: Worker) -> None:
    """A run of a schedule is an ordinary one: its own arguments, labels, owner; it is repeated."""
    found = await made(
        client,
        workflow_type="Sequenced",
        app_id="crm",
        owner="ana",
        labels={"team": "data"},
        arguments={"suffix": "!", "credentials": {"password": "canary-pw"}},
    )
    assert found.applied
    await client.schedules.trigger(TENANT, "nightly")
    [run] = await ended(client)
    assert (run.status, run.triggered_from, run.app_id, run.owner) == (
        RunStatus.SUCCEEDED,
        "schedule",
        "crm",
        "ana",
    )
    assert run.labels == {"team": "data", "schedule": "nightly", "schedule_id": str(found.id)}
    arguments = await client.store.state.get_arguments(TENANT, run.id)
    assert run.inputs == arguments
    assert "canary-pw" not in str(arguments)
    assert (await client.store.secrets.resolve(TENANT, arguments))["credentials"] == {
        "password": "canary-pw"
    }
    again = await client.definitions.rerun(TENANT, run.id)
    assert (await again.result())["first"] == "a!"
    handle = await client.get_handle(TENANT, run.id)
    assert (await handle.result())["first"] == "a!"


async def test_a_definition_is_run(client: WorkflowClient, worker: Worker) -> None:
    """Each firing pins the version that is the newest then, and counts as an execution."""
    definition = await define(client)
    await made(client, definition="sums", arguments={"start": 5})
    await client.schedules.trigger(TENANT, "nightly")
    [first] = await ended(client)
    changed = {**SUM, "output_map": {"sum": "new"}}
    await change(client, definition, spec=changed)
    await client.schedules.trigger(TENANT, "nightly", Overlap.ALLOW_ALL)
    _, second = await ended(client, 2)
    assert [one.outputs for one in (first, second)] == [{"sum": 15}, {"sum": "new"}]
    assert first.definition_id == second.definition_id == definition.id
    assert first.definition_revision is not None
    assert second.definition_revision == first.definition_revision + 1
    now = await client.store.definitions.get(TENANT, definition.id)
    assert now.execution_count == 2
    again = await client.definitions.rerun(TENANT, first.id, everything=True)
    assert await again.result() == {"sum": 15}
    check = Verification(client.temporal, client.store, ReconcilerSettings(grace_seconds=0.3))
    for run in (first, second):
        found = [one async for one in check.differences(workflow_id=run.workflow_id, deep=True)]
        assert found == []


async def test_what_cannot_run_says_so(client: WorkflowClient, worker: Worker) -> None:
    """The firing of a disabled definition fails with the reason, which the schedule shows."""
    definition = await define(client)
    await made(client, definition="sums")
    await change(client, definition, enabled=False)
    await client.schedules.trigger(TENANT, "nightly")
    [run] = await ended(client)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert "'sums' is disabled" in run.error.message
    assert "'sums' is disabled" in str((await client.schedules.get(TENANT, "nightly")).last_error)
    await change(client, definition, enabled=True)
    await client.schedules.trigger(TENANT, "nightly", Overlap.ALLOW_ALL)
    _, second = await ended(client, 2)
    assert second.status is RunStatus.SUCCEEDED
    assert (await client.schedules.get(TENANT, "nightly")).last_error is None


async def test_it_fires_by_itself_until_it_is_paused(
    client: WorkflowClient, worker: Worker
) -> None:
    """A schedule of every second fires; paused it has no next firing, and keeps its note."""
    await made(client, workflow_type="Sequenced", spec={"intervals": [{"every_seconds": 1}]})
    await eventually(lambda: _some(client), timeout=30)
    paused = await client.schedules.pause(TENANT, "nightly", "too many")
    assert (paused.paused, paused.note, paused.applied) == (True, "too many", True)
    state = await client.schedules.describe(TENANT, "nightly")
    assert (state.paused, state.note, state.next_at) == (True, "too many", ())
    assert state.fired >= 1
    assert state.recent[0].workflow_id.startswith(paused.temporal_id)
    resumed = await client.schedules.resume(TENANT, "nightly")
    assert not resumed.paused
    assert (await client.schedules.describe(TENANT, "nightly")).next_at
    await client.schedules.delete(TENANT, "nightly")
    with pytest.raises(NotFound):
        await client.schedules.describe(TENANT, "nightly")


async def _some(client: WorkflowClient) -> None:
    assert await runs(client)


async def test_a_past_is_made_up_for(client: WorkflowClient, worker: Worker) -> None:
    """A backfill fires once for each moment of its span, both ends included."""
    await made(client, workflow_type="Sequenced", spec={"cron": ["0 3 * * *"]})
    start = datetime(2026, 3, 1, 3, tzinfo=UTC)
    await client.schedules.backfill(
        TENANT, "nightly", start, start + timedelta(days=2), Overlap.ALLOW_ALL
    )
    found = await ended(client, 3)
    days = sorted(one.workflow_id[-20:-10] for one in found)
    assert days == ["2026-03-01", "2026-03-02", "2026-03-03"]


async def test_clocks_are_those_of_its_zone(client: WorkflowClient) -> None:
    """At the end of summer time the same hour of the clock is another one of UTC."""
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2027, 10, 29, tzinfo=zone)
    spec = {"cron": ["30 9 * * *"], "time_zone": "Europe/Berlin", "start_at": first}
    await made(client, workflow_type="Sequenced", spec=spec)
    state = await client.schedules.describe(TENANT, "nightly")
    assert [moment.astimezone(UTC).strftime("%d %H:%M") for moment in state.next_at[:4]] == [
        "29 07:30",
        "30 07:30",
        "31 08:30",
        "01 08:30",
    ]


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.CANCEL_OTHER])
async def test_overlaps_act_on_the_real_run(
    client: WorkflowClient, worker: Worker, letters: flows.Letters, overlap: Overlap
) -> None:
    """While a run is open, the next firing is left out, or cancels it, as the policy says."""
    await made(client, workflow_type="Holding", policy={"overlap": overlap})
    await client.schedules.trigger(TENANT, "nightly")

    def begun() -> None:
        assert letters.calls == ["hold"]

    await eventually(begun)
    await client.schedules.trigger(TENANT, "nightly")
    if overlap is Overlap.SKIP:

        async def skipped() -> None:
            state = await client.schedules.describe(TENANT, "nightly")
            assert state.skipped == 1
            assert len(state.running) == 1

        await eventually(skipped)
        letters.release.set()
        assert [one.status for one in await ended(client)] == [RunStatus.SUCCEEDED]
    else:
        [first, _] = await eventually(lambda: _two(client), timeout=30)
        assert first.status is RunStatus.CANCELLED
        letters.release.set()
        assert [one.status for one in await ended(client, 2)] == [
            RunStatus.CANCELLED,
            RunStatus.SUCCEEDED,
        ]


async def _two(client: WorkflowClient) -> list[Run]:
    found = await runs(client)
    assert len(found) == 2
    return found


async def test_the_same_again_changes_nothing(client: WorkflowClient) -> None:
    """Putting a schedule again is no change; another password, another content is one."""
    secret = {"credentials": {"password": "one"}}
    first = await made(client, workflow_type="Sequenced", arguments=secret)
    assert await client.schedules.put(
        TENANT, "nightly", content(workflow_type="Sequenced", arguments=secret)
    ) == (first, False)
    other = content(
        workflow_type="Sequenced", arguments={"credentials": {"password": "two"}}, owner="bo"
    )
    with pytest.raises(Conflict):
        await client.schedules.put(TENANT, "nightly", other, only_new=True)
    with pytest.raises(RevisionMismatch):
        await client.schedules.put(TENANT, "nightly", other, expected_revision=9)
    second, created = await client.schedules.put(TENANT, "nightly", other, expected_revision=1)
    assert (second.revision, second.owner, created, second.applied) == (2, "bo", False, True)
    kept = await client.store.schedules.arguments(TENANT, "nightly")
    opened = await client.store.secrets.resolve(TENANT, kept)
    assert opened == {"credentials": {"password": "two"}}


async def test_what_cannot_be_scheduled_is_refused(client: WorkflowClient) -> None:
    """Wrong definitions, parameters and types leave nothing behind."""
    await define(client)
    with pytest.raises(NotFound, match="nothing"):
        await made(client, definition="nothing")
    with pytest.raises(InvalidInput, match="start"):
        await made(client, definition="sums", arguments={"start": "x"})
    with pytest.raises(InvalidInput, match="retention schedule"):
        await made(client, workflow_type="flowkeep.Retention")
    with pytest.raises(InvalidInput, match="name the definition"):
        await made(client, workflow_type=DEFINITION_TYPE)
    assert not (await client.store.schedules.list(TENANT)).data


async def test_temporal_takes_what_is_let_through(client: WorkflowClient) -> None:
    """The server agrees with our check of expressions, ranges and times, up to their bounds."""
    cron = ["* * * * *", "@daily", "@every 90m/5m", "0 12 * * MON-FRI # noon", "0 0 * jan 7"]
    cron += ["5/15 * * * *", "1-5/2,7 * * * *", "0 0 * * * 2027", "1 0 0 * * * 2100", "@every 2d"]
    calendar = {"minute": [{"start": 0, "end": 59, "step": 7}], "year": [{"start": 2027}]}
    await made(
        client,
        workflow_type="Sequenced",
        policy={"catchup_seconds": 366 * 86_400, "pause_on_failure": True},
        remaining_actions=2**53 - 1,
        note="x" * 1000,
        spec={
            "cron": cron,
            "calendars": [calendar],
            "skip": [{**calendar, "comment": "not then"}],
            "intervals": [{"every_seconds": 366 * 86_400, "offset_seconds": 366 * 86_400 - 1}],
            "start_at": "1970-01-01T00:00:00Z",
            "end_at": "2199-12-31T23:59:59.999Z",
            "jitter_seconds": 366 * 86_400,
        },
    )
    state = await client.schedules.describe(TENANT, "nightly")
    assert (state.note, state.remaining_actions) == ("x" * 1000, 2**53 - 1)
    with pytest.raises(InvalidInput):
        await made(client, "huge", workflow_type="Sequenced", spec={"cron": ["@every 9999999999h"]})
    assert [one.name for one in (await client.store.schedules.list(TENANT)).data] == ["nightly"]


async def test_differences_are_repaired(client: WorkflowClient) -> None:
    """Both sides are brought together, whichever lost, kept or paused something."""
    repair = ScheduleRepair(client)
    lost = await made(client, "lost", workflow_type="Sequenced")
    await client.schedules.handle(lost).delete()
    held = await made(client, "held", workflow_type="Sequenced")
    await client.schedules.handle(held).pause(note="from Temporal's page")
    gone = await made(client, "gone", workflow_type="Sequenced")
    await client.store.schedules.delete(TENANT, "gone")
    erased = await made(client, "erased", workflow_type="Sequenced")
    await client.store.schedules.discard(TENANT, erased.id)

    async def repaired() -> None:
        await repair.repair()
        assert (await client.schedules.describe(TENANT, "lost")).next_at
        found = await client.schedules.get(TENANT, "held")
        assert (found.paused, found.note) == (True, "from Temporal's page")
        ids = [one.id async for one in await client.temporal.list_schedules()]
        assert gone.temporal_id not in ids
        assert erased.temporal_id not in ids
        assert lost.temporal_id in ids

    await eventually(repaired, timeout=30)
    assert (await repair.repair()).applied == 0


async def test_the_newest_revision_is_told_last(client: WorkflowClient) -> None:
    """Who tells Temporal of an older revision tells it of the newest too, or that it is deleted."""
    first = await made(client, workflow_type="Sequenced")
    await made(client, workflow_type="Sequenced", spec={"intervals": [{"every_seconds": 60}]})
    told = await client.schedules.apply(first)
    assert (told.revision, told.applied) == (2, True)
    found = await client.schedules.handle(first).describe()
    assert [one.every for one in found.schedule.spec.intervals] == [timedelta(minutes=1)]
    await client.schedules.delete(TENANT, "nightly")
    with pytest.raises(NotFound, match="does not exist"):
        await client.schedules.apply(first)
    with pytest.raises(RPCError, match="not found"):
        await client.schedules.handle(first).describe()


async def test_an_erased_tenant_fires_no_more(client: WorkflowClient) -> None:
    """Erasing a tenant takes its schedules out of Temporal, and their secrets out of the ledger."""
    found = await made(
        client, workflow_type="Sequenced", arguments={"credentials": {"password": "x"}}
    )
    erased = await client.erase_tenant(TENANT)
    assert (erased.rows["schedule"], erased.rows["secret"]) == (1, 1)
    with pytest.raises(RPCError, match="not found"):
        await client.schedules.handle(found).describe()
