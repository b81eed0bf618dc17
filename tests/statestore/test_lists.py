"""Lists of runs: every row once, in order, only the tenant's own."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from flowkeep.contracts import PauseRequest, RunKind, RunStatus
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.archived import archive
from tests.statestore.definitions import stored
from tests.statestore.records import OTHER, START, TENANT, at, new_id, new_run, running


async def fill(store: Store, count: int, **fields: Any) -> list[UUID]:
    """Create runs, three to each creation time, and return their ids, newest first."""
    made = []
    async with store.transaction() as tx:
        for n in range(count):
            new = new_run(created_at=START + timedelta(seconds=n // 3), **fields)
            made.append((new.created_at, new.id))
            await tx.runs.create(TENANT, new)
    return [run_id for _, run_id in sorted(made, reverse=True)]


async def walk(store: Store, **filters: Any) -> list[UUID]:
    """Page through a list and return the ids in the order they came."""
    seen: list[UUID] = []
    while True:
        page = await store.runs.get_paginated_runs(
            TENANT, limit=4, last_id=seen[-1] if seen else None, **filters
        )
        seen += [run.id for run in page]
        assert page.limit == 4
        if not page.has_more:
            return seen
        assert len(page) == 4


async def test_paging_passes_over_ties_without_loss_or_repeat(store: Store) -> None:
    """Pages of four over triples of equal times return every run once, newest first."""
    made = await fill(store, 26)
    assert await walk(store) == made


async def test_a_page_that_is_exactly_full_has_no_more(store: Store) -> None:
    """The last row of a list ends it, also on a full page."""
    await fill(store, 4)
    page = await store.runs.get_paginated_runs(TENANT, limit=4)
    assert not page.has_more
    assert not (await store.runs.get_paginated_runs(TENANT, last_id=page.data[-1].id)).data


async def test_several_triggers_are_merged_in_order(store: Store) -> None:
    """Runs of several triggers come as one ordered list, and only those."""
    made = {
        name: set(await fill(store, 9, triggered_from=name)) for name in ("cli", "api", "schedule")
    }
    everything = await walk(store)
    for app_id in ("app", None):
        merged = await walk(store, app_id=app_id, triggered_from=["cli", "schedule", "cli"])
        assert merged == [i for i in everything if i not in made["api"]]
        assert set(await walk(store, app_id=app_id, triggered_from="api")) == made["api"]


async def test_apps_and_owners_narrow_every_list(store: Store) -> None:
    """Several apps are one ordered list, and with an owner only theirs, in each kind of list."""
    made: dict[tuple[str, str], UUID] = {}
    for app in ("a", "b", "c"):
        for owner in ("ana", "bob"):
            run = await store.runs.create(
                TENANT, new_run(app_id=app, owner=owner, workflow_id=app + owner)
            )
            await store.runs.mark_running(TENANT, run.id)
            await store.runs.set_waiting(TENANT, run.id, pause=PauseRequest(paused=True))
            made[app, owner] = run.id
    runs, everything = store.runs, await walk(store)
    two = {made[app, owner] for app in ("a", "c") for owner in ("ana", "bob")}
    assert await walk(store, apps=["a", "c"]) == [i for i in everything if i in two]
    reads: tuple[Any, ...] = (
        runs.get_paginated_runs,
        runs.find_paused,
        partial(runs.list_by_status, status="waiting"),
        partial(runs.find_by_workflow_id, workflow_id="aana"),
    )
    for read in reads:
        page = await read(TENANT, owner="ana", apps=["a"])
        assert [run.id for run in page] == [made["a", "ana"]]
        assert not (await read(TENANT, owner="bob", apps=["d"])).data
    with pytest.raises(InvalidInput, match="one app"):
        await runs.get_paginated_runs(
            TENANT, apps=list("abcdefghi"), triggered_from=list("abcdefghi")
        )


async def test_each_filter_narrows_the_list(store: Store) -> None:
    """App, status, owner, class, definition, labels and times each select their runs."""
    definition = (await stored(store)).id
    new = new_run(
        app_id="other-app",
        owner="ana",
        workflow_type="Special",
        definition_id=definition,
        labels={"team": "data", "tier": "1"},
        created_at=at(50),
    )
    await fill(store, 6)
    await store.runs.create(TENANT, new)
    await store.runs.mark_running(TENANT, new.id)
    filters: list[dict[str, Any]] = [
        {"app_id": "other-app"},
        {"owner": "ana"},
        {"workflow_type": "Special"},
        {"definition_id": definition},
        {"labels": {"tier": "1"}},
        {"since": at(50)},
        {"status": RunStatus.RUNNING},
        {"status": "In Progress"},
    ]
    for wanted in filters:
        found = await store.runs.get_paginated_runs(TENANT, **wanted)
        assert [run.id for run in found] == [new.id], wanted
    assert len(await store.runs.get_paginated_runs(TENANT, until=at(50))) == 6
    for missing in ({"labels": {"tier": "2"}}, {"owner": "bob"}, {"app_id": "none"}):
        assert not (await store.runs.get_paginated_runs(TENANT, **missing)).data


async def test_chunks_are_hidden_unless_asked_for(store: Store) -> None:
    """Chunks of a map stay out of lists by default, and can be listed alone or beside runs."""
    runs = await fill(store, 2)
    chunks = await fill(store, 2, kind=RunKind.CHUNK)
    assert await walk(store) == runs
    assert await walk(store, kinds=[RunKind.CHUNK]) == chunks
    assert set(await walk(store, kinds=list(RunKind))) == {*runs, *chunks}


@pytest.mark.parametrize("limit", [0, 101, -1, True, 2.5, "20"])
async def test_page_sizes_out_of_range_are_refused(store: Store, limit: Any) -> None:
    """A page holds 1 to 100 rows."""
    with pytest.raises(InvalidInput, match="limit"):
        await store.runs.get_paginated_runs(TENANT, limit=limit)


async def test_a_cursor_must_belong_to_the_list(store: Store) -> None:
    """An unknown cursor, or one of another tenant, app or trigger, is refused."""
    (run_id,) = await fill(store, 1)
    foreign = await store.runs.create(OTHER, new_run())
    for last_id, filters in [
        (new_id(), {}),
        (foreign.id, {}),
        (run_id, {"app_id": "other-app"}),
        (run_id, {"triggered_from": "cli"}),
        (run_id, {"workflow_type": "Other"}),
        (run_id, {"kinds": [RunKind.CHUNK]}),
        ("no uuid", {}),
    ]:
        with pytest.raises(InvalidInput, match="last_id"):
            await store.runs.get_paginated_runs(TENANT, last_id=last_id, **filters)  # type: ignore[arg-type]


async def test_a_cursor_stays_good_when_its_run_changes(store: Store) -> None:
    """A run that leaves the filtered status between two pages does not break the paging."""
    ids = await fill(store, 6)
    page = await store.runs.get_paginated_runs(TENANT, limit=3, status="pending")
    await store.runs.mark_running(TENANT, page.data[-1].id)
    rest = await store.runs.get_paginated_runs(
        TENANT, limit=3, status="pending", last_id=page.data[-1].id
    )
    assert [run.id for run in rest] == ids[3:]


@pytest.mark.parametrize(
    "filters",
    [
        {"status": "nonsense"},
        {"triggered_from": []},
        {"triggered_from": [str(n) for n in range(40)]},
        {"kinds": []},
        {"since": START.replace(tzinfo=None)},
        {"tenant_id": ""},
        {"tenant_id": "a\x00b"},
    ],
)
async def test_malformed_filters_are_refused(store: Store, filters: dict[str, Any]) -> None:
    """What cannot select anything is named instead of answered with an empty page."""
    with pytest.raises(InvalidInput):
        await store.runs.get_paginated_runs(**{"tenant_id": TENANT, **filters})


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_text_that_postgresql_does_not_know_is_refused(store: Store, text: str) -> None:
    """NUL and lone surrogates in filters are the caller's error."""
    for filters in ({"owner": text}, {"labels": {"a": text}}, {"triggered_from": text}):
        with pytest.raises(InvalidInput):
            await store.runs.get_paginated_runs(TENANT, **filters)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        await store.runs.find_by_workflow_id(TENANT, text)


async def test_runs_of_a_workflow_id_are_paged(store: Store) -> None:
    """Earlier runs of a workflow_id are found, newest first, page by page."""
    made = []
    for n in range(5):
        run = await store.runs.create(TENANT, new_run(workflow_id="w", created_at=at(n)))
        await store.runs.fail(TENANT, run.id)
        made.insert(0, run.id)
    first = await store.runs.find_by_workflow_id(TENANT, "w", limit=3)
    rest = await store.runs.find_by_workflow_id(TENANT, "w", limit=3, last_id=first.data[-1].id)
    assert [run.id for run in (*first, *rest)] == made
    assert (first.has_more, rest.has_more) == (True, False)


async def test_get_run_by_id_keeps_to_tenant_and_app(store: Store) -> None:
    """A run is found in its tenant and app, or in any app; elsewhere it is absent."""
    run = await store.runs.create(TENANT, new_run())
    assert await store.runs.get_run_by_id(TENANT, "app", run.id) == run
    assert await store.runs.get_run_by_id(TENANT, None, run.id) == run
    assert await store.runs.get_run_by_id(TENANT, "other-app", run.id) is None
    assert await store.runs.get_run_by_id(OTHER, "app", run.id) is None
    with pytest.raises(InvalidInput, match="run_id"):
        await store.runs.get_run_by_id(TENANT, None, "x")  # type: ignore[arg-type]


async def test_archived_runs_stay_in_every_list(store: Store) -> None:
    """Runs that moved to the archive come in their old places, marked, in each list and filter."""
    definition, parent = (await stored(store)).id, new_id()
    made = await fill(
        store,
        9,
        owner="ana",
        definition_id=definition,
        parent_run_id=parent,
        triggered_from="cli",
        labels={"team": "data", "tier": "1"},
    )
    for run_id in made:
        await store.runs.fail(TENANT, run_id)
    rested = [run.id for run in await store.runs.list_by_status(TENANT, "failed")]
    moved = {made[0], made[4], made[5], made[8]}
    await archive(store, *moved)
    runs = store.runs
    filters: list[dict[str, Any]] = [
        {},
        {"app_id": "app"},
        {"status": "failed"},
        {"owner": "ana"},
        {"definition_id": definition},
        {"workflow_type": "Extract"},
        {"triggered_from": ["cli", "api"]},
        {"labels": {"team": "data"}},
        {"labels": {"team": "data", "tier": "1"}, "status": "failed"},
        {"since": START, "until": at(60)},
        {"kinds": list(RunKind)},
    ]
    for wanted in filters:
        assert await walk(store, **wanted) == made, wanted
    for found in (
        await runs.get_paginated_runs(TENANT),
        await runs.list_by_owner(TENANT, "ana"),
        await runs.find_by_definition(TENANT, definition, status="failed"),
        await runs.find_by_parent(TENANT, parent),
    ):
        assert [run.id for run in found] == made
        assert {run.id for run in found if run.archived} == moved
    assert [run.id for run in await runs.list_by_status(TENANT, "failed")] == rested


async def test_a_run_archived_between_two_pages_is_shown_once(store: Store) -> None:
    """Whichever runs move while somebody pages, the cursor's among them, each is shown once."""
    made = await fill(store, 12, labels={"a": "1"})
    for run_id in made:
        await store.runs.fail(TENANT, run_id)
    for filters in ({}, {"labels": {"a": "1"}}):
        seen: list[UUID] = []
        while True:
            page = await store.runs.get_paginated_runs(
                TENANT, limit=3, last_id=seen[-1] if seen else None, **filters
            )
            seen += [run.id for run in page]
            await archive(store, seen[-1], *made[len(seen) + 1 : len(seen) + 2])
            if not page.has_more:
                break
        assert seen == made


async def test_runs_by_status_are_paged_by_when_they_rested(store: Store) -> None:
    """The longest unchanged run comes first, and one that changes between pages hides no other."""
    made = [(await store.runs.create(TENANT, new_run())).id for _ in range(6)]
    await store.runs.patch_state(TENANT, made[0], {"a": 1})
    order = [*made[1:], made[0]]
    first = await store.runs.list_by_status(TENANT, "pending", 3)
    assert ([run.id for run in first], first.has_more) == (order[:3], True)
    last = first.data[-1]
    await store.runs.mark_running(TENANT, last.id)
    rest = await store.runs.list_by_status(
        TENANT, RunStatus.PENDING, 3, last.id, last_updated_at=last.updated_at
    )
    assert ([run.id for run in rest], rest.has_more) == (order[3:], False)
    for wrong in ({"last_id": last.id}, {"last_updated_at": last.updated_at}):
        with pytest.raises(InvalidInput, match="last_updated_at"):
            await store.runs.list_by_status(TENANT, "pending", **wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="last_id"):
        await store.runs.list_by_status(TENANT, "pending", 3, new_id(), last_updated_at=START)


async def test_paused_runs_are_those_with_an_open_pause(store: Store) -> None:
    """Paused runs come latest pause first, page by page, also behind one that was resumed."""
    made = [(await running(store))[0].id for _ in range(7)]
    for run_id in made[:5]:
        await store.runs.set_waiting(TENANT, run_id, pause=PauseRequest(paused=True))
    await store.runs.set_waiting(TENANT, made[5])
    await store.runs.resume(TENANT, made[0])
    first = await store.runs.find_paused(TENANT, 2)
    assert ([run.id for run in first], first.has_more) == ([made[4], made[3]], True)
    await store.runs.resume(TENANT, made[3])
    rest = await store.runs.find_paused(TENANT, 2, made[3])
    assert ([run.id for run in rest], rest.has_more) == ([made[2], made[1]], False)
    for unknown in (made[6], new_id()):
        with pytest.raises(InvalidInput, match="last_id"):
            await store.runs.find_paused(TENANT, last_id=unknown)


async def test_finders_refuse_what_the_lists_refuse(store: Store) -> None:
    """Limits, cursors and texts are checked alike in every list."""
    runs, (run_id,) = store.runs, await fill(store, 1, owner="ana")
    foreign = await runs.create(OTHER, new_run(owner="ana"))
    for call in (
        lambda **page: runs.list_by_owner(TENANT, "ana", **page),
        lambda **page: runs.find_by_definition(TENANT, new_id(), **page),
        lambda **page: runs.find_by_parent(TENANT, new_id(), **page),
        lambda **page: runs.find_by_workflow_id(TENANT, "w", **page),
        lambda **page: runs.find_paused(TENANT, **page),
        lambda **page: runs.list_by_status(TENANT, "failed", **page),
    ):
        for wrong in (0, 101, True, "20"):
            with pytest.raises(InvalidInput, match="limit"):
                await call(limit=wrong)
        for last_id in (foreign.id, new_id(), "no uuid"):
            with pytest.raises(InvalidInput, match="last_"):
                await call(last_id=last_id)
    for wrong_text in ("a\x00", "\ud800", None, 7):
        with pytest.raises(InvalidInput):
            await runs.list_by_owner(TENANT, wrong_text)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            await runs.list_by_status(TENANT, wrong_text)  # type: ignore[arg-type]
    for wrong_id in ("x", None):
        with pytest.raises(InvalidInput):
            await runs.find_by_definition(TENANT, wrong_id)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            await runs.find_by_parent(TENANT, wrong_id)  # type: ignore[arg-type]
    assert [run.id for run in await runs.list_by_owner(TENANT, "ana", last_id=None)] == [run_id]
