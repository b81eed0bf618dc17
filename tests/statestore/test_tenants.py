"""Every public method, called with a foreign tenant: nothing is seen, nothing is changed."""

import inspect
from typing import Any, cast
from uuid import UUID

import pytest

from flowkeep.contracts import (
    NewAction,
    NewApp,
    NewTask,
    PauseRequest,
    Run,
    Source,
    StateType,
    Task,
    TaskKey,
    TaskStatus,
)
from flowkeep.contracts.api.keys import ApiKey, NewApiKey
from flowkeep.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from flowkeep.statestore import Store
from tests.statestore.counting import foreign_statistics
from tests.statestore.definitions import CANVAS, foreign_calls, stored
from tests.statestore.leftovers import foreign_deletes
from tests.statestore.records import OTHER, TENANT, at, attempt, new_id, new_run, ref_of, running
from tests.statestore.schedules import foreign_schedules, stored_schedule
from tests.statestore.webhooks import foreign_webhooks, stored_webhook

ABSENT = "absent"
"""The answer of reads that find nothing, in their own form."""
CHILD = new_id()
NOUNS = ("runs", "tasks", "state", "secrets", "definitions", "actions", "apps", "retention")


def calls(
    store: Store, run: Run, task: Task, key: str, reference: dict[str, str]
) -> dict[str, Any]:
    """Return, by method, a call with the foreign tenant and what must come of it."""
    runs, tasks, state, secrets = store.runs, store.tasks, store.state, store.secrets
    ref = ref_of(run, temporal_run_id=run.temporal_run_id)
    new = new_run(id=run.id, workflow_id=run.workflow_id)
    return {
        "runs.create": (runs.create(OTHER, new), Forbidden),
        "runs.save": (runs.save(OTHER, run.evolve(tenant_id=OTHER)), Forbidden),
        "runs.get": (runs.get(OTHER, run.id), NotFound),
        "runs.get_run_by_id": (runs.get_run_by_id(OTHER, None, run.id), ABSENT),
        "runs.get_paginated_runs": (runs.get_paginated_runs(OTHER), ABSENT),
        "runs.find_by_workflow_id": (runs.find_by_workflow_id(OTHER, run.workflow_id), ABSENT),
        "runs.list_by_owner": (runs.list_by_owner(OTHER, "ana"), ABSENT),
        "runs.list_by_status": (runs.list_by_status(OTHER, run.status), ABSENT),
        "runs.find_by_definition": (
            runs.find_by_definition(OTHER, cast("UUID", run.definition_id)),
            ABSENT,
        ),
        "runs.find_by_parent": (
            runs.find_by_parent(OTHER, cast("UUID", run.parent_run_id)),
            ABSENT,
        ),
        "runs.find_paused": (runs.find_paused(OTHER), ABSENT),
        "runs.find_stuck": (runs.find_stuck(OTHER), ABSENT),
        "runs.list_events": (runs.list_events(OTHER, run.id), ABSENT),
        "runs.list_segments": (runs.list_segments(OTHER, run.id), ABSENT),
        "runs.list_pauses": (runs.list_pauses(OTHER, run.id), ABSENT),
        "runs.update_with_revision": (
            runs.update_with_revision(OTHER, run.evolve(tenant_id=OTHER, goal="x")),
            Forbidden,
        ),
        "runs.update_and_append": (runs.update_and_append(OTHER, run, "noted"), Forbidden),
        "runs.modify": (runs.modify(OTHER, run.id, lambda r: r), NotFound),
        "runs.append_event": (runs.append_event(OTHER, run.id, "noted"), Forbidden),
        "runs.mark_running": (runs.mark_running(OTHER, run.id), Forbidden),
        "runs.request_cancel": (runs.request_cancel(OTHER, run.id), Forbidden),
        "runs.set_waiting": (runs.set_waiting(OTHER, run.id), Forbidden),
        "runs.resume": (runs.resume(OTHER, run.id), Forbidden),
        "runs.patch_state": (runs.patch_state(OTHER, run.id, {"a": 1}), Forbidden),
        "runs.finish": (runs.finish(OTHER, run.id), Forbidden),
        "runs.fail": (runs.fail(OTHER, run.id), Forbidden),
        "runs.record_outcome": (
            runs.record_outcome(OTHER, run.id, _failed(), source=Source.SERVER, closed_at=at(1)),
            Forbidden,
        ),
        "runs.count_by_status": (_none_counted(store), ABSENT),
        "tasks.upsert_attempts": (tasks.upsert_attempts(OTHER, [attempt(ref, "2")]), Forbidden),
        "tasks.insert": (tasks.insert(OTHER, NewTask(run_id=run.id, task_name="t")), Forbidden),
        "tasks.claim": (tasks.claim(OTHER, run.id, "t"), Forbidden),
        "tasks.update": (tasks.update(OTHER, task.evolve(tenant_id=OTHER)), Forbidden),
        "tasks.get": (tasks.get(OTHER, task.ref), NotFound),
        "tasks.list": (tasks.list(OTHER, status=task.status), ABSENT),
        "tasks.find_by_name": (tasks.find_by_name(OTHER, run.id, task.task_name), ABSENT),
        "tasks.find_by_external_id": (tasks.find_by_external_id(OTHER, "job-1"), ABSENT),
        "tasks.find_by_child_run": (tasks.find_by_child_run(OTHER, CHILD), ABSENT),
        "tasks.find_pending_retries": (tasks.find_pending_retries(OTHER, at(10**6)), ABSENT),
        "tasks.find_overdue": (tasks.find_overdue(OTHER, at(10**6)), ABSENT),
        "tasks.find_timed_out": (tasks.find_timed_out(OTHER, at(0)), ABSENT),
        "tasks.open_questions": (tasks.open_questions(OTHER), ABSENT),
        "tasks.names_by_state": (_any_names(store, run), ABSENT),
        "tasks.list_tasks": (tasks.list_tasks(OTHER, run.id), ABSENT),
        "tasks.list_attempts": (tasks.list_attempts(OTHER, run.id), ABSENT),
        "state.get_arguments": (state.get_arguments(OTHER, run.id), NotFound),
        "state.get_state": (state.get_state(OTHER, key), NotFound),
        "state.save_state": (state.save_state(OTHER, key, {"b": 2}), None),
        "state.save_state_object": (state.save_state_object(OTHER, key, {"b": 2}), None),
        "state.delete_state": (
            state.delete_state(OTHER, run.workflow_id, StateType.WORKFLOWS),
            ABSENT,
        ),
        "secrets.put": (secrets.put(OTHER, "x"), None),
        "secrets.set": (secrets.set(OTHER, "x", "x"), None),
        "secrets.get": (secrets.get(OTHER, reference), NotFound),
        "secrets.delete": (secrets.delete(OTHER, reference), ABSENT),
        "secrets.list": (secrets.list("third"), ABSENT),
        "secrets.resolve": (secrets.resolve(OTHER, reference), NotFound),
    }


def foreign_keys(store: Store, key: ApiKey) -> dict[str, Any]:
    """Return, by method, a call with the foreign tenant; three name no tenant."""
    keys, new = store.api_keys, NewApiKey(name="x", system=True)
    return {
        "api_keys.create": (keys.create(OTHER, new, subject="x"), None),
        "api_keys.ensure_system": (keys.ensure_system(OTHER, new, subject="x"), None),
        "api_keys.get": (keys.get(OTHER, key.id), NotFound),
        "api_keys.list": (keys.list("third"), ABSENT),
        "api_keys.rename": (keys.rename(OTHER, key.id, "x"), Forbidden),
        "api_keys.revoke": (keys.revoke(OTHER, key.id), Forbidden),
        "api_keys.delete_ended": (keys.delete_ended(OTHER, at(10**9)), ABSENT),
        "api_keys.authenticate": (keys.authenticate(key.prefix), Unauthenticated),
        "api_keys.confirm": (keys.confirm(CHILD), Unauthenticated),
        "api_keys.note_use": (keys.note_use(CHILD), None),
    }


async def _none_counted(store: Store) -> bool:
    return any((await store.runs.count_by_status(OTHER, "7d")).values())


async def _any_names(store: Store, run: Run) -> bool:
    lists = await store.tasks.names_by_state(OTHER, run.id)
    return any((lists.current, lists.completed, lists.failed, lists.skipped))


def _failed() -> Any:
    from flowkeep.contracts import RunStatus

    return RunStatus.FAILED


async def test_no_method_reaches_over_the_border(store: Store) -> None:
    """Reads of a foreign tenant are absent, writes forbidden, and the owner's rows unchanged."""
    definition = await stored(store, app_id="app", tags=["t"], canvas=CANVAS)
    action = await store.actions.create(TENANT, NewAction(ref="a", definition_id=definition.id))
    app = await store.apps.create(TENANT, NewApp(id="app"))
    run, ref = await running(
        store,
        arguments={"a": 1},
        owner="ana",
        definition_id=definition.id,
        parent_run_id=new_id(),
    )
    await store.runs.set_waiting(TENANT, run.id, pause=PauseRequest(paused=True))
    # One that every finder of tasks would find.
    overdue = {"status": TaskStatus.RUNNING, "deadline_at": at(9), "next_retry_at": at(9)}
    late = attempt(ref, "3", external_id="job-1", child_run_id=CHILD, **overdue)
    await store.system.record([attempt(ref), late])
    await store.system.record([attempt(ref, "4", status=TaskStatus.TIMED_OUT)])
    task = await store.tasks.get(
        TENANT, TaskKey(run_id=run.id, temporal_run_id=ref.temporal_run_id, activity_id="3")
    )
    await store.state.save_state(TENANT, "key", {"a": 1})
    reference = await store.secrets.put(TENANT, "secret")
    schedule = await stored_schedule(store)
    hook = await stored_webhook(store)
    issued = await store.api_keys.create(TENANT, NewApiKey(name="k", system=True), subject="ana")

    async def everything() -> list[Any]:
        return [
            await store.runs.get(TENANT, run.id),
            await store.runs.list_events(TENANT, run.id),
            await store.tasks.list_attempts(TENANT, run.id),
            await store.state.get_state(TENANT, "key"),
            await store.state.get_arguments(TENANT, run.id),
            await store.secrets.get(TENANT, reference),
            await store.definitions.get(TENANT, definition.id),
            await store.actions.get(TENANT, action.id),
            await store.apps.get(TENANT, app.id),
            await store.api_keys.get(TENANT, issued.id),
            await store.schedules.get(TENANT, schedule.name),
            await store.schedules.arguments(TENANT, schedule.name),
            await store.webhooks.get(TENANT, hook.id),
            await store.webhooks.deliveries(TENANT, hook.id),
        ]

    before = await everything()
    known = calls(store, await store.runs.get(TENANT, run.id), task, "key", reference)
    known |= foreign_calls(store, definition, action, app)
    known |= foreign_deletes(store, run)
    known |= foreign_keys(store, issued)
    known |= foreign_schedules(store, schedule)
    known |= foreign_webhooks(store, run, hook)
    known |= foreign_statistics(store)
    public = {
        f"{noun}.{name}"
        for noun in (
            "runs",
            "tasks",
            "state",
            "secrets",
            "definitions",
            "actions",
            "apps",
            "retention",
            "statistics",
            "api_keys",
            "schedules",
            "task_logs",
            "webhooks",
        )
        for name, _ in inspect.getmembers(getattr(store, noun), inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert set(known) == public
    for name, (call, expected) in known.items():
        if expected is ABSENT:
            found = await call
            assert not (getattr(found, "data", found)), name
        elif expected is None:
            await call
        else:
            with pytest.raises(expected):
                await call
        assert await everything() == before, name


@pytest.mark.parametrize("tenant", ["", "a\x00", "x" * 1001, None, 7])
async def test_tenants_have_a_name(store: Store, tenant: Any) -> None:
    """A tenant that is no text, empty or unprintable is refused everywhere."""
    with pytest.raises(InvalidInput, match="tenant_id"):
        await store.runs.create(tenant, new_run())
    with pytest.raises(InvalidInput, match="tenant_id"):
        await store.runs.get_paginated_runs(tenant)
    with pytest.raises(InvalidInput, match="tenant_id"):
        await store.state.get_state(tenant, "k")
    with pytest.raises(InvalidInput, match="tenant_id"):
        await store.secrets.put(tenant, "x")
