"""Definitions that people write: stored, compared and taken back, on a real ledger."""

import asyncio
import json
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from flowkeep.clients.authoring import Authoring, InvalidDefinition
from flowkeep.contracts import Deleted, NewAction, NewRun
from flowkeep.errors import Conflict, InvalidInput, NotFound, RevisionMismatch
from flowkeep.statestore import Store
from tests.clients.authoring_support import BROKEN, TENANT, TEXT, authoring, calling, store

__all__ = ["authoring", "store"]

CANVAS = {
    "z": 1.0,
    "nodes": [{"id": "n", "module": "shop", "steps": ["load", "save"]}],
    "edges": [],
    "a": {"later": None},
}


async def run_of(store: Store, definition_id: Any) -> None:
    fields = {"workflow_id": str(uuid7()), "workflow_type": "D", "task_queue": "q"}
    await store.runs.create(TENANT, NewRun(id=uuid7(), definition_id=definition_id, **fields))


async def test_apply_stores_the_document_and_what_lists_show(authoring: Authoring) -> None:
    """The spec is the whole document; name, tags, version, text and schemas come from it."""
    done = await authoring.apply(TENANT, TEXT, owner="ann", actor="bob")
    found = done.definition
    assert (done.change, done.problems, found.revision) == ("created", [], 0)
    assert (found.ref, found.name, found.version) == ("report", "Daily report", "3")
    assert (found.description, found.tags) == ("What was sold", ("daily",))
    assert (found.owner, found.created_by, found.enabled) == ("ann", "bob", True)
    assert found.spec["tasks"][0]["input"] == {"day": "{{ parameters.day }}"}
    assert found.spec["parameters"] == found.param_schema
    assert [one.step for one in found.components] == ["shop.load"]


async def test_what_is_the_same_is_not_written(authoring: Authoring, store: Store) -> None:
    """Applying the same content again, however it is laid out, makes no revision."""
    first = await authoring.apply(TENANT, TEXT)
    compact = json.dumps(first.definition.spec)
    again = await authoring.apply(TENANT, compact, name="report.json")
    assert (again.change, again.definition.revision) == ("unchanged", 0)
    assert again.definition.updated_at == first.definition.updated_at
    changed = await authoring.apply(TENANT, TEXT.replace("daily", "weekly"))
    assert (changed.change, changed.definition.tags) == ("updated", ("weekly",))
    versions = await store.definitions.versions(TENANT, first.definition.id)
    assert [one.revision for one in versions.data] == [1, 0]


async def test_a_disabled_definition_stays_disabled(authoring: Authoring) -> None:
    """Applying changes the content, not whether runs may start."""
    await authoring.apply(TENANT, TEXT)
    assert (await authoring.set_enabled(TENANT, "report", False)).change == "updated"
    assert (await authoring.set_enabled(TENANT, "report", False)).change == "unchanged"
    done = await authoring.apply(TENANT, TEXT.replace("sold", "bought"))
    assert done.definition.enabled is False


async def test_errors_refuse_it_unless_it_is_a_draft(authoring: Authoring, store: Store) -> None:
    """What has errors is not stored; as a draft it is, with them; corrected, they are gone."""
    with pytest.raises(InvalidDefinition) as caught:
        await authoring.apply(TENANT, BROKEN)
    [problem] = caught.value.problems
    assert (problem.path, problem.line) == ("tasks[0].retry.count", 5)
    assert "4711" not in str(caught.value)
    with pytest.raises(NotFound):
        await authoring.find(TENANT, "report")
    draft = (await authoring.apply(TENANT, BROKEN, draft=True)).definition
    assert (draft.draft, draft.errors) == (True, (problem,))
    whole = (await authoring.apply(TENANT, TEXT)).definition
    assert (whole.draft, whole.errors) == (False, ())
    versions = await store.definitions.versions(TENANT, whole.id)
    assert [one.draft for one in versions.data] == [False]


@pytest.mark.parametrize("text", ["tasks: []", "ref: [a]\n", "ref: x\n  y: 1\n", "- 1\n"])
async def test_a_draft_needs_a_ref(authoring: Authoring, text: str) -> None:
    """What cannot be read, or gives no ref, is not even a draft."""
    with pytest.raises(InvalidDefinition):
        await authoring.apply(TENANT, text, draft=True)


async def test_drafts_keep_what_has_the_wrong_form(authoring: Authoring) -> None:
    """Fields of a draft that are nonsense stay in its spec and are no column."""
    text = "{ref: odd, tags: 3, label: [x], parameters: 7, tasks: no}"
    draft = (await authoring.apply(TENANT, text, draft=True)).definition
    assert (draft.name, draft.tags, draft.param_schema) == ("odd", (), {})
    assert draft.spec["tags"] == 3
    assert draft.errors


async def test_two_appliers_at_once(authoring: Authoring, store: Store) -> None:
    """Who comes second changes what the first one made; none is lost, none is made twice."""
    texts = [TEXT.replace("daily", word) for word in ("one", "two")]
    done = await asyncio.gather(*(authoring.apply(TENANT, text) for text in texts))
    assert sorted(one.change for one in done) == ["created", "updated"]
    done = await asyncio.gather(
        *(authoring.apply(TENANT, TEXT.replace("daily", word)) for word in ("three", "four"))
    )
    assert [one.change for one in done] == ["updated", "updated"]
    versions = await store.definitions.versions(TENANT, done[0].definition.id)
    assert [one.revision for one in versions.data] == [3, 2, 1, 0]


async def test_a_named_revision_is_not_passed_over(authoring: Authoring) -> None:
    """Who names the revision that he read hears that it is not the newest, and changes nothing."""
    with pytest.raises(NotFound):
        await authoring.apply(TENANT, TEXT, expected_revision=0)
    await authoring.apply(TENANT, TEXT)
    newer = await authoring.apply(TENANT, TEXT.replace("daily", "weekly"), expected_revision=0)
    assert newer.definition.revision == 1
    with pytest.raises(RevisionMismatch):
        await authoring.apply(TENANT, TEXT, expected_revision=0)
    assert (await authoring.find(TENANT, "report")).tags == ("weekly",)


async def test_diff_names_paths(authoring: Authoring) -> None:
    """A text is compared with what is stored, versions with one another."""
    new = await authoring.diff(TENANT, TEXT)
    assert new.stored is None
    assert {one.kind for one in new.changes} == {"added"}
    await authoring.apply(TENANT, TEXT)
    assert (await authoring.diff(TENANT, TEXT)).changes == []
    other = TEXT.replace("shop.load", "shop.read")
    [change] = (await authoring.diff(TENANT, other)).changes
    assert (change.path, change.kind) == ("tasks.load.action", "changed")
    await authoring.apply(TENANT, other)
    back = await authoring.diff_revisions(TENANT, "report", 1, 0)
    assert [one.path for one in back.changes] == ["tasks.load.action"]
    assert (await authoring.diff_revisions(TENANT, "report", 0)).changes == [change]
    assert (await authoring.diff(TENANT, TEXT, revision=0)).changes == []
    for call in (
        authoring.diff_revisions(TENANT, "report", 7),
        authoring.diff(TENANT, TEXT, revision=7),
        authoring.diff(TENANT, calling("gone"), revision=0),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(InvalidInput, match="no ref"):
        await authoring.diff(TENANT, "{tasks: []}")


async def test_rollback_is_a_new_version(authoring: Authoring, store: Store) -> None:
    """An earlier version's content becomes the newest version, with its name and tags."""
    first = (await authoring.apply(TENANT, TEXT)).definition
    other = TEXT.replace("Daily report", "Other").replace("shop.load", "shop.read")
    await authoring.apply(TENANT, other)
    done = await authoring.rollback(TENANT, "report", 0, actor="ann")
    assert (done.change, done.definition.revision, done.definition.name) == (
        "updated",
        2,
        "Daily report",
    )
    assert done.definition.spec == first.spec
    versions = await store.definitions.versions(TENANT, first.id)
    assert [one.revision for one in versions.data] == [2, 1, 0]
    assert (await authoring.rollback(TENANT, "report", 2)).change == "unchanged"
    with pytest.raises(NotFound, match="no version 9"):
        await authoring.rollback(TENANT, "report", 9)


async def test_rollback_checks_anew(authoring: Authoring) -> None:
    """A version whose calls would never end by now is refused, and so is a draft's."""
    await authoring.apply(TENANT, calling("a", "b"))
    await authoring.apply(TENANT, calling("a"))
    await authoring.apply(TENANT, calling("b", "a"))
    with pytest.raises(InvalidDefinition, match="a → b → a"):
        await authoring.rollback(TENANT, "a", 0)
    draft = (await authoring.apply(TENANT, BROKEN, draft=True)).definition
    with pytest.raises(InvalidInput, match="is a draft"):
        await authoring.rollback(TENANT, "report", draft.revision)


async def test_delete_removes_or_hides(authoring: Authoring, store: Store) -> None:
    """What runs pin is hidden and its versions can be read; else nothing is left."""
    made = (await authoring.apply(TENANT, TEXT)).definition
    await run_of(store, made.id)
    assert await authoring.delete(TENANT, "report") == (made.id, Deleted.HIDDEN)
    with pytest.raises(NotFound):
        await authoring.find(TENANT, "report")
    assert (await store.definitions.version(TENANT, made.id, 0)).spec == made.spec
    assert await authoring.delete(TENANT, made.id) == (made.id, Deleted.HIDDEN)
    again = (await authoring.apply(TENANT, TEXT)).definition
    assert again.id != made.id
    assert await authoring.delete(TENANT, "report") == (again.id, Deleted.REMOVED)


async def test_delete_unlinks_actions_only_with_force(authoring: Authoring, store: Store) -> None:
    """Actions that stand for a definition keep it, unless they are to be unlinked."""
    made = (await authoring.apply(TENANT, TEXT)).definition
    action = await store.actions.create(TENANT, NewAction(ref="x.y", definition_id=made.id))
    with pytest.raises(Conflict, match=r"x\.y"):
        await authoring.delete(TENANT, "report")
    assert (await authoring.delete(TENANT, "report", force=True))[1] is Deleted.REMOVED
    assert (await store.actions.get(TENANT, action.id)).definition_id is None


async def test_a_canvas_is_kept_as_it_was_drawn(authoring: Authoring, store: Store) -> None:
    """Steps are mapped by the app's state entry, what is given wins, and the canvas stays whole."""
    await store.state.save_state(TENANT, "actions/shop", {"load": "shop.load", "save": "shop.keep"})
    done = await authoring.import_canvas(
        TENANT, CANVAS, ref="drawn", app_id="shop", actions={"shop.save": "shop.store"}
    )
    found = done.definition
    assert (done.change, found.app_id) == ("created", "shop")
    assert json.dumps(found.canvas) == json.dumps(CANVAS)
    assert [task["action"] for task in found.spec["tasks"]] == ["shop.load", "shop.store"]
    assert found.steps_in_modules == {"shop": ["load", "save"]}
    again = await authoring.import_canvas(
        TENANT, CANVAS, ref="drawn", actions={"shop.save": "shop.store"}
    )
    assert again.change == "unchanged"


async def test_a_canvas_with_errors(authoring: Authoring, store: Store) -> None:
    """A step without an action is an error that names its node; a draft keeps both."""
    await store.state.save_state(TENANT, "actions/bad", {"load": 7})
    with pytest.raises(InvalidInput, match="'load'"):
        await authoring.import_canvas(TENANT, CANVAS, ref="drawn", app_id="bad")
    with pytest.raises(InvalidDefinition, match="'n'"):
        await authoring.import_canvas(TENANT, CANVAS, ref="drawn")
    done = await authoring.import_canvas(TENANT, CANVAS, ref="drawn", draft=True)
    assert done.definition.draft
    assert json.dumps(done.definition.canvas) == json.dumps(CANVAS)
    assert any("'n'" in one.path for one in done.definition.errors)


async def test_a_text_over_a_drawing(authoring: Authoring, store: Store) -> None:
    """The drawing goes, told by a warning, when the content is another; its version keeps it."""
    made = (await authoring.import_canvas(TENANT, CANVAS, ref="drawn", app_id="shop")).definition
    same = await authoring.apply(TENANT, json.dumps(made.spec))
    assert (same.change, same.definition.canvas) == ("unchanged", made.canvas)
    done = await authoring.apply(TENANT, calling("drawn"))
    assert done.definition.canvas is None
    assert [one.path for one in done.problems] == ["canvas"]
    assert (await store.definitions.version(TENANT, made.id, 0)).canvas == CANVAS
    back = await authoring.rollback(TENANT, "drawn", 0)
    assert back.definition.canvas == CANVAS
