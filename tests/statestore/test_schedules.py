"""Schedules in the ledger: revisions, secrets, and the runs that come from them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from flowkeep.contracts.schedules import Schedule
from flowkeep.errors import NotFound
from flowkeep.statestore import Store
from flowkeep.statestore.secrets import extract_secrets
from tests.statestore.records import OTHER, TENANT, attempt, new_id, new_run, ref_of
from tests.statestore.schedules import stored_schedule, to_write


async def count(store: Store, table: str) -> int:
    """Count the rows of a table."""
    async with store.transaction() as tx:
        found = await tx.connection.execute(text(f"SELECT count(*) FROM flowkeep.{table}"))
        return int(found.scalar_one())


async def with_secret(store: Store, password: str) -> Schedule:
    """Store the schedule with a password."""
    clean, secrets = extract_secrets({"credentials": {"password": password}})
    found, _ = await store.schedules.save(TENANT, to_write(arguments=clean), secrets=secrets)
    return found


async def test_secrets_go_with_whoever_needs_them_last(store: Store) -> None:
    """A secret that another replaces goes at once, but not while a run refers to it."""
    first = await with_secret(store, "one")
    assert (await with_secret(store, "one")).revision == first.revision
    assert await count(store, "secret") == 1
    await with_secret(store, "two")
    assert await count(store, "secret") == 1
    run = replace(ref_of(await store.runs.create(TENANT, new_run())), run_id=new_id())
    run = replace(run, workflow_id="fired", temporal_run_id=str(new_id()), schedule_id=first.id)
    await store.system.record([attempt(run)])
    await store.schedules.delete(TENANT, "nightly")
    await store.system.schedule_applied(first.id, 3)
    assert await store.system.purge_schedules(timedelta(days=1)) == 0
    assert await store.system.purge_schedules(timedelta(0)) == 1
    assert await count(store, "schedule") == 0
    arguments = await store.state.get_arguments(TENANT, run.run_id)
    opened = await store.secrets.resolve(TENANT, arguments)
    assert opened == {"credentials": {"password": "two"}}


async def test_big_arguments_are_a_runs_inputs(store: Store) -> None:
    """A firing has the schedule's arguments as inputs, however big, and its owner and app."""
    big = {"text": "x" * 20_000}
    found = await stored_schedule(store, app_id="crm", arguments=big, labels={"a": "b"})
    ref = replace(
        ref_of(await store.runs.create(TENANT, new_run())),
        run_id=new_id(),
        workflow_id="fired",
        temporal_run_id=str(new_id()),
        schedule_id=found.id,
        triggered_from="schedule",
    )
    await store.system.record([attempt(ref)])
    run = await store.runs.get(TENANT, ref.run_id)
    assert (run.inputs, run.owner, run.app_id) == (big, "ana", "crm")
    assert run.labels == {"a": "b", "schedule": "nightly", "schedule_id": str(found.id)}


async def test_a_schedule_of_another_tenant_says_nothing(store: Store) -> None:
    """A header that names another tenant's schedule gets none of its arguments."""
    found = await stored_schedule(store, arguments={"canary": 1})
    ref = replace(
        ref_of(await store.runs.create(OTHER, new_run()), OTHER),
        run_id=new_id(),
        workflow_id="fired",
        temporal_run_id=str(new_id()),
        schedule_id=found.id,
    )
    await store.system.record([attempt(ref)])
    run = await store.runs.get(OTHER, ref.run_id)
    assert (run.inputs, run.owner, run.labels) == (None, None, {})
    with pytest.raises(NotFound):
        await store.state.get_arguments(OTHER, ref.run_id)


async def test_temporal_may_pause_what_nobody_changed(store: Store) -> None:
    """What Temporal says of a pause is taken over, unless the schedule has changed since."""
    found = await stored_schedule(store)
    await store.system.schedule_applied(found.id, 1)
    await store.system.schedule_paused(found.id, 1, paused=True, note="failed")
    paused = await store.schedules.get(TENANT, "nightly")
    assert (paused.paused, paused.note, paused.revision, paused.applied) == (
        *(True, "failed"),
        *(2, True),
    )
    await store.schedules.set_paused(TENANT, "nightly", paused=False)
    await store.system.schedule_paused(found.id, 2, paused=True, note="late")
    assert not (await store.schedules.get(TENANT, "nightly")).paused
