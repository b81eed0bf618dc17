"""`flowkeep run list|get|tasks|events` on a real ledger, without Temporal."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from flowkeep.cli.app import CALL_FAILED, USAGE
from flowkeep.contracts import Attempt, ErrorInfo, NewRun, Run, RunRef, TaskStatus
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect
from tests.cli.calling import Ask, Call


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """The ledger that the commands use."""
    store = await connect(settings=settings)
    yield store
    await store.close()


async def add_run(store: Store, tenant: str = "default", **values: Any) -> Run:
    """Record a run."""
    fields = {"workflow_id": f"w-{uuid4()}", "workflow_type": "Hello", "task_queue": "q"}
    run = NewRun.model_validate({"id": uuid7(), **fields, **values})
    return await store.runs.create(tenant, run)


def attempt_of(run: Run, activity_id: str, number: int, status: TaskStatus) -> Attempt:
    """One attempt of a task of the run's first execution."""
    now = datetime.now(UTC)
    failed = status is TaskStatus.FAILED
    return Attempt(
        run=RunRef(
            run_id=run.id,
            tenant_id=run.tenant_id,
            namespace=run.namespace,
            workflow_id=run.workflow_id,
            temporal_run_id="t-1",
            workflow_type=run.workflow_type,
            task_queue=run.task_queue,
        ),
        activity_id=activity_id,
        attempt=number,
        task_name=f"fetch-{activity_id}",
        status=status,
        recorded_at=now,
        scheduled_at=now - timedelta(seconds=3),
        started_at=now - timedelta(seconds=2),
        finished_at=now,
        error=ErrorInfo(code="AWAY", type="Away", message="no answer") if failed else None,
    )


async def test_list_filters(store: Store, ask: Ask) -> None:
    """Each filter leaves exactly the runs it describes, newest first."""
    one = await add_run(store, workflow_type="A", owner="ann", labels={"k": "1", "x": "y"})
    two = await add_run(store, workflow_type="B", app_id="app", triggered_from="schedule")
    three = await add_run(store, workflow_type="B", triggered_from="api")
    await add_run(store, tenant="other")
    await store.runs.mark_running("default", two.id, temporal_run_id="t-2")

    async def ids(*words: str) -> list[str]:
        return [run["id"] for run in (await ask("run", "list", *words))["data"]]

    first, second, third = str(one.id), str(two.id), str(three.id)
    assert await ids() == [third, second, first]
    assert await ids("--type", "B") == [third, second]
    assert await ids("--owner", "ann") == [first]
    assert await ids("--app", "app") == [second]
    assert await ids("--status", "running") == [second]
    assert await ids("--label", "k=1", "--label", "x=y") == [first]
    assert await ids("--label", "k=2") == []
    assert await ids("--triggered-from", "api", "--triggered-from", "schedule") == [third, second]
    assert await ids("--since", "1h") == [third, second, first]
    assert await ids("--until", "1h") == []
    assert await ids("--until", (datetime.now(UTC) + timedelta(hours=1)).isoformat()) == [
        third,
        second,
        first,
    ]


async def test_list_pages(store: Store, ask: Ask, call: Call) -> None:
    """Pages follow one another by the id that the page before ended with, and say so."""
    made = [str((await add_run(store)).id) for _ in range(5)]
    page = await ask("run", "list", "--limit", "2")
    seen = [run["id"] for run in page["data"]]
    while page["has_more"]:
        page = await ask("run", "list", "--limit", "2", "--after", page["next"])
        seen += [run["id"] for run in page["data"]]
    assert seen == made[::-1]
    assert page["next"] is None
    shown = await call("run", "list", "--limit", "2")
    assert shown.exit_code == 0
    assert f"--after {made[3]}" in shown.stderr
    assert made[4] in shown.stdout


async def test_list_with_an_unknown_cursor(call: Call) -> None:
    """A cursor that names no run is an error in what was passed."""
    done = await call("run", "list", "--after", str(uuid7()))
    assert done.exit_code == USAGE
    assert len(done.stderr.splitlines()) == 1


async def test_get_by_run_id_and_by_workflow_id(store: Store, ask: Ask, call: Call) -> None:
    """A run is found by its id, and the newest one of a workflow id by that."""
    older = await add_run(store, workflow_id="daily")
    await store.runs.mark_running("default", older.id, temporal_run_id="t-1")
    await store.runs.finish("default", older.id, outputs={"answer": 42})
    newer = await add_run(store, workflow_id="daily")
    assert (await ask("run", "get", str(older.id)))["outputs"] == {"answer": 42}
    assert (await ask("run", "get", "daily"))["id"] == str(newer.id)
    shown = await call("run", "get", str(older.id))
    assert "succeeded" in shown.stdout
    assert '{"answer": 42}' in shown.stdout


@pytest.mark.parametrize("verb", ["get", "tasks", "events", "watch", "pause", "resume", "cancel"])
async def test_unknown_run(verb: str, call: Call) -> None:
    """A run that is not there is told by exit code 3, and the error names it."""
    for name in ("nothing", str(uuid7())):
        done = await call("run", verb, name, "-o", "json")
        assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
        error = json.loads(done.stderr)["error"]
        assert error["code"] == "NOT_FOUND"
        assert name in error["message"]


async def test_run_of_another_tenant_is_absent(store: Store, call: Call) -> None:
    """A run of another tenant looks like no run at all."""
    foreign = await add_run(store, tenant="other")
    assert (await call("run", "get", str(foreign.id))).exit_code == CALL_FAILED
    assert (await call("--tenant", "other", "run", "get", str(foreign.id))).exit_code == 0


async def test_tasks_and_attempts(store: Store, ask: Ask, call: Call) -> None:
    """Tasks show their newest attempt, --attempts shows all, and both page."""
    run = await add_run(store)
    await store.tasks.upsert_attempts(
        "default",
        [
            attempt_of(run, "1", 1, TaskStatus.FAILED),
            attempt_of(run, "1", 2, TaskStatus.SUCCEEDED),
            attempt_of(run, "2", 1, TaskStatus.FAILED),
        ],
    )
    name = str(run.id)
    tasks = await ask("run", "tasks", name)
    assert [(one["task_name"], one["attempt"]) for one in tasks["data"]] == [
        ("fetch-1", 2),
        ("fetch-2", 1),
    ]
    assert tasks["data"][0]["duration_ms"] == pytest.approx(2000)
    page = await ask("run", "tasks", name, "--limit", "1")
    assert page["has_more"]
    rest = await ask("run", "tasks", name, "--limit", "1", "--after", page["next"])
    assert [one["task_name"] for one in rest["data"]] == ["fetch-2"]
    every = await ask("run", "tasks", name, "--attempts", "--limit", "2")
    more = await ask("run", "tasks", name, "--attempts", "--after", every["next"])
    assert [one["attempt"] for one in every["data"] + more["data"]] == [1, 2, 1]
    shown = await call("run", "tasks", name)
    assert "AWAY: no answer" in shown.stdout


async def test_events_newest_first(store: Store, ask: Ask) -> None:
    """Events come newest first and page by their number."""
    run = await add_run(store)
    await store.runs.mark_running("default", run.id, temporal_run_id="t-1")
    await store.runs.request_cancel("default", run.id, reason="enough")
    listed = await ask("run", "events", str(run.id))
    kinds = [event["kind"] for event in listed["data"]]
    assert kinds == ["cancel_requested", "started", "created"]
    assert listed["next"] is None
    page = await ask("run", "events", str(run.id), "--limit", "2")
    rest = await ask("run", "events", str(run.id), "--before", str(page["next"]))
    assert [event["kind"] for event in rest["data"]] == ["created"]


async def test_stored_text_cannot_steer_the_terminal(store: Store, call: Call) -> None:
    """Control characters and markup in stored values are shown, not obeyed."""
    await add_run(store, owner="\x1b[31mred[/] [bold]x[/bold]")
    done = await call("run", "list")
    assert "\x1b" not in done.stdout
    assert "[bold]x[/bold]" in done.stdout
