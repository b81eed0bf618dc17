"""What somebody sees of a tenant: in SQL as of one object, and against a table of its own."""

from itertools import product
from typing import Any
from uuid import UUID

import pytest

from flowkeep.contracts import NewTask, TaskStatus, TaskType
from flowkeep.contracts.sight import Sight
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.definitions import stored
from tests.statestore.records import OTHER, TENANT, new_run

SIGHTS = {
    "member": Sight(subject="ann"),
    "of a": Sight(subject="ann", apps=("a",)),
    "staff of a": Sight(subject="ann", apps=("a", "b"), staff_apps=("a",)),
    "nobody": Sight(subject=None, apps=()),
}


def expected(who: str, owner: str | None, app: str | None, visibility: str) -> bool:
    """Say it in the words of the rules: shared, own, staff, member."""
    if visibility == "shared":
        return True
    own = owner == "ann" and who != "nobody"
    if own or (who == "staff of a" and app == "a"):
        return True
    if visibility == "private":
        return False
    return {
        "member": True,
        "of a": app == "a",
        "staff of a": app in ("a", "b"),
        "nobody": False,
    }[who]


async def test_lists_hold_what_is_seen(store: Store) -> None:
    """Each list, page by page, holds exactly the definitions that the rules let somebody see."""
    rows: dict[UUID, tuple[Any, ...]] = {}
    for owner, app, visibility in product(
        ("ann", "bob", None), ("a", "b", None), ("private", "tenant", "shared")
    ):
        made = await stored(store, owner=owner, app_id=app, visibility=visibility)
        rows[made.id] = (owner, app, visibility)
        for who, sight in SIGHTS.items():
            assert sight.sees(made) is expected(who, owner, app, visibility)
    for who, sight in SIGHTS.items():
        wanted = {one for one, row in rows.items() if expected(who, *row)}
        listed: list[UUID] = []
        more = True
        while more:
            page = await store.definitions.list(
                TENANT, visible_to=sight, limit=5, last_id=listed[-1] if listed else None
            )
            listed += [one.id for one in page]
            more = page.has_more
        assert (len(listed), set(listed)) == (len(wanted), wanted), who
        most = await store.definitions.most_executed(TENANT, 100, visible_to=sight)
        assert {one.id for one in most} == wanted, who
        hidden = next((one for one in rows if one not in wanted), None)
        if hidden is not None:
            with pytest.raises(InvalidInput, match="last_id"):
                await store.definitions.list(TENANT, visible_to=sight, last_id=hidden)


async def ask(store: Store, assignee: list[str], details: Any = None, **run: Any) -> UUID:
    """Let a new run ask, and return it."""
    made = await store.runs.create(TENANT, new_run(**run))
    new = NewTask(
        run_id=made.id,
        task_name="approve",
        type=TaskType.HUMAN,
        status=TaskStatus.WAITING,
        input={"assignee": assignee, "title": "Pay?", "details": details},
    )
    await store.tasks.insert(TENANT, new)
    return made.id


async def test_open_questions_are_those_one_is_asked(store: Store) -> None:
    """Questions are listed to who is asked, to owner and staff; big ones too, and page by page."""
    big = "x" * 20_000
    asked = await ask(store, ["ann", "eve"], owner="bob")
    long = await ask(store, ["ann"], big, owner="bob")
    others = [await ask(store, ["eve"], big if n % 2 else None, owner="bob") for n in range(8)]
    own = await ask(store, ["eve"], owner="ann", app_id="b")
    of_app = await ask(store, ["eve"], big, app_id="a")
    for who, wanted in {
        "member": {asked, long, own},
        "of a": {asked, long, own},
        "staff of a": {asked, long, own, of_app},
        "nobody": set(),
    }.items():
        found: list[UUID] = []
        cursor: str | None = None
        more = True
        while more:
            page = await store.tasks.open_questions(
                TENANT, visible_to=SIGHTS[who], limit=2, cursor=cursor
            )
            assert all(one.input["title"] == "Pay?" for one in page)
            found += [one.run_id for one in page]
            cursor, more = page.data[-1].cursor if page.data else None, page.has_more
        assert (len(found), set(found)) == (len(wanted), wanted), who
    every = await store.tasks.open_questions(TENANT)
    assert {one.run_id for one in every} == {asked, long, *others, own, of_app}
    one = await store.tasks.open_questions(TENANT, run_id=own, name="approve")
    assert [task.run_id for task in one] == [own]
    assert not (await store.tasks.open_questions(TENANT, run_id=own, name="other")).data
    assert not (await store.tasks.open_questions(OTHER)).data


async def test_what_is_no_open_question_is_not_listed(store: Store) -> None:
    """Other waiting tasks are left out, and so are questions that were answered."""
    run_id = await ask(store, ["ann"])
    waiting = NewTask(run_id=run_id, task_name="timer", status=TaskStatus.WAITING)
    await store.tasks.insert(TENANT, waiting)
    [open_] = await store.tasks.open_questions(TENANT)
    await store.tasks.update(TENANT, open_.evolve(status=TaskStatus.SUCCEEDED))
    assert not (await store.tasks.open_questions(TENANT)).data
